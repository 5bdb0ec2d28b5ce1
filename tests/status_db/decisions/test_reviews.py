"""The last word before a student leaves: reviews that rest on what was stored, and certificates that freeze it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from status_db import tables
from status_db.decisions.certificates import Handover, Issue
from status_db.decisions.refusals import DecisionCode, DecisionRefused
from status_db.decisions.writer import DecisionRequest
from status_db.effective_status import StepStatus
from status_db.model import State, Verdict
from status_db.store.engine import reading
from tests.cast import EVERYBODY, GEOLOGY_LOAN, LIN, POETRY_LOAN, SUN
from tests.sync.verify.test_report import verified
from tests.world import COHORT, World

STEP = "final_review"

#: Somebody else's books, beside which one more or less is nothing to look at.
OTHERS = [{**POETRY_LOAN, "BARCODE": f"B1{at}"} for at in range(5)]


@pytest.fixture
def ready(world: World) -> World:
    """A world in which Lin is clear in everything before the review."""
    world.says["checkouts"] = [
        {"学号": p["学号"], "清退状态": "已清退", "房间": "412"} for p in world.says["roster"] if p["类别"] == "毕业"
    ]
    world.says["loans"] = OTHERS
    world.run_all()
    wish = DecisionRequest(LIN.number, "college_items", Verdict.CLEARED, "已还")
    world.decisions.enter(wish, "clerk", world.now)
    world.later(minutes=1)
    return world


def review(world: World, verdict: Verdict = Verdict.CLEARED, number: str = LIN.number) -> Any:
    return world.reviews.review(DecisionRequest(number, STEP, verdict, "齐备"), "reviewer", world.now)


def issue(world: World, number: str = "C-1", student: str = LIN.number) -> Any:
    return world.register.issue(Issue(student, number, "毕业证书"), "reviewer", world.now)


def stays(world: World) -> None:
    """Have Lin stay another year."""
    world.says["roster"] = [p.listed() | ({"类别": "延期"} if p is LIN else {}) for p in EVERYBODY]
    world.run("roster")


def step(world: World) -> StepStatus:
    return next(s for s in world.student(LIN.number).steps if s.step == STEP)


def state(world: World) -> State:
    return step(world).at(world.now).state


def test_it_opens_when_every_step_before_it_counts_as_clear(ready: World) -> None:
    assert state(ready) is State.OPEN
    ready.says["loans"] = [GEOLOGY_LOAN, *OTHERS]
    ready.run("loans")
    assert state(ready) is State.CLOSED
    with pytest.raises(DecisionRefused, match=r"is not open for 20151001: library does not count as clear"):
        review(ready)


def test_one_that_passes_is_valid_and_one_that_does_not_needs_no_opening(ready: World) -> None:
    review(ready)
    assert state(ready) is State.CLEARED
    ready.says["loans"] = [GEOLOGY_LOAN, *OTHERS]
    ready.run("loans")
    review(ready, Verdict.HELD)
    assert state(ready) is State.HELD


def test_it_lapses_when_a_step_it_rested_on_is_held_again(ready: World) -> None:
    review(ready)
    ready.says["loans"] = [GEOLOGY_LOAN, *OTHERS]
    ready.run("loans")
    effective = step(ready).at(ready.now)
    assert (effective.state, effective.lapsed, effective.clear) == (State.CLOSED, True, False)
    ready.says["loans"] = OTHERS
    ready.run("loans")
    effective = step(ready).at(ready.now)
    assert (effective.state, effective.lapsed) == (State.OPEN, True), "what it rested on is not what it saw"


def test_it_lapses_when_a_decision_that_it_rested_on_is_withdrawn_or_ends(ready: World) -> None:
    until = ready.now + timedelta(hours=1)
    ready.decisions.enter(
        DecisionRequest(LIN.number, "finance", Verdict.CLEARED, "缓交批准", until=until), "clerk", ready.now
    )
    review(ready)
    assert state(ready) is State.CLEARED
    ready.later(hours=1)
    assert step(ready).at(ready.now).lapsed


def test_during_an_outage_it_does_not_count_and_afterwards_it_does_again(ready: World) -> None:
    review(ready)
    ready.later(hours=5)
    assert state(ready) is State.CLOSED
    for name in ("loans", "fines", "fees", "checkouts"):
        ready.run(name)
    assert state(ready) is State.CLEARED


def test_an_unchanged_run_lets_it_stand(ready: World) -> None:
    review(ready)
    for name in ("loans", "fines", "fees", "checkouts"):
        ready.run(name)
    assert state(ready) is State.CLEARED


def test_a_certificate_is_issued_only_while_the_review_is_valid(ready: World) -> None:
    with pytest.raises(DecisionRefused, match="no valid review"):
        issue(ready)
    review(ready)
    ready.says["loans"] = [GEOLOGY_LOAN, *OTHERS]
    ready.run("loans")
    with pytest.raises(DecisionRefused, match="no valid review"):
        issue(ready)
    ready.says["loans"] = OTHERS
    ready.run("loans")
    review(ready)
    assert issue(ready).number == "C-1"
    assert ready.student(LIN.number).certificate is not None


def test_it_freezes_the_clearance_and_what_comes_later_is_listed(ready: World) -> None:
    review(ready)
    issue(ready)
    ready.says["loans"] = [GEOLOGY_LOAN, *OTHERS]
    ready.run("loans")
    ready.later(days=2)
    assert state(ready) is State.CLEARED
    assert ready.verdict(LIN.number, "library") is Verdict.HELD
    assert ready.reader.opened_after_issue(COHORT, ready.now) == ((LIN.number, "library"),)
    overview = ready.reader.overview(COHORT, ready.now).by_step[STEP]
    assert overview.by_state[State.CLEARED] == 1


def test_a_student_holds_one_and_a_number_is_used_once(ready: World) -> None:
    review(ready)
    issue(ready)
    with pytest.raises(DecisionRefused, match="already has certificate C-1"):
        issue(ready, "C-2")
    ready.decisions.enter(DecisionRequest(SUN.number, "college_items", Verdict.CLEARED, "已还"), "clerk", ready.now)
    review(ready, number=SUN.number)
    with pytest.raises(DecisionRefused, match="C-1 is the number of 20151001's certificate"):
        issue(ready, "C-1", SUN.number)


def test_it_is_revoked_by_a_second_person_with_a_reason_and_then_the_finding_counts(ready: World) -> None:
    review(ready)
    issue(ready)
    with pytest.raises(DecisionRefused, match="have a second person revoke it"):
        ready.register.revoke("C-1", "reviewer", "x", ready.now)
    with pytest.raises(DecisionRefused, match="needs a reason"):
        ready.register.revoke("C-1", "registrar", " ", ready.now)
    ready.says["loans"] = [GEOLOGY_LOAN, *OTHERS]
    ready.run("loans")
    ready.register.revoke("C-1", "registrar", "印错了姓名", ready.now)
    assert state(ready) is State.CLOSED
    with pytest.raises(DecisionRefused, match="no certificate C-1 to revoke"):
        ready.register.revoke("C-1", "registrar", "x", ready.now)


def test_a_review_under_a_certificate_is_neither_changed_nor_taken_back(ready: World) -> None:
    review(ready)
    issue(ready)
    with pytest.raises(DecisionRefused, match="revoke the certificate first"):
        review(ready, Verdict.HELD)
    with pytest.raises(DecisionRefused, match="revoke the certificate first"):
        ready.reviews.take_back(LIN.number, STEP, "reviewer", ready.now)


def test_an_operator_can_neither_give_nor_withdraw_one(ready: World) -> None:
    with pytest.raises(DecisionRefused, match="is a review"):
        ready.decisions.enter(DecisionRequest(LIN.number, STEP, Verdict.CLEARED, "x"), "clerk", ready.now)
    review(ready)
    with pytest.raises(DecisionRefused, match="clearance reviews withdraw"):
        ready.decisions.withdraw(LIN.number, STEP, "clerk", ready.now)
    ready.reviews.take_back(LIN.number, STEP, "reviewer", ready.now)
    assert state(ready) is State.OPEN


def test_a_step_that_is_no_review_cannot_be_reviewed(ready: World) -> None:
    with pytest.raises(DecisionRefused, match=r"library is not a review of 20151001\. Name one of: final_review"):
        ready.reviews.review(DecisionRequest(LIN.number, "library", Verdict.CLEARED, "x"), "reviewer", ready.now)


def test_the_ledger_vouches_for_all_of_it(ready: World) -> None:
    review(ready)
    issue(ready)
    ready.register.revoke("C-1", "registrar", "印错了姓名", ready.now)
    review(ready)
    issue(ready, "C-2")
    report = verified(ready)
    assert report.sound, report.disagreements


@pytest.mark.parametrize("column", [c.key for c in tables.certificate.columns])
def test_a_certificate_that_was_altered_past_the_program_is_found(ready: World, column: str) -> None:
    review(ready)
    issue(ready)
    issued = tables.certificate
    others: dict[str, Any] = {"certificate": 99, "decision": 1, "mac": b"x", "cohort": "2020"}
    other = others.get(column, ready.now if column.endswith("_at") else "x")
    with ready.engine.begin() as connection:
        if column == "cohort":
            connection.execute(insert(tables.cohort).values(cohort="2020", name="x"))
        connection.execute(update(issued).values({column: other + timedelta(1) if column == "issued_at" else other}))
    assert "certificate" in {found.table for found in verified(ready).disagreements}


def test_a_certificate_that_was_taken_away_is_found(ready: World) -> None:
    review(ready)
    issue(ready)
    with ready.engine.begin() as connection:
        connection.execute(delete(tables.certificate))
    assert "certificate" in {found.table for found in verified(ready).disagreements}


def test_nor_withdraw_one_of_whom_the_list_does_not_let_go_any_more(ready: World) -> None:
    review(ready)
    stays(ready)
    with pytest.raises(DecisionRefused, match="clearance reviews withdraw"):
        ready.decisions.withdraw(LIN.number, STEP, "clerk", ready.now)


def test_a_decision_on_a_step_that_has_ended_can_be_withdrawn(ready: World) -> None:
    stays(ready)
    before = len(ready.student(LIN.number).flips)
    assert ready.decisions.withdraw(LIN.number, "college_items", "clerk", ready.now).reason == "已还"
    assert len(ready.student(LIN.number).flips) == before, "what counts had ended with the step"
    assert verified(ready).sound


class TestSweep:
    def test_the_end_of_a_decision_whose_step_has_ended_is_noted_and_stops_no_one(self, ready: World) -> None:
        until = ready.now + timedelta(hours=1)
        for person in (LIN, SUN):
            wish = DecisionRequest(person.number, "finance", Verdict.HELD, "数据有误", until=until)
            ready.decisions.enter(wish, "clerk", ready.now)
        stays(ready)
        ready.later(hours=1)
        assert ready.writer.sweep(ready.now) == 2
        assert ready.student(SUN.number).flips[0].cause == "expiry"
        assert verified(ready).sound

    def test_the_end_of_a_decision_is_noted_once_with_its_flip(self, ready: World) -> None:
        until = ready.now + timedelta(hours=1)
        ready.says["fees"] = [{"XH": LIN.number, "QFJE": "5850", "XM": "学费"}]
        ready.run("fees")
        ready.decisions.enter(
            DecisionRequest(LIN.number, "finance", Verdict.CLEARED, "缓交批准", until=until), "clerk", ready.now
        )
        assert ready.writer.sweep(ready.now) == 0
        ready.later(hours=1)
        assert ready.verdict(LIN.number, "finance") is Verdict.HELD
        assert ready.writer.sweep(ready.now) == 1
        assert ready.writer.sweep(ready.now) == 0
        flip = ready.student(LIN.number).flips[0]
        assert (flip.before, flip.after, flip.cause) == (Verdict.CLEARED, Verdict.HELD, "expiry")
        assert verified(ready).sound

    def test_an_end_that_changes_nothing_makes_no_flip(self, ready: World) -> None:
        until = ready.now + timedelta(hours=1)
        ready.decisions.enter(
            DecisionRequest(LIN.number, "finance", Verdict.CLEARED, "缓交批准", until=until), "clerk", ready.now
        )
        before = len(ready.student(LIN.number).flips)
        ready.later(hours=2)
        assert ready.writer.sweep(ready.now) == 1
        assert len(ready.student(LIN.number).flips) == before


def test_a_certificate_that_was_revoked_is_not_handed_over(ready: World) -> None:
    review(ready)
    ready.register.issue(Issue(LIN.number, "C-1", "毕业证书", ""), "reviewer", ready.now)
    ready.register.revoke("C-1", "second", "印错", ready.now)
    with pytest.raises(DecisionRefused, match="there is no certificate C-1 to hand over") as refused:
        ready.register.hand_over(Handover("C-1", "self"), "clerk", ready.now)
    assert refused.value.code is DecisionCode.GONE
    (revoked,) = ready.reader.certificates(COHORT)
    assert (revoked.collected, revoked.collected_at) == ("", None)


def test_who_collects_for_somebody_else_is_named(ready: World) -> None:
    review(ready)
    for name in ("", "  "):
        with pytest.raises(DecisionRefused) as refused:
            ready.register.issue(Issue(LIN.number, "C-1", "毕业证书", "agent", name), "reviewer", ready.now)
        assert refused.value.code is DecisionCode.NO_COLLECTOR
    ready.register.issue(Issue(LIN.number, "C-1", "毕业证书", ""), "reviewer", ready.now)
    with pytest.raises(DecisionRefused) as refused:
        ready.register.hand_over(Handover("C-1", "agent"), "clerk", ready.now)
    assert refused.value.code is DecisionCode.NO_COLLECTOR


def test_it_leaves_neither_before_it_was_issued_nor_later_than_now(ready: World) -> None:
    review(ready)
    issued = ready.now
    ready.register.issue(Issue(LIN.number, "C-1", "毕业证书", ""), "reviewer", issued)
    ready.later(hours=1)
    for at in (issued - timedelta(microseconds=1), ready.now + timedelta(microseconds=1)):
        with pytest.raises(DecisionRefused) as refused:
            ready.register.hand_over(Handover("C-1", "self", at=at), "clerk", ready.now)
        assert refused.value.code is DecisionCode.WHEN
    assert ready.register.hand_over(Handover("C-1", "self", at=issued), "clerk", ready.now).collected_at == issued


def test_a_certificate_outside_the_scopes_is_as_unknown_as_none(ready: World) -> None:
    review(ready)
    ready.register.issue(Issue(LIN.number, "C-1", "毕业证书", ""), "reviewer", ready.now)
    elsewhere = ({"college": ("外国语学院",)},)
    with pytest.raises(DecisionRefused) as refused:
        ready.register.hand_over(Handover("C-1", "self"), "clerk", ready.now, elsewhere)
    assert refused.value.code is DecisionCode.GONE
    with pytest.raises(DecisionRefused) as refused:
        ready.register.revoke("C-1", "second", "印错", ready.now, elsewhere)
    assert refused.value.code is DecisionCode.GONE


def test_what_was_decided_later_than_now_is_refused(ready: World) -> None:
    wish = DecisionRequest(
        LIN.number, "library", Verdict.CLEARED, "现场归还", decided_at=ready.now + timedelta(microseconds=1)
    )
    with pytest.raises(DecisionRefused, match="its date is in the future") as refused:
        ready.decisions.enter(wish, "librarian", ready.now)
    assert refused.value.code is DecisionCode.DECIDED_LATER
    assert ready.decisions.enter(replace(wish, decided_at=ready.now), "librarian", ready.now).decided_at == ready.now


def test_every_decision_and_its_withdrawal_moves_the_revision(ready: World) -> None:
    def revision() -> int:
        with reading(ready.engine) as connection:
            moved: int = connection.execute(select(tables.cohort.c.revision)).scalar_one()
            return moved

    before = revision()
    ready.decisions.enter(DecisionRequest(LIN.number, "library", Verdict.CLEARED, "现场归还"), "librarian", ready.now)
    assert revision() == before + 1
    ready.decisions.withdraw(LIN.number, "library", "librarian", ready.now)
    assert revision() == before + 2


def test_one_that_takes_the_place_of_another_makes_a_flip_from_what_counted_then(ready: World) -> None:
    """An end that has come gives way to the finding; one that has not is what counted."""
    ends = ready.now + timedelta(hours=1)
    ready.decisions.enter(
        DecisionRequest(LIN.number, "library", Verdict.HELD, "数据有误", until=ends), "librarian", ready.now
    )
    ready.now = ends - timedelta(microseconds=1)
    ready.decisions.enter(
        DecisionRequest(LIN.number, "library", Verdict.EXEMPT, "数据有误", until=ends), "librarian", ready.now
    )
    ready.now = ends
    # The finding is cleared, so that this one changes nothing.
    ready.decisions.enter(DecisionRequest(LIN.number, "library", Verdict.CLEARED, "现场归还"), "librarian", ready.now)
    flips = [(f.before, f.after) for f in ready.student(LIN.number).flips if f.step == "library" and f.decision]
    assert flips == [(Verdict.HELD, Verdict.EXEMPT), (Verdict.CLEARED, Verdict.HELD)]
