"""What an operator may decide of a single step, and what is refused, each with its code."""

from dataclasses import replace
from datetime import timedelta

import pytest

from status_db.decisions.refusals import DecisionRefused
from status_db.decisions.writer import DecisionRequest
from status_db.model import Verdict
from tests.cast import LIN
from tests.world import COHORT, World

PASS = DecisionRequest(LIN.number, "library", Verdict.CLEARED, "现场归还")


@pytest.fixture
def ready(world: World) -> World:
    """A world in which every source has been asked."""
    world.run_all()
    return world


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        (replace(PASS, reason="老师说的"), "no_such_reason"),
        (replace(PASS, step="canteen"), "no_such_step"),
        (replace(PASS, verdict=Verdict.HELD, condition="六月底前缴清"), "condition_without_pass"),
        (replace(PASS, verdict=Verdict.UNKNOWN), "no_such_verdict"),
        (replace(PASS, student="20990001"), "no_such_student"),
        (replace(PASS, step="final_review"), "is_a_review"),
    ],
    ids=["reason", "step", "condition", "verdict", "nobody", "review"],
)
def test_what_may_not_be_decided_is_refused_with_its_code_and_nothing_is_kept(
    ready: World, wish: DecisionRequest, code: str
) -> None:
    with pytest.raises(DecisionRefused) as refused:
        ready.decisions.enter(wish, "librarian", ready.now)
    assert refused.value.code == code
    assert ready.reader.decisions(COHORT) == ()
    assert ready.decisions.enter(PASS, "librarian", ready.now).reason == PASS.reason


@pytest.mark.parametrize("early", [timedelta(0), timedelta(hours=1)])
def test_an_end_that_is_not_in_the_future_is_refused(ready: World, early: timedelta) -> None:
    with pytest.raises(DecisionRefused, match="its end is in the past") as refused:
        ready.decisions.enter(replace(PASS, until=ready.now - early), "librarian", ready.now)
    assert refused.value.code == "end_in_past"
    ends = ready.now + timedelta(microseconds=1)
    assert ready.decisions.enter(replace(PASS, until=ends), "librarian", ready.now).until == ends


def test_a_decision_that_was_withdrawn_already_cannot_be_withdrawn(ready: World) -> None:
    ready.decisions.enter(PASS, "librarian", ready.now)
    ready.decisions.withdraw(LIN.number, "library", "librarian", ready.now)
    with pytest.raises(DecisionRefused, match="no decision on library to withdraw") as refused:
        ready.decisions.withdraw(LIN.number, "library", "librarian", ready.now)
    assert refused.value.code == "nothing_to_withdraw"
