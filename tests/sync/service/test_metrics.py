"""Metrics of the sync: what Prometheus reads is what the marks say, and no label names a person."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.exposition import generate_latest

from connectors.port import SourceUnavailable
from status_db.inbox.pauses import Pauses
from status_db.inbox.requests import Requests
from status_db.model import ROSTER
from status_db.queries.runs import RunReader
from sync.service.metrics import Measured, Queue, SyncMetrics, newest_backup
from tests.cast import EVERYBODY, LIN
from tests.portal.waiting import held_back
from tests.world import COHORT, World


def measured(world: World, backups: Path | None = None) -> Measured:
    requests = Requests(world.desk)
    return Measured(
        world.reader,
        RunReader(world.reading),
        (COHORT,),
        Pauses(world.desk).current,
        world.clock,
        world.now,
        {"requests": lambda now: Queue(*requests.queue(now))},
        backups or world.file.parent,
        {"status_db": world.file.parent},
    )


def exposed(world: World, backups: Path | None = None) -> str:
    return generate_latest(SyncMetrics(lambda: {"": measured(world, backups)}).registry()).decode()


def values(world: World) -> Mapping[str, float]:
    """Return each sample as it is written → its value."""
    lines = (line for line in exposed(world).splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def of(source: str, **more: str) -> str:
    labels = {"cohort": COHORT, "source": source, **more}
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


def test_a_source_that_is_well(world: World) -> None:
    world.run_all()
    world.later(minutes=10)
    found = values(world)
    loans = next(v for v in world.reader.sources(COHORT) if v.source == "loans")
    assert loans.as_of is not None
    assert found["clearance_source_last_success_timestamp_seconds" + of("loans")] == loans.as_of.timestamp()
    assert found["clearance_source_age_seconds" + of("loans")] == (world.now - loans.as_of).total_seconds()
    assert found["clearance_source_stale" + of("loans")] == 0
    assert found["clearance_source_fresh_for_seconds" + of("loans")] == timedelta(hours=4).total_seconds()
    assert found["clearance_source_failed_runs" + of("loans")] == 0
    assert found["clearance_source_state" + of("loans", state="regular")] == 1
    assert found["clearance_ledger_link" + f'{{cohort="{COHORT}"}}'] > 0
    assert found['clearance_database_up{database="marks"}'] == 1


def test_a_source_that_fails_is_stale_and_quarantined(world: World) -> None:
    world.run_all()
    world.fails["loans"] = SourceUnavailable("nobody is there", "Wait.")
    for _ in range(6):
        world.later(hours=6)
        world.run("loans")
    found = values(world)
    assert found["clearance_source_failed_runs" + of("loans")] == 6
    assert found["clearance_source_stale" + of("loans")] == 1
    states = ("regular", "backing_off", "quarantined", "paused")
    assert [found["clearance_source_state" + of("loans", state=s)] for s in states] == [0, 0, 1, 0]
    Pauses(world.desk).pause("loans", reason="x", account="admin", now=world.now)
    found = values(world)
    assert [found["clearance_source_state" + of("loans", state=s)] for s in states] == [0, 0, 0, 1]


def test_a_suspended_run_and_a_waiting_request_are_measured(sqlite_world: World) -> None:
    world = sqlite_world
    held_back(world)
    Requests(world.desk).ask_sync(COHORT, ROSTER, account="admin", now=world.now)
    world.later(minutes=20)
    found = values(world)
    assert found["clearance_source_suspended_runs" + of("loans")] == 1
    assert found["clearance_source_suspended_seconds" + of("loans")] == 20 * 60
    assert found['clearance_queue_length{queue="requests"}'] == 1
    assert found['clearance_queue_oldest_seconds{queue="requests"}'] == 20 * 60


def test_no_label_names_a_student(world: World) -> None:
    world.run_all()
    world.says["loans"].append({"CARD": "2015999999", "TITLE": "a", "DUE": "2019-06-01", "BARCODE": "B9"})
    world.run("loans")
    requests = Requests(world.desk)
    requests.ask_recheck(COHORT, LIN.number, account=LIN.number, now=world.now, pause=timedelta(0), day_limit=5)
    text = exposed(world)
    numbers = {person.number for person in EVERYBODY} | {person.name for person in EVERYBODY} | {"2015999999"}
    assert not [number for number in numbers if number in text]
    labels = set(re.findall(r'[{,](\w+)="', text))
    assert labels == {"cohort", "source", "state", "queue", "database", "folder"}


def test_without_the_desk_the_marks_are_still_measured(sqlite_world: World) -> None:
    sqlite_world.run_all()
    with sqlite_world.desk_engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE request RENAME TO elsewhere")
        connection.exec_driver_sql("ALTER TABLE source_pause RENAME TO away")
    found = values(sqlite_world)
    assert found['clearance_database_up{database="desk"}'] == 0
    assert found['clearance_database_up{database="marks"}'] == 1
    assert "clearance_source_stale" + of("loans") in found


@pytest.mark.parametrize(
    ("names", "newest"),
    [
        ((), None),
        (("clearance-20190501T030000Z", "clearance-20190502T030000Z"), datetime(2019, 5, 2, 3, tzinfo=UTC)),
        (("clearance-20190501T030000Z", "clearance-other", "notes"), datetime(2019, 5, 1, 3, tzinfo=UTC)),
    ],
)
def test_the_newest_backup_is_found_by_its_name(
    tmp_path: Path, names: tuple[str, ...], newest: datetime | None
) -> None:
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}")
    # One that is being made has no manifest yet.
    (tmp_path / "clearance-20190601T030000Z").mkdir()
    assert newest_backup(tmp_path) == newest
    assert newest_backup(tmp_path / "nowhere") is None
