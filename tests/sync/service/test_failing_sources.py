"""A source that fails is asked less often, and as often as before from its first good answer on."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from connectors.port import SourceGarbled, SourceRefused, SourceUnavailable
from portal.staff.sources import FAILING, health_of
from status_db.failing import AttemptState
from status_db.inbox.pauses import Pauses
from status_db.inbox.requests import RequestOutcome, Requests
from status_db.model import RunState
from status_db.queries.runs import RunReader
from sync.service.gate import SourceGate
from sync.service.schedule import Schedule
from tests.cast import LIN
from tests.sync.run.test_approvals import suspended
from tests.world import COHORT, SETTINGS, World, season_of, serving_of

EVERY = timedelta(minutes=5)
OFTEN = SETTINGS.replace('obligation = "loan"\nevery = "15 min"', 'obligation = "loan"\nevery = "5 min"')


class Often(World):
    """A world with a schedule that asks the loans every five minutes."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(url, folder, OFTEN)
        self.gate = SourceGate(self.settings.schedule, RunReader(self.reading), Pauses(self.desk).current)
        self.schedule = Schedule(
            self.settings, season_of(self), self.clock, self.writer.sweep, lambda: 0, wait=self.gate.wait
        )

    def for_a_while(self, span: timedelta) -> list[datetime]:
        """Serve every slot of the loans for a time; return when they were asked."""
        before, end = len(self.tries), self.now + span
        while self.now < end:
            self.now += EVERY
            self.schedule.serve("loans")
        return self.tries[before:]

    @property
    def tries(self) -> list[datetime]:
        runs = self.reader.runs(COHORT, "loans", 10_000)
        return [run.began for run in reversed(runs)]

    def is_(self, state: AttemptState) -> bool:
        return state is next(v for v in self.reader.sources(COHORT) if v.source == "loans").attempts.state


@pytest.fixture
def often(tmp_path: Path) -> Iterator[Often]:
    with Often(f"sqlite:///{tmp_path / 'often.db'}", tmp_path) as made:
        made.now = made.now.replace(hour=0, minute=0, second=0, microsecond=0)
        yield made


def down(world: World) -> None:
    world.fails["loans"] = SourceUnavailable("nobody is there", "Wait.")


@pytest.mark.slow
def test_a_source_that_is_down_for_two_days_backs_off_is_quarantined_and_comes_back(often: Often) -> None:
    down(often)
    tried = often.for_a_while(timedelta(hours=24))
    gaps = [later - earlier for earlier, later in pairwise(tried)]
    assert gaps[:4] == [timedelta(minutes=m) for m in (5, 10, 20, 30)]
    assert set(gaps[4:]) == {timedelta(minutes=30)}
    often.for_a_while(timedelta(hours=1))
    assert often.is_(AttemptState.QUARANTINED)
    tried = often.for_a_while(timedelta(hours=23))
    assert {later - earlier for earlier, later in pairwise(tried)} == {timedelta(hours=1)}
    found = next(v for v in often.reader.sources(COHORT) if v.source == "loans").attempts
    assert found.failed is not None
    assert found.failed.message.startswith("nobody is there")
    often.fails.clear()
    often.for_a_while(timedelta(hours=1))
    assert often.is_(AttemptState.REGULAR)
    assert len(often.for_a_while(timedelta(hours=1))) == 12


@pytest.mark.parametrize("fault", [SourceUnavailable, SourceRefused, SourceGarbled])
def test_every_fault_of_the_source_counts(often: Often, fault: type[SourceUnavailable]) -> None:
    often.fails["loans"] = fault("something", "Wait.")
    often.for_a_while(EVERY)
    assert often.is_(AttemptState.BACKING_OFF)


def test_a_suspended_answer_is_an_answer(often: Often) -> None:
    down(often)
    often.for_a_while(timedelta(minutes=30))
    assert often.is_(AttemptState.BACKING_OFF)
    often.fails.clear()
    # The first answer of a source waits for a person.
    often.for_a_while(timedelta(minutes=30))
    newest = often.reader.runs(COHORT, "loans", 1)[0]
    assert newest.state in (RunState.SUSPENDED, RunState.SKIPPED, RunState.APPLIED, RunState.UNCHANGED)
    assert often.is_(AttemptState.REGULAR)


def reverted_while_down(often: Often) -> None:
    """Have the loans fail, and revert an approved run of theirs meanwhile."""
    often.run_all()
    often.later(minutes=1)
    run = suspended(often)
    assert often.sync.approve(run, "loans", by="admin").state is RunState.APPLIED
    down(often)
    often.for_a_while(timedelta(minutes=30))
    assert often.sync.revert(run, "loans", by="admin").state is RunState.APPLIED


def test_a_revert_is_no_answer_so_the_source_still_backs_off(often: Often) -> None:
    reverted_while_down(often)
    assert often.is_(AttemptState.BACKING_OFF)
    before = next(v for v in often.reader.sources(COHORT) if v.source == "loans").attempts
    assert often.gate.wait(COHORT, "loans", often.now) is not None
    assert before.failed is not None
    assert before.failed.count >= 3
    view = next(v for v in often.reader.sources(COHORT) if v.source == "loans")
    assert health_of(view, often.now) is FAILING
    often.fails.clear()
    often.sync.run("loans", by="a person")
    assert often.is_(AttemptState.REGULAR)


def test_a_revert_that_is_not_carried_out_is_no_answer(often: Often) -> None:
    often.run_all()
    often.later(minutes=1)
    run = suspended(often)
    assert often.sync.approve(run, "loans", by="admin").state is RunState.APPLIED
    down(often)
    often.for_a_while(timedelta(minutes=30))
    skipped = often.sync.revert(run, "loans", by="admin", checked_digest=b"another")
    assert (skipped.state, skipped.fault) == (RunState.SKIPPED, "moved")
    assert often.is_(AttemptState.BACKING_OFF)


def test_a_slot_that_is_left_out_is_logged_with_the_reason(often: Often) -> None:
    down(often)
    with capture_logs() as lines:
        often.for_a_while(timedelta(minutes=15))
    left_out = [line for line in lines if line["event"] == "slot left out"]
    assert [line["why"] for line in left_out] == ["backing_off"]
    assert "nobody is there" in left_out[0]["because"]


def test_a_person_asks_a_failing_source_at_any_time(often: Often) -> None:
    down(often)
    often.for_a_while(timedelta(hours=2))
    often.fails.clear()
    often.sync.run("loans", by="a person")
    assert often.is_(AttemptState.REGULAR)


def test_a_paused_source_is_not_asked_until_it_is_resumed(often: Often) -> None:
    pauses = Pauses(often.desk)
    pauses.pause("loans", reason="the library moves", account="admin", now=often.now)
    with capture_logs() as lines:
        assert often.for_a_while(timedelta(hours=1)) == []
    assert {line["because"] for line in lines if line["event"] == "slot left out"} == {"the library moves"}
    pauses.resume("loans", account="admin", now=often.now)
    assert len(often.for_a_while(timedelta(minutes=10))) == 2


def test_while_the_desk_does_not_respond_a_paused_source_stays_paused(often: Often) -> None:
    Pauses(often.desk).pause("loans", reason="moves", account="admin", now=often.now)
    assert often.for_a_while(EVERY) == []
    with often.desk_engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE source_pause RENAME TO elsewhere")
    assert often.for_a_while(timedelta(minutes=30)) == []


def test_what_the_pages_request_is_not_asked_of_a_paused_source(often: Often) -> None:
    often.sync.run("roster", by="test")
    requests, pauses = Requests(often.desk), Pauses(often.desk)
    for name in often.settings.source:
        pauses.pause(name, reason="all move", account="admin", now=often.now)
    requests.ask_sync(COHORT, "loans", account="admin", now=often.now)
    requests.ask_sources(COHORT, account="admin", now=often.now, pause=timedelta(0))
    requests.ask_recheck(COHORT, LIN.number, account="x", now=often.now, pause=timedelta(0), day_limit=5)
    serving = serving_of(often, paused=pauses.current)
    assert serving.serve() == 3
    ended = [
        requests.last_syncs(COHORT, often.now)["loans"],
        requests.last_ask(COHORT),
        requests.last_recheck(COHORT, LIN.number),
    ]
    assert {one.outcome for one in ended if one} == {RequestOutcome.REFUSED}
    assert all("paused" in one.message for one in ended if one)
    assert often.tries == []


def test_a_request_to_sync_one_source_asks_that_source_alone(often: Often) -> None:
    requests = Requests(often.desk)
    requests.ask_sync(COHORT, "roster", account="admin", now=often.now)
    assert serving_of(often).serve() == 1
    assert [run.source for run in often.reader.runs(COHORT)] == ["roster"]
    assert [run.by for run in often.reader.runs(COHORT)] == ["admin"]


def test_slots_that_were_missed_are_logged_and_only_the_newest_runs(often: Often) -> None:
    often.for_a_while(EVERY)
    often.later(minutes=62)
    with capture_logs() as lines:
        often.schedule.serve("loans")
    (line,) = [line for line in lines if line["event"] == "slots coalesced"]
    assert (line["missed"], len(often.tries)) == (11, 2)
