"""The stages of an answer, each alone: what gathering reads is all that the others need."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, event

from connectors.port import Cell, no_progress
from status_db.model import ROSTER, SETTINGS, Verdict
from status_db.store.engine import reading
from sync.plan.base import Stages
from sync.plan.matching import AMBIGUOUS, LEADING_ZERO, NUMBER_WITHIN, ONE_CHARACTER, OTHER_NUMBER, SAME_NAME, resolve
from sync.plan.people import People
from sync.pull.pull import pull
from sync.rule.reconcile import Plan
from sync.rule.records import Rows
from tests.cast import GEOLOGY_LOAN, LI, LIN, POETRY_LOAN, QIAN
from tests.world import World

NOBODY = People(frozenset(), frozenset(), {}, {}, {}, frozenset(), {}, {}, frozenset(), frozenset())


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """Collect the statements that a database is sent."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield sent
    event.remove(engine, "before_cursor_execute", note)


def people(own: dict[str, bool], **rest: Any) -> People:
    """Return a roster with these numbers, of which these tests' keys were looked up."""
    return replace(NOBODY, own=own, looked_up=frozenset({*own, *rest.pop("asked", ())}), **rest)


def stages_of(world: World, name: str) -> Stages[Any]:
    """Return the stages of a source's answer as it is now."""
    if name == SETTINGS:
        return world.sync._stages(SETTINGS, world.sync._gate.nothing_asked())
    snapshot = pull(world.settings, name, world.connect(name), no_progress, world.now)
    return world.sync._stages(name, snapshot)


@pytest.mark.parametrize("name", ["loans", ROSTER, SETTINGS])
def test_deciding_sends_the_database_nothing_and_decides_the_same_again(world: World, name: str) -> None:
    world.says["loans"] = [POETRY_LOAN]
    world.run_all()
    world.says["loans"] = [POETRY_LOAN, GEOLOGY_LOAN]
    world.says[ROSTER] = world.says[ROSTER][1:]
    stages = stages_of(world, name)
    with statements(world.engine) as sent:
        with reading(world.engine) as connection:
            read = stages.gather(connection)
        assert sent
        sent.clear()
        first, again = stages.decide(read), stages.decide(read)
        assert sent == []
    assert first.plan.digest == again.plan.digest
    assert first.counts == again.counts
    assert first.plan.empty is (name == SETTINGS)


def test_gathering_for_an_answer_that_is_stored_reads_no_record(world: World) -> None:
    world.says["loans"] = [POETRY_LOAN]
    world.run_all()
    stages = stages_of(world, "loans")
    with statements(world.engine) as sent, reading(world.engine) as connection:
        stages.gather(connection)
    assert not any("record" in statement for statement in sent)


def test_gathering_names_only_students_whose_rows_are_new(world: World) -> None:
    world.says["loans"] = [POETRY_LOAN, GEOLOGY_LOAN]
    world.run_all()
    world.says["loans"] = [POETRY_LOAN]
    stages = stages_of(world, "loans")
    with reading(world.engine) as connection:
        read = stages.gather(connection)
    assert {student for _, student in read.gathered.marks.records} == {LIN.number}
    plan = stages.decide(read).plan
    assert isinstance(plan, Plan)
    assert [(c.student, c.verdict_after) for c in plan.changes] == [(LIN.number, Verdict.CLEARED)]


def test_a_number_that_was_not_looked_up_is_an_error_and_no_ones_debt() -> None:
    with pytest.raises(LookupError, match="was not looked up"):
        resolve(people({LIN.number: True}), ("student",), {QIAN.number: [(QIAN.number,)]}, {})


@pytest.mark.parametrize(
    ("key", "roster", "found", "doubtful", "near"),
    [
        (LIN.number, {"own": {LIN.number: True}}, LIN.number, "", ""),
        ("C77", {"own": {}, "aliases": {"C77": [LI.number]}, "asked": ["C77"]}, LI.number, "", ""),
        ("C77", {"own": {}, "aliases": {"C77": [LI.number, LIN.number]}, "asked": ["C77"]}, "", AMBIGUOUS, ""),
        ("015", {"own": {"00015": True}, "asked": ["015", "0015", "000015", "15"]}, "", LEADING_ZERO, ""),
        (
            "20151001 甲",
            {"own": {"20151001": True}, "asked": ["20151001 甲", "20151001甲", "甲"]},
            "",
            NUMBER_WITHIN,
            "",
        ),
    ],
)
def test_a_key_means_whom_the_roster_names(
    key: str, roster: dict[str, Any], found: str, doubtful: str, near: str
) -> None:
    candidates = {f"{'0' * n}{key}" for n in range(1, 4)} | {f"{'0' * n}20151001" for n in range(1, 4)}
    asked = {key, *candidates, *roster.pop("asked", ())}
    resolved = resolve(people(roster.pop("own"), asked=asked, **roster), ("student",), {key: [(key,)]}, {})
    assert resolved.students.get(key, "") == found
    assert resolved.doubtful.get(key, ("", ""))[1] == doubtful
    assert resolved.near.get(key, ("", ""))[0] == near


def test_a_card_hints_where_the_source_sends_own_numbers_alone() -> None:
    roster = people({}, aliases={"C77": [LI.number]}, asked=["C77"])
    resolved = resolve(roster, ("student",), {"C77": [("C77",)]}, {}, own_numbers=True)
    assert resolved.near == {"C77": (OTHER_NUMBER, LI.number)}
    assert resolved.students == {}


def test_a_student_of_another_open_cohort_is_no_one_here_and_no_hint() -> None:
    roster = people({}, elsewhere=frozenset({"C77"}), asked=["C77"])
    resolved = resolve(roster, ("student",), {"C77": [("C77",)]}, {})
    assert resolved.staying == {"C77"}
    assert (resolved.students, resolved.doubtful, resolved.near) == ({}, {}, {})


def test_a_number_of_another_open_cohort_is_no_doubt_where_a_letter_is_added_to_one_of_this_cohort() -> None:
    key = f"{LIN.number}A"
    roster = people({LIN.number: True}, elsewhere=frozenset({key}), asked=[key])
    resolved = resolve(roster, ("student",), {key: [(key,)]}, {})
    assert resolved.staying == {key}
    assert (resolved.doubtful, resolved.near) == ({}, {})


def test_a_name_hints_only_where_nothing_came_by_the_own_number() -> None:
    groups: dict[Cell, Rows] = {"C77": [("C77", LIN.name)]}
    roster = people({}, named={LIN.name: [LIN.number]}, asked=["C77", "0C77", "00C77", "000C77"])
    assert resolve(roster, ("student", "name"), groups, {}).near == {"C77": (SAME_NAME, LIN.number)}
    with_own: dict[Cell, Rows] = {**groups, LIN.number: [(LIN.number, LIN.name)]}
    assert resolve(roster, ("student", "name"), with_own, {LIN.number: b"1"}).near == {}


def test_a_letter_read_for_a_digit_is_a_hint_and_no_doubt() -> None:
    roster = people({LIN.number: True}, lengths=frozenset({8}), asked=["2O151001"])
    resolved = resolve(roster, ("student",), {"2O151001": [("2O151001",)]}, {})
    assert resolved.near == {"2O151001": (ONE_CHARACTER, LIN.number)}
    assert resolved.doubtful == {}


def test_a_debt_that_is_now_under_an_unmatched_key_makes_its_student_unknown(world: World) -> None:
    world.says["loans"] = [GEOLOGY_LOAN, POETRY_LOAN]
    world.run_all()
    world.says["loans"] = [GEOLOGY_LOAN | {"CARD": "98765432"}, POETRY_LOAN]
    world.run("loans")
    assert world.verdict(LIN.number, "library") is Verdict.UNKNOWN
