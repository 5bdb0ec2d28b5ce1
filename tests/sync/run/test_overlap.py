"""Runs that overlap, on SQLite and on PostgreSQL: no older answer replaces a newer one, and a source has one owner."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from status_db.marks.runs import Lease, LeaseLost, RunUnderWay
from status_db.model import RunState, Verdict
from sync.run import process_id
from sync.run.applying import OVERTAKEN
from sync.run.lease import LEASE_FOR
from sync.run.outcome import Outcome
from sync.run.run import Sync
from tests.cast import GEOLOGY_LOAN, GEOLOGY_LOANS, LIN, POETRY_LOAN
from tests.world import COHORT, World


def between(carrier: object, method: str, act: Callable[[], object]) -> None:
    """Have something happen once, right after the next call of one of the sync's steps."""
    original, done = getattr(carrier, method), list[bool]()

    def wrapped(*args: Any) -> Any:
        result = original(*args)
        if not done:
            done.append(True)
            act()
        return result

    setattr(carrier, method, wrapped)


def recheck(world: World, *rows: dict[str, Any]) -> Outcome:
    """Have the library say this now, and be asked about one student; then have it say what it printed before."""
    before = world.says["loans"]
    world.later(minutes=1)
    world.says["loans"] = list(rows)
    outcome = world.sync.recheck("loans", LIN.number, by=LIN.number)
    world.says["loans"] = before
    return outcome


class TestAFullRunAndARecheck:
    def test_a_full_run_leaves_alone_who_was_asked_later_than_its_own_start(self, world: World) -> None:
        world.says["loans"] = [GEOLOGY_LOAN]
        world.run_all()
        world.says["loans"] = [GEOLOGY_LOAN, POETRY_LOAN]
        between(world.sync, "_stages", lambda: recheck(world))
        assert world.run("loans").counts.records == 1
        assert world.verdict(LIN.number, "library") is Verdict.CLEARED

    def test_what_counts_is_when_the_question_began_and_not_its_run(self, world: World) -> None:
        """A recheck opened before the full run's question, but asked after it, is the newer one."""
        world.says["loans"] = [GEOLOGY_LOAN]
        world.run_all()
        world.says["loans"] = [GEOLOGY_LOAN, POETRY_LOAN]

        def opened_before_and_asked_after() -> None:
            asked = world.now
            world.now = asked - timedelta(minutes=5)
            marks, begin = world.sync._marks, world.sync._marks.begin

            def later(*args: Any, **named: Any) -> Lease:
                lease = begin(*args, **named)
                world.now = asked + timedelta(minutes=5)
                return lease

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(marks, "begin", later)
                assert recheck(world).state is RunState.APPLIED

        between(world.sync, "_stages", opened_before_and_asked_after)
        world.run("loans")
        assert world.verdict(LIN.number, "library") is Verdict.CLEARED

    def test_a_recheck_that_changes_nothing_keeps_an_older_full_answer_out_all_the_same(self, world: World) -> None:
        world.says["loans"] = [POETRY_LOAN]
        world.run_all()
        world.says["loans"] = [GEOLOGY_LOAN, POETRY_LOAN]
        between(world.sync._applying, "propose", lambda: recheck(world, POETRY_LOAN))
        world.run("loans")
        assert world.verdict(LIN.number, "library") is Verdict.CLEARED

    def test_an_unchanged_full_run_does_not_vouch_for_what_a_recheck_has_changed_meanwhile(self, world: World) -> None:
        world.says["loans"] = [GEOLOGY_LOAN, POETRY_LOAN]
        world.run_all()
        between(world.sync._applying, "propose", lambda: recheck(world, POETRY_LOAN))
        world.run("loans")
        assert world.verdict(LIN.number, "library") is Verdict.CLEARED
        # The book is on loan again: the very answer of before, and yet another than what is stored.
        world.run("loans")
        assert world.verdict(LIN.number, "library") is Verdict.HELD

    @pytest.mark.parametrize("others", [[], [POETRY_LOAN]], ids=["unchanged", "applied"])
    def test_a_recheck_that_comes_late_does_not_undo_a_full_run(
        self, world: World, others: list[dict[str, Any]]
    ) -> None:
        world.run_all()

        def asked_about_everybody() -> None:
            world.says["loans"] = others
            world.run("loans")

        between(world.sync._applying, "propose", asked_about_everybody)
        outcome = recheck(world, GEOLOGY_LOAN)
        assert outcome.state is RunState.SKIPPED
        assert "the later answer is kept" in outcome.message
        assert outcome.fault == OVERTAKEN
        assert world.verdict(LIN.number, "library") is Verdict.CLEARED

    def test_of_two_rechecks_the_later_question_is(self, world: World) -> None:
        world.run_all()
        between(world.sync._applying, "propose", lambda: recheck(world))
        assert recheck(world, GEOLOGY_LOAN).state is RunState.SKIPPED
        assert world.verdict(LIN.number, "library") is Verdict.CLEARED


class TestManySourcesAtOnce:
    def test_a_run_is_applied_though_others_change_the_marks_each_time_it_is_planned(self, world: World) -> None:
        world.run_all()
        world.says["loans"] = [GEOLOGY_LOAN]
        propose, changes = world.sync._applying.propose, list[RunState]()

        def overtaken(name: str, stages: Any) -> Any:
            proposal = propose(name, stages)
            if name == "loans" and len(changes) < 30:
                world.says["fines"] = [{"CARD": LIN.number, "AMOUNT": f"{len(changes) + 1}.00"}]
                changes.append(world.run("fines").state)
            return proposal

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(world.sync._applying, "propose", overtaken)
            assert world.run("loans").state is RunState.APPLIED
        assert changes == [RunState.APPLIED] * 30


class TestLeases:
    def begun(self, world: World, lease_for: timedelta = LEASE_FOR, student: str | None = None) -> Lease:
        return world.sync._marks.begin(
            "loans",
            "library",
            now=world.now,
            by="another",
            owner=process_id.next_turn(),
            lease_for=lease_for,
            gone=lambda _: False,
            student=student,
        )

    @pytest.mark.parametrize("minutes", [-10, 10])
    def test_a_clock_that_is_wrong_steals_no_lease(self, world: World, minutes: int) -> None:
        world.run_all()
        first = self.begun(world)
        world.later(minutes=minutes)
        with pytest.raises(RunUnderWay, match=f"run {first.run} "):
            self.begun(world)

    @pytest.mark.parametrize("minutes", [-10, 10])
    def test_a_lease_that_is_over_is_taken_over_whatever_the_time_is_here(self, world: World, minutes: int) -> None:
        world.run_all()
        first = self.begun(world, lease_for=timedelta(0))
        world.later(minutes=minutes)
        self.begun(world)
        assert state_of(world, first.run) is RunState.ABANDONED

    def test_a_process_whose_clock_is_slow_loses_no_lease_by_renewing_it(self, world: World) -> None:
        world.run_all()
        first = self.begun(world, lease_for=timedelta(0))
        world.later(minutes=-10)
        assert world.sync._marks.renew(first, LEASE_FOR)
        world.later(minutes=10)
        with pytest.raises(RunUnderWay):
            self.begun(world)

    def test_an_approved_run_taken_up_again_is_no_longer_its_first_takers(self, world: World) -> None:
        world.says["loans"] = GEOLOGY_LOANS
        world.run_all()
        world.says["loans"] = []
        number = world.run("loans").run
        assert number is not None
        late = list[Lease]()

        def taken_again() -> None:
            world.end_leases()
            second = Sync(world.settings, COHORT, world.engine, world.connect, world.clock, world.ledger)
            propose, still_its_own = second._applying.propose, list[bool]()

            def while_the_second_holds_it(*args: Any) -> Any:
                still_its_own.append(world.sync._marks.renew(late[0], LEASE_FOR))
                return propose(*args)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(second._applying, "propose", while_the_second_holds_it)
                assert second.approve(number, "loans", by="admin").state is RunState.APPLIED
            assert still_its_own == [False]

        take_up = world.sync._marks.take_up

        def first(*args: Any, **named: Any) -> Lease | None:
            lease = take_up(*args, **named)
            assert lease is not None
            late.append(lease)
            taken_again()
            return lease

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(world.sync._marks, "take_up", first)
            with pytest.raises(LeaseLost):
                world.sync.approve(number, "loans", by="admin")
        assert state_of(world, number) is RunState.APPLIED

    def test_a_run_rejected_while_it_is_approved_stays_rejected(self, world: World) -> None:
        world.says["loans"] = GEOLOGY_LOANS
        world.run_all()
        world.says["loans"] = []
        number = world.run("loans").run
        assert number is not None
        between(world.sync._applying, "propose", lambda: world.sync.reject(number, by="dean", reason="no"))
        with pytest.raises(LeaseLost):
            world.sync.approve(number, "loans", by="admin")
        assert state_of(world, number) is RunState.REJECTED
        assert world.verdict(LIN.number, "library") is Verdict.HELD

    def test_a_recheck_whose_process_ended_is_found_and_wakes_too_late(self, world: World) -> None:
        world.run_all()
        late = self.begun(world, student=LIN.number)
        world.later(hours=2)
        world.run("loans")
        assert state_of(world, late.run) is RunState.ABANDONED
        with pytest.raises(LeaseLost):
            world.sync._applying.ended(late, RunState.FAILED, "late")


def state_of(world: World, run: int) -> RunState:
    """Return the state of a run."""
    found = world.reader.run(COHORT, run)
    assert found is not None
    return found.state
