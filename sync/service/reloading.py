"""The life of a schedule: started, reloaded with changed settings, and stopped.

New settings replace the old ones whole or not at all. Everything that can fail is tried before the old schedule stops.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from config.settings import Settings
from foundation.refusals import Refused
from sync.service.schedule import Schedule

#: How often the events are looked at, in seconds, should a signal arrive where Python loses its exception.
_POLL = 1.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """A schedule with its settings."""

    settings: Settings
    schedule: Schedule
    #: Closes its databases.
    close: Callable[[], None]


def run_until_stopped(
    load: Callable[[], Loaded],
    stopped: threading.Event,
    reload: threading.Event,
    started: Callable[[Loaded], None] = lambda _loaded: None,
    running: Callable[[Loaded], None] = lambda _loaded: None,
    stopping: Callable[[], None] = lambda: None,
) -> bool:
    """Run the schedule until `stopped` is set or KeyboardInterrupt; load the settings again each time `reload` is set.

    `load` raises Refused where the settings cannot be used; at the start, this raises it too. `started` is called
    before each start, `running` after it, and `stopping` before the last stop. Return False if a run was under way
    when the time to stop was over.
    """
    current = load()
    try:
        started(current)
        current.schedule.start()
        running(current)
        while not stopped.is_set():
            if reload.wait(_POLL):
                reload.clear()
                fresh = replaced(current, load, started)
                if fresh is not current:
                    running(fresh)
                current = fresh
    except KeyboardInterrupt:
        pass
    stopping()
    return current.schedule.stop()


def replaced(current: Loaded, load: Callable[[], Loaded], started: Callable[[Loaded], None]) -> Loaded:
    """Return the schedule with the settings as they are now, or the current one where they cannot be used."""
    log = structlog.get_logger("clearance.schedule")
    try:
        fresh = load()
    except (Refused, OSError) as error:
        _log_refused(error)
        return current
    changed = [
        name for name in Settings.model_fields if getattr(fresh.settings, name) != getattr(current.settings, name)
    ]
    current.schedule.stop()
    try:
        started(fresh)
        fresh.schedule.start()
    except (Refused, OSError) as error:
        _log_refused(error)
        fresh.schedule.stop()
        fresh.close()
        # A schedule that was stopped cannot go on: the same settings make another one.
        again = Loaded(current.settings, current.schedule.again(), current.close)
        started(again)
        again.schedule.start()
        return again
    current.close()
    log.info("settings reloaded", changed=changed)
    return fresh


def _log_refused(error: Exception) -> None:
    message = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
    structlog.get_logger("clearance.schedule").error("settings not reloaded", message=message)
