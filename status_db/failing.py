"""Failing sources: how a source whose runs fail is asked less often. Pure: runs and settings in, attempts out.

Nothing is stored about it. The runs since the last good answer decide, so the first good answer ends it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from config.tables.operations import Schedule
from status_db.model import RunState

#: The faults of a run for which the source is responsible.
SOURCE_FAULTS = ("unavailable", "refused", "garbled")

#: The states of a run that has received an answer, whatever became of it.
ANSWERED = (
    RunState.APPLIED,
    RunState.UNCHANGED,
    RunState.SUSPENDED,
    RunState.SUPERSEDED,
    RunState.REJECTED,
    RunState.EXPIRED,
    RunState.SKIPPED,
)


#: The fault of a revert that was not carried out, because it would change something else than what was checked.
REVERT_MOVED = "moved"


def is_answer(state: RunState, fault: str | None, reverts: int | None) -> bool:
    """Return whether a run about all students has received an answer. A revert asks no office, so it has none."""
    return state in ANSWERED and reverts is None and fault != REVERT_MOVED


class AttemptState(StrEnum):
    """How often a source is asked."""

    #: In every slot.
    REGULAR = "regular"
    #: In fewer slots, because its last runs failed.
    BACKING_OFF = "backing_off"
    #: Rarely, because its runs have failed for long.
    QUARANTINED = "quarantined"
    #: Not at all, until a person resumes it. `attempts` never returns this: a pause is stored, and overrides the runs.
    PAUSED = "paused"


@dataclass(frozen=True, slots=True)
class FailedRuns:
    """The failed runs of a source since its last good answer."""

    count: int
    #: When the first and the last of them began.
    since: datetime
    last: datetime
    #: Of the last one.
    run: int
    fault: str
    message: str


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often a source is asked now, and why."""

    state: AttemptState
    failed: FailedRuns | None = None
    #: No slot before this is served; None if every slot is.
    not_before: datetime | None = None

    def waits(self, now: datetime) -> bool:
        """Return whether a slot at `now` is left out."""
        return self.not_before is not None and now < self.not_before


REGULAR = Attempts(AttemptState.REGULAR)

#: A slot that comes this much too early is served, because a run begins a little later than its slot; at most a tenth
#: of the wait.
_TOLERANCE = timedelta(minutes=1)


def attempts(failed: FailedRuns | None, limits: Schedule) -> Attempts:
    """Return how often a source with these failed runs is asked."""
    if failed is None:
        return REGULAR
    long = failed.last - failed.since >= limits.quarantine_after
    if long and failed.count >= limits.quarantine_failures:
        return Attempts(AttemptState.QUARANTINED, failed, _not_before(failed, limits.quarantine_every))
    # Doubled a limited number of times, so that the wait stays a valid duration.
    doubled = limits.first_wait * 2 ** min(failed.count - 1, 20)
    return Attempts(AttemptState.BACKING_OFF, failed, _not_before(failed, min(doubled, limits.longest_wait)))


def _not_before(failed: FailedRuns, wait: timedelta) -> datetime:
    return failed.last + wait - min(_TOLERANCE, wait / 10)
