"""Taking a wrong approval back: what it replaced is put back, under the guard, and nothing newer is lost."""

from functools import partial

import pytest

from status_db.decisions.certificates import Issue
from status_db.decisions.writer import DecisionRequest
from status_db.marks.reversals import ReversalRefused
from status_db.model import RunState, Verdict
from status_db.queries.runs import RunReader
from sync.run.run import Sync
from tests.sync.verify.test_report import verified
from tests.trust.town import applied, held_back, lent, numbers, settle
from tests.world import COHORT, World


@pytest.fixture
def mistaken(world: World) -> tuple[World, int]:
    """Sixty of two hundred hold books; an answer without thirty of them is approved, and is wrong."""
    settle(world, numbers(200), numbers(60))
    world.says["loans"] = lent(numbers(60)[30:], each=2)
    run = held_back(world, "loans", 30).run
    assert run is not None
    assert world.sync.approve(run, "loans", by="admin").state is RunState.APPLIED
    assert world.verdict(numbers(1)[0], "library") is Verdict.CLEARED
    return world, run


def test_it_puts_back_what_was_replaced_and_verify_agrees(mistaken: tuple[World, int]) -> None:
    world, run = mistaken
    before = world.verdict(numbers(60)[59], "library")
    preview, reversal = world.sync.reverting.preview(run, "loans")
    assert preview.counts.newly_held == len(reversal.cleared) == 30
    assert world.verdict(numbers(1)[0], "library") is Verdict.CLEARED, "a plan writes nothing"
    world.later(minutes=1)
    outcome = world.sync.revert(run, "loans", by="admin")
    assert outcome.state is RunState.APPLIED, outcome.message
    assert outcome.counts.reverts == run
    assert {world.verdict(who, "library") for who in numbers(60)} == {Verdict.HELD}
    assert world.verdict(numbers(60)[59], "library") is before
    assert world.student(numbers(1)[0]).steps[0].at(world.now).verdict is Verdict.HELD
    report = verified(world)
    assert report.sound, report.disagreements
    runs = RunReader(world.reading)
    back = runs.reverting(COHORT, "loans", run)
    assert back is not None
    assert back.run == outcome.run
    # Its number is another run's with a digit more, or less.
    assert [runs.reverting(COHORT, "loans", other) for other in (run * 10, run // 10)] == [None, None]
    assert [runs.has_way_back(each) for each in (run, outcome.run or 0)] == [True, False]


def test_the_next_full_pull_speaks_again_and_is_guarded(mistaken: tuple[World, int]) -> None:
    world, run = mistaken
    world.later(minutes=1)
    world.sync.revert(run, "loans", by="admin")
    held_back(world, "loans", 30)
    world.says["loans"] = lent(numbers(60))
    assert world.run("loans").state is RunState.UNCHANGED
    assert world.verdict(numbers(1)[0], "library") is Verdict.HELD


def test_no_one_clicks_themselves_clear_before_the_next_full_pull(mistaken: tuple[World, int]) -> None:
    world, run = mistaken
    world.later(minutes=1)
    world.sync.revert(run, "loans", by="admin")
    world.later(minutes=1)
    assert world.sync.recheck("loans", numbers(1)[0], by="student").state is RunState.SKIPPED
    assert world.verdict(numbers(1)[0], "library") is Verdict.HELD


def test_whom_a_later_answer_spoke_of_is_left_alone(mistaken: tuple[World, int]) -> None:
    world, run = mistaken
    world.says["loans"] = [*world.says["loans"], {**lent(numbers(1))[0], "TITLE": "新书", "BARCODE": "N1"}]
    applied(world, "loans")
    world.later(minutes=1)
    outcome = world.sync.revert(run, "loans", by="admin")
    assert outcome.state is RunState.APPLIED
    assert outcome.counts.left_alone == 1
    assert outcome.counts.newly_held == 29
    stands = next(s for s in world.student(numbers(1)[0]).steps if s.step == "library")
    assert [o.reference for o in stands.finding.evidence] == ["N1"]


def test_beyond_the_limits_the_way_back_waits_for_a_person_too(world: World) -> None:
    settle(world, numbers(200), numbers(120))
    world.says["loans"] = lent(numbers(120)[60:], each=2)
    run = held_back(world, "loans", 60).run
    assert run is not None
    world.sync.approve(run, "loans", by="admin")
    world.later(minutes=1)
    waits = world.sync.revert(run, "loans", by="admin")
    assert waits.state is RunState.SUSPENDED
    assert "60 of 140 cleared students would be held at once" in waits.message
    assert world.verdict(numbers(1)[0], "library") is Verdict.CLEARED
    assert waits.run is not None
    seen = world.sync.look(waits.run, "loans")
    assert seen is not None
    assert sum(m.students for m in seen.moved) == 60
    assert world.sync.approve(waits.run, "loans", by="admin").state is RunState.APPLIED
    assert world.verdict(numbers(1)[0], "library") is Verdict.HELD
    assert verified(world).sound


def test_what_was_given_since_is_listed(mistaken: tuple[World, int]) -> None:
    world, run = mistaken
    who = numbers(1)[0]
    for step in ("finance", "dorm", "college_items"):
        world.decisions.enter(DecisionRequest(who, step, Verdict.CLEARED, "数据有误", words="x"), "dean", world.now)
    world.reviews.review(DecisionRequest(who, "final_review", Verdict.CLEARED, "齐备"), "reviewer", world.now)
    world.register.issue(Issue(who, "证1", "毕业证书", "self"), "reviewer", world.now)
    _, reversal = world.sync.reverting.preview(run, "loans")
    reviews, certificates = world.sync.reverting.given_since(reversal)
    assert [(r.student, r.what, r.by) for r in reviews] == [(who, "final_review", "reviewer")]
    assert [(c.student, c.what) for c in certificates] == [(who, "证1")]


def test_a_run_that_no_one_approved_has_no_way_back(mistaken: tuple[World, int]) -> None:
    world, _ = mistaken
    ordinary = world.run("loans").run
    assert ordinary is not None
    with pytest.raises(ReversalRefused, match="only a run of a source that was approved"):
        world.sync.revert(ordinary, "loans", by="admin")


def test_a_source_that_the_settings_no_longer_have_has_none_either(mistaken: tuple[World, int]) -> None:
    world, run = mistaken
    others = {name: source for name, source in world.settings.source.items() if name != "loans"}
    settings = world.settings.model_copy(update={"source": others})
    without = Sync(settings, COHORT, world.engine, world.connect, world.clock, world.ledger)
    for ask in (without.reverting.preview, without.reverting.plan, partial(without.revert, by="admin")):
        with pytest.raises(ReversalRefused, match=r"the settings no longer have \[source.loans\]. Add it"):
            ask(run, "loans")
