"""Schedules and workers as processes: each slot runs once, whoever dies."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from status_db.inbox.requests import Requests
from status_db.store.engine import open_writing
from tests.patience import until
from tests.services.cluster import Cluster, cluster

pytestmark = pytest.mark.slow


@pytest.fixture
def shared(postgres_url: str, tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path, postgres_url) as made:
        yield made


def test_two_schedules_and_two_workers_run_each_slot_once(shared: Cluster) -> None:
    workers = [shared.worker(), shared.worker()]
    schedules = [shared.schedule(), shared.schedule()]
    for source in shared.sources:
        shared.until_runs(source, "applied")
    for each in (*schedules, *workers):
        assert each.end() == 0
    assert sorted(shared.offices.asked) == sorted(shared.sources)
    assert shared.ask("SELECT count(*) FROM run WHERE slot IS NOT NULL AND source <> 'roster'") == [(4,)]
    states = shared.ask("SELECT status::text, count(*) FROM clearance_queue.procrastinate_jobs GROUP BY status")
    assert [state for state, _ in states] == ["succeeded"]


def test_a_killed_workers_job_is_taken_over_once(shared: Cluster) -> None:
    shared.offices.hold("s1")
    doomed = shared.worker()
    shared.schedule()
    shared.offices.wait_for(lambda asked: "s1" in asked)
    assert doomed.end(signal.SIGKILL) == -signal.SIGKILL
    heir = shared.worker()
    shared.offices.wait_for(lambda asked: asked.count("s1") == 2)
    heir.until("job put back", source="s1")
    # It dies too: there is no third try in this slot.
    heir.end(signal.SIGKILL)
    last = shared.worker()
    last.until("job given up", source="s1")
    assert shared.offices.asked.count("s1") == 2
    assert shared.runs("s1")[0] == "abandoned"


def test_a_worker_that_wakes_up_late_writes_nothing_and_ends_no_job_of_another(shared: Cluster) -> None:
    shared.offices.hold("s1")
    late = shared.worker()
    shared.schedule()
    # Stopped inside a transaction, it would keep every other writer waiting.
    for source in shared.sources[1:]:
        shared.until_runs(source, "applied")
    shared.offices.wait_for(lambda asked: "s1" in asked)
    late.send(signal.SIGSTOP)
    heir = shared.worker()
    shared.offices.wait_for(lambda asked: asked.count("s1") == 2)
    # Both hold an answer; the one that was stopped goes on while the other still asks.
    late.send(signal.SIGCONT)
    shared.offices.let_go("s1")
    late.until("run overtaken", source="s1")
    late.until("job was taken over", source="s1")
    shared.until_runs("s1", "abandoned", "applied")
    assert heir.end() == 0
    assert late.end() == 0
    assert shared.ask("SELECT count(*) FROM run WHERE source = 's1' AND slot IS NOT NULL") == [(1,)]


def test_a_request_is_served_while_every_pull_waits_for_its_office(shared: Cluster) -> None:
    shared.offices.hold(*shared.sources)
    worker = shared.worker("--concurrency", "4")
    shared.schedule()
    shared.offices.wait_for(lambda asked: len(set(asked)) == 4)
    shared.command("accounts", "add", "dean", "--name", "院长", "--grant", "manage")
    desk = open_writing(shared.url)
    Requests(desk).ask_way_back("2019", 1, account="dean", now=datetime.now(UTC))
    desk.dispose()
    until(lambda: shared.ask("SELECT count(*) FROM request WHERE served_at IS NULL") == [(0,)])
    assert len(set(shared.offices.asked)) == 4
    assert worker.process.poll() is None
