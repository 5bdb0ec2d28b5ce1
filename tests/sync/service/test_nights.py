"""Sheets by night: asked for at their time, once more at the start, and never the end of the schedule."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from clearance.services import Program
from clearance.settings_file import load_settings, schema_of
from config.load import load
from connectors.port import SourceUnavailable
from status_db.model import ROSTER
from status_db.model import SETTINGS as SETTINGS_RUN
from status_db.store.engine import StoreError
from sync.service.schedule import Schedule
from tests.world import SETTINGS, World, season_of

#: Half past two in the night of 25 May, in Shanghai.
SLOT = datetime(2019, 5, 24, 18, 30, tzinfo=UTC)


def scheduled(world: World, printing: Callable[[datetime], int], folder: Path | None) -> Schedule:
    paper = world.settings.desk.paper.model_copy(update={"folder": folder})
    desk = world.settings.desk.model_copy(update={"paper": paper})
    settings = world.settings.model_copy(update={"desk": desk})
    return Schedule(settings, season_of(world), world.clock, world.writer.sweep, lambda: 0, printing)


def test_the_night_is_named_by_its_slot_on_the_institutions_clocks(sqlite_world: World, tmp_path: Path) -> None:
    asked: list[datetime] = []

    def printing(slot: datetime) -> int:
        asked.append(slot)
        return 1

    schedule = scheduled(sqlite_world, printing, tmp_path)
    schedule.print_sheets()
    sqlite_world.later(hours=18)
    schedule.print_sheets()
    sqlite_world.later(minutes=30)
    schedule.print_sheets()
    assert asked == [SLOT, SLOT, SLOT + timedelta(days=1)]


def test_a_schedule_that_starts_prints_the_last_night_although_every_source_is_down(
    sqlite_world: World, tmp_path: Path
) -> None:
    for name in sqlite_world.sync.names():
        sqlite_world.fails[name] = SourceUnavailable("nobody is there", "Wait.")
    printed, slots = threading.Event(), []

    def printing(slot: datetime) -> int:
        slots.append(slot)
        printed.set()
        return 1

    schedule = scheduled(sqlite_world, printing, tmp_path)
    schedule.start()
    try:
        assert printed.wait(20)
        job = schedule._scheduler.get_job("paper")
        assert job.trigger.get_next_fire_time(None, sqlite_world.now) == SLOT + timedelta(days=1)
    finally:
        schedule.stop()
    assert slots == [SLOT]


def test_where_no_folder_is_named_nothing_is_printed(sqlite_world: World) -> None:
    schedule = scheduled(sqlite_world, lambda _slot: pytest.fail("nobody asked for it"), None)
    schedule.print_sheets()
    schedule.start()
    assert schedule._scheduler.get_job("paper") is None
    schedule.stop()


@pytest.mark.parametrize(
    ("error", "event"),
    [
        (OSError(28, "No space left on device"), "sheets not printed"),
        (StoreError("the database does not answer"), "sheets not printed"),
        (RuntimeError("something else"), "printing broke"),
    ],
)
def test_a_night_that_fails_is_reported_and_the_schedule_goes_on(
    sqlite_world: World, tmp_path: Path, error: Exception, event: str
) -> None:
    def printing(_slot: datetime) -> int:
        raise error

    with capture_logs() as logs:
        scheduled(sqlite_world, printing, tmp_path).print_sheets()
    (line,) = logs
    assert (line["event"], line["log_level"], line["slot"]) == (event, "error", SLOT.isoformat())


UNSET = SETTINGS.replace(
    "[source.fees]",
    """[source.unset]
step = "finance"
connector = "sql"
url = "env:NOBODY_SET_THIS"
query = "SELECT XH FROM fees"
means = "items"
cron = "30 1 * * *"
columns = { student = "XH" }

[source.fees]""",
)


def test_a_schedule_starts_when_one_source_cannot_be_asked_and_names_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with World(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path) as world:
        monkeypatch.setenv("STATUS_URL", world.url)
        world.file.write_text(UNSET.replace('timezone = "Asia/Shanghai"', 'timezone = "America/New_York"'), "utf-8")
        # In the night in which the hour from 1 to 2 comes twice.
        program = Program(load_settings(world.file), "2019", lambda: datetime(2019, 11, 3, 6, 10, tzinfo=UTC))
        schedule = Schedule(program.settings, program.season((program,)), program.clock, lambda _: 0, lambda: 0)
        with capture_logs() as logs:
            schedule.start()
            schedule.stop()
        named = [line for line in logs if line["event"] == "source cannot be asked"]
        assert [line["source"] for line in named] == ["unset"]
        assert "the environment variable NOBODY_SET_THIS is not set" in named[0]["message"]
        ended = {run.source: run for run in program.reader.runs("2019", None, 20)}
        assert set(ended) == {ROSTER, SETTINGS_RUN, *program.settings.source}
        assert ended["unset"].fault == "refused"
        assert ended["unset"].message.endswith("run clearance check unset.")
        assert [name for name, run in ended.items() if run.fault == "refused"] == ["unset"]
        program.close()


def test_settings_load_without_a_module_that_one_connector_needs(tmp_path: Path) -> None:
    def schemas(connector: str) -> type[BaseModel] | None:
        if connector == "sql":
            raise ImportError("No module named 'pymysql'")
        return schema_of(connector)

    file = tmp_path / "clearance.toml"
    file.write_text(UNSET, encoding="utf-8")
    settings = load(file, schemas, {"STATUS_URL": "sqlite:///clearance.db"})
    (why,) = settings.source["unset"].unusable
    assert why.startswith("[source.unset] connector: sql needs a module that is not installed here")
    assert not settings.source["fees"].unusable
