"""The failed runs of a source since its last good answer, for the schedule, the pages and the notifications alike."""

from sqlalchemy import Connection, func, select

from status_db import tables
from status_db.failing import ANSWERED, SOURCE_FAULTS, FailedRuns
from status_db.model import RunState


def failed_runs(connection: Connection, cohort: str, source: str) -> FailedRuns | None:
    """Return the runs of a source that have failed since its last good answer; None if there is none."""
    run = tables.run
    whole = (run.c.cohort == cohort, run.c.source == source, run.c.student.is_(None))
    # Newest first by the index, so that it stops at the first.
    good = connection.execute(
        select(run.c.run).where(*whole, run.c.state.in_(ANSWERED)).order_by(run.c.run.desc()).limit(1)
    ).scalar()
    since = (*whole, run.c.run > (good or 0), run.c.state == RunState.FAILED, run.c.fault.in_(SOURCE_FAULTS))
    count, first, newest = connection.execute(
        select(func.count(), func.min(run.c.began), func.max(run.c.run)).where(*since)
    ).one()
    if not count:
        return None
    last = connection.execute(select(run.c.began, run.c.fault, run.c.message).where(run.c.run == newest)).one()
    return FailedRuns(count, first, last.began, newest, last.fault, last.message)
