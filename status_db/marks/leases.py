"""A cohort's runs: opened under a lease on their source, renewed, ended, and kept while they wait for approval.

The database's own clock decides when a lease ends; all other times are the caller's.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from config.tables.plain_text import plain
from foundation.translation import tr
from status_db import tables
from status_db.ledger.chain import Ledger
from status_db.ledger.key import LedgerRefused
from status_db.marks.approvals import APPROVAL_OPEN_FOR
from status_db.marks.impact import Impact, impact_to_text
from status_db.marks.runs import Lease, LeaseLost, Pull, RunEnding, RunUnderWay, SlotTaken
from status_db.model import RunState
from status_db.outbox.run_notices import RunNotices
from status_db.store.clock import time_there
from status_db.store.engine import reading, writing
from status_db.stored_counts import RunCounts

#: A recheck lasts seconds or minutes. The process of one that is this old and still under way has ended.
_RECHECK_ENDS_WITHIN = timedelta(hours=1)


class Runs:
    """Opens, holds and ends one cohort's runs."""

    def __init__(self, engine: Engine, cohort: str, ledger: Ledger, notices: RunNotices | None = None) -> None:
        """`notices` enters what people are notified of; without it, nothing is entered."""
        self._notices = notices
        self._engine = engine
        self._cohort = cohort
        self._ledger = ledger

    def open_ledger(self, now: datetime) -> None:
        """Check that the ledger's key is available, and begin the ledger where there is none. Raises LedgerRefused."""
        self._ledger.open(self._engine, now)

    def open_cohort(self, name: str) -> None:
        """Make the cohort's own row, or update its name."""
        with writing(self._engine, self._cohort) as connection:
            table = tables.cohort
            known = connection.execute(select(table.c.name).where(table.c.cohort == self._cohort)).scalar()
            if known is None:
                connection.execute(insert(table).values(cohort=self._cohort, name=name, revision=0))
            elif known != name:
                connection.execute(update(table).where(table.c.cohort == self._cohort).values(name=name))

    def begin(
        self,
        source: str,
        step: str,
        *,
        now: datetime,
        by: str,
        owner: str,
        lease_for: timedelta,
        gone: Callable[[str], bool],
        slot: datetime | None = None,
        student: str | None = None,
    ) -> Lease:
        """Open a run and acquire the lease on its source; `owner` belongs to this turn alone.

        A lease that has expired by the database's clock, or that has an owner that is `gone`, passes to this run, and
        its old run is marked abandoned. Raises RunUnderWay while another run holds the source, and SlotTaken when the
        slot has its run.
        """
        state = tables.source_state
        mine = (state.c.cohort == self._cohort, state.c.source == source)
        with writing(self._engine, self._cohort) as connection:
            self._expire(connection, now)
            row = connection.execute(select(state).where(*mine)).one_or_none()
            if row is None:
                connection.execute(insert(state).values(cohort=self._cohort, source=source, step=step))
            elif student is None and row.lease_run is not None:
                self._take_over_lease(connection, row, now, gone)
            self._abandon(connection, now, *self._rechecks_of(source, now))
            number = self._open_run(connection, source, now=now, by=by, slot=slot, student=student)
            if student is None:
                self._hold(connection, source, number, owner, lease_for)
                connection.execute(update(state).where(*mine).values(step=step))
        return Lease(self._cohort, source, number, "" if student else owner, student)

    def _take_over_lease(
        self, connection: Connection, held: Row[Any], now: datetime, gone: Callable[[str], bool]
    ) -> None:
        """Mark the run of an expired lease abandoned. Raises RunUnderWay where the lease is valid."""
        run = tables.run
        if held.lease_until > time_there(connection) and not gone(held.lease_owner):
            since = connection.execute(select(run.c.began).where(run.c.run == held.lease_run)).scalar_one()
            raise RunUnderWay(held.source, held.lease_run, held.lease_owner, since)
        self._abandon(connection, now, run.c.run == held.lease_run)

    def _hold(self, connection: Connection, source: str, number: int, owner: str, lease_for: timedelta) -> None:
        state = tables.source_state
        until = time_there(connection) + lease_for
        connection.execute(
            update(state)
            .where(state.c.cohort == self._cohort, state.c.source == source)
            .values(lease_run=number, lease_until=until, lease_owner=owner)
        )

    def _rechecks_of(self, source: str, now: datetime) -> tuple[ColumnElement[bool], ...]:
        """Return the condition for rechecks that have lost their process: no lease of theirs would show it."""
        run = tables.run
        return (
            run.c.cohort == self._cohort,
            run.c.source == source,
            run.c.student.is_not(None),
            run.c.began < now - _RECHECK_ENDS_WITHIN,
        )

    def _open_run(
        self, connection: Connection, source: str, *, now: datetime, by: str, slot: datetime | None, student: str | None
    ) -> int:
        values = {"cohort": self._cohort, "source": source, "slot": slot, "by": by, "student": student}
        try:
            opened = insert(tables.run).values(**values, state=RunState.RUNNING, began=now).returning(tables.run.c.run)
            number: int = connection.execute(opened).scalar_one()
        except IntegrityError as error:
            if slot is None:
                raise
            raise SlotTaken(tr("{source} has its run for {slot} already", source=source, slot=slot)) from error
        return number

    def _abandon(self, connection: Connection, now: datetime, *which: ColumnElement[bool]) -> None:
        run = tables.run
        connection.execute(
            update(run)
            .where(*which, run.c.state == RunState.RUNNING)
            .values(
                state=RunState.ABANDONED,
                ended=now,
                message=tr("Abandoned: its process ended or stalled until the lease expired. No changes were written."),
            )
        )

    def renew(self, lease: Lease, lease_for: timedelta) -> bool:
        """Extend the lease by this time from now; False when another run holds the source."""
        state = tables.source_state
        with writing(self._engine, self._cohort) as connection:
            until = time_there(connection) + lease_for
            found = connection.execute(update(state).where(*self._lease_condition(lease)).values(lease_until=until))
            return bool(found.rowcount == 1)

    def _lease_condition(self, lease: Lease) -> tuple[Any, ...]:
        state = tables.source_state
        return (
            state.c.cohort == lease.cohort,
            state.c.source == lease.source,
            state.c.lease_run == lease.run,
            # An approved run keeps its number when another process resumes it.
            state.c.lease_owner == lease.owner,
        )

    def fail(self, lease: Lease, ending: RunEnding) -> None:
        """Close a run that changes nothing: failed, skipped, rejected."""
        with writing(self._engine, self._cohort) as connection:
            self._close(connection, lease, ending)
            self._drop_pending(connection, [lease.run])

    def suspend(self, lease: Lease, ending: RunEnding, snapshot: bytes, impact: Impact) -> None:
        """Close a run as suspended and keep its snapshot, so that approval applies that answer and no other.

        Its impact, which people see, is kept beside it.
        """
        assert ending.plan_digest is not None  # noqa: S101 - a suspended run always has a plan
        with writing(self._engine, self._cohort) as connection:
            self._close(connection, lease, ending)
            self._drop_pending(connection, [lease.run])
            kept = (lease.run, ending.plan_digest, snapshot, impact_to_text(impact))
            mac = self._ledger.seals(connection).row("pending", kept)
            values = dict(zip(("run", "digest", "snapshot", "look"), kept, strict=True))
            connection.execute(insert(tables.pending).values(**values, mac=mac))
            if self._notices is not None:
                moved = ((one.college, one.before, one.after, one.students) for one in impact.moved)
                about = (self._cohort, lease.source, lease.run, ending.plan_digest, impact.reasons, moved)
                self._notices.suspended(connection, *about, ending.at)

    def expire(self, now: datetime) -> None:
        """Close every suspended run that has waited too long."""
        with writing(self._engine, self._cohort) as connection:
            self._expire(connection, now)

    def _expire(self, connection: Connection, now: datetime) -> None:
        run = tables.run
        waiting = (
            run.c.cohort == self._cohort,
            run.c.state == RunState.SUSPENDED,
            run.c.ended < now - APPROVAL_OPEN_FOR,
        )
        old = connection.execute(select(run.c.run).where(*waiting)).scalars().all()
        if old:
            self._drop_pending(connection, old)
            over = literal(
                tr("Expired: not approved within 72 hours. The next pull is checked again. Original reason: ")
            )
            connection.execute(update(run).where(*waiting).values(state=RunState.EXPIRED, message=over + run.c.message))

    def reject(self, number: int, by: str, reason: str, now: datetime) -> bool:
        """Close a suspended run for good and drop its snapshot. False when it is no longer suspended."""
        run = tables.run
        with writing(self._engine, self._cohort) as connection:
            rejected = connection.execute(
                update(run)
                .where(run.c.run == number, run.c.state == RunState.SUSPENDED)
                .values(
                    state=RunState.REJECTED,
                    decided_by=by,
                    decided_at=now,
                    message=tr("rejected: {reason}", reason=reason),
                )
            )
            if rejected.rowcount != 1:
                return False
            self._drop_pending(connection, [number])
        return True

    def take_up(
        self,
        number: int,
        source: str,
        *,
        by: str,
        now: datetime,
        owner: str,
        lease_for: timedelta,
        gone: Callable[[str], bool],
    ) -> Lease | None:
        """Acquire the lease for a suspended run that was approved; None when it is no longer suspended."""
        run, state = tables.run, tables.source_state
        mine = (state.c.cohort == self._cohort, state.c.source == source)
        with writing(self._engine, self._cohort) as connection:
            self._expire(connection, now)
            row = connection.execute(select(state).where(*mine)).one()
            if row.lease_run is not None:
                self._take_over_lease(connection, row, now, gone)
            decided = connection.execute(
                update(run)
                .where(run.c.run == number, run.c.state == RunState.SUSPENDED)
                .values(decided_by=by, decided_at=now)
            )
            if decided.rowcount != 1:
                return None
            self._hold(connection, source, number, owner, lease_for)
        return Lease(self._cohort, source, number, owner)

    def kept_snapshot(self, number: int) -> tuple[bytes, bytes, RunCounts] | None:
        """Return a suspended run's plan digest, snapshot and counts; None when it is no longer kept.

        Raises LedgerRefused when they are not the ones it was suspended with.
        """
        table = tables.pending
        with reading(self._engine) as connection:
            row = connection.execute(select(table).where(table.c.run == number)).one_or_none()
            if row is None:
                return None
            # A run that was suspended before impacts were kept has none, and its seal covers none.
            kept = (number, row.digest, row.snapshot, *(() if row.look is None else (row.look,)))
            if self._ledger.seals(connection).row("pending", kept) != row.mac:
                raise LedgerRefused(
                    tr(
                        "The stored answer of run {number} was altered after it was suspended, so it cannot be "
                        "approved. Find out who can write to the status database, then: clearance runs reject "
                        '{number} --reason "altered"',
                        number=number,
                    )
                )
            counts = select(tables.run.c.counts).where(tables.run.c.run == number)
            return row.digest, row.snapshot, RunCounts.from_stored(connection.execute(counts).scalar())

    def _close(self, connection: Connection, lease: Lease, ending: RunEnding, pull: Pull | None = None) -> None:
        if lease.student is None:
            state = tables.source_state
            freed = connection.execute(
                update(state)
                .where(*self._lease_condition(lease))
                .values(lease_run=None, lease_until=None, lease_owner=None)
            )
            if freed.rowcount != 1:
                raise LeaseLost(lease.source, lease.run)
        run = tables.run
        # Of two overlapping answers, the one with the later beginning is the newer.
        asked = {"began": pull.began} if pull is not None and lease.student is not None else {}
        closed = connection.execute(
            update(run)
            .where(run.c.run == lease.run, run.c.state.in_((RunState.RUNNING, RunState.SUSPENDED)))
            .values(
                **asked,
                state=ending.state,
                ended=ending.at,
                # It quotes offices and drivers, and must be storable whatever they contain.
                message=plain(ending.message),
                fault=ending.fault,
                counts=ending.counts.stored(),
                proofs=[list(p) for p in ending.proofs],
                plan_digest=ending.plan_digest,
            )
        )
        if closed.rowcount != 1:
            raise LeaseLost(lease.source, lease.run)
        # An approved answer is of an earlier time, and a revert has none: neither shows that the source is back.
        asked_now = bool(ending.fault or ending.proofs or ending.counts.not_pulled) and not ending.counts.approved
        asked_now = asked_now and ending.counts.reverts is None
        if self._notices is not None and lease.student is None and asked_now:
            self._notices.ended(connection, self._cohort, lease.source, ending.state, ending.fault, ending.at)

    def _supersede(self, connection: Connection, lease: Lease) -> None:
        """Close an older suspension of the source: this pull was within the limits, or was approved itself."""
        run = tables.run
        waiting = (
            run.c.cohort == lease.cohort,
            run.c.source == lease.source,
            run.c.state == RunState.SUSPENDED,
            run.c.run != lease.run,
        )
        old = connection.execute(select(run.c.run).where(*waiting)).scalars().all()
        if old:
            over = literal(tr("Superseded: run {run} was within the limits. Original reason: ", run=lease.run))
            connection.execute(
                update(run).where(*waiting).values(state=RunState.SUPERSEDED, message=over + run.c.message)
            )
        self._drop_pending(connection, [*old, lease.run])

    def _drop_pending(self, connection: Connection, runs: Iterable[int]) -> None:
        connection.execute(delete(tables.pending).where(tables.pending.c.run.in_(list(runs))))
