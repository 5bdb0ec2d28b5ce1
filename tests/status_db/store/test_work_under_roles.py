"""What each process does, done by its own role of a real PostgreSQL: no statement of the program lacks a right."""

import inspect
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from status_db.accounts.accounts import Accounts
from status_db.decisions.writer import DecisionRequest, DecisionWriter
from status_db.desk.store import DeskStore
from status_db.model import RunState, Verdict
from status_db.queries.student import Reader
from status_db.store.engine import open_reading, open_writing
from status_db.store.roles import Roles, apply
from tests.cast import GEOLOGY_LOAN, LIN, SUN, ZHAO
from tests.four_roles import FourRoles
from tests.sync.run import test_approvals, test_run
from tests.sync.run.test_changed_settings import EXEMPT, FINES_APART, WITH_MANUAL, WITH_WORDS, WITHOUT_FINES
from tests.world import COHORT, SETTINGS, World


def hand_over(writer: Any, engine: Engine) -> None:
    """Have what writes use another engine, wherever it keeps the old one."""
    for name, value in list(vars(writer).items()):
        if isinstance(value, Engine):
            setattr(writer, name, engine)
        elif type(value).__module__.startswith(("status_db.", "sync.")) and hasattr(value, "__dict__"):
            hand_over(value, engine)


def by_its_roles(world: World, four: FourRoles) -> None:
    """Have each part of a world work as the role that its process has; the tables are there, and owned by another."""
    named: Roles = four.named
    for engine in (world.engine, world.desk_engine, world.reading):
        engine.dispose()
    world.engine = open_writing(four.url(world.url, named.sync))
    world.desk_engine = open_writing(four.url(world.url, named.desk))
    world.reading = open_reading(four.url(world.url, named.portal))
    world.desk = DeskStore(world.desk_engine, world.settings.status_db.ledger_key_file)
    world.reader, world.accounts = Reader(world.reading, world.settings), Accounts(world.desk)
    operator = open_writing(four.url(world.url, named.operator))
    for writer, engine in (
        (world.sync, world.engine),
        (world.votes, world.engine),
        (world.expected_changes, world.engine),
        (world.decisions, operator),
        (world.reviews, operator),
    ):
        hand_over(writer, engine)


@pytest.fixture
def manned(roles: FourRoles, postgres_url: str, tmp_path: Path) -> Iterator[World]:
    """The cast's university before its first sync, each part by its own role."""
    with World(postgres_url, tmp_path) as world:
        apply(world.url, roles.named, ("marks", "desk"))
        by_its_roles(world, roles)
        # Every run is carried out, and none copied from another world.
        world._new = lambda: False  # type: ignore[method-assign]
        yield world
        world.writer.engine.dispose()


def _scenarios() -> Iterator[Callable[[World], None]]:
    """Give every test of what a run does that asks for nothing but a world."""
    for module in (test_run, test_approvals):
        for name, found in vars(module).items():
            if inspect.isclass(found) and name.startswith("Test"):
                made = found()
                yield from (getattr(made, each) for each in vars(found) if _asks_for_a_world(getattr(made, each)))
            elif _asks_for_a_world(found):
                yield found


def _asks_for_a_world(found: object) -> bool:
    named = inspect.isroutine(found) and getattr(found, "__name__", "").startswith("test_")
    return named and list(inspect.signature(found).parameters) == ["world"]  # type: ignore[arg-type]


#: Those whose test itself writes past the program, as the owner of the tables.
_BY_THE_OWNER = {"test_a_decision_between_plan_and_write_is_neither_lost_nor_trampled"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "scenario", [each for each in _scenarios() if each.__name__ not in _BY_THE_OWNER], ids=lambda each: each.__name__
)
def test_a_run_does_the_same_by_its_role(manned: World, scenario: Callable[[World], None]) -> None:
    scenario(manned)


def test_the_scenarios_are_many() -> None:
    assert len(list(_scenarios())) > 40


@pytest.mark.parametrize(
    "settings",
    [WITH_MANUAL, FINES_APART, WITHOUT_FINES, WITH_WORDS, SETTINGS.replace(EXEMPT, "")],
    ids=["a step", "a source's step", "a source less", "words", "an exemption less"],
)
def test_a_change_of_settings_is_applied_by_the_syncs_role(
    roles: FourRoles, postgres_url: str, tmp_path: Path, settings: str
) -> None:
    with World(postgres_url, tmp_path) as world:
        world.says["loans"] = [GEOLOGY_LOAN]
        world.says["fines"] = [{"CARD": ZHAO.number, "AMOUNT": "5.00"}]
        world.run_all()
    apply(postgres_url, roles.named, ("marks", "desk"))
    with World(postgres_url, tmp_path, settings) as world:
        by_its_roles(world, roles)
        world.says["loans"] = [GEOLOGY_LOAN]
        world.later(hours=1)
        world.sync.open_cohort()
        for run in world.reader.runs(COHORT):
            if run.source == "settings" and run.state is RunState.SUSPENDED:
                assert world.sync.approve(run.run, "settings", by="test").state is RunState.APPLIED
        for name in world.sync.names():
            assert world.run(name).state in (RunState.APPLIED, RunState.UNCHANGED, RunState.SUSPENDED)
        world.writer.engine.dispose()


def test_expected_changes_a_way_back_and_an_ended_decision_by_their_roles(manned: World) -> None:
    world = manned
    world.says["loans"] = [GEOLOGY_LOAN, GEOLOGY_LOAN | {"CARD": f"{SUN.number}x", "BARCODE": "B9"}]
    world.run_all()
    expected_change = world.expected_changes.announce(
        "loans", Verdict.CLEARED, 9, world.now + timedelta(days=1), author="x", note="", now=world.now
    )
    assert world.expected_changes.withdraw(expected_change.id, author="x", now=world.now).id == expected_change.id
    world.says["loans"] = []
    assert world.run("loans").state is RunState.APPLIED
    # What was approved can be taken back: the records that it replaced are kept.
    run = test_approvals.suspended(world)
    assert world.sync.approve(run, "loans", by="x").state is RunState.APPLIED
    world.later(minutes=1)
    assert world.sync.revert(run, "loans", by="x").state is RunState.APPLIED
    # The schedule notes that a decision has ended, as the sync's role.
    until = world.now + timedelta(hours=1)
    world.decisions.enter(
        DecisionRequest(LIN.number, "library", Verdict.CLEARED, "数据有误", until=until), "x", world.now
    )
    world.later(hours=2)
    schedules = DecisionWriter(world.engine, world.settings, COHORT, world.ledger)
    assert schedules.sweep(world.now) == 1


def test_a_ledger_that_begins_over_what_is_stored_is_begun_by_the_syncs_role(manned: World, postgres_url: str) -> None:
    world = manned
    world.says["loans"] = [GEOLOGY_LOAN]
    world.run_all()
    world.decisions.enter(DecisionRequest(SUN.number, "library", Verdict.CLEARED, "数据有误"), "x", world.now)
    owner = open_writing(postgres_url)
    with owner.begin() as connection:
        connection.exec_driver_sql("DELETE FROM ledger")
        for table in ("student", "record", "decision", "applied_settings"):
            connection.exec_driver_sql(f"UPDATE {table} SET mac = NULL")
    owner.dispose()
    assert world.run("fees").state is RunState.UNCHANGED
