"""The past runs of a source, as far as they decide what a new answer can do."""

from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import Connection, select, true

from status_db import tables
from status_db.model import (
    CLOCKS_DIFFER,
    ROSTER,
    RunState,
    Verdict,
)  # fmt: skip
from status_db.stored_counts import RunCounts


class PastRuns:
    """The runs of one cohort in one consistent read."""

    def __init__(self, connection: Connection, cohort: str) -> None:
        self._connection = connection
        self._cohort = cohort

    def asked_later(self, source: str, began: datetime, now: datetime | None = None) -> frozenset[str]:
        """Return the students who were asked about on their own after `began`.

        An answer that lies ahead of `now` was stored under a wrong clock, and this one replaces it.
        """
        table = tables.run
        return frozenset(
            self._connection.execute(
                select(table.c.student).where(
                    table.c.cohort == self._cohort,
                    table.c.source == source,
                    table.c.student.is_not(None),
                    table.c.began > began,
                    table.c.began <= now + CLOCKS_DIFFER if now is not None else true(),
                    table.c.state.in_((RunState.APPLIED, RunState.UNCHANGED)),
                )
            ).scalars()
        )

    def last_full_run(self, source: str) -> RunState | None:
        """Return the state of the latest full run that has ended; None when there was none.

        Also None when it reverted an approved run: the source has not been asked since.
        """
        table = tables.run
        row = self._connection.execute(
            select(table.c.state, table.c.counts)
            .where(
                table.c.cohort == self._cohort,
                table.c.source == source,
                table.c.student.is_(None),
                table.c.state != RunState.RUNNING,
            )
            .order_by(table.c.run.desc())
            .limit(1)
        ).one_or_none()
        if row is None or RunCounts.from_stored(row.counts).reverts:
            return None
        return RunState(row.state)

    def suspended(self, source: str, but: int) -> int | None:
        """Return the source's suspended run that waits for a person, other than run `but`."""
        table = tables.run
        return self._connection.execute(
            select(table.c.run)
            .where(
                table.c.cohort == self._cohort,
                table.c.source == source,
                table.c.state == RunState.SUSPENDED,
                table.c.run != but,
            )
            .order_by(table.c.run.desc())
            .limit(1)
        ).scalar()

    def announced_since(self, source: str, since: datetime) -> dict[Verdict, int]:
        """Return how many this source's runs have moved to cleared and to held since an announcement."""
        moved = {Verdict.CLEARED: 0, Verdict.HELD: 0}
        for counts in self._counts_since(source, since):
            moved[Verdict.CLEARED] += counts.released or 0
            moved[Verdict.HELD] += counts.newly_held or 0
        return moved

    def counted_since(self, source: str, since: datetime, now: datetime | None = None) -> dict[Verdict, int]:
        """Return how many the guard has counted as moved to cleared, held and unknown since then, rechecks included.

        A run that ended ahead of `now`, under a wrong clock, is left out.

        With the moment of an approval as `since`, the approved run is left out: a person has checked it.
        """
        counted = {Verdict.CLEARED: 0, Verdict.HELD: 0, Verdict.UNKNOWN: 0}
        for counts in self._counts_since(source, since, now):
            counted[Verdict.CLEARED] += _either(counts.counted_cleared, counts.released)
            counted[Verdict.HELD] += _either(counts.counted_held, counts.newly_held)
            counted[Verdict.UNKNOWN] += counts.newly_unknown or 0
        return counted

    def _counts_since(self, source: str, since: datetime, now: datetime | None = None) -> Iterator[RunCounts]:
        table = tables.run
        stored = self._connection.execute(
            select(table.c.counts).where(
                table.c.cohort == self._cohort,
                table.c.source == source,
                table.c.state == RunState.APPLIED,
                table.c.ended > since,
                table.c.ended <= now + CLOCKS_DIFFER if now is not None else true(),
            )
        ).scalars()
        yield from map(RunCounts.from_stored, stored)

    def joined_later(self, began: datetime) -> frozenset[str]:
        """Return the students who joined, or joined again, after `began`; read only where a list was applied since."""
        run, person = tables.run, tables.student
        since = select(run.c.run).where(
            run.c.cohort == self._cohort,
            run.c.source == ROSTER,
            run.c.state == RunState.APPLIED,
            run.c.ended > began,
        )
        if self._connection.execute(since.limit(1)).first() is None:
            return frozenset()
        joined = select(person.c.student).where(person.c.cohort == self._cohort, person.c.joined_at > began)
        return frozenset(self._connection.execute(joined).scalars())


def _either(counted: int | None, moved: int | None) -> int:
    """Return what the guard counted; for a run from before that was stored, what moved."""
    return counted if counted is not None else moved or 0
