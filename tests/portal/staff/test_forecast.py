"""The forecast: the average of the last three full days, continued to the closing day, and nothing beyond it."""

from collections.abc import Sequence
from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from portal.staff.forecast import open_at_close, pace
from status_db.queries.trends import Day

FIRST = date(2019, 5, 25)


def season(clear: Sequence[int]) -> list[Day]:
    """Return days that end with as many clear; the last of them is today, which is not over."""
    return [Day(FIRST + timedelta(days=at), count, {}) for at, count in enumerate(clear)]


def today(days: Sequence[Day]) -> date:
    return days[-1].day


def test_the_pace_is_that_of_the_last_three_full_days_without_today() -> None:
    days = season([0, 0, 500, 510, 520, 560, 900])
    assert pace(days, today(days)) == 20


def test_the_notices_example() -> None:
    """473 are open; 15 a day are settled, and the closing day is three days after the last full day: about 430."""
    days = season([3690, 3710, 3725, 3740, 3740])
    assert pace(days, today(days)) == (3740 - 3690) / 3
    days = season([3695, 3710, 3725, 3740, 3740])
    assert open_at_close(days, 4213, 473, today(days) + timedelta(days=2), today(days)) == 430


def test_fewer_than_two_full_days_have_no_pace_and_no_forecast() -> None:
    for days in (season([7]), season([7, 9])):
        assert pace(days, today(days)) == 0
        assert open_at_close(days, 100, 91, today(days) + timedelta(days=3), today(days)) is None


def test_after_the_closing_day_nothing_is_forecast_and_on_it_the_day_itself_is() -> None:
    days = season([0, 10, 20, 20])
    assert open_at_close(days, 100, 80, today(days) - timedelta(days=1), today(days)) is None
    assert open_at_close(days, 100, 80, today(days), today(days)) == 70


def test_a_small_number_is_exact_and_a_large_one_is_rounded_to_tens() -> None:
    days = season([0, 4, 8, 8])
    assert open_at_close(days, 100, 92, today(days), today(days)) == 88
    assert open_at_close(days, 1000, 992, today(days), today(days)) == 990


@given(st.lists(st.integers(0, 400), min_size=1, max_size=30), st.integers(0, 400), st.integers(-3, 20))
def test_it_is_never_negative_and_never_more_than_are_open(clear: list[int], open_now: int, ahead: int) -> None:
    days = season(clear)
    left = open_at_close(days, 400, open_now, today(days) + timedelta(days=ahead), today(days))
    assert left is None or 0 <= left <= open_now
