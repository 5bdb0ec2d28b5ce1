"""Two at the same record at the same moment: one is first, and the other learns of it; a sync loses nothing."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from status_db.decisions.refusals import Overtaken
from status_db.decisions.reviews import seen_by_review
from status_db.decisions.writer import DecisionRequest
from status_db.effective_status import StepStatus
from status_db.model import Decision, RunState, Verdict
from tests.cast import GEOLOGY_LOAN, LIN, POETRY_LOAN
from tests.sync.verify.test_report import verified
from tests.world import COHORT, World

#: So many times each race is run: who is first is nobody's to choose.
TIMES = 6

Act = Callable[[], Any]


def at_once(*acts: Act) -> list[Any]:
    """Do all of these at the same moment; return what each gave, or was refused with."""
    together, found = threading.Barrier(len(acts)), list[Any]([None] * len(acts))

    def work(place: int, act: Act) -> None:
        together.wait(30)
        try:
            found[place] = act()
        except Exception as error:  # noqa: BLE001 - looked at by the test
            found[place] = error

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def in_turn(*acts: Act) -> list[Any]:
    """Do all of these one after the other, the last one first: what a race may come to, and seldom does."""
    return [found for act in reversed(acts) for found in at_once(act)][::-1]


@pytest.fixture
def other(world: World, tmp_path: Path) -> Iterator[World]:
    """The same university in another process's place: connections of its own."""
    with World(world.url, tmp_path) as made:
        made.says = world.says
        yield made


@pytest.fixture
def ready(world: World) -> World:
    """Lin owes a book, and lacks nothing but that before the review."""
    others = [{**POETRY_LOAN, "BARCODE": f"B1{at}"} for at in range(5)]
    world.says["loans"] = [GEOLOGY_LOAN, *others]
    world.says["checkouts"] = [
        {"学号": p["学号"], "清退状态": "已清退", "房间": "412"} for p in world.says["roster"] if p["类别"] == "毕业"
    ]
    world.run_all()
    world.decisions.enter(DecisionRequest(LIN.number, "college_items", Verdict.CLEARED, "已还"), "clerk", world.now)
    return world


def step(world: World, name: str = "library") -> StepStatus:
    return next(s for s in world.student(LIN.number).steps if s.step == name)


def one_was_first(found: list[Any]) -> tuple[Decision, Overtaken]:
    """Return the decision that was entered, and the refusal of the other."""
    (first,) = [one for one in found if isinstance(one, Decision)]
    (second,) = [one for one in found if isinstance(one, Overtaken)]
    return first, second


def test_of_two_who_decide_on_what_they_both_saw_one_wins_and_the_other_learns_who(ready: World, other: World) -> None:
    for _ in range(TIMES):
        saw, now = step(ready).version_tag(ready.now), ready.now
        given = DecisionRequest(LIN.number, "library", Verdict.CLEARED, "现场归还", saw=saw)
        refused = DecisionRequest(LIN.number, "library", Verdict.HELD, "赔书", saw=saw)
        first, second = one_was_first(
            at_once(
                lambda: ready.decisions.enter(given, "one", now),  # noqa: B023 - done before the next round
                lambda: other.decisions.enter(refused, "another", now),  # noqa: B023
            )
        )
        assert second.first == first
        assert f"{first.author} was first" in str(second)
        assert step(ready).decision == first
        ready.later(minutes=1)
    assert len(ready.reader.decisions(COHORT, LIN.number)) == TIMES + 1
    assert verified(ready).sound


def test_of_one_who_decides_again_and_one_who_takes_back_one_wins(ready: World, other: World) -> None:
    for _ in range(TIMES):
        seen = ready.decisions.enter(
            DecisionRequest(LIN.number, "library", Verdict.CLEARED, "现场归还"), "clerk", ready.now
        )
        now, wish = (
            ready.now,
            DecisionRequest(LIN.number, "library", Verdict.HELD, "赔书", saw=step(ready).version_tag(ready.now)),
        )
        entered, taken = at_once(
            lambda: ready.decisions.enter(wish, "one", now),  # noqa: B023 - done before the next round
            lambda: other.decisions.withdraw(LIN.number, "library", "another", now, saw=seen.id),  # noqa: B023
        )
        if isinstance(entered, Decision):
            assert isinstance(taken, Overtaken)
            assert taken.first == entered
            assert step(ready).decision == entered
        else:
            assert isinstance(entered, Overtaken)
            assert taken.id == seen.id
            assert step(ready).decision is None
        ready.later(minutes=1)
    assert verified(ready).sound


def test_of_two_reviewers_one_wins_and_the_other_learns_who(ready: World, other: World) -> None:
    ready.decisions.enter(DecisionRequest(LIN.number, "library", Verdict.CLEARED, "现场归还"), "clerk", ready.now)
    for _ in range(TIMES):
        saw, now = seen_by_review(step(ready, "final_review")), ready.now
        passes = DecisionRequest(LIN.number, "final_review", Verdict.CLEARED, "齐备", saw=saw)
        fails = DecisionRequest(LIN.number, "final_review", Verdict.HELD, "照片不合格", saw=saw)
        first, second = one_was_first(
            at_once(
                lambda: ready.reviews.review(passes, "one", now),  # noqa: B023 - done before the next round
                lambda: other.reviews.review(fails, "another", now),  # noqa: B023
            )
        )
        assert second.first == first
        assert step(ready, "final_review").decision == first
        ready.later(minutes=1)
    assert verified(ready).sound


def test_beside_a_sync_a_decision_is_refused_or_comes_first_and_is_then_disputed(ready: World, other: World) -> None:
    """The clerk saw one book; the sync finds a second. Never does the decision stand as if it had seen both."""
    second_book = {**POETRY_LOAN, "CARD": LIN.number, "BARCODE": "B2000"}
    others = list(ready.says["loans"])
    for round_ in range(TIMES):
        ready.says["loans"] = [*others, {**second_book, "BARCODE": f"B2{round_:03}"}]
        ready.later(minutes=1)
        other.now = ready.now
        now, wish = (
            ready.now,
            DecisionRequest(LIN.number, "library", Verdict.CLEARED, "现场归还", saw=step(ready).version_tag(ready.now)),
        )
        decided, synced = (in_turn if round_ % 2 else at_once)(
            lambda: ready.decisions.enter(wish, "clerk", now),  # noqa: B023 - done before the next round
            lambda: other.sync.run("loans", by="test"),
        )
        assert synced.state is RunState.APPLIED
        effective = step(ready).at(ready.now)
        assert len(step(ready).finding.keys) == 2
        if isinstance(decided, Decision):
            assert f"loan:B2{round_:03}" not in decided.answered_keys
            assert (effective.disputed, effective.overtaken_by_debt, effective.clear) == (True, True, False)
            ready.decisions.withdraw(LIN.number, "library", "clerk", ready.now)
        else:
            assert isinstance(decided, Overtaken)
            assert decided.first is None
            assert (effective.verdict, effective.by_decision) == (Verdict.HELD, False)
    assert verified(ready).sound


def test_beside_a_sync_a_review_is_refused_or_comes_first_and_has_then_lapsed(ready: World, other: World) -> None:
    ready.says["loans"] = [row for row in ready.says["loans"] if row["CARD"] != LIN.number]
    ready.run("loans")
    without = list(ready.says["loans"])
    for round_ in range(TIMES):
        ready.says["loans"] = [*without, {**GEOLOGY_LOAN, "BARCODE": f"B3{round_:03}"}]
        ready.later(minutes=1)
        other.now, now = ready.now, ready.now
        saw = seen_by_review(step(ready, "final_review"))
        wish = DecisionRequest(LIN.number, "final_review", Verdict.CLEARED, "齐备", saw=saw)
        reviewed, synced = (in_turn if round_ % 2 else at_once)(
            lambda: ready.reviews.review(wish, "reviewer", now),  # noqa: B023 - done before the next round
            lambda: other.sync.run("loans", by="test"),
        )
        assert synced.state is RunState.APPLIED
        effective = step(ready, "final_review").at(ready.now)
        assert not effective.clear
        assert effective.lapsed is isinstance(reviewed, Decision), reviewed
        if isinstance(reviewed, Decision):
            ready.reviews.take_back(LIN.number, "final_review", "reviewer", ready.now)
        ready.says["loans"] = without
        ready.run("loans")
    assert verified(ready).sound
