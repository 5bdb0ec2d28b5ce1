"""Changes that offices expect: the guard expects so many, and no more."""

from dataclasses import replace
from datetime import timedelta

import pytest

from status_db.marks.expected_changes import ExpectedChangeRefused
from status_db.model import ROSTER, Means, RunState, Verdict
from sync.rule.guard import Allowance, History, judge
from tests.cast import SUN
from tests.sync.rule.test_guard import CALM, CLEARED, HELD, LIMITS, held_back, moving
from tests.world import World


@pytest.mark.parametrize(("count", "back"), [(299, False), (300, False), (400, False), (401, True)])
def test_whom_the_office_has_announced_is_not_counted(count: int, back: bool) -> None:
    """Of a thousand held, three hundred are announced, and a hundred may move without a word."""
    assert held_back(moving(HELD, CLEARED, count), replace(CALM, clearing=Allowance(300))) is back


def test_what_has_moved_of_an_expected_change_is_used_up() -> None:
    nearly_over = replace(CALM, clearing=Allowance(300, moved=250))
    assert not held_back(moving(HELD, CLEARED, 150), nearly_over)
    assert held_back(moving(HELD, CLEARED, 151), nearly_over)


def test_after_an_expected_change_has_passed_an_ordinary_day_is_ordinary() -> None:
    over = replace(CALM, clearing=Allowance(300, moved=300))
    assert not held_back(moving(HELD, CLEARED, 20), over)


def test_an_expected_change_of_clearing_lets_no_one_be_held() -> None:
    assert held_back(moving(CLEARED, HELD, 1_001), replace(CALM, clearing=Allowance(5_000)))


@pytest.mark.parametrize(("rows", "back"), [(700, False), (699, True), (100, True), (0, True)])
def test_an_expected_change_waives_no_other_limit(rows: int, back: bool) -> None:
    assert held_back(moving(HELD, CLEARED, 300, rows=rows), replace(CALM, clearing=Allowance(900))) is back


def test_an_expected_change_lets_no_one_release_all_of_a_few() -> None:
    few = replace(CALM, held=30, clearing=Allowance(900))
    assert held_back(moving(HELD, CLEARED, 30), few)
    assert not held_back(moving(HELD, CLEARED, 29), few)


def test_beyond_an_expected_change_the_reason_names_it() -> None:
    history: History = replace(CALM, clearing=Allowance(300))
    reasons = judge(moving(HELD, CLEARED, 500), Means.ITEMS, LIMITS, history, first_applies=False)
    assert tuple(map(str, reasons)) == (
        "200 of 1000 held students would be cleared at once beyond the expected change of 300 (limit 10 % and 20)",
    )


class TestAnnounced:
    @pytest.fixture
    def returned(self, world: World) -> World:
        """A hundred and sixty students with books, of whom forty bring them back at once."""
        people = [{**SUN.listed(), "学号": f"2015{i:04}"} for i in range(160)]
        world.says[ROSTER] += people
        world.says["loans"] = [
            {"CARD": p["学号"], "TITLE": "a", "DUE": "2019-06-01", "BARCODE": f"B{i}"} for i, p in enumerate(people)
        ]
        world.run_all()
        world.says["loans"] = world.says["loans"][40:]
        return world

    def announce(self, world: World, most: int = 40, hours: int = 10) -> None:
        until = world.now + timedelta(hours=hours)
        world.expected_changes.announce(
            "loans", Verdict.CLEARED, most, until, author="librarian", note="还书周", now=world.now
        )

    def test_without_a_word_it_waits(self, returned: World) -> None:
        assert returned.run("loans").state is RunState.SUSPENDED

    def test_announced_it_is_applied(self, returned: World) -> None:
        self.announce(returned)
        assert returned.run("loans").state is RunState.APPLIED

    def test_an_expected_change_that_is_over_or_withdrawn_lets_no_one_through(self, returned: World) -> None:
        self.announce(returned, hours=1)
        returned.later(hours=2)
        assert returned.run("loans").state is RunState.SUSPENDED
        self.announce(returned)
        returned.expected_changes.withdraw(2, author="librarian", now=returned.now)
        assert returned.run("loans").state is RunState.SKIPPED

    def test_a_later_word_takes_the_place_of_the_earlier(self, returned: World) -> None:
        self.announce(returned, most=40)
        self.announce(returned, most=2)
        assert [w.active(returned.now) for w in returned.expected_changes.listed()] == [True, False]
        assert returned.run("loans").state is RunState.SUSPENDED

    def test_an_expected_change_without_a_future_is_refused(self, returned: World) -> None:
        with pytest.raises(ExpectedChangeRefused, match="is in the past"):
            self.announce(returned, hours=0)
