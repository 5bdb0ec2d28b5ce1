"""Slots: a pure function of timetable, zone and now."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.timetable import Timetable

SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
MOMENTS = st.integers(0, 730 * 86_400).map(
    lambda seconds: datetime(2019, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)
SPANS = st.sampled_from([timedelta(minutes=m) for m in (1, 7, 15, 30, 60, 90, 600, 1440)])
TABLES = st.one_of(
    st.builds(lambda every, zone: Timetable(every, None, zone), SPANS, st.sampled_from([SHANGHAI, BERLIN])),
    st.builds(
        lambda cron, zone: Timetable(None, cron, zone),
        st.sampled_from(["0 7 * * *", "*/20 * * * *", "30 6 * * mon", "0 7,12,18 * * *"]),
        st.sampled_from([SHANGHAI, BERLIN]),
    ),
)


@given(TABLES, MOMENTS)
def test_the_slot_of_a_moment_is_the_last_that_is_not_later(table: Timetable, moment: datetime) -> None:
    slot = table.at(moment)
    assert slot <= moment < table.after(slot)
    assert table.at(slot) == slot


@given(TABLES, MOMENTS, st.integers(0, 3600))
def test_everybody_names_the_same_slot_whenever_they_look(table: Timetable, moment: datetime, later: int) -> None:
    slot = table.at(moment)
    seen_later = moment + timedelta(seconds=later)
    if seen_later < table.after(slot):
        assert table.at(seen_later) == slot


@given(TABLES, MOMENTS)
def test_no_gap_is_longer_than_the_longest(table: Timetable, moment: datetime) -> None:
    slot = table.after(moment)
    assert table.after(slot) - slot <= table.longest_gap() + timedelta(hours=1)


def test_it_counts_from_local_midnight() -> None:
    every = Timetable(timedelta(minutes=90), None, SHANGHAI)
    assert every.at(datetime(2019, 5, 25, 0, 10, tzinfo=UTC)) == datetime(2019, 5, 24, 23, 30, tzinfo=UTC)
    assert every.after(datetime(2019, 5, 25, 15, 0, tzinfo=UTC)) == datetime(2019, 5, 25, 16, 0, tzinfo=UTC)


def test_a_day_of_25_hours_has_its_slots_too() -> None:
    hourly = Timetable(timedelta(hours=1), None, BERLIN)
    slot, seen = datetime(2019, 10, 26, 22, 0, tzinfo=UTC), 0
    while slot < datetime(2019, 10, 27, 23, 0, tzinfo=UTC):
        slot, seen = hourly.after(slot), seen + 1
    assert seen == 25


@pytest.mark.parametrize(
    ("table", "fresh"),
    [
        (Timetable(timedelta(minutes=15), None, SHANGHAI), timedelta(hours=4)),
        (Timetable(timedelta(hours=2), None, SHANGHAI), timedelta(hours=6)),
        (Timetable(None, "0 7 * * *", SHANGHAI), timedelta(days=3)),
        (Timetable(None, "0 7,12,18 * * *", SHANGHAI), timedelta(hours=39)),
    ],
)
def test_an_answer_is_fresh_for_three_missed_slots_and_four_hours_at_least(table: Timetable, fresh: timedelta) -> None:
    assert table.fresh_for() == fresh
