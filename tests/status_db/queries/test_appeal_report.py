"""Objections are counted by step and kind, about students inside the scopes alone, with the time their answers took."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import insert, select

from status_db import tables
from status_db.effective.visible import Visibility, everything
from status_db.queries import appeal_report
from status_db.queries.appeal_report import AppealCounts, AppealReports
from status_db.store.engine import writing
from status_db.store.turns import DESK
from status_db.views import Scope
from tests.cast import LI, LIN, QIAN, SUN, ZHAO, Person
from tests.world import COHORT, World

HOUR = timedelta(hours=1)
RESOURCES: Scope = {"college": ("资源学院",)}


def raise_one(
    world: World,
    person: Person,
    step: str,
    *,
    kind: str = "objection",
    cohort: str = COHORT,
    due: timedelta = 8 * HOUR,
    outcome: str | None = None,
    after: timedelta = HOUR,
) -> None:
    """Have somebody object to a step now; with an outcome, it was answered so long after."""
    answered = {} if outcome is None else {"outcome": outcome, "answered_at": world.now + after, "answered_by": "x"}
    values: dict[str, Any] = {
        "cohort": cohort, "student": person.number, "step": step, "kind": kind, "item": "", "raised_by": person.number,
        "text": "已还", "seen": {}, "at": world.now, "due": world.now + due, "answer": "", **answered,
    }  # fmt: skip
    with writing(world.desk_engine, DESK, "desk") as connection:
        connection.execute(insert(tables.appeal).values(**values))


@pytest.fixture
def season(world: World) -> World:
    world.run("roster")
    raise_one(world, LIN, "library", outcome="rechecked", after=1 * HOUR)
    raise_one(world, ZHAO, "library", outcome="decided", after=2 * HOUR)
    raise_one(world, QIAN, "library", outcome="explained", after=9 * HOUR + HOUR / 2)
    # Nobody's answer: it says nothing of how long the office takes.
    raise_one(world, SUN, "library", outcome="withdrawn", after=100 * HOUR)
    raise_one(world, QIAN, "library", due=4 * HOUR)
    raise_one(world, LI, "library", due=5 * HOUR)
    raise_one(world, LIN, "library", due=6 * HOUR)
    raise_one(world, LIN, "finance", kind="sent_back", outcome="decided", after=HOUR / 2)
    raise_one(world, ZHAO, "finance", kind="sent_back", outcome="decided", after=HOUR)
    raise_one(world, LIN, "finance")
    raise_one(world, LIN, "library", cohort="2018")
    # Of another cohort, and in another college then: that says nothing of where the student stands now.
    with writing(world.engine, COHORT) as connection:
        row = connection.execute(select(tables.student).where(tables.student.c.student == LIN.number)).one()
        other = {"cohort": "2018", "college": "资源学院"}
        connection.execute(insert(tables.student).values(**(row._asdict() | other)))
    world.now += 5 * HOUR
    return world


def told(world: World, visibility: Visibility | None = None) -> dict[tuple[str, str], AppealCounts]:
    reports = AppealReports(world.desk_engine, world.reading)
    found = reports.report(visibility or everything(world.settings, COHORT), world.now)
    return {(one.step, one.kind): one for one in found}


def test_each_is_counted_once_by_step_kind_and_outcome(season: World) -> None:
    found = told(season)
    assert list(found) == [("library", "objection"), ("finance", "objection"), ("finance", "sent_back")]
    library = found["library", "objection"]
    assert library.outcomes == {"rechecked": 1, "decided": 1, "explained": 1, "withdrawn": 1}
    assert (library.raised, library.waiting) == (7, 3)
    assert found["finance", "sent_back"].outcomes == {"decided": 2}


def test_only_what_waits_past_its_time_is_overdue(season: World) -> None:
    # Due after four hours, five and six; five have passed, and who answers at the last moment is in time.
    assert told(season)["library", "objection"].overdue == 1
    season.now += timedelta(microseconds=1)
    assert told(season)["library", "objection"].overdue == 2


def test_the_median_is_of_the_offices_answers_alone(season: World) -> None:
    found = told(season)
    assert found["library", "objection"].median_hours == Decimal("2.0")
    assert found["finance", "sent_back"].median_hours == Decimal("0.8")
    assert found["finance", "objection"].median_hours is None


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ({"library": (RESOURCES,)}, {("library", "objection"): 4}),
        ({"library": (RESOURCES, {"class": ("011151",)})}, {("library", "objection"): 7}),
        (
            {"library": (RESOURCES,), "finance": ({},)},
            {("library", "objection"): 4, ("finance", "objection"): 1, ("finance", "sent_back"): 2},
        ),
        ({"library": ({"college": ("资源学院",), "class": ("011151",)},)}, {}),
        ({"dorm": ({},)}, {}),
        ({}, {}),
    ],
)
@pytest.mark.parametrize("chunk", [1, 5_000])
def test_no_one_and_no_step_outside_the_scopes_is_counted(
    season: World,
    monkeypatch: pytest.MonkeyPatch,
    steps: Mapping[str, Sequence[Scope]],
    expected: Mapping[tuple[str, str], int],
    chunk: int,
) -> None:
    monkeypatch.setattr(appeal_report, "_CHUNK", chunk)
    found = told(season, Visibility(COHORT, steps))
    assert {key: one.raised for key, one in found.items()} == expected
