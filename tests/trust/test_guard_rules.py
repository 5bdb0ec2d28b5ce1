"""Each rule of the guard, one below its limit, on it and one above. Pure."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from status_db.guard_reasons import GuardReason, GuardReasonKind, packed, unpacked
from status_db.model import Means, Reason, Record, Verdict
from sync.rule import roster
from sync.rule.guard import Allowance, GuardCounts, GuardGroup, History, judge, of_groups
from sync.rule.quality import Quality
from sync.rule.reconcile import Plan
from tests.sync.rule.test_guard import CALM, CLEARED, EXEMPT, HELD, LIMITS, UNKNOWN, moving

GOOD = Quality(rows=1000, about=1000, hinted=0, no_amount=0, unreadable=0, poor=0)


def kinds(
    plan: Plan, history: History = CALM, quality: Quality | None = None, means: Means = Means.ITEMS
) -> list[GuardReasonKind]:
    reasons = judge(plan, means, LIMITS, history, first_applies=True, quality=quality)
    assert all(str(reason) for reason in reasons)
    assert unpacked(packed(reasons)) == reasons
    return [reason.kind for reason in reasons]


class TestRows:
    @pytest.mark.parametrize(("before", "rows", "falls"), [(20, 10, False), (20, 9, True), (30, 21, False)])
    def test_they_fall_by_more_than_three_in_ten_and_more_than_ten(self, before: int, rows: int, falls: bool) -> None:
        found = kinds(moving(HELD, CLEARED, 1, rows), replace(CALM, recent_rows=(before,) * 5))
        assert found == ([GuardReasonKind.ROWS_FALL] if falls else [])

    def test_by_three_in_ten_exactly_they_do_not_fall(self) -> None:
        assert kinds(moving(HELD, CLEARED, 1, 70), replace(CALM, recent_rows=(100,))) == []
        assert kinds(moving(HELD, CLEARED, 1, 69), replace(CALM, recent_rows=(100,))) == [GuardReasonKind.ROWS_FALL]

    @pytest.mark.parametrize(("before", "gone"), [(4, False), (5, True), (6, True)])
    def test_none_are_left_of_five_or_more(self, before: int, gone: bool) -> None:
        found = kinds(moving(HELD, CLEARED, 1, 0), replace(CALM, recent_rows=(before,)))
        assert found == ([GuardReasonKind.NO_ROWS] if gone else [])

    def test_one_row_of_five_is_left(self) -> None:
        assert kinds(moving(HELD, CLEARED, 1, 1), replace(CALM, recent_rows=(5,))) == []

    def test_without_an_earlier_pull_no_rows_are_missing(self) -> None:
        strict, unmeasured = replace(LIMITS, no_rows_after=1), replace(CALM, recent_rows=())
        assert judge(moving(HELD, CLEARED, 1, 0), Means.ITEMS, strict, unmeasured, first_applies=False) == ()


class TestANight:
    NIGHT = replace(CALM, after_a_night=True)

    @pytest.mark.parametrize(("moved", "back"), [(101, False), (299, False), (300, False), (301, True)])
    def test_three_in_ten_may_be_cleared(self, moved: int, back: bool) -> None:
        assert kinds(moving(HELD, CLEARED, moved), self.NIGHT) == ([GuardReasonKind.LATELY] if back else [])

    @pytest.mark.parametrize(("moved", "back"), [(3000, False), (3001, True)])
    def test_three_in_ten_may_be_held(self, moved: int, back: bool) -> None:
        assert kinds(moving(CLEARED, HELD, moved), self.NIGHT) == ([GuardReasonKind.LATELY] if back else [])

    @pytest.mark.parametrize(("rows", "falls"), [(14, False), (5, False), (4, True)])
    def test_its_rows_are_compared_with_the_night_before(self, rows: int, falls: bool) -> None:
        """Five nights are a week: of 25 rows then, 15 are left on an ordinary day."""
        history = replace(self.NIGHT, recent_rows=(30, 25, 25, 20, 15))
        found = kinds(moving(HELD, CLEARED, 1, rows), history)
        assert found == ([GuardReasonKind.ROWS_FALL] if falls else [])
        assert kinds(moving(HELD, CLEARED, 1, 14), replace(history, after_a_night=False)) == [GuardReasonKind.ROWS_FALL]

    def test_one_pull_with_more_rows_than_ever_is_not_compared_with(self) -> None:
        history = replace(self.NIGHT, recent_rows=(20, 20, 20, 20, 90))
        assert kinds(moving(HELD, CLEARED, 1, 14), history) == []

    def test_what_was_counted_that_day_is_counted_still(self) -> None:
        history = replace(self.NIGHT, held=900, lately=GuardCounts(cleared=100))
        assert kinds(moving(HELD, CLEARED, 200), history) == []
        assert kinds(moving(HELD, CLEARED, 201), history) == [GuardReasonKind.LATELY]


class TestAllOfAFew:
    @pytest.mark.parametrize(("held", "released", "back"), [(4, 4, False), (5, 4, False), (5, 5, True), (18, 18, True)])
    def test_one_answer_never_releases_every_one_of_five_or_more(self, held: int, released: int, back: bool) -> None:
        found = kinds(moving(HELD, CLEARED, released), replace(CALM, held=held))
        assert found == ([GuardReasonKind.ALL_OF_FEW] if back else [])

    @pytest.mark.parametrize("after", [EXEMPT, UNKNOWN])
    def test_let_off_or_unknown_is_released_too(self, after: Verdict) -> None:
        assert kinds(moving(HELD, after, 5), replace(CALM, held=5)) == [GuardReasonKind.ALL_OF_FEW]

    def test_an_explicit_word_of_a_status_is_not_limited(self) -> None:
        done = Record("S0", CLEARED, Reason.DONE)
        assert kinds(moving(HELD, CLEARED, 5, said=done), replace(CALM, held=5), means=Means.STATUS) == []
        assert kinds(moving(HELD, CLEARED, 5), replace(CALM, held=5), means=Means.STATUS) == [
            GuardReasonKind.ALL_OF_FEW
        ]

    def test_an_expected_change_does_not_waive_it(self) -> None:
        assert kinds(moving(HELD, CLEARED, 5), replace(CALM, held=5, clearing=Allowance(50))) == [
            GuardReasonKind.ALL_OF_FEW
        ]


class TestAGroup:
    @pytest.mark.parametrize(
        ("size", "moved", "others", "others_moved", "back"),
        [
            (9, 9, 100, 0, False),
            (10, 7, 100, 0, False),
            (10, 8, 100, 0, True),
            (95, 75, 905, 0, False),
            (1000, 799, 9000, 0, False),
            (1000, 800, 9000, 0, True),
            (95, 76, 905, 0, True),
            (95, 95, 900, 299, True),
            (95, 95, 900, 300, True),
            (95, 95, 900, 301, False),
            # Nobody else is held: nothing says that this is an ordinary day.
            (12, 10, 0, 0, True),
        ],
    )
    def test_ten_or_more_four_in_five_and_three_times_the_others(
        self, size: int, moved: int, others: int, others_moved: int, back: bool
    ) -> None:
        group = GuardGroup("college", "文学院", size, moved, others, others_moved)
        found = of_groups([group], LIMITS, GuardReasonKind.GROUP, {"now": "held", "then": "cleared"})
        assert [reason.figures["group"] for reason in found] == (["文学院"] if back else [])

    def test_the_reason_names_it(self) -> None:
        history = replace(CALM, groups=(GuardGroup("branch", "未来城馆", 30, 29, 970, 3),))
        (reason,) = judge(moving(HELD, CLEARED, 32), Means.ITEMS, LIMITS, history, first_applies=False)
        assert str(reason) == (
            "29 of the 30 held students of the branch 未来城馆 would be cleared at once, and 3 of the 970 others "
            "(limit 80 % of 10 or more)"
        )

    def test_the_largest_is_named_first(self) -> None:
        groups = [GuardGroup("campus", "a", 10, 10, 90, 0), GuardGroup("college", "b", 20, 20, 80, 0)]
        found = of_groups(groups, LIMITS, GuardReasonKind.ROSTER_GROUP, {})
        assert [reason.figures["group"] for reason in found] == ["b", "a"]


class TestQuality:
    @pytest.mark.parametrize(
        ("rows", "before", "poor", "back"),
        [
            (100, 0, 19, False),
            (100, 0, 20, True),
            (100, 5, 24, False),
            (100, 5, 25, True),
            (1000, 0, 49, False),
            (1000, 0, 50, True),
            (1000, 0, 51, True),
            (1000, 100, 149, False),
            (1000, 100, 150, True),
        ],
    )
    def test_five_points_and_twenty_rows_more_are_looked_at(
        self, rows: int, before: int, poor: int, back: bool
    ) -> None:
        history = replace(CALM, quality=replace(GOOD, rows=rows, about=rows, no_amount=before, poor=before))
        now = replace(GOOD, rows=rows, about=rows, no_amount=poor, poor=poor)
        assert kinds(moving(HELD, CLEARED, 1), history, now) == ([GuardReasonKind.QUALITY] if back else [])

    def test_before_anything_was_measured_nothing_is_compared(self) -> None:
        assert kinds(moving(HELD, CLEARED, 1), CALM, replace(GOOD, no_amount=900, poor=900)) == []

    def test_an_answer_that_states_nothing_about_the_whole_is_not_measured(self) -> None:
        assert kinds(moving(HELD, CLEARED, 1), replace(CALM, quality=GOOD), None) == []

    def test_no_rows_have_no_share(self) -> None:
        empty = replace(GOOD, rows=0, about=0)
        assert kinds(moving(HELD, CLEARED, 1), replace(CALM, quality=empty), empty) == []
        poor = replace(GOOD, rows=20, about=20, no_amount=20, poor=20)
        assert kinds(moving(HELD, CLEARED, 1), replace(CALM, quality=empty), poor) == [GuardReasonKind.QUALITY]


class TestAnotherYearsList:
    @pytest.mark.parametrize(
        ("before", "before_about", "rows", "about", "back"),
        [
            (4, 4, 6, 0, True),
            (4, 4, 6, 2, True),
            (4, 4, 6, 3, False),
            (2, 2, 3, 0, True),
            # A single student's row going is an ordinary day.
            (1, 1, 25, 0, False),
            # A whole library: its rows are mostly about others, and stay so.
            (500, 40, 480, 0, False),
            # No row more about others than before.
            (6, 4, 2, 0, False),
            (8, 8, 4, 2, False),
            (6, 3, 6, 0, False),
            # More than half of whom it was about are still there.
            (8, 8, 12, 5, False),
            # Nearly half of it was about others already; but those have doubled, and the roster's are gone.
            (7, 4, 9, 0, True),
            (7, 4, 4, 1, False),
            # As many about the roster as about others.
            (6, 6, 6, 3, False),
        ],
    )
    def test_a_list_that_was_about_the_roster_and_is_about_others_is_looked_at(
        self, before: int, before_about: int, rows: int, about: int, back: bool
    ) -> None:
        history = replace(CALM, recent_rows=(before_about,), quality=replace(GOOD, rows=before, about=before_about))
        found = kinds(moving(HELD, CLEARED, 1, about), history, replace(GOOD, rows=rows, about=about))
        assert (GuardReasonKind.OTHER_PEOPLE in found) is back


class TestTheRoster:
    @staticmethod
    def dropping(dropped: int, rows: int = 100) -> roster.RosterPlan:
        left = tuple(f"S{i}" for i in range(dropped))
        return roster.RosterPlan(1, 1, (), (), left, rows, rows, dropped)

    @pytest.mark.parametrize(
        ("active", "dropped", "back"), [(4, 4, False), (5, 2, False), (5, 3, True), (18, 8, False), (18, 9, True)]
    )
    def test_a_small_one_of_which_half_would_go_is_looked_at(self, active: int, dropped: int, back: bool) -> None:
        found = roster.judge(self.dropping(dropped, active), LIMITS, (active,) * 5, active)
        assert [reason.kind for reason in found] == ([GuardReasonKind.ROSTER_OTHERS] if back else [])
        assert all("another year's list" in str(reason) for reason in found)

    def test_its_rows_fall_by_more_than_ten(self) -> None:
        limits = replace(LIMITS, clear_count=100)
        assert roster.judge(self.dropping(5, 10), limits, (20,), 20) == ()
        (reason,) = roster.judge(self.dropping(5, 9), limits, (20,), 20)
        assert reason.kind is GuardReasonKind.ROSTER_FALLS

    def test_a_college_that_goes_is_named(self) -> None:
        columns = {f"S{i}": {"college": "文学院" if i < 10 else "理学院", "campus": ""} for i in range(100)}
        gone = {f"S{i}" for i in range(8)}
        groups = roster.groups_of(columns, gone)
        assert groups == (GuardGroup("college", "文学院", 10, 8, 90, 0),)
        (reason,) = roster.judge(self.dropping(8, 92), LIMITS, (100,), 100, groups=groups)
        assert str(reason) == (
            "8 of the 10 students of the college 文学院 would no longer leave this year, and 0 of the 90 others "
            "(limit 80 % of 10 or more)"
        )


def test_first_apply_waives_the_first_answer_and_never_a_changed_question() -> None:
    changed = replace(CALM, question_changed=True)
    assert kinds(moving(HELD, CLEARED, 1), changed) == [GuardReasonKind.SETTINGS_CHANGED]
    assert kinds(moving(HELD, CLEARED, 900), replace(CALM, first=True)) == []


@pytest.mark.parametrize(("held", "back"), [(100, False), (101, True)])
def test_who_is_let_off_is_among_those_who_may_be_held(held: int, back: bool) -> None:
    assert bool(kinds(moving(CLEARED, HELD, held), replace(CALM, cleared=900, exempt=100))) is back


@pytest.mark.parametrize(("lost", "back"), [(100, False), (101, True)])
def test_an_expected_change_allows_no_more_students_to_become_unknown(lost: int, back: bool) -> None:
    assert bool(kinds(moving(HELD, UNKNOWN, lost), replace(CALM, clearing=Allowance(300)))) is back


@pytest.mark.parametrize(("held", "back"), [(1300, False), (1301, True)])
def test_an_expected_change_of_holding_raises_the_limit_of_holding(held: int, back: bool) -> None:
    assert bool(kinds(moving(CLEARED, HELD, held), replace(CALM, holding=Allowance(300)))) is back


def test_every_limit_is_a_setting() -> None:
    generous = replace(
        LIMITS,
        rows_fall_count=1000,
        no_rows_after=2000,
        clear_count=1000,
        night=timedelta(hours=1),
        all_of=2000,
        group_count=2000,
        group_percent=Decimal(100),
        group_times=Decimal(1),
        quality_points=Decimal(100),
        quality_rows=2000,
    )
    history = replace(CALM, groups=(GuardGroup("college", "a", 1000, 1000, 0, 0),), quality=GOOD)
    poor = replace(GOOD, no_amount=1000, poor=1000)
    assert (
        judge(moving(HELD, CLEARED, 1000, 0), Means.ITEMS, generous, history, first_applies=False, quality=poor) == ()
    )


def test_what_was_kept_before_these_figures_can_still_be_reported() -> None:
    old = GuardReason(GuardReasonKind.ROWS_FALL, {"before": "1000", "rows": 10, "percent": "30"})
    assert str(old) == "rows about roster students fall from 1000 to 10 (limit 30 %)"
