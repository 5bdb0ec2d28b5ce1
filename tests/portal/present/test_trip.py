"""One trip: the first day on which every office that is left opens, in the order in which they close."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.i18n.languages import load
from portal.present import trip
from status_db.views import StudentView
from tests.cast import LIN, SUN
from tests.portal.conftest import settle
from tests.world import COHORT, SETTINGS, World

#: The library closes at noon, the dormitory late; it is Saturday, a day that is worked.
HOURS = SETTINGS.replace('hours = "8:00–17:30"', 'open = { workday = ["8:00-11:30"], weekend = [] }').replace(
    'name = "2019届"\n', 'name = "2019届"\n\n[calendar]\nworkdays = [2019-05-25]\n'
)


@pytest.fixture
def university(tmp_path: Path) -> Iterator[World]:
    """The cast's university with these hours."""
    with World(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, HOURS) as made:
        yield settle(made)


def planned(world: World, number: str = LIN.number, code: str = "zh") -> tuple[trip.Trip | None, StudentView]:
    student = world.reader.student(COHORT, number, world.now)
    assert student is not None
    language = load(["zh", "en"], world.settings.institution.timezone)[code]
    return trip.trip(language, world.settings, student, world.now), student


def test_today_is_enough_while_every_office_still_opens(university: World) -> None:
    found, _ = planned(university)
    assert found is not None
    assert found.text == "今天去一趟就够"
    assert [stop.title for stop in found.stops] == ["图书馆", "宿管中心"]


def test_after_an_office_has_closed_it_is_the_next_day_on_which_all_open(university: World) -> None:
    university.later(hours=5)
    found, _ = planned(university)
    assert found is not None
    assert found.text == "5月27日去一趟就够"


def test_who_has_nothing_to_do_goes_nowhere(university: World) -> None:
    assert planned(university, SUN.number)[0] is None


def test_the_calendar_has_an_event_for_each_office_with_hours(university: World) -> None:
    found, student = planned(university)
    assert found is not None
    language = load(["zh"], university.settings.institution.timezone)["zh"]
    file = trip.calendar(language, student, found, university.now)
    lines = file.decode().split("\r\n")
    assert (lines[0], lines[-2]) == ("BEGIN:VCALENDAR", "END:VCALENDAR")
    assert "DTSTART:20190525T000000Z" in lines
    assert "DTEND:20190525T033000Z" in lines
    assert "SUMMARY:离校手续：图书馆" in lines
    assert all(len(line.encode()) <= 75 for line in lines)
    assert student.student not in file.decode()


def test_texts_of_the_settings_cannot_end_a_line_of_the_calendar() -> None:
    assert trip._escaped("a\r\nDTSTART:1;b,c\\") == "a DTSTART:1\\;b\\,c\\\\"


def test_a_long_line_is_folded_between_characters() -> None:
    folded = trip._folded("SUMMARY:" + "图" * 60)
    assert folded.replace("\r\n ", "") == "SUMMARY:" + "图" * 60
    assert all(len(part.encode()) <= 75 for part in folded.split("\r\n"))
