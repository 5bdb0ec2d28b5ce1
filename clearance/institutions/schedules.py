"""The schedules of several institutions in one process: each is started, reloaded and stopped for itself."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Protocol

import structlog

from clearance.institutions.folder import InstitutionFolder, Institutions, log_faults
from config.settings import Settings
from foundation.acting import acting_for
from foundation.refusals import Refused
from status_db.store import pools
from sync.service.reloading import Loaded, replaced

#: An institution that could not be started, such as one whose database does not respond, is tried again after this
#: long, in seconds.
_TRIES_AGAIN = 30.0

#: How often the events are looked at, in seconds.
_POLL = 1.0


class Watched(Protocol):
    """What shows the schedules for monitoring."""

    def started(self, loaded: Loaded) -> None:
        """Measure a schedule from now on."""

    def removed(self, key: str) -> None:
        """Measure an institution no more."""


@dataclass(slots=True)
class Schedules:
    """The schedules of the institutions in a folder."""

    folder: InstitutionFolder
    #: Makes the schedule of one institution. Raises Refused.
    load: Callable[[Settings], Loaded]
    watched: Watched
    #: Is called with the institutions each time that they were read. Raises Refused.
    changed: Callable[[Institutions], None]
    _running: dict[str, Loaded] = field(default_factory=dict)
    #: Key → settings of institutions that could not be started.
    _waiting: dict[str, Settings] = field(default_factory=dict)

    def run(
        self,
        stopped: threading.Event,
        reload: threading.Event,
        running: Callable[[], None],
        alive: Callable[[], None],
        stopping: Callable[[], None],
        beat: timedelta | None = None,
    ) -> bool:
        """Serve until `stopped` is set or KeyboardInterrupt; read the folder again each time `reload` is set.

        `running` is called once all have been started, `alive` every `beat`, and `stopping` before the end. Return
        False if a run was under way when the time to stop was over. Raises Refused where the folder cannot be read.
        """
        try:
            self._use(self.folder.read())
            running()
            tried = beaten = time.monotonic()
            while not stopped.is_set():
                if reload.wait(_POLL if beat is None else min(_POLL, beat.total_seconds())):
                    reload.clear()
                    self._read_again()
                now = time.monotonic()
                if self._waiting and now - tried >= _TRIES_AGAIN:
                    tried = now
                    for key in list(self._waiting):
                        self._start(key, self._waiting[key])
                if beat is not None and now - beaten >= beat.total_seconds() / 2 and self._works():
                    beaten = now
                    alive()
        except KeyboardInterrupt:
            pass
        stopping()
        return self._stop(self._running)

    def _works(self) -> bool:
        """Whether every schedule that was started works."""
        return all(loaded.schedule.alive for loaded in self._running.values())

    def _read_again(self) -> None:
        try:
            self._use(self.folder.read())
        except (Refused, OSError) as error:
            # The folder itself, or what all share.
            structlog.get_logger("clearance.institutions").error("settings not reloaded", message=_on_one_line(error))

    def _use(self, found: Institutions) -> None:
        """Serve these institutions: start, reload or stop what has changed."""
        pools.share(len(found.settings), found.process.connections)
        self.changed(found)
        log_faults(found)
        gone = {key: loaded for key, loaded in self._running.items() if key not in found.settings}
        self._stop(gone)
        for key, loaded in gone.items():
            self._forget(key, loaded)
        self._waiting = {key: one for key, one in self._waiting.items() if key in found.settings}
        for key, settings in found.settings.items():
            current = self._running.get(key)
            if current is None:
                self._start(key, settings)
            elif current.settings != settings:
                self._replace(key, current, settings)

    def _forget(self, key: str, loaded: Loaded) -> None:
        loaded.close()
        del self._running[key]
        self.watched.removed(key)
        with acting_for(key):
            structlog.get_logger("clearance.institutions").info("institution removed")

    def _start(self, key: str, settings: Settings) -> None:
        with acting_for(key):
            log = structlog.get_logger("clearance.institutions")
            try:
                self._running[key] = self._started(settings)
            except (Refused, OSError) as error:
                self._waiting[key] = settings
                message = _on_one_line(error)
                log.warning("institution not started", message=message, tries_again_seconds=_TRIES_AGAIN)
            except Exception:
                self._waiting[key] = settings
                log.exception("institution not started", tries_again_seconds=_TRIES_AGAIN)
            else:
                self._waiting.pop(key, None)
                log.info("institution started")

    def _started(self, settings: Settings) -> Loaded:
        loaded = self.load(settings)
        try:
            self.watched.started(loaded)
            loaded.schedule.start()
        except BaseException:
            loaded.schedule.stop()
            loaded.close()
            self.watched.removed(settings.key)
            raise
        return loaded

    def _replace(self, key: str, current: Loaded, settings: Settings) -> None:
        with acting_for(key):
            try:
                self._running[key] = replaced(current, partial(self.load, settings), self.watched.started)
            except Exception:  # noqa: BLE001 - the other institutions continue
                del self._running[key]
                self._waiting[key] = settings
                structlog.get_logger("clearance.institutions").exception("institution not reloaded")

    def _stop(self, schedules: Mapping[str, Loaded]) -> bool:
        """Stop schedules, all at the same time: each waits for its own runs. Return whether all runs have ended."""
        ended: list[bool] = []

        def stop(key: str, loaded: Loaded) -> None:
            with acting_for(key):
                ended.append(loaded.schedule.stop())

        threads = [threading.Thread(target=stop, args=one) for one in schedules.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return all(ended) and len(ended) == len(threads)


def _on_one_line(error: Exception) -> str:
    return "; ".join(line.strip() for line in str(error).splitlines() if line.strip())
