"""The life of a schedule or a worker: started, reloaded with changed settings, and stopped.

New settings replace the old ones whole or not at all. Everything that can fail is tried before the old one stops.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog

from config.settings import Settings
from foundation.refusals import Refused

#: How often the events are looked at, in seconds, should a signal arrive where Python loses its exception.
_POLL = 1.0


class Service(Protocol):
    """What runs until it is stopped: a schedule or a worker."""

    @property
    def again(self) -> Callable[[], "Service"]:
        """Makes another one of the same, because one that was stopped cannot start again."""

    @property
    def alive(self) -> bool:
        """Whether it runs."""

    def start(self) -> None:
        """Begin."""

    def repeat(self, call: Callable[[], None], every: timedelta) -> None:
        """Call this at an interval while it works."""

    def stop(self) -> bool:
        """End; return whether all that was under way has ended in time."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A service with its settings."""

    settings: Settings
    service: Service
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
    """Run the service until `stopped` is set or KeyboardInterrupt; load the settings again each time `reload` is set.

    `load` raises Refused where the settings cannot be used; at the start, this raises it too. `started` is called
    before each start, `running` after it, and `stopping` before the last stop. Return False if a run was under way
    when the time to stop was over.
    """
    current = load()
    try:
        started(current)
        current.service.start()
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
    return current.service.stop()


def replaced(current: Loaded, load: Callable[[], Loaded], started: Callable[[Loaded], None]) -> Loaded:
    """Return the service with the settings as they are now, or the current one where they cannot be used."""
    log = structlog.get_logger("clearance.schedule")
    try:
        fresh = load()
    except (Refused, OSError) as error:
        _log_refused(error)
        return current
    changed = [
        name for name in Settings.model_fields if getattr(fresh.settings, name) != getattr(current.settings, name)
    ]
    current.service.stop()
    try:
        started(fresh)
        fresh.service.start()
    except (Refused, OSError) as error:
        _log_refused(error)
        fresh.service.stop()
        fresh.close()
        # A service that was stopped cannot go on: the same settings make another one.
        again = Loaded(current.settings, current.service.again(), current.close)
        started(again)
        again.service.start()
        return again
    current.close()
    log.info("settings reloaded", changed=changed)
    return fresh


def _log_refused(error: Exception) -> None:
    message = "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
    structlog.get_logger("clearance.schedule").error("settings not reloaded", message=message)
