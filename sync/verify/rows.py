"""The rows: each seal, the digests of the sets, and the sources' own rows."""

from collections import Counter
from datetime import datetime

from config.meaning import differences, meaning_of
from config.settings import Settings
from foundation.translation import N_, tr
from status_db.ledger import raw_rows
from status_db.ledger.reader import LedgerReader
from status_db.ledger.seals import NOTHING, Seals, moved
from status_db.ledger.sets import (
    APPLIED_SETTINGS,
    BEHIND,
    CERTIFICATE_SET,
    DECISION_SET,
    ROSTER_SET,
    is_set,
    records_of,
    state_of,
)
from sync.verify.chain import Chain
from sync.verify.disagreements import DisagreementList
from sync.verify.findings import ShareFindings, basis_of, decision_key

_CERTIFICATE_NUMBER = raw_rows.CERTIFICATE.index("number")
_STATE = {name: at for at, name in enumerate(raw_rows.STATE)}

#: The verdict of a record → the column in which its source counts it.
_COUNTED = {"held": "held", "unknown": "unknown", "exempt": "exempt", "cleared": "done"}

_UNRECORDED = N_(
    "the settings are not recorded for this cohort yet, so findings were not derived again. Record them: clearance sync"
)
_PENDING = N_(
    "the settings file differs from the settings that are applied, and the marks were checked "
    "against those. See what applying it would change: clearance plan"
)


class Rows:
    """Checks everything about each student, then the sets and the sources."""

    def __init__(
        self,
        reader: LedgerReader,
        settings: Settings,
        seals: Seals,
        found: DisagreementList,
        chain: Chain,
        now: datetime,
    ) -> None:
        self._reader = reader
        self._settings = settings
        self._seals = seals
        self._found = found
        self._chain = chain
        self._now = now
        self.looked_at = {"students": 0, "records": 0, "decisions": 0, "certificates": 0, "statuses": 0}
        self._weights: Counter[str] = Counter()
        self._states = reader.states()
        self._steps = reader.steps()
        # Where a flip is altered already, its result would be reported as a fault of other rows.
        self._basis = basis_of(reader, settings, now, folds=not found.anything_in("flip"))

    def check(self) -> None:
        """Check all students, some at a time, then the sets and the sources."""
        for share in self._reader.shares():
            self._check_seals(share)
            ShareFindings(self._basis, self._found, share).check()
        self._check_behind()
        self._check_sets()
        self._check_settings()
        for name, row in sorted(self._states.items()):
            self._check_state(name, row)
        for name, (_, link) in sorted(self._chain.newest.items()):
            if name.startswith("source:") and name.removeprefix("source:") not in self._states:
                key = name.removeprefix("source:")
                self._found.add("source_state", "gone", key, tr("is missing, but link {link} covers it", link=link))

    def notes(self) -> tuple[str, ...]:
        """Return the changes of settings that are not applied yet: they are not a disagreement."""
        if not self._basis.recorded:
            return (tr(_UNRECORDED),)
        own = meaning_of(self._settings)
        if own.digest == self._basis.meaning.digest:
            return ()
        return (tr(_PENDING), *differences(self._basis.meaning, own))

    def _check_settings(self) -> None:
        """Check the applied settings against the newest link."""
        row, (sealed, _) = self._reader.applied_settings(), self._chain.newest.get(APPLIED_SETTINGS, (None, 0))
        if row is None:
            if sealed is not None:
                self._found.add(
                    "applied_settings", "gone", tr("the settings"), tr("are missing, but the ledger has them")
                )
        elif row.mac is None or self._seals.row("applied_settings", row.values) != row.mac or row.mac.hex() != sealed:
            self._found.add("applied_settings", "seal", tr("the settings"), tr("do not match their seal"))

    def _check_seals(self, share: raw_rows.NumberRange) -> None:
        for row in share.people:
            self._check_seal("student", ROSTER_SET, str(row.values[raw_rows.STUDENT.index("student")]), row)
        for row in share.records:
            _, source, student, *_ = row.values
            self._check_seal("record", records_of(source), f"{source} {student}", row)
        for row in share.decisions:
            self._check_seal("decision", DECISION_SET, decision_key(row.values), row)
        for row in share.certificates:
            self._check_seal("certificate", CERTIFICATE_SET, _certificate_key(row), row)
        self.looked_at["certificates"] += len(share.certificates)
        self.looked_at["students"] += len(share.people)
        self.looked_at["records"] += len(share.records)
        self.looked_at["decisions"] += len(share.decisions)
        self.looked_at["statuses"] += len(share.statuses)

    def _check_behind(self) -> None:
        """Check expected changes, votes and batches, where the ledger seals them."""
        for table, name in BEHIND.items():
            if name in self._chain.newest:
                for row in self._reader.behind(table):
                    self._check_seal(table, name, f"{table} {row.values[0]}", row)

    def _check_seal(self, table: str, name: str, key: str, row: raw_rows.SealedRow) -> None:
        self._weights[name] += self._seals.weight(row.mac)
        if row.mac is None:
            self._found.add(table, "unsealed", key, tr("has no seal: another program wrote it"))
        elif self._seals.row(table, row.values) != row.mac:
            self._found.add(table, "seal", key, tr("does not match its seal"))

    def _check_sets(self) -> None:
        sealed = {name: digest for name, (digest, _) in self._chain.newest.items() if is_set(name)}
        table_of = {ROSTER_SET: "student", DECISION_SET: "decision", CERTIFICATE_SET: "certificate"}
        table_of |= {name: table for table, name in BEHIND.items()}
        for name in sorted({*sealed, *self._weights}):
            if moved(NOTHING, self._weights[name]).hex() != sealed.get(name, NOTHING.hex()):
                self._found.add(
                    table_of.get(name, "record"), "set", name,
                    tr("does not match the newest link: rows were removed, added, or restored to an older state"),
                )  # fmt: skip

    def _check_state(self, name: str, row: raw_rows.Values) -> None:
        sealed, _ = self._chain.newest.get(state_of(name), (None, 0))
        if sealed is None:
            if row[2:] != raw_rows.BLANK_STATE:
                self._found.add("source_state", "row", name, tr("is marked as asked, but has no link"))
        elif self._seals.digest("source", row) != sealed:
            self._found.add("source_state", "row", name, tr("does not match the newest link"))
        self._check_step(name)
        if name in self._basis.meaning.sources and not self._found.anything_in("record", "student", "status"):
            counted = self._basis.counts.get(name, Counter())
            for verdict, column in _COUNTED.items():
                if row[_STATE[column]] != counted[verdict]:
                    what = tr(
                        "counts {count} records as {verdict}, but there are {stored}",
                        count=row[_STATE[column]],
                        verdict=verdict,
                        stored=counted[verdict],
                    )
                    self._found.add("source_state", "counts", name, what)

    def _check_step(self, name: str) -> None:
        """Check that a source's row has the step from the applied settings."""
        source, step = self._basis.meaning.sources.get(name), self._steps.get(name)
        if self._basis.recorded and source is not None and step != source.step:
            self._found.add(
                "source_state",
                "step",
                name,
                tr("counts for {step}, but the applied settings have {applied}", step=step, applied=source.step),
            )


def _certificate_key(row: raw_rows.SealedRow) -> str:
    return tr("certificate {number}", number=row.values[_CERTIFICATE_NUMBER])
