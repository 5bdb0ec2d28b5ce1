"""Quiet hours: no slot of a source is inside of them, whatever its schedule and its zone."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from config.tables.operations import Quiet, QuietHours
from config.timetable import Timetable
from tests.config.test_timetable import MOMENTS

QUIET: TypeAdapter[tuple[QuietHours, ...]] = TypeAdapter(Quiet)
SHANGHAI, BERLIN = ZoneInfo("Asia/Shanghai"), ZoneInfo("Europe/Berlin")
MORNING = QUIET.validate_python("08:00-12:00")
NIGHT = QUIET.validate_python(["22:00-06:30", "12:00-13:00"])
TABLES = st.sampled_from(
    [
        Timetable(every, cron, zone, quiet)
        for every, cron in ((timedelta(minutes=30), None), (timedelta(minutes=7), None), (None, "5,35 * * * *"))
        for zone in (SHANGHAI, BERLIN)
        for quiet in (MORNING, NIGHT)
    ]
)


@given(TABLES, MOMENTS)
def test_no_slot_is_in_the_quiet_hours(table: Timetable, moment: datetime) -> None:
    for slot in (table.at(moment), table.after(moment)):
        assert not table.quiet_at(slot)


@given(TABLES, MOMENTS)
def test_the_slot_of_a_moment_is_still_the_last_that_is_not_later(table: Timetable, moment: datetime) -> None:
    slot = table.at(moment)
    assert slot <= moment < table.after(slot)
    assert table.after(slot) == table.after(moment)


def test_a_slot_before_the_quiet_hours_is_the_slot_of_a_moment_inside() -> None:
    table = Timetable(timedelta(minutes=30), None, SHANGHAI, MORNING)
    at_nine = datetime(2019, 5, 25, 9, 10, tzinfo=SHANGHAI)
    assert table.quiet_at(at_nine)
    assert table.at(at_nine) == datetime(2019, 5, 25, 7, 30, tzinfo=SHANGHAI)
    assert table.after(at_nine) == datetime(2019, 5, 25, 12, 0, tzinfo=SHANGHAI)


def test_hours_over_midnight_are_quiet_on_both_sides() -> None:
    (night,) = QUIET.validate_python("22:00-06:30")
    assert [wall in night for wall in (time(21, 59), time(22, 0), time(0, 0), time(6, 29), time(6, 30))] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert night.length == timedelta(hours=8, minutes=30)


def test_an_answer_stays_fresh_over_the_quiet_hours() -> None:
    table = Timetable(timedelta(hours=1), None, SHANGHAI, QUIET.validate_python("08:00-18:00"))
    assert table.longest_gap() == timedelta(hours=11)
    moment = datetime(2019, 5, 25, 7, 0, tzinfo=UTC)
    assert table.after(table.at(moment)) - table.at(moment) <= table.longest_gap()


@pytest.mark.parametrize("written", ["8-12", "08:00", "08:00-25:00", "08:00-08:00", "", ["08:00-12:00", "x"], 8])
def test_what_is_not_hours_is_refused_with_the_fix(written: object) -> None:
    with pytest.raises(ValidationError) as refused:
        QUIET.validate_python(written)
    assert written == 8 or 'such as "08:00-12:00"' in str(refused.value) or 'write "08:00-12:00"' in str(refused.value)


@pytest.mark.parametrize(
    ("every", "cron", "quiet", "all_quiet"),
    [
        (None, "0 9 * * *", "08:00-12:00", True),
        (None, "0 9,13 * * *", "08:00-12:00", False),
        (timedelta(days=1), None, "22:00-06:00", True),
        (timedelta(hours=1), None, "00:01-00:00", False),
        (timedelta(hours=1), None, "00:00-23:01", True),
    ],
)
def test_a_schedule_without_a_slot_is_found(
    every: timedelta | None, cron: str | None, quiet: str, all_quiet: bool
) -> None:
    assert Timetable(every, cron, SHANGHAI, QUIET.validate_python(quiet)).all_quiet() is all_quiet
