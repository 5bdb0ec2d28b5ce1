"""The marks: records, findings and the flips that runs make. Only the sync writes here.

Every write is one short transaction. A run is closed in the transaction that applies it, so that a crash leaves the old
state or the new one, and a stalled owner that resumes late writes nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, select, update

from config.meaning import Meaning
from status_db import tables
from status_db.effective.history import write_flips
from status_db.ledger.chain import Ledger, LinkKind, PendingLink
from status_db.ledger.sets import records_of
from status_db.marks import applied_settings, reversals
from status_db.marks.current import CurrentState
from status_db.marks.leases import Runs
from status_db.marks.reversals import Reversal
from status_db.marks.runs import AnswerOvertaken, BaseMoved, Lease, Pull, RunEnding, Writes
from status_db.model import Cause, Finding, Verdict
from status_db.outbox.rows import enter_flips
from status_db.outbox.run_notices import RunNotices
from status_db.store import bulk

#: How many row counts of good pulls are kept for the guard.
_RECENT = 5


class Marks(Runs):
    """Writes one cohort's marks."""

    def __init__(
        self,
        engine: Engine,
        cohort: str,
        ledger: Ledger,
        meaning: Meaning | None = None,
        notices: RunNotices | None = None,
    ) -> None:
        """`meaning` is what the settings mean: answers are applied with it. `notices` as for `Runs`."""
        super().__init__(engine, cohort, ledger, notices)
        self._meaning = meaning

    @contextmanager
    def _linking(self, lease: Lease, ending: RunEnding) -> Iterator[tuple[Connection, PendingLink]]:
        """Yield the connection for the writes, and the link of the run that ends with them."""
        with self._ledger.linking(self._engine, at=ending.at, kind=LinkKind.RUN, run=lease.run) as (connection, entry):
            entry.watch_states([lease.source])
            yield connection, entry

    def unchanged(self, lease: Lease, base: int, pull: Pull, ending: RunEnding) -> None:
        """Close a run without a change: its freshness moves, and no record, finding or status row does.

        Raises as `apply` does: otherwise the students, and what the answer was compared with, could be others.
        """
        with self._linking(lease, ending) as (connection, entry):
            self._stand(connection, base)
            self._keep_order(connection, lease, pull)
            self._close(connection, lease, ending, pull)
            self._note_pull(connection, lease, pull, ending.at)
            self._note_meaning(connection, entry, lease, pull, ending.at)

    def apply(self, lease: Lease, writes: Writes, pull: Pull, ending: RunEnding, *, approved: bool = False) -> None:
        """Write a plan whole, and close its run, in one transaction.

        Raises BaseMoved when the marks are no longer at the plan's base, LeaseLost when another run holds the source,
        and AnswerOvertaken when a recheck is older than what the marks hold about the student.
        """
        with self._linking(lease, ending) as (connection, entry):
            self._move(connection, writes.base)
            self._keep_order(connection, lease, pull)
            self._close(connection, lease, ending, pull)
            self._write_records(connection, entry, lease, writes, pull)
            self._write_findings(connection, entry, lease, writes, ending.at)
            self._note_pull(connection, lease, pull, ending.at, writes.moves, approved=approved)
            self._note_meaning(connection, entry, lease, pull, ending.at)
            if writes.replaced:
                reversals.keep(connection, self._ledger.seals(connection), lease.run, ending.at, writes.replaced)

    def reversal(self, connection: Connection, number: int) -> Reversal:
        """Return what an approved run replaced. Raises ReversalRefused, LedgerRefused."""
        return reversals.read(connection, self._ledger.seals(connection), number)

    def _move(self, connection: Connection, base: int) -> None:
        """Step the cohort's revision on from `base`."""
        table = tables.cohort
        moved = connection.execute(
            update(table).where(table.c.cohort == self._cohort, table.c.revision == base).values(revision=base + 1)
        )
        if moved.rowcount != 1:
            raise BaseMoved

    def _stand(self, connection: Connection, base: int) -> None:
        """Raise BaseMoved unless the cohort's revision is still `base`."""
        table = tables.cohort
        if connection.execute(select(table.c.revision).where(table.c.cohort == self._cohort)).scalar() != base:
            raise BaseMoved

    def _keep_order(self, connection: Connection, lease: Lease, pull: Pull) -> None:
        """Prevent an older answer from replacing a newer one, whichever of two that overlap is written first.

        Raises AnswerOvertaken for a recheck that is too old, BaseMoved for a full run with a recheck stored since it
        was planned: planned again, it leaves that student alone.
        """
        stored = CurrentState(connection, lease.cohort)
        if lease.student is not None:
            latest = stored.asked_about(lease.source, lease.student, pull.judged_at)
            if latest is not None and latest > pull.began:
                raise AnswerOvertaken
        elif pull.source_base is not None and (
            stored.source(lease.source).revision != pull.source_base
            or stored.runs.asked_later(lease.source, pull.began, pull.judged_at) != pull.asked_later
        ):
            raise BaseMoved

    def _note_pull(
        self,
        connection: Connection,
        lease: Lease,
        pull: Pull,
        now: datetime,
        moves: Mapping[Verdict, int] | None = None,
        *,
        approved: bool = False,
    ) -> None:
        state = tables.source_state
        where = (state.c.cohort == lease.cohort, state.c.source == lease.source)
        values: dict[str, Any] = {}
        if moves is not None:
            columns = {
                Verdict.HELD: "held",
                Verdict.UNKNOWN: "unknown",
                Verdict.EXEMPT: "exempt",
                Verdict.CLEARED: "done",
            }
            values = {columns[verdict]: state.c[columns[verdict]] + by for verdict, by in moves.items() if by}
            values["revision"] = state.c.revision + 1
            values |= {"fingerprint": None, "told": None}
        if approved:
            values["approved_at"] = now
        if pull.roster_rows is not None:
            recent = connection.execute(select(state.c.recent_rows).where(*where)).scalar_one()
            kept = [] if approved else recent[-(_RECENT - 1) :]
            values |= {
                "began": pull.began,
                "ended": pull.ended,
                "as_of": pull.as_of,
                "fresh_for_seconds": int(pull.fresh_for.total_seconds()),
                "settings_digest": pull.settings_digest,
                "fingerprint": pull.fingerprint,
                "told": pull.reported_fingerprint,
                "recent_rows": [*kept, pull.roster_rows],
                "unmatched_keys": pull.unmatched_key_count,
            }
            if pull.location is not None:
                values["location_digest"] = pull.location
            if pull.one_proven is not None:
                values["one_proven"] = pull.one_proven
            if pull.compared_at is not None:
                values["compared_at"] = pull.compared_at
            if pull.quality is not None:
                values["quality"] = dict(pull.quality)
            self._supersede(connection, lease)
        if values:
            connection.execute(update(state).where(*where).values(**values))
        if pull.unmatched_keys is not None:
            table = tables.unmatched_key
            connection.execute(delete(table).where(table.c.cohort == lease.cohort, table.c.source == lease.source))
            rows = [(lease.cohort, lease.source, key, near, who, lease.run) for key, near, who in pull.unmatched_keys]
            if rows:
                bulk.insert(connection, table, ("cohort", "source", "key", "near", "student", "run"), rows)

    def _note_meaning(
        self, connection: Connection, entry: PendingLink, lease: Lease, pull: Pull, now: datetime
    ) -> None:
        """Record the meaning with which a whole answer was applied, where it differs from the one before."""
        own = self._meaning
        if (
            own is not None
            and pull.roster_rows is not None
            and applied_settings.digest(connection, lease.cohort) != own.digest
        ):
            applied_settings.note_source(connection, entry, lease.cohort, lease.source, own, now)

    def _write_records(
        self, connection: Connection, entry: PendingLink, lease: Lease, writes: Writes, pull: Pull
    ) -> None:
        columns = (
            "cohort", "source", "student", "verdict", "reason", "obligations", "doubt", "digest", "asked_at", "run",
        )  # fmt: skip
        if writes.records or writes.removed:
            entry.replace_records(lease.source, [*(r.student for r in writes.records), *writes.removed])
        if writes.records:
            rows = (
                (
                    lease.cohort, lease.source, r.student, str(r.verdict), str(r.reason), r.obligations, r.doubt,
                    r.digest, pull.began, lease.run,
                )
                for r in sorted(writes.records, key=lambda r: r.student)
            )  # fmt: skip
            bulk.upsert(
                connection, tables.record, columns, rows, entry.sealing(tables.record, records_of(lease.source))
            )
        if writes.removed:
            gone = ((lease.cohort, lease.source, student) for student in sorted(writes.removed))
            bulk.delete(connection, tables.record, columns[:3], gone)

    def _write_findings(
        self, connection: Connection, entry: PendingLink, lease: Lease, writes: Writes, now: datetime
    ) -> None:
        if writes.findings:
            write_findings(connection, lease.cohort, ((s, writes.step, f) for s, f in writes.findings), now, lease.run)
        if writes.flips:
            write_flips(connection, entry, lease.cohort, writes.flips, now, Cause.RUN, run=lease.run)
            if self._notices is not None and self._notices.to_students:
                enter_flips(connection, lease.cohort, writes.flips, now, run=lease.run, decision=None)


def write_findings(
    connection: Connection, cohort: str, findings: Iterable[tuple[str, str, Finding]], now: datetime, run: int | None
) -> None:
    """Replace stored findings: student, step and what was found, in student order."""
    columns = ("cohort", "student", "step", "verdict", "reason", "evidence_keys", "since", "run")
    rows = (
        (cohort, student, step, str(f.verdict), str(f.reason), list(f.keys) if f.evidence else None, now, run)
        for student, step, f in findings
    )
    bulk.update(connection, tables.status, columns, rows)
