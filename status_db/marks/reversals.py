"""Reversals: the records that an approved run replaced, kept so that a wrong approval can be reverted.

The sync keeps them in the transaction that applies the run, under a seal, and never changes them.
"""

import json
import zlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, insert, select

from foundation.chunks import chunked
from foundation.refusals import Refused
from foundation.translation import tr
from status_db import tables
from status_db.ledger.key import LedgerRefused
from status_db.ledger.seals import Seals
from status_db.marks.revert_plans import LaterReview
from status_db.model import Reason, Record, Verdict
from status_db.tables import json_text, obligations_from_text, obligations_to_text

#: How many values fit into one IN on every database.
_CHUNK = 5_000


class ReversalCode(StrEnum):
    """Why a run is not reverted."""

    #: The run kept no records of what it replaced.
    NOTHING_KEPT = "nothing_kept"
    #: The settings no longer have the run's source.
    NO_SOURCE = "no_source"


class ReversalRefused(Refused[ReversalCode]):
    """A run that cannot be reverted; the text states why, and ends with the fix."""


@dataclass(frozen=True, slots=True)
class ReplacedRecord:
    """What one approved run did to one student's record."""

    student: str
    #: The record before; None where there was none.
    before: Record | None
    #: The digest of the record that the run wrote; empty where it removed the record.
    after: bytes
    #: The run cleared the student, in the source's own verdict.
    cleared: bool


@dataclass(frozen=True, slots=True)
class Reversal:
    """The records that one approved run replaced."""

    run: int
    at: datetime
    replaced: tuple[ReplacedRecord, ...]

    @property
    def cleared(self) -> frozenset[str]:
        """Return the students that the run cleared."""
        return frozenset(one.student for one in self.replaced if one.cleared)


def keep(connection: Connection, seals: Seals, run: int, at: datetime, replaced: Iterable[ReplacedRecord]) -> None:
    """Keep what an approved run replaces."""
    listed = [
        [one.student, _record_to_list(one.before), one.after.hex(), one.cleared]
        for one in sorted(replaced, key=lambda r: r.student)
    ]
    records = zlib.compress(json_text({"at": at.isoformat(), "replaced": listed}).encode("utf-8", "surrogatepass"))
    mac = seals.row("reversal", (run, records))
    connection.execute(insert(tables.reversal).values(run=run, records=records, mac=mac))


def read(connection: Connection, seals: Seals, run: int) -> Reversal:
    """Return what a run replaced. Raises ReversalRefused where nothing is kept, LedgerRefused for altered records."""
    table = tables.reversal
    row = connection.execute(select(table).where(table.c.run == run)).one_or_none()
    if row is None:
        raise ReversalRefused(
            ReversalCode.NOTHING_KEPT,
            tr(
                "run {run} cannot be reverted: only a run of a source that was approved after it was "
                "suspended keeps what it replaced. See how it ended: clearance runs show {run}",
                run=run,
            ),
        )
    if seals.row("reversal", (run, row.records)) != row.mac:
        raise LedgerRefused(
            tr(
                "The stored records of run {run} were altered after it was approved, so it cannot be "
                "reverted. Find out who can write to the status database, and restore a backup that verifies.",
                run=run,
            )
        )
    kept = json.loads(zlib.decompress(row.records).decode("utf-8", "surrogatepass"))
    replaced = (
        ReplacedRecord(student, _record_from_list(student, before), bytes.fromhex(after), cleared)
        for student, before, after, cleared in kept["replaced"]
    )
    return Reversal(run, datetime.fromisoformat(kept["at"]), tuple(replaced))


def given_since(
    connection: Connection, cohort: str, students: Collection[str], review_steps: Collection[str], since: datetime
) -> tuple[tuple[LaterReview, ...], tuple[LaterReview, ...]]:
    """Return the reviews passed and the certificates issued for these students since, unless withdrawn."""
    decision, certificate = tables.decision, tables.certificate
    reviews: list[LaterReview] = []
    issued: list[LaterReview] = []
    for chunk in chunked(sorted(students), _CHUNK):
        given = select(decision).where(
            decision.c.cohort == cohort,
            decision.c.student.in_(chunk),
            decision.c.step.in_(list(review_steps)),
            decision.c.verdict == Verdict.CLEARED,
            decision.c.decided_at >= since,
            decision.c.withdrawn_at.is_(None),
        )
        reviews += [LaterReview(r.student, r.step, r.author, r.decided_at) for r in connection.execute(given)]
        handed = select(certificate).where(
            certificate.c.cohort == cohort,
            certificate.c.student.in_(chunk),
            certificate.c.issued_at >= since,
            certificate.c.revoked_at.is_(None),
        )
        issued += [LaterReview(r.student, r.number, r.issued_by, r.issued_at) for r in connection.execute(handed)]
    return tuple(reviews), tuple(issued)


def _record_to_list(record: Record | None) -> list[object] | None:
    if record is None:
        return None
    evidence = obligations_to_text(record.obligations)
    return [record.verdict, record.reason, evidence, record.doubt, record.digest.hex()]


def _record_from_list(student: str, kept: list[str] | None) -> Record | None:
    if kept is None:
        return None
    verdict, reason, evidence, doubt, digest = kept
    return Record(
        student, Verdict(verdict), Reason(reason), obligations_from_text(evidence), doubt, bytes.fromhex(digest)
    )
