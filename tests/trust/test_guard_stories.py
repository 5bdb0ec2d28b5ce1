"""Promise 2 in stories: what goes wrong in the offices, slowly, by halves, or while people keep asking."""

from datetime import timedelta
from pathlib import Path
from random import Random

import pytest

from connectors.port import SourceUnavailable
from status_db.model import ROSTER, RunState, Verdict
from tests.trust.town import applied, held_back, lent, listed, marks, numbers, settle, some, without
from tests.world import World


@pytest.fixture
def town(sqlite_world: World) -> World:
    """Two hundred students, of whom forty hold a book."""
    settle(sqlite_world, numbers(200), numbers(40))
    sqlite_world.later(hours=25)
    return sqlite_world


def cleared_at_the_library(world: World) -> int:
    """Count whom the library clears."""
    verdicts = world.reader.overview("2019", world.now).by_step["library"].by_state
    return sum(count for state, count in verdicts.items() if state.value in ("cleared", "exempt"))


class TestSlowLeaks:
    def test_a_leak_below_every_single_limit_is_caught_by_the_sum(self, town: World, chance: Random) -> None:
        """Two books an hour vanish: never a tenth, never twenty. The twenty-first in a day is not cleared."""
        left = numbers(40)
        freed = 0
        for _ in range(10):
            town.later(hours=1)
            left = without(left, some(chance, left, 2))
            town.says["loans"] = lent(left)
            freed += applied(town, "loans").counts.released or 0
        assert freed == 20
        town.later(hours=1)
        town.says["loans"] = lent(without(left, some(chance, left, 1)))
        outcome = held_back(town, "loans", 1)
        assert "21 of 40 held students would be cleared since the last approval or within 24 h" in outcome.message

    def test_an_expected_change_that_is_used_up_covers_no_leak(self, town: World, chance: Random) -> None:
        """Fifteen were announced, and came days ago; today's leak is counted from its first student."""
        until = town.now + timedelta(days=9)
        town.expected_changes.announce("loans", Verdict.CLEARED, 15, until, author="librarian", note="", now=town.now)
        left = without(numbers(40), some(chance, numbers(40), 15))
        town.says["loans"] = lent(left, each=2)
        applied(town, "loans")
        town.later(days=3)
        for each in (4, 12):
            left = without(left, some(chance, left, 10))
            town.says["loans"] = lent(left, each)
            applied(town, "loans")
        town.says["loans"] = lent(left[1:], each=15)
        assert "21 of 25 held students would be cleared since the last" in held_back(town, "loans", 1).message

    def test_who_was_announced_is_not_counted_once_the_expected_change_is_over(
        self, town: World, chance: Random
    ) -> None:
        until = town.now + timedelta(hours=2)
        town.expected_changes.announce("loans", Verdict.CLEARED, 30, until, author="librarian", note="", now=town.now)
        left = without(numbers(40), some(chance, numbers(40), 30))
        town.says["loans"] = lent(left, each=4)
        applied(town, "loans")
        town.later(hours=3)
        town.says["loans"] = lent(left[1:], each=4)
        applied(town, "loans")

    def test_a_source_that_alternates_is_stopped(self, town: World) -> None:
        """Twelve books are there, gone, there again, and gone again: each time below the limit."""
        for books in (28, 40):
            town.says["loans"] = lent(numbers(books))
            applied(town, "loans")
        town.says["loans"] = lent(numbers(28))
        assert "24 of 52 held students" in held_back(town, "loans", 12).message
        stood = marks(town)
        for books in (40, 28) * 3:
            town.says["loans"] = lent(numbers(books))
            town.run("loans")
            assert marks(town) == stood


class TestByHalves:
    def test_one_of_two_sources_vanishing_holds_back_and_clears_no_one(self, town: World) -> None:
        """Loans say nothing at all any more; the fines beside them go on."""
        town.says["fines"] = [{"CARD": who, "AMOUNT": "2.00"} for who in numbers(60)[40:]]
        applied(town, "fines")
        town.says["loans"] = []
        stood = cleared_at_the_library(town)
        outcome = held_back(town, "loans", 40)
        assert "no rows at all, where there were 40" in outcome.message
        town.says["fines"] = [{"CARD": who, "AMOUNT": "2.00"} for who in numbers(60)[41:]]
        applied(town, "fines")
        assert cleared_at_the_library(town) == stood + 1
        assert town.verdict(numbers(1)[0], "library") is Verdict.HELD

    def test_the_graduates_vanish_among_a_whole_librarys_readers(self, town: World) -> None:
        """Five thousand rows stay: none of them is about a student on the roster any more."""
        others = [f"X{i:05}" for i in range(5_000)]
        town.says["loans"] = lent([*others, *numbers(40)])
        town.run("loans")
        town.later(hours=25)
        town.says["loans"] = lent([*others, *numbers(39)])
        applied(town, "loans")
        town.says["loans"] = lent(others)
        stood = marks(town)
        outcome = town.run("loans")
        assert marks(town) == stood
        assert outcome.state is RunState.SUSPENDED
        assert "no rows at all, where there were 40" in outcome.message
        assert "all 39 held students would be cleared at once" in outcome.message
        town.says["loans"] = lent([*others, *numbers(2)])
        assert "rows about roster students fall from 40 to 2" in held_back(town, "loans", 37).message

    def test_the_way_round_through_unknown_is_closed(self, town: World) -> None:
        """First the library does not know its borrowers, then it has no loans of them: no one is cleared by that."""
        town.population["loans"] = numbers(200)
        town.run("loans")
        town.population["loans"] = numbers(200)[30:]
        town.says["loans"] = lent(numbers(40)[30:], each=4)
        held_back(town, "loans", 30)
        town.population["loans"] = numbers(200)
        held_back(town, "loans", 30)
        assert cleared_at_the_library(town) == 160

    def test_letting_off_counts_as_clearing_where_no_row_asks_for_it(self, town: World) -> None:
        """A status is let go by an explicit row, however many; a row that goes leaves no one clear."""
        town.says["checkouts"] = [{"学号": who, "清退状态": "未清退", "房间": "x"} for who in numbers(200)]
        applied(town, "checkouts")
        for row in town.says["checkouts"]:
            row["清退状态"] = "外宿"
        assert applied(town, "checkouts").counts.released == 200
        town.says["checkouts"] = town.says["checkouts"][:148]
        held_back(town, "checkouts", 52)


class TestAskingAgain:
    def test_no_one_clicks_themselves_clear_while_a_change_waits(self, town: World, chance: Random) -> None:
        town.says["loans"] = []
        held_back(town, "loans", 40)
        self._click(town, chance, "its last full run is suspended")

    def test_no_one_clicks_themselves_clear_during_an_outage(self, town: World, chance: Random) -> None:
        town.fails["loans"] = SourceUnavailable("no answer", "Wait.")
        assert town.run("loans").state is RunState.FAILED
        town.fails, town.says["loans"] = {}, []
        self._click(town, chance, "its last full run is failed")

    def test_who_is_unknown_cannot_click_either(self, town: World) -> None:
        """A student joins, and another was doubtful; the library has been down since."""
        town.says["fees"] = [{"XH": numbers(1)[0], "QFJE": "五元", "XM": "x"}]
        applied(town, "fees")
        assert town.verdict(numbers(1)[0], "finance") is Verdict.UNKNOWN
        town.says[ROSTER] += listed(["20159999"])
        applied(town, ROSTER)
        town.fails["fees"] = SourceUnavailable("no answer", "Wait.")
        town.run("fees")
        town.fails, town.says["fees"] = {}, []
        stood = marks(town)
        for who in (numbers(1)[0], "20159999"):
            town.later(minutes=1)
            outcome = town.sync.recheck("fees", who, by="student")
            assert outcome.state is RunState.SKIPPED, who
            assert "its last full run is failed" in outcome.message
        assert marks(town) == stood

    def test_a_hold_by_asking_again_counts_at_any_time(self, town: World) -> None:
        town.fails["loans"] = SourceUnavailable("no answer", "Wait.")
        town.run("loans")
        town.fails, town.says["loans"] = {}, lent(numbers(41))
        town.later(minutes=1)
        assert town.sync.recheck("loans", numbers(41)[40], by="student").state is RunState.APPLIED
        assert town.verdict(numbers(41)[40], "library") is Verdict.HELD

    def test_many_who_ask_one_by_one_are_counted_together(self, town: World, chance: Random) -> None:
        """The library is empty since its last good run, and all forty ask: the twenty-first is not cleared any more."""
        town.says["loans"] = []
        before = cleared_at_the_library(town)
        outcomes = []
        for who in some(chance, numbers(40), 40):
            town.later(minutes=1)
            outcomes.append(town.sync.recheck("loans", who, by="student"))
        assert [outcome.state for outcome in outcomes] == [RunState.APPLIED] * 20 + [RunState.SKIPPED] * 20
        assert "21 of 40 held students would be cleared since the last" in outcomes[-1].message
        assert cleared_at_the_library(town) == before + 20

    def test_who_was_cleared_by_asking_counts_when_everybody_is_asked(self, town: World, chance: Random) -> None:
        """Twelve by rechecks, nine more by a full run: twenty-one."""
        asked = some(chance, numbers(40), 12)
        town.says["loans"] = lent(without(numbers(40), asked))
        for who in asked:
            town.later(minutes=1)
            assert town.sync.recheck("loans", who, by="student").state is RunState.APPLIED
        left = without(numbers(40), asked)
        town.says["loans"] = lent(left[9:], each=2)
        assert "21 of 40 held students" in held_back(town, "loans", 9).message
        town.says["loans"] = lent(left[8:], each=2)
        applied(town, "loans")

    @staticmethod
    def _click(town: World, chance: Random, says: str) -> None:
        stood = marks(town)
        for who in some(chance, numbers(40), 10):
            town.later(minutes=1)
            outcome = town.sync.recheck("loans", who, by="student")
            assert outcome.state is RunState.SKIPPED
            assert says in outcome.message
        assert marks(town) == stood


class TestApproval:
    def test_it_applies_that_change_and_no_other(self, town: World) -> None:
        town.says["loans"] = lent(numbers(40)[30:], each=4)
        run = held_back(town, "loans", 30).run
        assert run is not None
        town.says["loans"] = []
        assert town.sync.approve(run, "loans", by="librarian").state is RunState.APPLIED
        assert cleared_at_the_library(town) == 160 + 30
        assert {who for who in numbers(40) if town.verdict(who, "library") is Verdict.HELD} == set(numbers(40)[30:])

    def test_after_the_marks_have_moved_it_judges_again(self, town: World) -> None:
        """Somebody was asked about meanwhile: the change is another one, and still too much."""
        town.says["loans"] = lent(numbers(40)[30:], each=4)
        run = held_back(town, "loans", 30).run
        assert run is not None
        town.says["loans"] = lent(numbers(41))
        town.later(minutes=1)
        assert town.sync.recheck("loans", numbers(41)[40], by="student").state is RunState.APPLIED
        stood = marks(town)
        again = town.sync.approve(run, "loans", by="librarian")
        assert again.state is RunState.SUSPENDED
        assert marks(town) == stood
        assert town.sync.approve(run, "loans", by="librarian").state is RunState.APPLIED

    def test_what_has_come_to_another_change_is_approved_by_no_one_even_within_the_limits(
        self, town: World, chance: Random
    ) -> None:
        """Twenty-one wait; one more borrows, and thirty are announced: no one has voted on what it is by now."""
        gone = some(chance, numbers(40), 21)
        left = without(numbers(40), gone)
        town.says["loans"] = lent(left, each=2)
        run = held_back(town, "loans", 21).run
        assert run is not None
        town.says["loans"] += lent([numbers(41)[40]])
        town.later(minutes=1)
        assert town.sync.recheck("loans", numbers(41)[40], by="student").state is RunState.APPLIED
        until = town.now + timedelta(hours=5)
        town.expected_changes.announce("loans", Verdict.CLEARED, 30, until, author="librarian", note="", now=town.now)
        stood = marks(town)
        outcome = town.sync.approve(run, "loans", by="librarian")
        assert outcome.state is RunState.SUSPENDED
        assert not outcome.counts.approved
        assert marks(town) == stood


def test_on_postgresql_the_way_round_is_closed_too(postgres_url: str, tmp_path: Path) -> None:
    with World(postgres_url, tmp_path) as world:
        settle(world, numbers(200), numbers(40))
        TestByHalves().test_the_way_round_through_unknown_is_closed(world)
