"""Every limit of the guard: one below, on it, one above."""

from dataclasses import replace
from decimal import Decimal

import pytest

from config.tables.sources import Guard
from status_db.model import Means, Reason, Record, Verdict
from sync.rule.guard import GuardCounts, GuardLimits, History, judge
from sync.rule.reconcile import Change, Plan

CLEARED, HELD, EXEMPT, UNKNOWN = Verdict.CLEARED, Verdict.HELD, Verdict.EXEMPT, Verdict.UNKNOWN
LIMITS = GuardLimits(**Guard().limits())
CALM = History(recent_rows=(1000,) * 5, held=1000, cleared=10_000)


def moving(before: Verdict, after: Verdict, count: int, rows: int = 1000, said: Record | None = None) -> Plan:
    changes = tuple(Change(f"S{i}", None, said, before, after, concerned=True) for i in range(count))
    return Plan("2019", "loans", "library", 1, 1, changes, (), (), (), (), 0, 0, rows, rows, 0)


def held_back(plan: Plan, history: History = CALM, limits: GuardLimits = LIMITS, means: Means = Means.ITEMS) -> bool:
    return bool(judge(plan, means, limits, history, first_applies=False))


@pytest.mark.parametrize(("count", "back"), [(99, False), (100, False), (101, True)])
def test_clearing_more_than_a_tenth_of_the_held_at_once(count: int, back: bool) -> None:
    assert held_back(moving(HELD, CLEARED, count)) is back


@pytest.mark.parametrize(("count", "back"), [(19, False), (20, False), (21, True)])
def test_twenty_may_always_be_cleared(count: int, back: bool) -> None:
    assert held_back(moving(HELD, CLEARED, count), replace(CALM, held=30)) is back


@pytest.mark.parametrize(("count", "back"), [(999, False), (1000, False), (1001, True)])
def test_holding_more_than_a_tenth_of_the_cleared_at_once(count: int, back: bool) -> None:
    assert held_back(moving(CLEARED, HELD, count)) is back


@pytest.mark.parametrize(("count", "back"), [(49, False), (50, False), (51, True)])
def test_fifty_may_always_be_held(count: int, back: bool) -> None:
    assert held_back(moving(CLEARED, HELD, count), replace(CALM, cleared=60)) is back


@pytest.mark.parametrize(("count", "back"), [(1099, False), (1100, False), (1101, True)])
def test_losing_sight_of_more_than_a_tenth_of_the_known_at_once(count: int, back: bool) -> None:
    assert held_back(moving(CLEARED, UNKNOWN, count)) is back


@pytest.mark.parametrize(("count", "back"), [(99, False), (100, False), (101, True)])
def test_the_held_who_become_unknown_count_like_the_cleared(count: int, back: bool) -> None:
    assert held_back(moving(HELD, UNKNOWN, count)) is back


def test_half_a_row_of_a_median_counts() -> None:
    assert held_back(moving(HELD, CLEARED, 1, 73), replace(CALM, recent_rows=(104, 105)))
    assert not held_back(moving(HELD, CLEARED, 1, 73), replace(CALM, recent_rows=(104, 104)))


@pytest.mark.parametrize(("rows", "back"), [(701, False), (700, False), (699, True), (0, True)])
def test_rows_that_fall_by_more_than_three_in_ten(rows: int, back: bool) -> None:
    assert held_back(moving(HELD, CLEARED, 1, rows)) is back


def test_rows_are_held_against_the_median_so_that_one_odd_pull_states_nothing() -> None:
    odd = replace(CALM, recent_rows=(1000, 1000, 1, 1000, 1000))
    assert held_back(moving(HELD, CLEARED, 1, 600), odd)


@pytest.mark.parametrize(("lately", "back"), [(289, False), (290, False), (420, True)])
def test_slow_leaks_are_summed_up(lately: int, back: bool) -> None:
    """A tenth each time would empty the list unseen; three tenths in a day are looked at."""
    history = replace(CALM, held=1000 - lately, lately=GuardCounts(cleared=lately))
    assert held_back(moving(HELD, CLEARED, 10), history) is back


@pytest.mark.parametrize(("lately", "back"), [(2_980, False), (2_990, False), (2_991, True)])
def test_slow_floods_are_summed_up(lately: int, back: bool) -> None:
    history = replace(CALM, cleared=10_000 - lately, lately=GuardCounts(held=lately))
    assert held_back(moving(CLEARED, HELD, 10), history) is back


def test_letting_off_counts_like_clearing() -> None:
    assert held_back(moving(HELD, EXEMPT, 101))


def test_a_status_may_clear_as_many_as_it_likes_by_rows_and_may_not_hold_so_many() -> None:
    done = Record("S0", CLEARED, Reason.DONE)
    assert not held_back(moving(HELD, CLEARED, 900, said=done), means=Means.STATUS)
    assert held_back(moving(HELD, CLEARED, 900), means=Means.STATUS)
    assert held_back(moving(CLEARED, HELD, 1001), means=Means.STATUS)


def test_the_first_answer_waits_unless_the_settings_let_it_go() -> None:
    first = replace(CALM, first=True)
    assert held_back(moving(HELD, CLEARED, 1), first)
    assert not judge(moving(HELD, CLEARED, 900), Means.ITEMS, LIMITS, first, first_applies=True)


def test_a_changed_question_waits() -> None:
    assert held_back(moving(HELD, CLEARED, 1), replace(CALM, question_changed=True))


def test_an_empty_plan_is_never_held_back() -> None:
    worst = History(recent_rows=(10**6,), held=0, cleared=0, first=True, question_changed=True)
    assert not held_back(moving(HELD, CLEARED, 0, rows=0), worst)


def test_every_reason_states_what_of_how_many_and_which_limit() -> None:
    reasons = judge(moving(HELD, CLEARED, 500, 10), Means.ITEMS, LIMITS, CALM, first_applies=False)
    assert tuple(map(str, reasons)) == (
        "rows about roster students fall from 1000 to 10 (limit 30 % and 10)",
        "500 of 1000 held students would be cleared at once (limit 10 % and 20)",
    )


def test_limits_are_settings() -> None:
    generous = replace(
        LIMITS,
        clear_percent=Decimal(100),
        clear_count=0,
        sum_percent=Decimal(100),
        rows_fall_percent=Decimal(100),
        all_of=1001,
    )
    assert not held_back(moving(HELD, CLEARED, 1000, 1), limits=generous)
