"""Whether an office is open: at the very minutes, on days that are not what they seem, in the institution's zone."""

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from config.tables.opening_hours import Calendar, Days, Hours, OpenHours
from portal.i18n import languages
from portal.present.opening_hours import OpeningState, door, hours_on, say_door, say_hours

ZONE = ZoneInfo("Asia/Shanghai")
OFFICE = OpenHours.model_validate({"workday": ["8:00-11:30", "14:30-17:00"], "weekend": ["9:00-12:00"]})
DRAGON_BOAT = Calendar.model_validate(
    {
        "holidays": [{"first": date(2019, 6, 7), "last": date(2019, 6, 9)}],
        "workdays": [date(2019, 6, 15), date(2019, 6, 9)],
    }
)
ORDINARY = Calendar()
#: A Wednesday.
DAY = date(2019, 6, 5)


def at(day: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, second, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("hour", "minute", "second", "expected"),
    [
        (7, 59, 59, OpeningState(next_day=DAY, next_minute=480)),
        (8, 0, 0, OpeningState(open_until=690)),
        (11, 29, 59, OpeningState(open_until=690)),
        (11, 30, 0, OpeningState(next_day=DAY, next_minute=870)),
        (14, 29, 59, OpeningState(next_day=DAY, next_minute=870)),
        (14, 30, 0, OpeningState(open_until=1020)),
        (16, 59, 59, OpeningState(open_until=1020)),
        (17, 0, 0, OpeningState(next_day=date(2019, 6, 6), next_minute=480)),
        (23, 59, 59, OpeningState(next_day=date(2019, 6, 6), next_minute=480)),
        (0, 0, 0, OpeningState(next_day=DAY, next_minute=480)),
    ],
)
def test_the_office_opens_and_closes_at_the_very_minute(
    hour: int, minute: int, second: int, expected: OpeningState
) -> None:
    assert door(OFFICE, ORDINARY, at(DAY, hour, minute, second)) == expected


@pytest.mark.parametrize(
    ("day", "first_hour"),
    [
        (date(2019, 6, 6), 480),
        (date(2019, 6, 8), None),
        (date(2019, 6, 9), 480),
        (date(2019, 6, 15), 480),
        (date(2019, 6, 16), 540),
        (date(2019, 6, 10), 480),
    ],
    ids=["workday", "holiday", "holiday worked", "Saturday worked", "Sunday", "Monday after"],
)
def test_each_kind_of_day_has_its_hours(day: date, first_hour: int | None) -> None:
    hours = hours_on(day, OFFICE, DRAGON_BOAT)
    assert (hours[0].opens if hours else None) == first_hour


def test_after_a_holidays_eve_it_opens_when_the_holiday_is_over() -> None:
    away = Calendar(holidays=(Days(first=date(2019, 6, 7), last=date(2019, 6, 9)),))
    assert door(OFFICE, away, at(date(2019, 6, 6), 17)) == OpeningState(next_day=date(2019, 6, 10), next_minute=480)


def test_an_office_that_is_open_until_midnight_is_open_in_its_last_minute() -> None:
    night = OpenHours.model_validate({"workday": ["0:00-24:00"]})
    assert door(night, ORDINARY, at(DAY, 23, 59, 59)) == OpeningState(open_until=1440)


def test_an_office_without_hours_opens_on_no_day() -> None:
    assert door(OpenHours(), ORDINARY, at(DAY, 9)) == OpeningState()


def test_the_clock_is_the_institutions_whatever_zone_the_moment_comes_in() -> None:
    chinese = languages.load(["zh"], ZONE)["zh"]
    # 11:30 in Shanghai, to the minute.
    assert say_door(chinese, OFFICE, ORDINARY, datetime(2019, 6, 5, 3, 29, tzinfo=UTC)) == ("开放中，至 11:30", True)
    assert say_door(chinese, OFFICE, ORDINARY, datetime(2019, 6, 5, 3, 30, tzinfo=UTC)) == (
        "休息中。今天 14:30 开放",
        False,
    )
    # Late on Tuesday in London is Wednesday morning there.
    assert say_door(chinese, OFFICE, ORDINARY, datetime(2019, 6, 4, 23, 59, tzinfo=UTC))[0].endswith("今天 8:00 开放")


def test_it_states_tomorrow_or_which_day() -> None:
    chinese, english = languages.load(["zh", "en"], ZONE).values()
    eve = at(date(2019, 6, 6), 18)
    away = Calendar(holidays=(Days(first=date(2019, 6, 7), last=date(2019, 6, 9)),))
    assert say_door(chinese, OFFICE, ORDINARY, at(DAY, 17))[0] == "休息中。明天 8:00 开放"
    assert say_door(chinese, OFFICE, away, eve)[0] == "休息中。6月10日（周一）8:00 开放"
    assert say_door(english, OFFICE, away, eve)[0] == "Closed now. Opens on Monday, 10 June, at 8:00"
    assert say_door(english, OFFICE, away, at(DAY, 9))[0] == "Open now, until 11:30"
    assert say_door(chinese, OpenHours(), away, eve)[0] == "近期不开放，请先电话咨询"


def test_the_hours_are_written_out_for_each_kind_of_day_that_has_any() -> None:
    chinese, english = languages.load(["zh", "en"], ZONE).values()
    assert say_hours(chinese, OFFICE) == "工作日 8:00–11:30，14:30–17:00；周末 9:00–12:00"
    assert say_hours(english, OFFICE) == "Workdays 8:00–11:30, 14:30–17:00; Weekends 9:00–12:00"


@pytest.mark.parametrize("written", ["8:00-11:30", "8:00–11:30", "08:00 — 11:30"])
def test_hours_are_read_however_the_line_is_drawn(written: str) -> None:
    assert OpenHours.model_validate({"workday": [written]}).workday == (Hours(opens=480, closes=690),)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"workday": ["8-12"]}, "write them as"),
        ({"workday": ["8:60-12:00"]}, "write them as"),
        ({"workday": ["12:00-8:00"]}, "cross midnight in two"),
        ({"workday": ["8:00-25:00"]}, "write them as"),
        ({"workday": ["8:00-12:00", "11:00-14:00"]}, "sort them"),
        ({"workday": ["8:00-12:00", "12:00-14:00"]}, "join those that touch"),
    ],
)
def test_hours_that_cannot_be_are_refused_with_the_fix(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        OpenHours.model_validate(wrong)


def test_days_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValidationError, match="swap the two"):
        Calendar.model_validate({"holidays": [{"first": date(2019, 6, 9), "last": date(2019, 6, 7)}]})
