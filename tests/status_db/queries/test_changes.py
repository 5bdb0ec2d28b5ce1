"""Kept answers equal the plain ones after every change, and nothing is read again while nothing has changed."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import Engine, event, update

from status_db import tables
from status_db.decisions.certificates import Issue
from status_db.decisions.refusals import DecisionRefused
from status_db.decisions.writer import DecisionRequest
from status_db.effective.visible import everything
from status_db.model import Verdict
from status_db.queries.changes import Changes, KeptAnswers
from status_db.queries.classes import Classes
from status_db.queries.lists import Filter, Lists, ListSelection
from status_db.queries.student import Reader
from status_db.store.engine import open_reading, writing
from status_db.views import EVERYBODY
from tests.cast import GEOLOGY_LOAN, LEAVING, QIAN
from tests.world import COHORT, World


@pytest.fixture
def reading(world: World) -> Iterator[Engine]:
    """An engine as pages have it."""
    engine = open_reading(world.url, at_most=timedelta(seconds=60))
    yield engine
    engine.dispose()


@pytest.fixture
def kept(reading: Engine) -> Iterator[KeptAnswers]:
    changes = Changes(reading)
    yield KeptAnswers(reading, changes)
    changes.close()


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the statements of every engine."""
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


COUNTED = (ListSelection.NOT_CLEAR, ListSelection.STALE, ListSelection.ISSUED)


def answers(world: World, engine: Engine, kept: KeptAnswers | None) -> tuple[object, ...]:
    """Return what an overview, a list and the desk show."""
    visibility, settings = everything(world.settings, COHORT), world.settings
    reader, lists = Reader(engine, settings, kept), Lists(engine, settings, kept)
    classes = Classes(engine, settings, COHORT, kept)
    return (
        reader.seen(visibility, world.now),
        lists.leaf(visibility, Filter(ListSelection.ALL), world.now, 50),
        *(lists.count(visibility, Filter(wanted), world.now, 99) for wanted in COUNTED),
        lists.choices(visibility, "college", {}, 50, world.now),
        classes.counted("final_review", world.now, EVERYBODY),
    )


def decide(world: World, chance: random.Random) -> None:
    until = world.now + timedelta(minutes=chance.randrange(1, 40)) if chance.random() < 0.5 else None
    step, reason = chance.choice((("library", "赔书"), ("college_items", "无借阅"), ("finance", "缓交批准")))
    number = chance.choice(LEAVING).number
    world.decisions.enter(DecisionRequest(number, step, Verdict.CLEARED, reason, until=until), "x", world.now)


def withdraw(world: World, chance: random.Random) -> None:
    world.decisions.withdraw(chance.choice(LEAVING).number, "library", "x", world.now)


def borrow(world: World, chance: random.Random) -> None:
    world.says["loans"] = [{**GEOLOGY_LOAN, "CARD": p.number} for p in LEAVING if chance.random() < 0.3]
    world.run("loans")


def review(world: World, chance: random.Random) -> None:
    number = chance.choice(LEAVING).number
    world.reviews.review(DecisionRequest(number, "final_review", Verdict.CLEARED, "通过"), "x", world.now)
    world.register.issue(Issue(number, f"CERT-{number}", "毕业证书", "self"), "x", world.now)


def wait(world: World, chance: random.Random) -> None:
    world.later(minutes=chance.choice((0, 1, 14, 30, 60, 600)))


def ask_again(world: World, _chance: random.Random) -> None:
    world.run("fees")


CHANGES: tuple[Callable[[World, random.Random], None], ...] = (decide, withdraw, borrow, review, wait, ask_again)


@pytest.mark.parametrize("seed", range(3))
def test_kept_answers_equal_the_plain_ones_after_any_changes(
    world: World, reading: Engine, kept: KeptAnswers, seed: int
) -> None:
    chance = random.Random(seed)
    world.says["fees"] = [{"XH": QIAN.number, "QFJE": "5850.00", "XM": "学费"}]
    world.says["checkouts"] = [{"学号": p.number, "清退状态": "已清退", "房间": "1"} for p in LEAVING]
    world.run_all()
    for _ in range(8):
        change = chance.choice(CHANGES)
        try:
            change(world, chance)
        except DecisionRefused:
            continue
        assert answers(world, reading, kept) == answers(world, world.reading, None), change.__name__


def test_nothing_is_counted_again_while_nothing_has_changed(world: World, reading: Engine, kept: KeptAnswers) -> None:
    world.run_all()
    first = answers(world, reading, kept)
    with statements() as asked:
        assert answers(world, reading, kept) == first
    assert not [one for one in asked if "student" in one.lower()]


def test_an_answer_ends_with_the_freshness_of_its_data(world: World, reading: Engine, kept: KeptAnswers) -> None:
    world.run_all()
    lists, visibility = Lists(reading, world.settings, kept), everything(world.settings, COHORT)

    def count() -> int:
        return lists.count(visibility, Filter(ListSelection.STALE), world.now, 99)

    assert count() == 0
    limit = min(f.fresh_until for f in lists.freshness(COHORT).values() if f.fresh_until is not None)
    world.now = limit - timedelta(microseconds=1)
    assert count() == 0
    world.now = limit
    assert count() == len(LEAVING)


class TestTheStateOfADatabase:
    def test_is_equal_while_nobody_writes(self, world: World, reading: Engine) -> None:
        changes = Changes(reading)
        assert changes.state() == changes.state()
        changes.close()

    def test_differs_after_any_write_whoever_it_was(self, world: World, reading: Engine) -> None:
        changes = Changes(reading)
        before = changes.state()
        with writing(world.engine, COHORT) as connection:
            connection.execute(update(tables.cohort).values(name="another"))
        assert changes.state() != before
        changes.close()

    def test_is_never_equal_where_it_cannot_be_read(self, tmp_path: object) -> None:
        changes = Changes(open_reading(f"sqlite:///{tmp_path}/missing.db"))
        assert changes.state() != changes.state()
