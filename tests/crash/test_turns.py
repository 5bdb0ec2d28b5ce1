"""Several real processes at one status database, on SQLite and on PostgreSQL: one slot runs once, and sleepers lose."""

import signal
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from status_db.model import RunState
from sync.run.outcome import Outcome
from tests import sizes
from tests.crash import actors, stage
from tests.crash.processes import acting
from tests.crash.stage import Stage
from tests.patience import PATIENCE

PROCESSES = 8
SLOTS = 20

#: Over before anybody has waited for it.
SHORT = timedelta(milliseconds=100)


@pytest.fixture
def about(status_url: str, tmp_path: Path) -> Stage:
    """A small university whose library has news."""
    return stage.set_up(status_url, tmp_path, 40)


def taken_over(about: Stage) -> Outcome:
    """Try to run the library until whoever holds it has lost it."""
    with about.later(minutes=5).sync() as sync:
        deadline = time.monotonic() + PATIENCE
        while (outcome := sync.run("loans", by="another")).fault == "under_way":
            assert time.monotonic() < deadline, "it is never over"
    return outcome


def test_of_eight_that_race_for_each_slot_one_runs_it_and_the_others_end_quietly(
    about: Stage, capfd: pytest.CaptureFixture[str]
) -> None:
    first = datetime(2019, 5, 26, tzinfo=UTC)
    slots = [first + n * timedelta(minutes=15) for n in range(sizes.times(SLOTS))]
    with ExitStack() as stack:
        racers = [stack.enter_context(acting(actors.serve_slots, about, "fees")) for _ in range(PROCESSES)]
        for racer in racers:
            racer.go()
            assert racer.hear() == "open"
        for slot in slots:
            for racer in racers:
                racer.here.send(slot)
            ended = [racer.hear() for racer in racers]
            assert ended.count("won") == 1, (slot, ended)
            late = [racer for racer, how in zip(racers, ended, strict=True) if how == "under_way"]
            for racer in late:
                racer.here.send(slot)
            assert {racer.hear() for racer in late} <= {"taken"}, slot
        for racer in racers:
            racer.here.send(None)
        assert [racer.ended() for racer in racers] == [0] * PROCESSES
    rows = stage.dump(about.url)
    served = [row[3] for row in rows["run"] if row[3] is not None]
    assert served == slots, "each slot has its run, and no slot has two"
    assert set(stage.runs(rows).values()) <= {RunState.APPLIED, RunState.UNCHANGED}
    assert "Traceback" not in capfd.readouterr().err


class TestASleeper:
    @pytest.mark.parametrize("about_to", ["apply", "leave unchanged", "suspend", "fail", "approve"])
    def test_that_wakes_after_another_took_over_writes_nothing(self, about: Stage, about_to: str) -> None:
        approve = None
        sleeper = about.later()
        if about_to == "approve":
            with about.saying("loans", []).sync() as sync:
                approve = sync.run("loans", by="test").run
        elif about_to == "leave unchanged":
            sleeper = about.saying("loans", [stage.loan(who) for who in range(20)])
        elif about_to == "suspend":
            sleeper = about.saying("loans", [])
        elif about_to == "fail":
            sleeper = about.saying("loans", [{"CARD": "a row without the columns that are mapped"}])
        at = "pull" if about_to == "fail" else "propose"
        late = replace(sleeper, lease_for=SHORT)
        with acting(actors.pause_in_a_run, late, "loans", at, stop=True, approve=approve) as actor:
            actor.go()
            assert actor.hear() == "paused"
            actor.stopped()
            run = approve or max(stage.runs(stage.dump(about.url)))
            assert taken_over(about).state in (RunState.APPLIED, RunState.UNCHANGED)
            before = stage.dump(about.url)
            assert stage.runs(before)[run] is (RunState.SUPERSEDED if approve else RunState.ABANDONED)
            actor.signal(signal.SIGCONT)
            assert actor.hear() == "LeaseLost"
            assert actor.ended() == 0
        assert stage.dump(about.url) == before, stage.difference(before, stage.dump(about.url))

    def test_that_stops_in_the_midst_of_writing_is_cut_off_by_postgresql(
        self, postgres_url: str, tmp_path: Path
    ) -> None:
        about = stage.set_up(postgres_url, tmp_path, 40)
        late = replace(about, lease_for=SHORT)
        arguments = (1, late, "loans", "_write_findings")
        with acting(actors.pause_with_short_patience, *arguments, stop=True) as actor:
            actor.go()
            assert actor.hear() == "paused"
            actor.stopped()
            assert taken_over(about).state is RunState.APPLIED
            before = stage.dump(about.url)
            actor.signal(signal.SIGCONT)
            assert actor.hear() == "StoreError"
        assert stage.dump(about.url) == before

    def test_that_no_one_has_replaced_goes_on_and_applies(self, about: Stage) -> None:
        """The control: what is kept out above is written here."""
        before = stage.dump(about.url)
        with acting(actors.pause_in_a_run, about, "loans", "propose", stop=True) as actor:
            actor.go()
            assert actor.hear() == "paused"
            actor.stopped()
            actor.signal(signal.SIGCONT)
            assert actor.hear() == "applied"
        assert stage.dump(about.url)["status"] != before["status"]


class TestClocks:
    @pytest.mark.parametrize("minutes", [-10, 10])
    def test_twenty_minutes_apart_steal_no_lease_and_run_no_slot_twice(self, about: Stage, minutes: int) -> None:
        """One process's clock is ten minutes slow, the other's ten minutes fast."""
        now = datetime.now(UTC)
        first = replace(about, now=now + timedelta(minutes=minutes))
        second = replace(about, now=now - timedelta(minutes=minutes))
        with acting(actors.pause_in_a_run, first, "loans", "pull", stop=False) as actor, second.sync() as other:
            actor.go()
            assert actor.hear() == "paused"
            assert other.run("loans", by="another").fault == "under_way"
            actor.here.send("go on")
            assert actor.hear() == "applied"
            assert other.run("loans", by="another").state is RunState.UNCHANGED

    @pytest.mark.parametrize("minutes", [-10, 10])
    def test_that_are_wrong_take_over_from_the_dead_all_the_same(self, about: Stage, minutes: int) -> None:
        now = datetime.now(UTC)
        first = replace(about, now=now + timedelta(minutes=minutes), lease_for=SHORT)
        second = replace(about, now=now - timedelta(minutes=minutes))
        run = killed(first, host="elsewhere")
        assert taken_over(second).state is RunState.APPLIED
        assert stage.runs(stage.dump(about.url))[run] is RunState.ABANDONED


class TestTheKilled:
    def test_are_found_by_the_next_run_on_the_same_machine_at_once(self, about: Stage) -> None:
        run = killed(about)
        with about.later(minutes=1).sync() as sync:
            assert sync.run("loans", by="another").state is RunState.APPLIED
        assert stage.runs(stage.dump(about.url))[run] is RunState.ABANDONED

    def test_of_another_machine_are_found_when_their_lease_is_over_and_not_before(self, about: Stage) -> None:
        long = killed(about, host="elsewhere")
        with about.later(minutes=1).sync() as sync:
            assert sync.run("loans", by="another").fault == "under_way"
        assert stage.runs(stage.dump(about.url))[long] is RunState.RUNNING

    def test_of_another_machine_are_marked_abandoned_then(self, about: Stage) -> None:
        run = killed(replace(about, lease_for=SHORT), host="elsewhere")
        assert taken_over(about).state is RunState.APPLIED
        assert stage.runs(stage.dump(about.url))[run] is RunState.ABANDONED


def killed(about: Stage, host: str = "") -> int:
    """Have a process be killed in the midst of a run, and return the run."""
    with acting(actors.pause_in_a_run, about, "loans", "pull", stop=False, host=host) as actor:
        actor.go()
        assert actor.hear() == "paused"
        actor.signal(signal.SIGKILL)
        assert actor.ended() == -signal.SIGKILL
    rows = stage.dump(about.url)
    run = max(stage.runs(rows))
    assert stage.runs(rows)[run] is RunState.RUNNING
    return run
