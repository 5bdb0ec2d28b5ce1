"""Promise 2 at its limits: through whole runs, each limit one below, on it and one above.

Within it the change is applied; beyond it no record, no finding, no flip has moved, and the reason names what, how many
of how many, which limit, and what to do.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from status_db.model import ROSTER, RunState, Verdict
from tests.trust.town import applied, held_back, lent, listed, marks, numbers, settle, some, without
from tests.world import SETTINGS, World


def guarded(source: str, **limits: int) -> str:
    """Return the settings with other limits for a source, or for the roster."""
    at = "[roster.guard]" if source == ROSTER else f"[source.{source}.guard]"
    return SETTINGS + f"\n{at}\n" + "".join(f"{key} = {value}\n" for key, value in limits.items())


@contextmanager
def world_of(url: str, folder: Path, settings: str = SETTINGS) -> Iterator[World]:
    """A town to be, on this database."""
    with World(url, folder, settings) as made:
        yield made


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit: how a town comes to it, and what goes beyond it by `over`."""

    prepare: Callable[[World, Random], list[str]]
    #: Have the source say it; `over` is -1, 0 or 1.
    change: Callable[[World, Random, list[str], int], None]
    source: str
    #: What the reason says when it is one above; `{}` stands for nothing.
    says: str
    settings: str = SETTINGS


def borrowing(people: int, borrowers: int, each: int = 1) -> Callable[[World, Random], list[str]]:
    """Return what settles a town in which so many have books, and gives those."""

    def prepare(world: World, chance: Random) -> list[str]:
        everybody = numbers(people)
        held = sorted(some(chance, everybody, borrowers))
        settle(world, everybody, held, each)
        a_day_on(world)
        return held

    return prepare


def a_day_on(world: World) -> None:
    """A day passes in which nothing moves and every source is asked: what was counted before is over."""
    world.later(hours=25)
    assert {outcome.state for outcome in world.run_all().values()} == {RunState.UNCHANGED}


def returning(at_limit: int) -> Callable[[World, Random, list[str], int], None]:
    """Return what has so many bring their books back."""

    def change(world: World, chance: Random, held: list[str], over: int) -> None:
        world.says["loans"] = lent(without(held, some(chance, held, at_limit + over)))

    return change


def borrowing_anew(at_limit: int) -> Callable[[World, Random, list[str], int], None]:
    """Return what has so many more borrow."""

    def change(world: World, chance: Random, held: list[str], over: int) -> None:
        free = without([row["学号"] for row in world.says[ROSTER]], held)
        world.says["loans"] = lent([*held, *some(chance, free, at_limit + over)])

    return change


def fewer_rows(world: World, chance: Random, _held: list[str], over: int) -> None:
    """A thousand rows about a hundred students fall to seven hundred; everybody keeps one."""
    rows = world.says["loans"]
    kept, spare = [r for r in rows if r["BARCODE"].endswith("-0")], [r for r in rows if not r["BARCODE"].endswith("-0")]
    world.says["loans"] = kept + chance.sample(spare, 600 - over)


def almost_none(world: World, _chance: Random, held: list[str], over: int) -> None:
    """Two rows are left, one, none; the student who has two books keeps one, so that not everybody is released."""
    world.says["loans"] = lent(held[: 1 - over])


def twenty_back(world: World, chance: Random) -> list[str]:
    """A hundred hold books, of whom twenty bring them back."""
    held = borrowing(120, 100)(world, chance)
    left = without(held, some(chance, held, 20))
    world.says["loans"] = lent(left)
    applied(world, "loans")
    return left


def forty_approved_then_twenty_back(world: World, chance: Random) -> list[str]:
    """Of a hundred and forty, forty are cleared by approval; of the hundred left, twenty bring theirs back."""
    held = borrowing(160, 140)(world, chance)
    left = without(held, some(chance, held, 40))
    world.says["loans"] = lent(left)
    run = held_back(world, "loans", 40).run
    assert run is not None
    world.sync.approve(run, "loans", by="librarian")
    left = without(left, some(chance, left, 20))
    world.says["loans"] = lent(left)
    applied(world, "loans")
    return left


def ninety_borrow(world: World, chance: Random) -> list[str]:
    """Of four hundred, fifty borrow, then forty more."""
    held = borrowing(400, 0)(world, chance)
    for more in (50, 40):
        held = [*held, *some(chance, without(numbers(400), held), more)]
        world.says["loans"] = lent(held)
        applied(world, "loans")
    return held


def announced(world: World, chance: Random) -> list[str]:
    """Of three hundred who hold books, thirty are announced."""
    held = borrowing(310, 300)(world, chance)
    until = world.now + timedelta(hours=5)
    world.expected_changes.announce(
        "loans", Verdict.CLEARED, 30, until, author="librarian", note="还书周", now=world.now
    )
    return held


def readers(people: int, borrowers: int) -> Callable[[World, Random], list[str]]:
    """Return what settles a town whose library names its readers: everybody."""

    def prepare(world: World, chance: Random) -> list[str]:
        world.population["loans"] = numbers(people)
        return borrowing(people, borrowers)(world, chance)

    return prepare


def readers_lost(at_limit: int, *, holding: bool) -> Callable[[World, Random, list[str], int], None]:
    """Return what has the library lose so many of its readers, those who hold books or those who hold none."""

    def change(world: World, chance: Random, held: list[str], over: int) -> None:
        among = held if holding else without(numbers(len(world.says[ROSTER])), held)
        lost = some(chance, among, at_limit + over)
        world.population["loans"] = without(world.population["loans"], lost)
        world.says["loans"] = lent(without(held, lost))

    return change


def living(people: int) -> Callable[[World, Random], list[str]]:
    """Return what settles a town where everybody has checked out."""

    def prepare(world: World, chance: Random) -> list[str]:
        world.says["checkouts"] = [{"学号": who, "清退状态": "已清退", "房间": "x"} for who in numbers(people)]
        return borrowing(people, 0)(world, chance)

    return prepare


def another_word(at_limit: int, word: str) -> Callable[[World, Random, list[str], int], None]:
    """Return what has the dormitory say another word of so many."""

    def change(world: World, chance: Random, _held: list[str], over: int) -> None:
        for row in chance.sample(world.says["checkouts"], at_limit + over):
            row["清退状态"] = word

    return change


def listed_otherwise(at_limit: int, **particulars: str) -> Callable[[World, Random, list[str], int], None]:
    """Return what has the registrar list so many otherwise, or, without particulars, not at all."""

    def change(world: World, chance: Random, _held: list[str], over: int) -> None:
        everybody = [row["学号"] for row in world.says[ROSTER]]
        chosen = some(chance, everybody, at_limit + over)
        world.says[ROSTER] = listed(without(everybody, chosen))
        world.says[ROSTER] += listed(chosen, **particulars) if particulars else []

    return change


LIMITS = {
    "rows fall": Limit(
        borrowing(110, 100, each=10),
        fewer_rows,
        "loans",
        "rows about roster students fall from 1000 to 699 (limit 30 % and 10)",
    ),
    "no rows at all": Limit(
        borrowing(30, 20),
        almost_none,
        "loans",
        "no rows at all, where there were 20",
        guarded("loans", rows_fall_percent=100, group_count=100),
    ),
    "clear count": Limit(
        borrowing(110, 100),
        returning(20),
        "loans",
        "21 of 100 held students would be cleared at once (limit 10 % and 20)",
    ),
    "clear percent": Limit(
        borrowing(310, 300),
        returning(30),
        "loans",
        "31 of 300 held students would be cleared at once (limit 10 % and 20)",
    ),
    "hold count": Limit(
        borrowing(400, 0),
        borrowing_anew(50),
        "loans",
        "51 of 400 cleared students would be held at once (limit 10 % and 50)",
    ),
    "hold percent": Limit(
        borrowing(700, 0),
        borrowing_anew(70),
        "loans",
        "71 of 700 cleared students would be held at once (limit 10 % and 50)",
    ),
    "sum of clears": Limit(
        twenty_back,
        returning(10),
        "loans",
        "31 of 100 held students would be cleared since the last approval or within 24 h (limit 30 % and 20)",
    ),
    "sum of clears since the approval": Limit(
        forty_approved_then_twenty_back,
        returning(10),
        "loans",
        "31 of 100 held students would be cleared since the last approval or within 24 h (limit 30 % and 20)",
    ),
    "sum of holds": Limit(
        ninety_borrow,
        borrowing_anew(30),
        "loans",
        "121 of 400 cleared students would be held since the last approval or within 24 h (limit 30 % and 50)",
    ),
    "beyond a wave": Limit(
        announced,
        returning(60),
        "loans",
        "31 of 300 held students would be cleared at once beyond the expected change of 30 (limit 10 % and 20)",
    ),
    "unknown count": Limit(
        readers(400, 0),
        readers_lost(50, holding=False),
        "loans",
        "51 of 400 known students would be unknown at once (limit 10 % and 50)",
    ),
    "unknown percent": Limit(
        readers(600, 0),
        readers_lost(60, holding=False),
        "loans",
        "61 of 600 known students would be unknown at once (limit 10 % and 50)",
    ),
    "held and then unknown": Limit(
        readers(110, 100),
        readers_lost(20, holding=True),
        "loans",
        "21 of 100 held students would be cleared or unknown at once (limit 10 % and 20)",
    ),
    "a word nobody told": Limit(
        living(120),
        another_word(50, "封楼"),
        "checkouts",
        "51 of 120 known students would be unknown at once (limit 10 % and 50)",
        guarded("checkouts", quality_rows=1000),
    ),
    "a status that holds": Limit(
        living(120),
        another_word(50, "未清退"),
        "checkouts",
        "51 of 120 cleared students would be held at once (limit 10 % and 50)",
    ),
    "the roster falls": Limit(
        borrowing(100, 0),
        listed_otherwise(30),
        ROSTER,
        "the roster falls from 100 to 69 students (limit 30 %)",
        guarded(ROSTER, clear_percent=100),
    ),
    "dropped from the roster": Limit(
        borrowing(100, 0),
        listed_otherwise(20),
        ROSTER,
        "21 of 100 students would no longer leave this year (limit 10 % and 20)",
    ),
    "said to stay": Limit(
        borrowing(300, 0),
        listed_otherwise(30, 类别="延期"),
        ROSTER,
        "31 of 300 students would no longer leave this year (limit 10 % and 20)",
    ),
    "another flow": Limit(
        borrowing(100, 0),
        listed_otherwise(50, 培养层次="硕士"),
        ROSTER,
        "51 of 100 students would start again in another flow (limit 10 % and 50)",
    ),
    "let off by the roster": Limit(
        borrowing(100, 0),
        listed_otherwise(20, 楼栋="校外走读"),
        ROSTER,
        "21 of 100 students would become exempt from a step (limit 10 % and 20)",
    ),
}

every_limit = pytest.mark.parametrize("limit", LIMITS.values(), ids=LIMITS.keys())


def beyond_it(world: World, chance: Random, limit: Limit) -> None:
    """One above is held back whole; the same town, asked again, lets go what is on the limit."""
    held = limit.prepare(world, chance)
    said = {name: [dict(row) for row in rows] for name, rows in world.says.items()}
    population = {name: list(rows) for name, rows in world.population.items()}
    limit.change(world, chance, held, 1)
    outcome = held_back(world, limit.source)
    assert limit.says in outcome.message
    assert f"clearance runs approve {outcome.run}" in outcome.message
    assert f"clearance runs reject {outcome.run} --reason" in outcome.message
    world.says, world.population = said, population
    limit.change(world, chance, held, 0)
    applied(world, limit.source)


@every_limit
def test_one_above_waits_whole_and_on_the_limit_it_goes(limit: Limit, tmp_path: Path, chance: Random) -> None:
    with world_of(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, limit.settings) as world:
        beyond_it(world, chance, limit)


@every_limit
def test_one_below_goes(limit: Limit, tmp_path: Path, chance: Random) -> None:
    with world_of(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, limit.settings) as world:
        held = limit.prepare(world, chance)
        limit.change(world, chance, held, -1)
        applied(world, limit.source)


@pytest.mark.parametrize("name", ["clear count", "sum of clears", "unknown count"])
def test_on_postgresql_too(name: str, postgres_url: str, tmp_path: Path, chance: Random) -> None:
    with world_of(postgres_url, tmp_path, LIMITS[name].settings) as world:
        beyond_it(world, chance, LIMITS[name])


def first_suspends(source: str) -> str:
    """Return the settings under which a source's first answer waits."""
    before, at, after = SETTINGS.partition(f"[source.{source}]")
    return before + at + after.replace('first = "apply"', 'first = "suspend"', 1)


class TestTheFirstAnswer:
    @pytest.fixture
    def new(self, tmp_path: Path) -> Iterator[World]:
        """A library that has not been asked yet."""
        with world_of(f"sqlite:///{tmp_path / 'new.db'}", tmp_path, first_suspends("loans")) as made:
            made.says[ROSTER] = listed(numbers(10))
            made.run(ROSTER)
            made.run("fines")
            yield made

    @pytest.mark.parametrize("borrowers", [0, 1])
    def test_it_waits_whatever_it_states(self, new: World, borrowers: int) -> None:
        new.says["loans"] = lent(numbers(borrowers))
        outcome = held_back(new, "loans")
        assert f"this is the first answer of loans: {borrowers} records wait for approval" in outcome.message
        assert outcome.run is not None
        stood = marks(new)
        new.sync.approve(outcome.run, "loans", by="librarian")
        assert marks(new) != stood

    def test_an_answer_before_the_roster_is_not_the_first_one(self, tmp_path: Path) -> None:
        """No one could look at it, so the one that follows waits."""
        with world_of(f"sqlite:///{tmp_path / 'early.db'}", tmp_path, first_suspends("loans")) as world:
            world.says[ROSTER] = listed(numbers(10))
            world.says["loans"] = lent(numbers(3))
            world.run("loans")
            world.run(ROSTER)
            world.run("fines")
            held_back(world, "loans")

    def test_an_answer_of_nothing_behind_a_source_that_waits_is_not_the_first_one(self, tmp_path: Path) -> None:
        """Loans wait; fines say nothing. Once the loans are approved, the empty fines are looked at, too."""
        with world_of(f"sqlite:///{tmp_path / 'two.db'}", tmp_path, first_suspends("loans")) as world:
            settings = world.settings
            fines = settings.source["fines"].model_copy(update={"first": "suspend"})
            world.settings = settings.model_copy(update={"source": {**settings.source, "fines": fines}})
            world.sync._settings = world.settings
            world.says[ROSTER] = listed(numbers(10))
            world.says["loans"] = lent(numbers(3))
            world.run(ROSTER)
            run = held_back(world, "loans").run
            assert run is not None
            world.run("fines")
            world.sync.approve(run, "loans", by="librarian")
            assert world.verdict(numbers(10)[9], "library") is Verdict.UNKNOWN
            held_back(world, "fines")


@pytest.mark.parametrize("differ", [0, 1])
def test_another_question_waits_as_soon_as_one_record_differs(differ: int, tmp_path: Path, chance: Random) -> None:
    """The library lets fines up to five yuan go from now on."""
    suspends = first_suspends("fines")
    with world_of(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, SETTINGS) as world:
        everybody = numbers(30)
        settle(world, everybody)
        fined = some(chance, everybody, 5)
        amounts = ["3.00"] * differ + ["9.00"] * (5 - differ)
        world.says["fines"] = [{"CARD": who, "AMOUNT": a} for who, a in zip(fined, amounts, strict=True)]
        applied(world, "fines")
        said, now = world.says, world.now
    lenient = suspends.replace('obligation = "fine"', 'obligation = "fine"\ntolerance = 5')
    with world_of(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, lenient) as world:
        world.says, world.now = said, now
        stood = marks(world)
        if differ:
            outcome = held_back(world, "fines", 1)
            assert "the settings of fines have changed, and with them 1 records and" in outcome.message
        else:
            assert world.run("fines").fault is None
            assert [row[2] for row in marks(world)["status"]] == [row[2] for row in stood["status"]]
