"""A stop waits for the run under way, within a bound."""

import threading
from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs

from sync.service.schedule import Schedule
from tests.world import World, season_of


def stopping(world: World, release: threading.Event, within: timedelta) -> tuple[bool, list[str]]:
    """Stop while the loans are being asked; return whether the run has ended, and the sources that the log names."""
    asked = threading.Event()
    run = world.sync.run

    def wait_and_run(name: str, **values: object) -> object:
        asked.set()
        release.wait()
        return run(name, **values)  # type: ignore[arg-type]

    world.sync.run = wait_and_run  # type: ignore[assignment,method-assign]
    limits = world.settings.schedule.model_copy(update={"stop_within": within})
    settings = world.settings.model_copy(update={"schedule": limits})
    schedule = Schedule(settings, season_of(world), world.clock, world.writer.sweep, lambda: 0)
    schedule._scheduler.add_job(schedule.serve, "interval", hours=1, args=["loans"], next_run_time=datetime.now(UTC))
    schedule._scheduler.start()
    assert asked.wait(20)
    with capture_logs() as lines:
        ended = schedule.stop()
    return ended, [name for line in lines if line["event"] == "runs not ended" for name in line["sources"]]


def test_a_run_that_ends_in_time_is_waited_for(sqlite_world: World) -> None:
    release = threading.Event()
    release.set()
    assert stopping(sqlite_world, release, timedelta(minutes=1)) == (True, [])


def test_a_run_that_does_not_end_is_named_and_not_waited_for(sqlite_world: World) -> None:
    release = threading.Event()
    try:
        assert stopping(sqlite_world, release, timedelta(seconds=1)) == (False, ["loans"])
    finally:
        release.set()
