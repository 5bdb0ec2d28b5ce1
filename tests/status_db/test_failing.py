"""Failing sources: the runs since the last good answer decide how often a source is asked, and nothing else does."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.tables.operations import Schedule
from status_db.failing import REGULAR, AttemptState, FailedRuns, attempts

LIMITS = Schedule()
BEGAN = datetime(2019, 5, 25, tzinfo=UTC)


def failed(count: int, over: timedelta = timedelta(0)) -> FailedRuns:
    return FailedRuns(count, BEGAN, BEGAN + over, 9, "unavailable", "nobody answers")


def test_a_source_without_failed_runs_is_asked_in_every_slot() -> None:
    found = attempts(None, LIMITS)
    assert found == REGULAR
    assert not found.waits(BEGAN)


@pytest.mark.parametrize(("count", "minutes"), [(1, 5), (2, 10), (3, 20), (4, 30), (5, 30), (5000, 30)])
def test_the_wait_doubles_with_each_failed_run_up_to_the_longest(count: int, minutes: int) -> None:
    found = attempts(failed(count), LIMITS)
    assert found.state is AttemptState.BACKING_OFF
    # A slot that comes a little too early is served.
    early = min(timedelta(minutes=minutes) / 10, timedelta(minutes=1))
    due = BEGAN + timedelta(minutes=minutes) - early
    assert found.waits(due - timedelta(seconds=1))
    assert not found.waits(due)


def test_quarantine_needs_both_the_time_and_the_number_of_runs() -> None:
    day = LIMITS.quarantine_after
    assert attempts(failed(5, day - timedelta(seconds=1)), LIMITS).state is AttemptState.BACKING_OFF
    assert attempts(failed(4, day), LIMITS).state is AttemptState.BACKING_OFF
    found = attempts(failed(5, day), LIMITS)
    assert found.state is AttemptState.QUARANTINED
    assert found.failed is not None
    assert found.failed.message == "nobody answers"


def test_a_quarantined_source_is_tried_once_an_hour() -> None:
    found = attempts(failed(50, timedelta(days=3)), LIMITS)
    last = BEGAN + timedelta(days=3)
    tried = [minute for minute in range(0, 60, 5) if not found.waits(last + timedelta(minutes=minute))]
    assert tried == []
    assert not found.waits(last + timedelta(hours=1))


@given(st.integers(1, 10_000), st.timedeltas(timedelta(0), timedelta(days=400)))
def test_however_long_it_fails_it_is_tried_again_within_the_longest_wait(count: int, over: timedelta) -> None:
    found = attempts(failed(count, over), LIMITS)
    longest = max(LIMITS.longest_wait, LIMITS.quarantine_every)
    assert not found.waits(BEGAN + over + longest)
