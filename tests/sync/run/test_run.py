"""Runs, on SQLite and on PostgreSQL: what a source reports becomes marks, whole or not at all."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select

from connectors.port import SourceGarbled, SourceRefused, SourceUnavailable
from status_db import tables
from status_db.decisions.writer import DecisionRequest
from status_db.marks.runs import LeaseLost, RunUnderWay, SlotTaken
from status_db.model import ROSTER, RunState, State, Verdict
from status_db.store import bulk
from sync.run import process_id
from sync.run.lease import LEASE_FOR
from tests.cast import EVERYBODY, GEOLOGY_LOAN, GEOLOGY_LOANS, LI, LIN, POETRY_LOAN, QIAN, SUN, ZHAO, ZHOU
from tests.world import COHORT, SETTINGS, World


def test_before_anybody_is_asked_nothing_is_known(world: World) -> None:
    world.run(ROSTER)
    assert world.verdict(LIN.number, "library") is Verdict.UNKNOWN


def test_a_loan_holds_and_its_return_clears(world: World) -> None:
    world.says["loans"] = list(GEOLOGY_LOANS)
    world.run_all()
    assert world.verdict(LIN.number, "library") is Verdict.HELD
    assert world.verdict(SUN.number, "library") is Verdict.CLEARED
    world.says["loans"] = []
    world.says["fines"] = [{"CARD": SUN.number, "AMOUNT": "0.00"}]
    world.run("fines")
    outcome = world.run("loans")
    assert outcome.state is RunState.SUSPENDED, "the last rows vanishing are looked at first"


def test_a_step_of_two_sources_is_cleared_only_by_both(world: World) -> None:
    world.run(ROSTER)
    world.run("loans")
    assert world.verdict(SUN.number, "library") is Verdict.UNKNOWN
    world.run("fines")
    assert world.verdict(SUN.number, "library") is Verdict.CLEARED


def test_a_source_that_fails_changes_nothing_and_gives_the_reason(world: World) -> None:
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


def test_a_flow_states_the_order_of_the_steps(world: World) -> None:
    world.run_all()
    assert world.student(LI.number).steps[0].step == "college_items"
    assert world.student(LIN.number).steps[0].step == "library"


class TestWhatARunWrites:
    def test_an_unchanged_run_writes_no_mark_at_all(self, world: World) -> None:
        """Freshness lives on the source: no record, no finding, no flip and no student is written."""
        world.says["loans"] = [GEOLOGY_LOAN]
        world.run_all()
        with written(world.engine) as statements:
            assert world.run("loans").state is RunState.UNCHANGED
        touched = {table for table in ("record", "status", "flip", "student", "alias") if _writes_to(table, statements)}
        assert touched == set()
        assert _writes_to("run", statements)
        assert _writes_to("source_state", statements)

    def test_rows_in_another_order_write_no_mark_either(self, world: World) -> None:
        world.says["loans"] = [GEOLOGY_LOAN, POETRY_LOAN]
        world.run_all()
        world.says["loans"].reverse()
        with written(world.engine) as statements:
            assert world.run("loans").state is RunState.UNCHANGED
        assert not _writes_to("status", statements)

    def test_a_change_of_one_student_writes_their_rows_alone(self, world: World) -> None:
        world.says["loans"] = [GEOLOGY_LOAN]
        world.run_all()
        before = counted(world)
        world.says["loans"].append(POETRY_LOAN)
        world.run("loans")
        after = counted(world)
        assert after["record"] - before["record"] == 1
        assert after["flip"] - before["flip"] == 1
        assert after["status"] == before["status"]

    def test_a_respelled_row_changes_nothing_that_counts(self, world: World) -> None:
        world.says["loans"] = [GEOLOGY_LOAN]
        world.run_all()
        world.says["loans"] = [{**GEOLOGY_LOAN, "CARD": "２０１５１００１ "}]
        outcome = world.run("loans")
        assert outcome.flips == ()
        assert world.verdict(LIN.number, "library") is Verdict.HELD

    def test_freshness_moves_with_every_good_pull(self, world: World) -> None:
        world.run_all()
        before = world.student(LIN.number).steps[0].as_of
        world.later(hours=1)
        world.run("loans")
        world.run("fines")
        after = world.student(LIN.number).steps[0].as_of
        assert before is not None
        assert after is not None
        assert after > before


class TestTheRoster:
    def test_who_leaves_the_list_is_deactivated_and_never_deleted(self, world: World) -> None:
        world.says["loans"] = [GEOLOGY_LOAN]
        world.run_all()
        world.says[ROSTER] = [person.listed() for person in EVERYBODY if person is not LIN]
        world.run(ROSTER)
        gone = world.student(LIN.number)
        assert not gone.active
        assert gone.steps == ()
        assert gone.flips

    def test_who_comes_back_is_unknown_until_each_source_was_asked_again(self, world: World) -> None:
        world.run_all()
        assert world.verdict(LIN.number, "library") is Verdict.CLEARED
        world.says[ROSTER] = [person.listed() for person in EVERYBODY if person is not LIN]
        world.run(ROSTER)
        world.says[ROSTER] = [person.listed() for person in EVERYBODY]
        world.run(ROSTER)
        assert world.verdict(LIN.number, "library") is Verdict.UNKNOWN
        world.run("loans")
        assert world.verdict(LIN.number, "library") is Verdict.UNKNOWN
        world.run("fines")
        assert world.verdict(LIN.number, "library") is Verdict.CLEARED

    def test_the_same_answer_is_looked_at_again_once_the_roster_has_changed(self, world: World) -> None:
        """A row about an unmatched person becomes a row about a student: the kept digest must not hide it."""
        world.says[ROSTER] = [person.listed() for person in EVERYBODY if person is not SUN]
        world.says["loans"] = [GEOLOGY_LOAN, {**POETRY_LOAN, "CARD": SUN.number}]
        world.run_all()
        world.says[ROSTER] = [person.listed() for person in EVERYBODY]
        world.run(ROSTER)
        world.run("loans")
        assert world.verdict(SUN.number, "library") is Verdict.HELD

    def test_a_category_that_stays_ends_every_step(self, world: World) -> None:
        world.run_all()
        world.says[ROSTER] = [p.listed() | ({"类别": "延期"} if p is LIN else {}) for p in EVERYBODY]
        world.run(ROSTER)
        assert world.student(LIN.number).steps == ()

    def test_a_step_that_ends_under_a_decision_ends_from_what_counted(self, world: World) -> None:
        world.says["loans"] = [GEOLOGY_LOAN]
        world.run_all()
        world.decisions.enter(
            DecisionRequest(LIN.number, "library", Verdict.CLEARED, "现场归还"), "librarian", world.now
        )
        world.says[ROSTER] = [p.listed() | ({"类别": "延期"} if p is LIN else {}) for p in EVERYBODY]
        world.run(ROSTER)
        (ended, *_) = [flip for flip in world.student(LIN.number).flips if flip.step == "library"]
        assert (ended.before, ended.after) == (Verdict.CLEARED, Verdict.EXEMPT)

    def test_a_move_off_campus_lets_off_at_once(self, world: World) -> None:
        world.run_all()
        world.says[ROSTER] = [p.listed() | ({"楼栋": "校外走读"} if p is LIN else {}) for p in EVERYBODY]
        world.run(ROSTER)
        assert world.verdict(LIN.number, "dorm") is Verdict.EXEMPT

    def test_a_list_that_shrinks_by_half_is_looked_at_first(self, world: World) -> None:
        world.says[ROSTER] += [{**LIN.listed(), "学号": f"2015300{i:02d}", "一卡通": ""} for i in range(60)]
        world.run_all()
        world.says[ROSTER] = world.says[ROSTER][:30]
        assert world.run(ROSTER).state is RunState.SUSPENDED
        assert world.student("201530050").active

    @pytest.mark.parametrize(
        ("change", "why"),
        [
            ({"培养层次": "博士"}, "levels"),
            ({"类别": "休学"}, "categories"),
            ({"学号": ""}, "without a student number"),
        ],
    )
    def test_a_list_that_cannot_be_understood_changes_nothing(
        self, world: World, change: dict[str, str], why: str
    ) -> None:
        world.run_all()
        before = world.verdicts()
        world.says[ROSTER] = [p.listed() | (change if p is SUN else {}) for p in EVERYBODY]
        outcome = world.run(ROSTER)
        assert outcome.fault == "garbled"
        assert why in outcome.message
        world.says[ROSTER] = [p.listed() for p in EVERYBODY]
        assert world.verdicts() == before


class TestSuspension:
    def suspended(self, world: World) -> int:
        world.says["loans"] = list(GEOLOGY_LOANS)
        world.run_all()
        world.says["loans"] = []
        outcome = world.run("loans")
        assert outcome.state is RunState.SUSPENDED
        assert outcome.run is not None
        return outcome.run

    def test_nothing_of_it_is_applied_until_it_is_approved(self, world: World) -> None:
        run = self.suspended(world)
        assert world.verdict(LIN.number, "library") is Verdict.HELD
        outcome = world.sync.approve(run, "loans", by="admin")
        assert outcome.state is RunState.APPLIED
        assert world.verdict(LIN.number, "library") is Verdict.CLEARED
        stored = world.reader.run(COHORT, run)
        assert stored is not None
        assert stored.decided_by == "admin"

    def test_what_is_approved_is_that_very_answer_and_no_later_one(self, world: World) -> None:
        run = self.suspended(world)
        world.says["loans"] = [POETRY_LOAN]
        world.sync.approve(run, "loans", by="admin")
        assert world.verdict(QIAN.number, "library") is Verdict.CLEARED

    def test_once_the_marks_have_moved_it_is_another_change_and_is_judged_again(self, world: World) -> None:
        run = self.suspended(world)
        with world.engine.begin() as connection:
            # As if another full run had been applied meanwhile: the base that was looked at is gone.
            table = tables.source_state
            connection.execute(table.update().where(table.c.source == "loans").values(revision=table.c.revision + 1))
        outcome = world.sync.approve(run, "loans", by="admin")
        assert outcome.state is RunState.SUSPENDED
        assert world.verdict(LIN.number, "library") is Verdict.HELD

    def test_it_can_be_approved_only_once(self, world: World) -> None:
        run = self.suspended(world)
        world.sync.approve(run, "loans", by="admin")
        assert world.sync.approve(run, "loans", by="admin").fault == "not_waiting"

    def test_rejected_it_is_gone_and_the_next_pull_is_judged_again(self, world: World) -> None:
        run = self.suspended(world)
        world.sync.reject(run, by="admin", reason="the library's migration")
        assert world.run("loans").state is RunState.SUSPENDED

    def test_once_applied_it_is_not_reported_to_be_rejected(self, world: World) -> None:
        run = self.suspended(world)
        world.sync.approve(run, "loans", by="admin")
        assert not world.sync.reject(run, by="admin", reason="too late")
        stored = world.reader.run(COHORT, run)
        assert stored is not None
        assert stored.state is RunState.APPLIED

    def test_a_later_one_that_is_still_outside_leaves_it_alone(self, world: World) -> None:
        run = self.suspended(world)
        outcome = world.run("loans")
        assert outcome.state is RunState.SKIPPED
        assert f"Run {run} waits already" in outcome.message
        for command in (f"runs show {run}", f"runs approve {run}", f"runs reject {run} --reason"):
            assert f"`clearance {command}" in outcome.message

    def test_it_closes_by_itself_when_the_rows_are_back(self, world: World) -> None:
        run = self.suspended(world)
        world.says["loans"] = list(GEOLOGY_LOANS)
        assert world.run("loans").state is RunState.UNCHANGED
        stored = world.reader.run(COHORT, run)
        assert stored is not None
        assert stored.state is RunState.SUPERSEDED
        assert "was within the limits" in stored.message

    def test_after_two_days_it_can_still_be_approved(self, world: World) -> None:
        run = self.suspended(world)
        world.later(hours=71)
        assert world.sync.approve(run, "loans", by="admin").state is RunState.APPLIED

    def test_after_three_days_it_can_no_longer_be_approved_whoever_runs(self, world: World) -> None:
        run = self.suspended(world)
        world.later(hours=73)
        assert world.sync.approve(run, "loans", by="admin").fault == "not_waiting"
        assert world.verdict(LIN.number, "library") is Verdict.HELD
        assert world.run("loans").state is RunState.SUSPENDED, "the next one waits in its place"

    def test_after_three_days_it_expires(self, world: World) -> None:
        run = self.suspended(world)
        world.later(hours=73)
        world.sync.open_cohort()
        stored = world.reader.run(COHORT, run)
        assert stored is not None
        assert stored.state is RunState.EXPIRED
        assert "not approved within 72 hours" in stored.message
        assert world.sync.approve(run, "loans", by="admin").fault == "not_waiting"


class TestOneStudent:
    def test_a_recheck_after_a_return_clears(self, world: World) -> None:
        world.says["loans"] = [GEOLOGY_LOAN, POETRY_LOAN]
        world.run_all()
        world.says["loans"] = [POETRY_LOAN]
        world.later(minutes=1)
        world.sync.recheck("loans", LIN.number, by=LIN.number)
        assert world.verdict(LIN.number, "library") is Verdict.CLEARED
        assert world.verdict(QIAN.number, "library") is Verdict.HELD

    def test_before_any_full_run_it_clears_no_one(self, world: World) -> None:
        world.run(ROSTER)
        world.sync.recheck("loans", LIN.number, by=LIN.number)
        assert world.verdict(LIN.number, "library") is Verdict.UNKNOWN

    def test_during_an_outage_no_one_can_click_themselves_clear(self, world: World) -> None:
        world.says["loans"] = [GEOLOGY_LOAN]
        world.run_all()
        world.fails["loans"] = SourceUnavailable("nobody answers", "Try again.")
        world.run("loans")
        del world.fails["loans"]
        world.says["loans"] = []
        outcome = world.sync.recheck("loans", LIN.number, by=LIN.number)
        assert outcome.state is RunState.SKIPPED
        assert world.verdict(LIN.number, "library") is Verdict.HELD

    def test_nor_can_those_about_whom_nothing_certain_was_known(self, world: World) -> None:
        """Somebody who has joined since, and somebody whose debt could not be read."""
        world.says[ROSTER] = [p.listed() for p in EVERYBODY if p is not SUN]
        world.says["fees"] = [{"XH": LIN.number, "QFJE": "看备注", "XM": "学费"}]
        world.run_all()
        world.says[ROSTER].append(SUN.listed())
        world.run(ROSTER)
        world.fails["fees"] = SourceUnavailable("nobody answers", "Try again.")
        world.run("fees")
        del world.fails["fees"]
        world.says["fees"] = []
        for number in (SUN.number, LIN.number):
            world.later(minutes=1)
            assert world.sync.recheck("fees", number, by=number).state is RunState.SKIPPED
            assert world.verdict(number, "finance") is Verdict.UNKNOWN

    def test_it_may_hold_at_any_time(self, world: World) -> None:
        world.run_all()
        world.says["loans"] = [GEOLOGY_LOAN]
        world.later(minutes=1)
        world.sync.recheck("loans", LIN.number, by=LIN.number)
        assert world.verdict(LIN.number, "library") is Verdict.HELD

    def test_the_full_answer_from_before_is_known_to_be_older_afterwards(self, world: World) -> None:
        """After a recheck the stored records are no longer those of the last whole answer."""
        world.says["loans"] = [GEOLOGY_LOAN, POETRY_LOAN]
        world.run_all()
        both = list(world.says["loans"])
        world.says["loans"] = [POETRY_LOAN]
        world.later(minutes=1)
        world.sync.recheck("loans", LIN.number, by=LIN.number)
        world.says["loans"] = both
        world.run("loans")
        assert world.verdict(LIN.number, "library") is Verdict.HELD


class TestFaults:
    @pytest.mark.parametrize(
        ("error", "fault"),
        [(SourceUnavailable, "unavailable"), (SourceRefused, "refused"), (SourceGarbled, "garbled")],
    )
    def test_each_kind_is_named_and_changes_nothing(
        self, world: World, error: type[SourceUnavailable], fault: str
    ) -> None:
        world.says["loans"] = [GEOLOGY_LOAN]
        world.run_all()
        before = world.verdicts()
        world.fails["loans"] = error("it went wrong", "Mend it.")
        outcome = world.run("loans")
        assert (outcome.state, outcome.fault, outcome.message) == (RunState.FAILED, fault, "it went wrong. Mend it.")
        assert world.verdicts() == before

    def test_rows_about_no_one_on_the_roster_mean_that_the_mapping_is_wrong(self, world: World) -> None:
        world.run(ROSTER)
        world.says["loans"] = [{**GEOLOGY_LOAN, "CARD": f"X{i}"} for i in range(30)]
        outcome = world.run("loans")
        assert outcome.fault == "garbled"
        assert "columns.student" in outcome.message

    def test_before_there_is_a_roster_it_explains_what_to_do_first(self, world: World) -> None:
        world.says["loans"] = [{**GEOLOGY_LOAN, "CARD": f"X{i}"} for i in range(30)]
        assert "clearance sync roster" in world.run("loans").message

    def test_unmatched_rows_are_counted_and_listed_by_their_key_alone(self, world: World) -> None:
        world.says["loans"] = [GEOLOGY_LOAN, {**POETRY_LOAN, "CARD": "19990001"}]
        world.run_all()
        assert [(s.source, s.key) for s in world.reader.unmatched_keys(COHORT)] == [("loans", "19990001")]

    def test_a_lost_leading_zero_makes_unknown_and_is_listed_as_a_near_miss(self, world: World) -> None:
        world.says[ROSTER].append({**LIN.listed(), "学号": "0099123", "一卡通": ""})
        world.says["loans"] = [{**GEOLOGY_LOAN, "CARD": "99123"}]
        world.run_all()
        assert world.verdict("0099123", "library") is Verdict.UNKNOWN
        (unmatched_key,) = world.reader.unmatched_keys(COHORT)
        assert (unmatched_key.near, unmatched_key.student) == ("leading_zero", "0099123")

    def test_a_card_that_two_students_share_makes_both_unknown(self, world: World) -> None:
        world.says[ROSTER] = [p.listed() | ({"一卡通": "SHARED"} if p in (LIN, SUN) else {}) for p in EVERYBODY]
        world.says["loans"] = [{**GEOLOGY_LOAN, "CARD": "SHARED"}]
        world.run_all()
        assert world.verdict(LIN.number, "library") is Verdict.UNKNOWN
        assert world.verdict(SUN.number, "library") is Verdict.UNKNOWN

    def test_who_is_outside_a_population_is_unknown_and_not_clear(self, world: World) -> None:
        world.population["loans"] = [p.number for p in (LIN, QIAN)]
        world.run_all()
        assert world.verdict(LIN.number, "library") is Verdict.CLEARED
        assert world.verdict(SUN.number, "library") is Verdict.UNKNOWN


class TestAListOfThoseWhoAreDone:
    @pytest.fixture
    def leavers(self, status_url: str, tmp_path: Path) -> Iterator[World]:
        settings = SETTINGS.replace('means = "status"', 'means = "status"\nabsent = "held"')
        with World(status_url, tmp_path, settings) as made:
            yield made

    def test_who_is_not_on_it_has_not_done_it_yet(self, leavers: World) -> None:
        leavers.says["checkouts"] = [{"学号": SUN.number, "清退状态": "已清退", "房间": "305"}]
        leavers.run_all()
        assert leavers.verdict(SUN.number, "dorm") is Verdict.CLEARED
        assert leavers.verdict(LIN.number, "dorm") is Verdict.HELD
        step = next(s for s in leavers.student(LIN.number).steps if s.step == "dorm")
        assert step.at(leavers.now).state is State.NOT_DONE

    def test_who_appears_on_it_is_cleared_and_who_vanishes_is_held_again(self, leavers: World) -> None:
        leavers.run_all()
        leavers.says["checkouts"] = [{"学号": LIN.number, "清退状态": "已清退", "房间": "412"}]
        leavers.run("checkouts")
        assert leavers.verdict(LIN.number, "dorm") is Verdict.CLEARED
        leavers.says["checkouts"] = [{"学号": SUN.number, "清退状态": "已清退", "房间": "305"}]
        leavers.run("checkouts")
        assert leavers.verdict(LIN.number, "dorm") is Verdict.HELD

    def test_an_empty_list_after_a_full_one_is_looked_at_first(self, leavers: World) -> None:
        leavers.says["checkouts"] = [{"学号": SUN.number, "清退状态": "已清退", "房间": f"30{i}"} for i in range(5)]
        leavers.run_all()
        leavers.says["checkouts"] = []
        assert leavers.run("checkouts").state is RunState.SUSPENDED

    def test_commuters_are_let_off_though_they_are_on_no_list(self, leavers: World) -> None:
        """The roster beats a row that is missing, and never one that holds."""
        leavers.run_all()
        assert leavers.verdict(ZHAO.number, "dorm") is Verdict.EXEMPT


class TestTurns:
    def begun(self, world: World, slot: Any = None) -> Any:
        return world.sync._marks.begin(
            "loans",
            "library",
            now=world.now,
            by="another",
            owner=process_id.next_turn(),
            lease_for=LEASE_FOR,
            gone=lambda _: False,
            slot=slot,
        )

    def test_a_source_is_asked_by_one_run_at_a_time(self, world: World) -> None:
        world.run_all()
        self.begun(world)
        outcome = world.sync.run("loans", by="test")
        assert (outcome.state, outcome.fault) == (RunState.SKIPPED, "under_way")
        assert "is being asked already" in outcome.message

    def test_a_lease_that_has_run_out_is_taken_over_and_its_late_owner_writes_nothing(self, world: World) -> None:
        world.run_all()
        late = self.begun(world)
        world.end_leases()
        assert world.sync.run("loans", by="test").state is RunState.UNCHANGED
        abandoned = world.reader.run(COHORT, late.run)
        assert abandoned is not None
        assert abandoned.state is RunState.ABANDONED
        assert not world.sync._marks.renew(late, LEASE_FOR)
        with pytest.raises(LeaseLost):
            world.sync._applying.ended(late, RunState.FAILED, "late")

    def test_a_slot_has_one_run(self, world: World) -> None:
        world.run_all()
        slot = world.now
        world.sync.run("loans", by="schedule", slot=slot)
        with pytest.raises(SlotTaken):
            world.sync.run("loans", by="schedule", slot=slot)

    def test_a_second_begin_is_refused_with_who_is_first(self, world: World) -> None:
        world.run_all()
        first = self.begun(world)
        with pytest.raises(RunUnderWay, match=f"run {first.run} "):
            self.begun(world)

    def test_a_decision_between_plan_and_write_is_neither_lost_nor_trampled(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.says["loans"] = [POETRY_LOAN]
        world.run_all()
        world.says["loans"] = [POETRY_LOAN, GEOLOGY_LOAN]
        original, decided = world.sync._applying.propose, list[Any]()

        def decide_meanwhile(*args: Any) -> Any:
            proposal = original(*args)
            if not decided:
                wish = DecisionRequest(LIN.number, "library", Verdict.CLEARED, "现场归还")
                decided.append(world.decisions.enter(wish, "librarian", world.now))
            return proposal

        monkeypatch.setattr(world.sync._applying, "propose", decide_meanwhile)
        outcome = world.run("loans")
        assert outcome.state is RunState.APPLIED
        assert outcome.flips == (), "the decision counts, so the new loan flips nothing"
        assert world.verdict(LIN.number, "library") is Verdict.CLEARED
        step = next(s for s in world.student(LIN.number).steps if s.step == "library")
        assert step.finding.verdict is Verdict.HELD
        assert step.at(world.now).disputed


def counted(world: World) -> dict[str, int]:
    """Return how many rows each table of the marks has."""
    with world.engine.connect() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables.marks.sorted_tables
        }


@contextmanager
def written(engine: Engine) -> Iterator[list[str]]:
    """Collect every statement an engine executes, those of the bulk writers too."""
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("insert", "upsert", "update", "delete"):
            original = getattr(bulk, name)

            def noted(connection: Any, table: Any, *args: Any, how: str = name, do: Any = original) -> None:
                statements.append(f"{how} {table.name} in bulk")
                do(connection, table, *args)

            patch.setattr(bulk, name, noted)
        yield statements
    event.remove(engine, "before_cursor_execute", note)


def _writes_to(table: str, statements: list[str]) -> list[str]:
    pattern = re.compile(rf"^\s*(insert|upsert|update|delete)\s+(into\s+|from\s+)?\"?{table}\"?\b", re.IGNORECASE)
    return [statement for statement in statements if pattern.search(statement)]
