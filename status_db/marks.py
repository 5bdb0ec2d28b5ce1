"""The marks: runs, records, findings and the flips that runs make. Only the sync writes here.

Every write is one short transaction. A run is opened under a lease on its source and closed in the transaction that
applies it, so that a crash leaves the old state or the new one, and a stalled owner that wakes late writes nothing.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, delete, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from status_db import bulk, tables
from status_db.engine import writing
from status_db.history import write_flips
from status_db.model import Cause, Finding, Flip, Record, RunState, Verdict

#: A suspended plan waits this long for a person.
APPROVAL_OPEN_FOR = timedelta(hours=24)

#: So many row counts of good pulls are kept for the guard.
_RECENT = 5


class RunUnderWay(Exception):  # noqa: N818 - named by what is so, like the other reasons not to start
    """Another run holds the source."""

    def __init__(self, source: str, run: int, owner: str, since: datetime) -> None:
        self.run = run
        super().__init__(
            f"{source} is being asked already, by run {run} since {since:%H:%M:%S} UTC ({owner}). "
            "Let it end, or stop that process; then run this again."
        )


class SlotTaken(Exception):  # noqa: N818 - named by what is so
    """The slot has its run already."""


class BaseMoved(Exception):  # noqa: N818 - named by what is so
    """The marks are no longer the ones the plan was made on: plan the same snapshot again."""


class LeaseLost(Exception):  # noqa: N818 - named by what is so
    """The source has been handed to another run: this one may write nothing any more."""

    def __init__(self, source: str, run: int) -> None:
        super().__init__(f"run {run} took too long, and {source} was handed to another: nothing of it was written.")


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write a source's marks, for one run."""

    cohort: str
    source: str
    run: int
    #: A recheck of one student; it holds no source, so a full run need not wait for it.
    student: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended, as its row says."""

    state: RunState
    at: datetime
    message: str = ""
    fault: str | None = None
    counts: Mapping[str, Any] = field(default_factory=dict)
    proofs: Sequence[Sequence[str]] = ()
    plan_digest: bytes | None = None


@dataclass(frozen=True, slots=True)
class Pull:
    """What a good snapshot leaves on its source, whether it changed anything or not."""

    began: datetime
    ended: datetime
    fresh_for: timedelta
    settings_digest: bytes
    #: Digest of the whole answer, so that the same one is known again; None when it is not all that is stored then.
    fingerprint: bytes | None
    #: Digest of what the source itself told of that answer; None where it tells nothing.
    told: bytes | None
    #: When the answer was read whole; None where the source only told that it is still the same.
    compared_at: datetime | None
    #: Rows about roster students; None for a recheck, which says nothing about the whole, and for an answer that came
    #: before anything could be looked at: it is not noted.
    roster_rows: int | None
    strangers: Sequence[tuple[str, str, str]] | None = None
    stranger_count: int = 0


@dataclass(frozen=True, slots=True)
class Writes:
    """What a plan writes about one source, spelled out as rows."""

    base: int
    step: str
    records: Sequence[Record]
    removed: Sequence[str]
    findings: Sequence[tuple[str, Finding]]
    flips: Sequence[Flip]
    #: How the counts of held, unknown, exempt and done records move.
    moves: Mapping[Verdict, int]


class Marks:
    """Writes one cohort's marks."""

    def __init__(self, engine: Engine, cohort: str) -> None:
        self._engine = engine
        self._cohort = cohort

    def open_cohort(self, name: str) -> None:
        """Make the cohort's own row, or give it its new name."""
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
        """Open a run and take the lease on its source.

        A lease whose time is over, or whose owner is `gone`, is taken over, and its run marked abandoned.
        Raises RunUnderWay while another run holds the source, and SlotTaken when the slot has its run.
        """
        run, state = tables.run, tables.source_state
        mine = (state.c.cohort == self._cohort, state.c.source == source)
        with writing(self._engine, self._cohort) as connection:
            self._expire(connection, now)
            row = connection.execute(select(state).where(*mine)).one_or_none()
            if row is None:
                connection.execute(insert(state).values(cohort=self._cohort, source=source, step=step))
            elif student is None and row.lease_run is not None:
                if row.lease_until > now and not gone(row.lease_owner):
                    since = connection.execute(select(run.c.began).where(run.c.run == row.lease_run)).scalar_one()
                    raise RunUnderWay(source, row.lease_run, row.lease_owner, since)
                self._abandon(connection, row.lease_run, now)
            number = self._open_run(connection, source, now=now, by=by, slot=slot, student=student)
            if student is None:
                connection.execute(
                    update(state)
                    .where(*mine)
                    .values(step=step, lease_run=number, lease_until=now + lease_for, lease_owner=owner)
                )
        return Lease(self._cohort, source, number, student)

    def _open_run(
        self, connection: Connection, source: str, *, now: datetime, by: str, slot: datetime | None, student: str | None
    ) -> int:
        values = {"cohort": self._cohort, "source": source, "slot": slot, "by": by, "student": student}
        try:
            opened = insert(tables.run).values(**values, state=RunState.RUNNING, began=now).returning(tables.run.c.run)
            number: int = connection.execute(opened).scalar_one()
        except IntegrityError as error:
            raise SlotTaken(f"{source} has its run for {slot} already") from error
        return number

    def _abandon(self, connection: Connection, number: int, now: datetime) -> None:
        run = tables.run
        connection.execute(
            update(run)
            .where(run.c.run == number, run.c.state == RunState.RUNNING)
            .values(
                state=RunState.ABANDONED,
                ended=now,
                message="its process ended, or stalled past its lease, before it was done. Nothing of it was written.",
            )
        )

    def renew(self, lease: Lease, until: datetime) -> bool:
        """Hold the source until then; False when it has been handed to another run."""
        state = tables.source_state
        with writing(self._engine, self._cohort) as connection:
            found = connection.execute(update(state).where(*self._held(lease)).values(lease_until=until))
            return bool(found.rowcount == 1)

    def _held(self, lease: Lease) -> tuple[Any, ...]:
        state = tables.source_state
        return state.c.cohort == lease.cohort, state.c.source == lease.source, state.c.lease_run == lease.run

    def fail(self, lease: Lease, ending: Ending) -> None:
        """Close a run that changes nothing: failed, skipped, rejected."""
        with writing(self._engine, self._cohort) as connection:
            self._close(connection, lease, ending)
            self._drop_pending(connection, [lease.run])

    def unchanged(self, lease: Lease, base: int, pull: Pull, ending: Ending) -> None:
        """Close a run whose source says what is stored: freshness moves, and no record, finding or status row does.

        Raises BaseMoved when the marks are not at `base` any more: who has joined since was not compared.
        """
        with writing(self._engine, self._cohort) as connection:
            self._stand(connection, base)
            self._close(connection, lease, ending)
            self._note_pull(connection, lease, pull, ending.at)

    def apply(self, lease: Lease, writes: Writes, pull: Pull, ending: Ending, *, approved: bool = False) -> None:
        """Write a plan whole, and close its run, in one transaction.

        Raises BaseMoved when the marks are not at the plan's base any more, LeaseLost when the source is another's.
        """
        with writing(self._engine, self._cohort) as connection:
            self._move(connection, writes.base)
            self._close(connection, lease, ending)
            self._write_records(connection, lease, writes, pull)
            self._write_findings(connection, lease, writes, ending.at)
            self._note_pull(connection, lease, pull, ending.at, writes.moves, approved=approved)

    def suspend(self, lease: Lease, ending: Ending, snapshot: bytes) -> None:
        """Close a run as suspended and keep its snapshot, so that approval applies that answer and no other."""
        assert ending.plan_digest is not None  # noqa: S101 - a suspended run always has a plan
        with writing(self._engine, self._cohort) as connection:
            self._close(connection, lease, ending)
            self._drop_pending(connection, [lease.run])
            connection.execute(
                insert(tables.pending).values(run=lease.run, digest=ending.plan_digest, snapshot=snapshot)
            )

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
            over = literal("Nobody decided it within a day, so the next pull is judged anew. It had said: ")
            connection.execute(update(run).where(*waiting).values(state=RunState.EXPIRED, message=over + run.c.message))

    def reject(self, number: int, by: str, reason: str, now: datetime) -> None:
        """Close a suspended run for good; its snapshot goes."""
        run = tables.run
        with writing(self._engine, self._cohort) as connection:
            self._drop_pending(connection, [number])
            connection.execute(
                update(run)
                .where(run.c.run == number, run.c.state == RunState.SUSPENDED)
                .values(state=RunState.REJECTED, decided_by=by, decided_at=now, message=f"rejected: {reason}")
            )

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
        """Take the lease for a suspended run that was approved; None when it is not suspended any more."""
        run, state = tables.run, tables.source_state
        mine = (state.c.cohort == self._cohort, state.c.source == source)
        with writing(self._engine, self._cohort) as connection:
            self._expire(connection, now)
            row = connection.execute(select(state).where(*mine)).one()
            if row.lease_run is not None:
                if row.lease_until > now and not gone(row.lease_owner):
                    since = connection.execute(select(run.c.began).where(run.c.run == row.lease_run)).scalar_one()
                    raise RunUnderWay(source, row.lease_run, row.lease_owner, since)
                self._abandon(connection, row.lease_run, now)
            taken = connection.execute(
                update(run)
                .where(run.c.run == number, run.c.state == RunState.SUSPENDED)
                .values(decided_by=by, decided_at=now)
            )
            if taken.rowcount != 1:
                return None
            connection.execute(
                update(state).where(*mine).values(lease_run=number, lease_until=now + lease_for, lease_owner=owner)
            )
        return Lease(self._cohort, source, number)

    def kept_snapshot(self, number: int) -> tuple[bytes, bytes] | None:
        """Return a suspended run's plan digest and snapshot; None when it is not kept any more."""
        table = tables.pending
        with self._engine.connect() as connection:
            row = connection.execute(select(table).where(table.c.run == number)).one_or_none()
        return (row.digest, row.snapshot) if row else None

    def _move(self, connection: Connection, base: int) -> None:
        """Step the cohort's revision on from `base`."""
        table = tables.cohort
        moved = connection.execute(
            update(table).where(table.c.cohort == self._cohort, table.c.revision == base).values(revision=base + 1)
        )
        if moved.rowcount != 1:
            raise BaseMoved

    def _stand(self, connection: Connection, base: int) -> None:
        """See that the cohort's revision is still `base`."""
        table = tables.cohort
        if connection.execute(select(table.c.revision).where(table.c.cohort == self._cohort)).scalar() != base:
            raise BaseMoved

    def _close(self, connection: Connection, lease: Lease, ending: Ending) -> None:
        if lease.student is None:
            state = tables.source_state
            freed = connection.execute(
                update(state).where(*self._held(lease)).values(lease_run=None, lease_until=None, lease_owner=None)
            )
            if freed.rowcount != 1:
                raise LeaseLost(lease.source, lease.run)
        connection.execute(
            update(tables.run)
            .where(tables.run.c.run == lease.run)
            .values(
                state=ending.state,
                ended=ending.at,
                message=ending.message,
                fault=ending.fault,
                counts=dict(ending.counts),
                proofs=[list(p) for p in ending.proofs],
                plan_digest=ending.plan_digest,
            )
        )

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
        if pull.roster_rows is not None:
            recent = connection.execute(select(state.c.recent_rows).where(*where)).scalar_one()
            kept = [] if approved else recent[-(_RECENT - 1) :]
            values |= {
                "began": pull.began,
                "ended": pull.ended,
                "fresh_for_seconds": int(pull.fresh_for.total_seconds()),
                "settings_digest": pull.settings_digest,
                "fingerprint": pull.fingerprint,
                "told": pull.told,
                "recent_rows": [*kept, pull.roster_rows],
                "strangers": pull.stranger_count,
            }
            if pull.compared_at is not None:
                values["compared_at"] = pull.compared_at
            if approved:
                values["approved_at"] = now
            self._supersede(connection, lease)
        if values:
            connection.execute(update(state).where(*where).values(**values))
        if pull.strangers is not None:
            table = tables.stranger
            connection.execute(delete(table).where(table.c.cohort == lease.cohort, table.c.source == lease.source))
            rows = [(lease.cohort, lease.source, key, near, who, lease.run) for key, near, who in pull.strangers]
            if rows:
                bulk.insert(connection, table, ("cohort", "source", "key", "near", "student", "run"), rows)

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
            over = literal(f"Run {lease.run} was within the limits, so nothing is left to decide. It had said: ")
            connection.execute(
                update(run).where(*waiting).values(state=RunState.SUPERSEDED, message=over + run.c.message)
            )
        self._drop_pending(connection, [*old, lease.run])

    def _drop_pending(self, connection: Connection, runs: Iterable[int]) -> None:
        connection.execute(delete(tables.pending).where(tables.pending.c.run.in_(list(runs))))

    def _write_records(self, connection: Connection, lease: Lease, writes: Writes, pull: Pull) -> None:
        columns = (
            "cohort", "source", "student", "verdict", "reason", "obligations", "doubt", "digest", "asked_at", "run",
        )  # fmt: skip
        if writes.records:
            rows = (
                (
                    lease.cohort, lease.source, r.student, str(r.verdict), str(r.reason), r.obligations, r.doubt,
                    r.digest, pull.began, lease.run,
                )
                for r in sorted(writes.records, key=lambda r: r.student)
            )  # fmt: skip
            bulk.upsert(connection, tables.record, columns, rows)
        if writes.removed:
            gone = ((lease.cohort, lease.source, student) for student in sorted(writes.removed))
            bulk.delete(connection, tables.record, columns[:3], gone)

    def _write_findings(self, connection: Connection, lease: Lease, writes: Writes, now: datetime) -> None:
        if writes.findings:
            write_findings(connection, lease.cohort, ((s, writes.step, f) for s, f in writes.findings), now, lease.run)
        if writes.flips:
            write_flips(connection, lease.cohort, writes.flips, now, Cause.RUN, run=lease.run)


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
