"""Runs, on SQLite and on PostgreSQL: what a source says becomes marks, whole or not at all."""

from connectors.port import SourceUnavailable
from status_db.model import ROSTER, RunState, Verdict
from tests.cast import GEOLOGY_LOAN, LI, LIN, POETRY_LOAN, QIAN, SUN, ZHAO, ZHOU
from tests.world import World


def test_before_anybody_is_asked_nothing_is_known(world: World) -> None:
    world.run(ROSTER)
    assert world.verdict(LIN.number, "library") is Verdict.UNKNOWN


def test_a_loan_holds_and_its_return_clears(world: World) -> None:
    world.says["loans"] = [GEOLOGY_LOAN]
    world.run_all()
    assert world.verdict(LIN.number, "library") is Verdict.HELD
    assert world.verdict(SUN.number, "library") is Verdict.CLEARED
    world.says["loans"] = []
    world.says["fines"] = [{"CARD": SUN.number, "AMOUNT": "0.00"}]
    world.run("fines")
    outcome = world.run("loans")
    assert outcome.state is RunState.SUSPENDED, "the last row vanishing is looked at first"


def test_a_step_of_two_sources_is_cleared_only_by_both(world: World) -> None:
    world.run(ROSTER)
    world.run("loans")
    assert world.verdict(SUN.number, "library") is Verdict.UNKNOWN
    world.run("fines")
    assert world.verdict(SUN.number, "library") is Verdict.CLEARED


def test_a_source_that_fails_changes_nothing_and_says_why(world: World) -> None:
    world.says["loans"] = [GEOLOGY_LOAN]
    world.run_all()
    before = world.verdicts()
    world.fails["loans"] = SourceUnavailable("nobody answers", "Try again later.")
    outcome = world.run("loans")
    assert (outcome.state, outcome.fault) == (RunState.FAILED, "unavailable")
    assert "Try again later." in outcome.message
    assert world.verdicts() == before
    del world.fails["loans"]
    assert world.run("loans").state is RunState.UNCHANGED


def test_an_alias_of_one_student_is_that_student(world: World) -> None:
    world.says["loans"] = [{**POETRY_LOAN, "CARD": QIAN.former}, {**GEOLOGY_LOAN, "CARD": " c-1001 "}]
    world.run_all()
    assert world.verdict(QIAN.number, "library") is Verdict.HELD
    assert world.verdict(LIN.number, "library") is Verdict.HELD


def test_who_is_not_leaving_this_year_has_no_steps(world: World) -> None:
    world.run_all()
    assert world.student(ZHOU.number).steps == ()


def test_a_commuter_need_not_check_out(world: World) -> None:
    world.run_all()
    assert world.verdict(ZHAO.number, "dorm") is Verdict.EXEMPT
    assert world.verdict(LIN.number, "dorm") is Verdict.UNKNOWN


def test_a_flow_says_the_order_of_the_steps(world: World) -> None:
    world.run_all()
    assert world.student(LI.number).steps[0].step == "college_items"
    assert world.student(LIN.number).steps[0].step == "library"
