"""Verify: check that the stored rows agree with the ledger, with each other, and with the rule.

Only rows with a valid seal are trusted; findings are derived again from stored records. A disagreement is reported by
table and key: the first of each kind, with how many more there are. Settings that have changed since are not a
disagreement: they are reported as a note.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from config.settings import Settings
from foundation.translation import tr
from status_db.ledger.reader import LedgerReader
from status_db.ledger.seals import NOTHING, Seals
from sync.verify.chain import Chain
from sync.verify.disagreements import Disagreement, DisagreementList
from sync.verify.rows import Rows


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was checked, and what does not agree."""

    cohort: str
    #: The newest link and its seal as hex, as in the log; None where there is no ledger.
    head: tuple[int, str] | None
    #: links, runs, flips, students, records, decisions, statuses
    looked_at: Mapping[str, int]
    disagreements: tuple[Disagreement, ...]
    notes: tuple[str, ...]

    @property
    def sound(self) -> bool:
        """Return whether everything agrees."""
        return not self.disagreements


def verify(
    connection: Connection,
    settings: Settings,
    cohort: str,
    seals: Seals,
    now: datetime,
    heads: Mapping[int, str] | None = None,
) -> VerifyReport:
    """Check everything about a cohort, in the one consistent read of `connection`.

    `heads` are links and their seals as hex, from the log: only they can show that the newest links were cut off.
    """
    reader, found = LedgerReader(connection, cohort), DisagreementList()
    newest = reader.last_two()
    if not newest:
        return _without_a_ledger(reader, cohort, found, heads or {})
    if not _is_the_key(reader, seals):
        found.add(
            "ledger",
            "key",
            tr("link {number}", number=1),
            tr("is not sealed with this key, nor is the newest link: the key belongs to another ledger"),
        )
        return VerifyReport(cohort, None, {}, found.listed(), ())
    chain = Chain(reader, seals, found)
    chain.follow(heads or {})
    rows = Rows(reader, settings, seals, found, chain, now)
    rows.check()
    return VerifyReport(
        cohort,
        (newest[0].values[1], (newest[0].mac or b"").hex()),
        chain.looked_at | rows.looked_at,
        found.listed(),
        (*chain.notes(settings.institution.timezone), *rows.notes()),
    )


def _is_the_key(reader: LedgerReader, seals: Seals) -> bool:
    """Return whether the key seals the first link or the newest: it is unlikely that both were altered."""
    first = next(reader.links())
    if seals.link(NOTHING, first.values) == first.mac:
        return True
    newest, *before = reader.last_two()
    return bool(before) and seals.link(before[0].mac or b"", newest.values) == newest.mac


def _without_a_ledger(
    reader: LedgerReader, cohort: str, found: DisagreementList, heads: Mapping[int, str]
) -> VerifyReport:
    if reader.any_sealed() or heads:
        found.add(
            "ledger", "gone", tr("link {number}", number=1), tr("is missing, as all links are: the ledger was removed")
        )
    return VerifyReport(
        cohort, None, {}, found.listed(), (tr("there is no ledger yet: the next run or decision begins it"),)
    )


__all__ = ["Disagreement", "VerifyReport", "verify"]
