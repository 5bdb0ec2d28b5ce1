"""Schedules and workers as processes: each slot runs once, whoever dies."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

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
    with shared.requests() as requests:
        requests.ask_way_back("2019", 1, account="dean", now=datetime.now(UTC))
    until(lambda: shared.ask("SELECT count(*) FROM request WHERE served_at IS NULL") == [(0,)])
    assert len(set(shared.offices.asked)) == 4
    assert worker.process.poll() is None


def test_a_worker_without_its_secret_or_its_tables_names_the_fix(shared: Cluster) -> None:
    said = shared.command("worker", code=1, STATUS_URL="")
    assert "STATUS_URL" in said
    shared.tell("UPDATE clearance_queue.clearance_version SET version = '01.00+1'")
    for command in ("worker", "schedule"):
        assert "Run: clearance db upgrade" in shared.command(command, code=1)
    shared.tell("DROP SCHEMA clearance_queue CASCADE")
    assert "Run: clearance db upgrade" in shared.command("worker", code=1)
    shared.file.write_text(shared.file.read_text(encoding="utf-8").replace("enabled = true", "enabled = false"))
    assert "enabled = true in [cluster]" in shared.command("worker", code=1)


def test_several_machines_on_sqlite_are_refused(shared: Cluster) -> None:
    said = shared.command("schedule", code=1, STATUS_URL="sqlite:///status.db")
    assert "[status_db] url: several machines need PostgreSQL, not sqlite" in said


def test_a_worker_whose_connections_are_all_cut_goes_on(shared: Cluster) -> None:
    worker = shared.worker()
    shared.offices.hold("s1")
    schedule = shared.schedule()
    shared.offices.wait_for(lambda asked: "s1" in asked)
    for source in shared.sources[1:]:
        shared.until_runs(source, "applied")
    shared.tell(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    shared.offices.let_go("s1")
    shared.until_runs("s1", "applied")
    under_way = "SELECT count(*) FROM clearance_queue.procrastinate_jobs WHERE status = 'doing'"
    until(lambda: shared.ask(under_way) == [(0,)])
    # It still takes new ones.
    with shared.requests() as requests:
        requests.ask_sync("2019", "s2", account="dean", now=datetime.now(UTC))
    shared.offices.wait_for(lambda asked: asked.count("s2") == 2)
    assert (worker.end(), schedule.end()) == (0, 0)
