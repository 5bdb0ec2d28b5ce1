"""Findings derived again: from stored records, the roster and the settings, with the rule that every run uses."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias

from config.meaning import Meaning, meaning_of
from config.settings import Settings
from foundation.translation import tr
from status_db.ledger import raw_rows
from status_db.ledger.reader import AppliedRun, LedgerReader
from status_db.model import FIRST_FINDING, NOT_IN_FLOW, ROSTER, Finding, Reason, Record, StepKind, Verdict
from status_db.tables import json_text, obligations_from_text
from sync.rule import roster
from sync.rule.step import SourcePart, of_step
from sync.verify.disagreements import DisagreementList

_PERSON = {name: at for at, name in enumerate(raw_rows.STUDENT)}
_RECORD = {name: at for at, name in enumerate(raw_rows.RECORD)}
_DECISION = {name: at for at, name in enumerate(raw_rows.DECISION)}
_STATE = {name: at for at, name in enumerate(raw_rows.STATE)}
_FLIP = {name: at + 1 for at, name in enumerate(raw_rows.FLIP)}

#: What counts for a step that has ended and started again: any verdict.
_ANYTHING = ""

#: A finding as its row has it: verdict, reason, and its obligations' keys as they are written.
_RowValues: TypeAlias = tuple[str, str, str | None]


class _Unreadable(Exception):  # noqa: N818 - named by what is so
    """A stored value that the program never writes."""


def _read_moment(value: Any) -> datetime | None:  # noqa: ANN401 - as the driver gives it
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError as error:
            raise _Unreadable from error
    if value is None or (isinstance(value, datetime) and value.tzinfo is not None):
        return value.astimezone(UTC) if value is not None else None
    raise _Unreadable


@dataclass(frozen=True)
class Basis:
    """What findings depend on beside the students' own rows."""

    #: The meaning of the applied settings.
    meaning: Meaning
    #: The settings are recorded: every finding follows from them. Otherwise findings cannot be derived again.
    recorded: bool
    #: The run that last changed the settings; an earlier finding may name a source of another step.
    settings_run: int
    now: datetime
    #: Flow → its steps and their kinds.
    steps: Mapping[str, Sequence[tuple[str, StepKind]]]
    #: Flips are as they were written, so that their result can be compared with what counts.
    folds: bool
    applied: Mapping[int, AppliedRun]
    roster_ends: frozenset[Any]
    #: Student → the sources with a recheck of that student.
    rechecked: Mapping[str, set[str]]
    #: When each source's last good snapshot began.
    began: Mapping[str, datetime | None]
    #: Source → how many records it has of each verdict, counted as the source's row does.
    counts: dict[str, Counter[str]] = field(default_factory=dict)
    silent: dict[tuple[Any, ...], Finding] = field(default_factory=dict)
    moments: dict[Any, datetime | None] = field(default_factory=dict)


def recorded_settings(reader: LedgerReader) -> tuple[Meaning | None, int]:
    """Return the meaning of the recorded settings and the run that last changed them; None where it cannot be read."""
    row = reader.applied_settings()
    if row is None:
        return None, 0
    values = dict(zip(raw_rows.APPLIED, row.values, strict=True))
    try:
        return Meaning.from_text(values["meaning"]), values["run"] or 0
    except (ValueError, TypeError, KeyError, AttributeError):
        # The check of its seal reports that it was altered.
        return None, 0


def basis_of(reader: LedgerReader, settings: Settings, now: datetime, *, folds: bool) -> Basis:
    """Read what findings depend on beside the students' own rows."""
    applied = reader.applied()
    meaning, run = recorded_settings(reader)
    known = meaning if meaning is not None else meaning_of(settings)
    return Basis(
        meaning=known,
        recorded=meaning is not None,
        settings_run=run,
        now=now,
        steps={
            flow: tuple((step, StepKind(kind)) for step, kind, _ in meant.entries)
            for flow, meant in known.flows.items()
        },
        folds=folds,
        applied=applied,
        roster_ends=frozenset(run.ended for run in applied.values() if run.source == ROSTER),
        rechecked=reader.rechecked(),
        began={name: _began_at(row) for name, row in reader.states().items()},
    )


def _began_at(row: raw_rows.Values) -> datetime | None:
    try:
        return _read_moment(row[_STATE["began"]])
    except _Unreadable:
        return None


def decision_key(values: raw_rows.Values) -> str:
    """Return the key of a decision, for reports."""
    number, student, step = (values[_DECISION[name]] for name in ("decision", "student", "step"))
    return tr("decision {number} ({student} {step})", number=number, student=student, step=step)


class ShareFindings:
    """Checks what is stored about the students in one range of numbers."""

    def __init__(self, basis: Basis, found: DisagreementList, share: raw_rows.NumberRange) -> None:
        self._basis = basis
        self._share = share
        self._found = found
        self._people: dict[str, raw_rows.Values] = {row.values[_PERSON["student"]]: row.values for row in share.people}
        self._records: dict[str, dict[str, Record]] = {}
        #: Students with an unreadable stored value: the check of its seal has already reported it.
        self._unreadable: set[str] = set()
        #: The verdict of the current decision, by student and step; None when it no longer counts.
        self._decided: dict[tuple[str, str], str | None] = {}
        #: Student and step of decisions with an end: the end writes no flip.
        self._ending: set[tuple[str, str]] = set()

    def check(self) -> None:
        """Check everything that follows from the sealed rows."""
        for student, alias in self._share.astray:
            self._found.add(
                "student", "astray", student, tr("is not a student, but has the alias {alias}", alias=alias)
            )
        for row in self._share.records:
            self._read_record(row.values)
        for row in self._share.decisions:
            self._check_decision(row.values)
        self._count_records()
        counts = self._fold_flips()
        present: dict[str, set[str]] = {}
        for status in self._share.statuses:
            present.setdefault(status[1], set()).add(status[2])
            self._check_status(status, counts)
        if self._basis.recorded:
            for number, person in self._people.items():
                for step in sorted(set(self._kinds(person)) - present.get(number, set())):
                    self._found.add("status", "missing", f"{number} {step}", tr("is missing"))

    def _kinds(self, person: raw_rows.Values) -> dict[str, StepKind]:
        """Return the steps of an active student's flow; none for others."""
        flow = person[_PERSON["flow"]] if person[_PERSON["active"]] else None
        return dict(self._basis.steps.get(flow or "", ()))

    def _read_record(self, values: raw_rows.Values) -> None:
        source, student = values[_RECORD["source"]], values[_RECORD["student"]]
        try:
            record = Record(
                student,
                Verdict(values[_RECORD["verdict"]]),
                Reason(values[_RECORD["reason"]]),
                obligations_from_text(values[_RECORD["obligations"]]),
            )
        except (ValueError, TypeError, ArithmeticError):
            self._unreadable.add(student)
            return
        self._records.setdefault(student, {})[source] = record

    def _check_decision(self, values: raw_rows.Values) -> None:
        student, step = values[_DECISION["student"]], values[_DECISION["step"]]
        key = decision_key(values)
        withdrawn = values[_DECISION["withdrawn_at"]] is not None
        if withdrawn != (values[_DECISION["withdrawn_by"]] is not None) or values[_DECISION["verdict"]] == "unknown":
            self._found.add("decision", "shape", key, tr("is not a decision that can be entered or withdrawn"))
        if values[_DECISION["until"]] is not None:
            self._ending.add((student, step))
        if not withdrawn:
            try:
                until = _read_moment(values[_DECISION["until"]])
            except _Unreadable:
                self._unreadable.add(student)
                return
            counts = until is None or until > self._basis.now
            self._decided[student, step] = values[_DECISION["verdict"]] if counts else None

    def _count_records(self) -> None:
        """Count records as their sources do: those of active students with the step."""
        basis = self._basis
        has = {(status[1], status[2]) for status in self._share.statuses}
        for student, by_source in self._records.items():
            person = self._people.get(student)
            if person is None or not person[_PERSON["active"]]:
                continue
            for name, record in by_source.items():
                source = basis.meaning.sources.get(name)
                if source is not None and (student, source.step) in has:
                    basis.counts.setdefault(name, Counter())[record.verdict] += 1

    def _fold_flips(self) -> dict[tuple[str, str], str]:
        """Follow what counts from flip to flip; return the result by student and step."""
        counts: dict[tuple[str, str], str] = {}
        if not self._basis.folds:
            return counts
        for flip in self._share.flips:
            student, step, before, after = (flip[_FLIP[name]] for name in ("student", "step", "before", "after"))
            at, reason = (student, step), flip[_FLIP["reason"]]
            counted = counts.get(at, "unknown")
            if counted not in (before, _ANYTHING) and at not in self._ending and reason != NOT_IN_FLOW:
                what = tr(
                    "moves from {before} to {after}, but {counted} counted before it",
                    before=before,
                    after=after,
                    counted=counted,
                )
                self._found.add(
                    "flip",
                    "order",
                    tr("flip {flip} ({student} {step})", flip=flip[0], student=student, step=step),
                    what,
                )
            # A step that has ended starts again, under any current decision.
            counts[at] = _ANYTHING if reason == NOT_IN_FLOW else after
        return counts

    def _check_status(self, status: raw_rows.Values, counts: Mapping[tuple[str, str], str]) -> None:
        _, student, step, verdict, reason, keys, since, run = status
        key, person = f"{student} {step}", self._people.get(student)
        if person is None:
            self._found.add("status", "no_student", key, tr("is not about a student on the roster"))
            return
        if student in self._unreadable:
            return
        if self._basis.folds and (student, step) not in self._ending:
            now, by_flips = self._decided.get((student, step)) or verdict, counts.get((student, step), "unknown")
            if by_flips not in (now, _ANYTHING):
                self._found.add(
                    "status",
                    "flips",
                    key,
                    tr("counts as {now}, but its flips end in {by_flips}", now=now, by_flips=by_flips),
                )
        self._check_run_of_finding(key, student, step, since, run)
        if not person[_PERSON["active"]]:
            return
        kind = self._kinds(person).get(step)
        if not self._basis.recorded:
            return
        if kind is None:
            if person[_PERSON["flow"]] in self._basis.steps:
                self._found.add("status", "extra", key, tr("is not a step of this student's flow"))
            return
        try:
            wanted = self._expected(student, step, kind, person, (verdict, reason, keys))
        except (_Unreadable, ValueError, TypeError):
            self._found.add(
                "status", "finding", key, tr("cannot be derived again: it, or its student's row, is unreadable")
            )
            return
        if wanted is None:
            return
        what = tr(
            "is {verdict} ({reason}), but {wanted} follows from what is stored",
            verdict=verdict,
            reason=reason,
            wanted=_finding_text(wanted),
        )
        self._found.add("status", "finding", key, what)

    def _check_run_of_finding(self, key: str, student: str, step: str, since: Any, run: int | None) -> None:  # noqa: ANN401 - as the driver gives it
        """Check that the run of a finding can have found it."""
        basis = self._basis
        if run is None:
            if since not in basis.roster_ends:
                self._found.add("status", "since", key, tr("dates from a moment at which no roster was applied"))
            return
        by = basis.applied.get(run)
        if by is None:
            self._found.add("status", "run", key, tr("names run {run}, which was never applied", run=run))
            return
        source = basis.meaning.sources.get(by.source)
        other_step = source is not None and source.step != step and run > basis.settings_run
        if by.ended != since or other_step or by.student not in (None, student):
            self._found.add(
                "status", "run", key, tr("names run {run}, which cannot have found this at that time", run=run)
            )

    def _expected(
        self, student: str, step: str, kind: StepKind, person: raw_rows.Values, stored: _RowValues
    ) -> Finding | None:
        """Return the finding that should be stored, when another one is stored."""
        if kind is not StepKind.SYNCED:
            first = FIRST_FINDING[kind]
            return None if stored == _row_values(first) else first
        basis = self._basis
        joined = self._joined_at(person)
        sources = basis.meaning.sources_of(step)
        records = [self._records.get(student, {}).get(name) for name in sources]
        asked = [roster.asked_since(basis.began.get(name), joined) for name in sources]
        exempt = self._is_exempt(step, person)
        finding = self._derived_finding(step, sources, records, asked, exempt=exempt)
        if stored == _row_values(finding):
            return None
        if stored == _row_values(FIRST_FINDING[kind]) and not any(asked) and not any(records):
            # No source has been asked since: also an exemption is stored with the first answer only.
            return None
        alone = basis.rechecked.get(student, set())
        if alone:
            asked = [a or name in alone for a, name in zip(asked, sources, strict=True)]
            if stored == _row_values(self._derived_finding(step, sources, records, asked, exempt=exempt)):
                return None
        return finding

    def _joined_at(self, person: raw_rows.Values) -> datetime:
        basis, value = self._basis, person[_PERSON["joined_at"]]
        if value not in basis.moments:
            basis.moments[value] = _read_moment(value)
        joined = basis.moments[value]
        if joined is None:
            raise _Unreadable
        return joined

    def _is_exempt(self, step: str, person: raw_rows.Values) -> bool:
        conditions = self._basis.meaning.exempt.get(step, ())
        if not conditions:
            return False
        particulars = {column: person[_PERSON[column]] for column in roster.COLUMNS}
        return roster.exempt(conditions, particulars | json.loads(person[_PERSON["extra"]]))

    def _derived_finding(
        self,
        step: str,
        sources: Sequence[str],
        records: Sequence[Record | None],
        asked: Sequence[bool],
        *,
        exempt: bool,
    ) -> Finding:
        basis = self._basis
        flags = (step, exempt, *asked) if not any(records) else None
        if flags is not None and flags in basis.silent:
            return basis.silent[flags]
        absents = [Verdict(basis.meaning.sources[name].absent) for name in sources]
        finding = of_step([SourcePart(r, a, k) for r, a, k in zip(records, absents, asked, strict=True)], exempt=exempt)
        if flags is not None:
            basis.silent[flags] = finding
        return finding


def _row_values(finding: Finding) -> _RowValues:
    """Return a finding as it is stored in its row."""
    return finding.verdict.value, finding.reason.value, json_text(list(finding.keys)) if finding.evidence else None


def _finding_text(finding: Finding) -> str:
    if not finding.keys:
        return f"{finding.verdict} ({finding.reason})"
    keys = ", ".join(finding.keys)
    return tr("{verdict} ({reason}) for {keys}", verdict=finding.verdict, reason=finding.reason, keys=keys)
