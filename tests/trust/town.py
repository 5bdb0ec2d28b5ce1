"""A town of many students, all alike, for what depends on how many there are; and a dump of what is stored."""

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

from sqlalchemy import Connection, Table, select

from status_db import tables
from status_db.model import ROSTER, RunState
from status_db.store.engine import reading
from sync.run.outcome import Outcome
from tests.cast import SUN
from tests.world import World

#: What a change moves: the records, the findings and their flips, and who is listed.
_MARKS = (tables.record, tables.status, tables.flip, tables.student, tables.alias)

Marks = dict[str, list[tuple[Any, ...]]]


def marks(world: World) -> Marks:
    """Return every row of the marks, in order."""
    with reading(world.engine) as connection:
        return {table.name: _rows(connection, table) for table in _MARKS}


def _rows(connection: Connection, table: Table) -> list[tuple[Any, ...]]:
    keys = list(table.primary_key.columns)
    return [tuple(row) for row in connection.execute(select(table).order_by(*keys))]


def numbers(count: int) -> list[str]:
    """Return so many students' numbers."""
    return [f"2015{i:04}" for i in range(count)]


def listed(people: Iterable[str], **particulars: str) -> list[dict[str, str]]:
    """Return the registrar's rows of these students."""
    return [{**SUN.listed(), "学号": number, **particulars} for number in people]


def lent(people: Iterable[str], each: int = 1) -> list[dict[str, Any]]:
    """Return so many books on loan for each of these students."""
    return [
        {"CARD": who, "TITLE": f"第{i}册", "DUE": "2019-06-01", "BARCODE": f"{who}-{i}"}
        for who in people
        for i in range(each)
    ]


def settle(world: World, people: Sequence[str], borrowers: Sequence[str] = (), each: int = 1) -> None:
    """List these students and no others, lend some of them books, and sync; then show that a mark can move."""
    world.says[ROSTER] = listed(people)
    world.says["loans"] = lent(borrowers, each)
    world.says["fines"] = [{"CARD": people[0], "AMOUNT": "0.00"}]
    assert {outcome.state for outcome in world.run_all().values()} <= {RunState.APPLIED, RunState.UNCHANGED}
    control(world, people[0])


def control(world: World, student: str) -> None:
    """Show that the marks do move when they should: one student is fined, and pays."""
    stood = marks(world)
    for amount in ("1.00", "0.00"):
        world.says["fines"] = [{"CARD": student, "AMOUNT": amount}]
        assert world.run("fines").state is RunState.APPLIED
        moved = marks(world)
        assert moved != stood
        stood = moved


def some(chance: Random, people: Sequence[str], count: int) -> list[str]:
    """Choose so many of these students."""
    return chance.sample(list(people), count)


def without(people: Sequence[str], gone: Iterable[str]) -> list[str]:
    """Return the others."""
    missing = set(gone)
    return [who for who in people if who not in missing]


def held_back(world: World, name: str, moved: int | None = None) -> Outcome:
    """Run a source that must be held back whole: the fault has fired, and no mark has moved."""
    stood = marks(world)
    outcome = world.run(name)
    assert outcome.state in (RunState.SUSPENDED, RunState.SKIPPED), (outcome.state, outcome.message)
    assert outcome.fault == "suspended"
    if moved is not None:
        figures = outcome.counts
        fired = (figures.released or 0) + (figures.newly_held or 0) + (figures.newly_unknown or 0)
        assert fired == moved, "the answer is not the one that was meant"
    assert marks(world) == stood, "something was written of a change that is held back"
    assert "clearance runs approve" in outcome.message
    return outcome


def applied(world: World, name: str) -> Outcome:
    """Run a source that must be let go."""
    stood = marks(world)
    outcome = world.run(name)
    assert outcome.state is RunState.APPLIED, (outcome.state, outcome.message)
    assert marks(world) != stood
    return outcome
