"""By when an office is to answer: so many hours of its own opening times, over nights, weekends and holidays."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from config.tables.opening_hours import Calendar, OpenHours
from portal.present.due import UNSTATED, due, due_at
from tests.world import World

ZONE = ZoneInfo("Asia/Shanghai")
OFFICE = OpenHours.model_validate({"workday": ["8:00-11:30", "14:30-17:00"], "weekend": ["9:00-12:00"]})
ORDINARY = Calendar()
#: Dragon boat festival from Friday to Sunday; Saturday the 15th is worked in place of it.
FESTIVAL = Calendar.model_validate(
    {"holidays": [{"first": date(2019, 6, 7), "last": date(2019, 6, 9)}], "workdays": [date(2019, 6, 15)]}
)


def at(day: int, hour: int, minute: int = 0, second: int = 0) -> datetime:
    """June 2019: the 3rd is a Monday."""
    return datetime(2019, 6, day, hour, minute, second, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("raised", "hours", "expected"),
    [
        (at(5, 8), 1, at(5, 9)),
        (at(5, 8), 3.5, at(5, 11, 30)),
        (at(5, 8), 4, at(5, 15)),
        (at(5, 11), 1, at(5, 15)),
        (at(5, 3), 1, at(5, 9)),
        (at(5, 12), 1, at(5, 15, 30)),
        (at(5, 16, 30), 1, at(6, 8, 30)),
        (at(5, 17), 1, at(6, 9)),
        (at(5, 23, 59), 1, at(6, 9)),
        (at(5, 16, 59, 30), 1, at(6, 8, 59, 30)),
        (at(5, 8), 6, at(5, 17)),
        (at(5, 8), 16, at(7, 15)),
        (at(7, 16), 3, at(8, 11)),
        (at(8, 11), 8, at(10, 15)),
    ],
)
def test_hours_are_counted_while_it_is_open(raised: datetime, hours: float, expected: datetime) -> None:
    assert due(OFFICE, ORDINARY, raised, timedelta(hours=hours), ZONE) == expected


@pytest.mark.parametrize(
    ("raised", "hours", "expected"),
    [(at(6, 16), 2, at(10, 9)), (at(8, 10), 1, at(10, 9)), (at(14, 16), 6, at(15, 16))],
    ids=["over the holidays", "on a holiday", "a Saturday that is worked"],
)
def test_holidays_and_days_worked_in_their_place_are_what_the_calendar_states(
    raised: datetime, hours: float, expected: datetime
) -> None:
    assert due(OFFICE, FESTIVAL, raised, timedelta(hours=hours), ZONE) == expected


@pytest.mark.parametrize("hours", [None, OpenHours()], ids=["no hours", "never open"])
def test_an_office_without_hours_is_reckoned_from_monday_to_friday_eight_to_five(hours: OpenHours | None) -> None:
    assert due(hours, ORDINARY, at(5, 8), timedelta(hours=9), ZONE) == at(5, 17)
    assert due(hours, ORDINARY, at(5, 8), timedelta(hours=16), ZONE) == at(6, 15)
    assert due(hours, ORDINARY, at(7, 16), timedelta(hours=2), ZONE) == at(10, 9)
    assert due(hours, FESTIVAL, at(6, 16), timedelta(hours=2), ZONE) == at(10, 9)
    assert due(hours, ORDINARY, at(5, 8), timedelta(hours=1), ZONE) == due(
        UNSTATED, ORDINARY, at(5, 8), timedelta(hours=1), ZONE
    )


def test_it_is_the_clock_on_the_institutions_wall_that_counts() -> None:
    raised = datetime(2019, 6, 5, 0, 30, tzinfo=UTC)
    assert due(OFFICE, ORDINARY, raised, timedelta(hours=1), ZONE) == at(5, 9, 30)
    evening = datetime(2019, 6, 5, 20, 0, tzinfo=UTC)
    assert due(OFFICE, ORDINARY, evening, timedelta(hours=1), ZONE) == at(6, 9)


def test_hours_until_midnight_end_with_the_day() -> None:
    night = OpenHours.model_validate({"workday": ["20:00-24:00"]})
    assert due(night, ORDINARY, at(5, 20), timedelta(hours=4), ZONE) == at(6, 0)
    assert due(night, ORDINARY, at(5, 20), timedelta(hours=5), ZONE) == at(6, 21)


def test_where_nobody_works_for_a_year_the_clock_counts() -> None:
    closed = Calendar.model_validate({"holidays": [{"first": date(2019, 1, 1), "last": date(2022, 1, 1)}]})
    assert due(OFFICE, closed, at(5, 8), timedelta(hours=2), ZONE) == at(5, 10)


def test_the_hours_are_those_of_the_students_campus(sqlite_world: World) -> None:
    """The library tells its hours in words alone, so it is reckoned as one that tells none."""
    settings = sqlite_world.settings
    step = settings.step_named("library")
    here = next(iter(step.office.places.values()))
    own = step.model_copy(
        update={
            "office": step.office.model_copy(
                update={"places": {"*": here, "南望山": here.model_copy(update={"open": OFFICE})}}
            )
        }
    )
    steps = [own if one.key == "library" else one for one in settings.step]
    told = settings.model_copy(
        update={"step": steps, "desk": settings.desk.model_copy(update={"appeal_due": timedelta(hours=4)})}
    )
    assert due_at(told, "library", "南望山", at(5, 8)) == at(5, 15)
    assert due_at(told, "library", "未来城", at(5, 8)) == at(5, 12)
    assert due_at(settings, "dorm", "南望山", at(5, 8)) == at(6, 15)
