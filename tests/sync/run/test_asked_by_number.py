"""A source that is asked about each student, from the roster in the database to the marks, over a real socket."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from connectors import rest
from connectors.port import Candidates, Connector, Question
from status_db.model import ROSTER, RunState, Verdict
from tests.cast import LI, LIN, QIAN, SUN, ZHAO
from tests.services.http_office import HttpOffice, as_json
from tests.world import World

BOOK = {"NUMBER": "C-1001", "TITLE": "构造地质学", "BARCODE": "B0001"}


class Library:
    """A library that answers about one number at a time, asked by a world's sync as its loans."""

    def __init__(self, world: World, office: HttpOffice) -> None:
        self.world = world
        self.office = office
        self.candidates: Callable[[], Candidates] = lambda: world.candidates("loans")
        world.sync._connect = self.connect
        world.run(ROSTER)
        world.run("fines")

    def connect(self, name: str) -> Connector:
        if name != "loans":
            return self.world.connect(name)
        settings = rest.Settings.model_validate(
            {
                "one_url": f"{self.office.root}/api/students/{{student}}/loans",
                "records": "data.rows",
                "total": "data.total",
                "missing": "outside",
                "retries": 0,
                "per_student": {"rounds": 1, "per_second": 1000},
            }
        )
        columns = {"student": "NUMBER", "title": "TITLE", "reference": "BARCODE"}
        return rest.connect(settings, Question(name, columns, self.world.clock, self.candidates))

    def verdicts(self) -> dict[str, Verdict]:
        return {person.number: self.world.verdict(person.number, "library") for person in (LIN, ZHAO, QIAN, SUN, LI)}


@pytest.fixture
def library(sqlite_world: World) -> Iterator[Library]:
    with HttpOffice([BOOK], style="none") as office:
        office.known = {LIN.number, LIN.card, ZHAO.number, QIAN.former, LI.number}
        yield Library(sqlite_world, office)


def test_everybody_on_the_roster_is_asked_about_by_each_of_their_numbers(library: Library) -> None:
    assert library.world.run("loans").state is RunState.APPLIED
    assert library.verdicts() == {
        LIN.number: Verdict.HELD,
        ZHAO.number: Verdict.CLEARED,
        # Known by the number of before.
        QIAN.number: Verdict.CLEARED,
        # Unknown there, and not clear.
        SUN.number: Verdict.UNKNOWN,
        LI.number: Verdict.CLEARED,
    }


def test_who_returns_the_book_is_cleared_by_being_asked_about_alone(library: Library) -> None:
    library.world.run("loans")
    library.office.rows = []
    library.world.later(minutes=1)
    library.world.sync.recheck("loans", LIN.number, by="test")
    assert library.verdicts()[LIN.number] is Verdict.CLEARED


def test_one_of_several_numbers_that_is_unknown_there_does_not_keep_the_others_from_counting(library: Library) -> None:
    library.world.run("loans")
    library.office.rows = [{**BOOK, "NUMBER": QIAN.former}]
    library.world.later(minutes=1)
    assert library.world.sync.recheck("loans", QIAN.number, by="test").state is RunState.APPLIED
    assert library.verdicts()[QIAN.number] is Verdict.HELD


def test_a_roster_that_changes_meanwhile_clears_no_one(library: Library) -> None:
    def changed_meanwhile() -> Candidates:
        found = library.world.candidates("loans")
        library.world.says[ROSTER][1]["一卡通"] = "C-2002"
        library.world.run(ROSTER)
        return found

    library.candidates = changed_meanwhile
    outcome = library.world.run("loans")
    assert (outcome.state, outcome.fault) == (RunState.FAILED, "unavailable")
    assert set(library.verdicts().values()) == {Verdict.UNKNOWN}


@pytest.mark.parametrize(("status", "fault"), [(500, "unavailable"), (403, "refused")])
def test_one_student_whom_it_does_not_answer_about_leaves_everybody_as_they_were(
    library: Library, status: int, fault: Any
) -> None:
    library.world.run("loans")
    before = library.verdicts()
    library.office.rows = []
    library.office.befalls = lambda call: as_json({}, status) if LI.number in call.path else None
    outcome = library.world.run("loans")
    assert (outcome.state, outcome.fault) == (RunState.FAILED, fault)
    assert library.verdicts() == before
