"""The queue itself, on PostgreSQL: what it hands out, in which order, and how often."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from sync.jobs.job import Job, JobKind, job_from_json

pytest.importorskip("procrastinate")

from sync.jobs.cluster import queue_tables
from sync.jobs.cluster.address import QueueAddress, QueueUnavailable
from sync.jobs.cluster.queue import ClusterQueue

SLOT = datetime(2019, 6, 6, 7, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def address(postgres_url: str) -> QueueAddress:
    made = QueueAddress(lambda: postgres_url, "clearance_queue", timedelta(seconds=90), timedelta(seconds=15))
    queue_tables.upgrade(made)
    return made


@pytest.fixture
def queue(address: QueueAddress) -> Iterator[ClusterQueue]:
    made = ClusterQueue(address)
    yield made
    made.close()


def pull(source: str, institution: str = "", slot: datetime = SLOT) -> Job:
    return Job(JobKind.PULL, institution, "", source, slot)


def rows(address: QueueAddress, query: str) -> list[tuple[Any, ...]]:
    engine = create_engine(address.url(), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("SET search_path = clearance_queue"))
        return [tuple(row) for row in connection.execute(text(query))]


def take(address: QueueAddress, lane: str = "pulls") -> str:
    """Take the next job as a worker does; return its institution and source."""
    ((found,),) = rows(address, f"SELECT (procrastinate_fetch_job_v2(ARRAY['{lane}'], NULL)).args")
    return f"{found['institution']}/{found['source']}" if found else ""


def test_a_job_is_the_same_after_its_way_through_the_database() -> None:
    for job in (pull("loans", "山海"), Job(JobKind.VOTES, "山海")):
        assert job_from_json(job.to_json()) == job


def test_a_slot_is_handed_out_once_whatever_has_become_of_it(queue: ClusterQueue, address: QueueAddress) -> None:
    assert queue.defer(pull("loans"))
    assert not queue.defer(pull("loans")), "it waits"
    assert take(address) == "/loans"
    assert not queue.defer(pull("loans")), "it is being carried out"
    rows(address, "SELECT procrastinate_finish_job_v1(1, 'succeeded', false)")
    assert not queue.defer(pull("loans")), "it has ended"
    assert queue.defer(pull("loans", slot=SLOT + DAY))
    assert queue.defer(pull("fees"))


def test_two_institutions_with_the_same_source_do_not_meet(queue: ClusterQueue, address: QueueAddress) -> None:
    assert queue.defer(pull("loans", "a"))
    assert queue.defer(pull("loans", "b"))
    assert [take(address), take(address)] == ["a/loans", "b/loans"]


def test_of_a_pull_that_waits_only_the_newest_slot_is_kept(queue: ClusterQueue, address: QueueAddress) -> None:
    queue.defer(pull("loans"))
    queue.defer(pull("fees"))
    assert queue.defer(pull("loans", slot=SLOT + DAY))
    assert not queue.defer(pull("loans", slot=SLOT + DAY))
    kept = rows(address, "SELECT args ->> 'slot' FROM procrastinate_jobs WHERE args ->> 'source' = 'loans'")
    assert kept == [((SLOT + DAY).isoformat(),)]
    assert take(address) == "/loans", "it keeps its place"


def test_an_institution_with_many_jobs_does_not_delay_one_with_few(queue: ClusterQueue, address: QueueAddress) -> None:
    for number in range(10):
        queue.defer(pull(f"s{number}", "large"))
    queue.defer(pull("s1", "small"))
    queue.defer(pull("s2", "small"))
    order = [take(address) for _ in range(12)]
    assert order.index("small/s1") <= 2
    assert order.index("small/s2") <= 4


def test_a_request_waits_once_and_again_after_it_was_taken(queue: ClusterQueue, address: QueueAddress) -> None:
    assert queue.defer(Job(JobKind.VOTES))
    assert not queue.defer(Job(JobKind.VOTES))
    assert take(address, "requests") == "/"
    assert queue.defer(Job(JobKind.VOTES)), "one that came meanwhile must not be missed"
    assert take(address, "requests") == "", "but it is not carried out beside the first"


def test_schedules_that_hand_out_at_the_same_moment_hand_out_each_slot_once(
    queue: ClusterQueue, address: QueueAddress
) -> None:
    together, handed_out = threading.Barrier(4), list[int]()

    def hand_out() -> None:
        together.wait()
        handed_out.extend(number for number in range(20) if queue.defer(pull(f"s{number}")))

    threads = [threading.Thread(target=hand_out) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(handed_out) == list(range(20))
    assert queue.waiting()[0] == 20


def test_tables_that_four_machines_make_at_once_are_made_once(postgres_url: str) -> None:
    made = QueueAddress(lambda: postgres_url, "clearance_queue", timedelta(seconds=90), timedelta(seconds=15))
    with pytest.raises(QueueUnavailable, match="clearance db upgrade"):
        queue_tables.check(made)
    together, before = threading.Barrier(4), list[str | None]()

    def upgrade() -> None:
        together.wait()
        before.append(queue_tables.upgrade(made)[0])

    threads = [threading.Thread(target=upgrade) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(before, key=str) == [queue_tables.newest()] * 3 + [None]
    queue_tables.check(made)


def test_tables_of_a_newer_program_are_refused(address: QueueAddress) -> None:
    engine = create_engine(address.url(), poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("UPDATE clearance_queue.clearance_version SET version = '99.00+1'"))
    for ask in (queue_tables.check, queue_tables.upgrade):
        with pytest.raises(QueueUnavailable, match="Install the newer program"):
            ask(address)


def test_older_tables_are_upgraded_by_the_librarys_own_migrations(postgres_url: str) -> None:
    """The tables of an older version are made from the migrations up to it."""
    made = QueueAddress(lambda: postgres_url, "clearance_queue", timedelta(seconds=90), timedelta(seconds=15))
    names = queue_tables._migrations()
    older = names.index("03.03.00_01_pre_priority_lock_fetch_job.sql") + 1
    engine = create_engine(postgres_url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE SCHEMA clearance_queue"))
        connection.execute(text("SET search_path = clearance_queue"))
        for name in names[:older]:
            connection.exec_driver_sql(queue_tables._read(name).replace("%", "%%"))
        connection.exec_driver_sql(queue_tables._ADDED)
        version = f"{names[older - 1].removesuffix('.sql')}+1"
        connection.execute(text("INSERT INTO clearance_version VALUES (:v)"), {"v": version})
    assert queue_tables.upgrade(made) == (version, queue_tables.newest())
    fresh = ClusterQueue(made)
    try:
        assert fresh.defer(pull("loans"))
        rows(made, "SELECT procrastinate_retry_job_v2(1, NULL, NULL, NULL, NULL) WHERE false")
    finally:
        fresh.close()


def test_a_server_that_is_not_there_is_an_error_with_the_fix() -> None:
    nowhere = QueueAddress(
        lambda: "postgresql+psycopg://x@127.0.0.1:1/x", "clearance_queue", timedelta(seconds=90), timedelta(seconds=15)
    )
    with pytest.raises(QueueUnavailable, match=r"does not respond .* Check url in \[cluster\]"):
        queue_tables.check(nowhere)
