"""The failed runs of a source since its last good answer, for the schedule, the pages and the notifications alike."""

from sqlalchemy import ColumnElement, Connection, func, select, type_coerce
from sqlalchemy.types import Text

from status_db import tables
from status_db.failing import ANSWERED, REVERT_MOVED, SOURCE_FAULTS, FailedRuns
from status_db.model import RunState
from status_db.stored_counts import REVERTS_IN_JSON


def failed_runs(connection: Connection, cohort: str, source: str) -> FailedRuns | None:
    """Return the runs of a source that have failed since its last good answer; None if there is none."""
    run = tables.run
    whole = (run.c.cohort == cohort, run.c.source == source, _asks_about_all())
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


def _asks_about_all() -> ColumnElement[bool]:
    """Return the condition for a run that asks its source about all students: no recheck, and no revert of a run."""
    run = tables.run
    reverts = type_coerce(run.c.counts, Text).contains(REVERTS_IN_JSON)
    return run.c.student.is_(None) & ~reverts & run.c.fault.is_distinct_from(REVERT_MOVED)
