"""Serving requests in a thread of its own, beside the schedule, whose workers can all be busy with long pulls."""

import threading
from collections.abc import Callable
from contextvars import copy_context
from typing import Protocol

import structlog

from status_db.marks.runs import RunUnderWay
from status_db.store.engine import StoreError

#: Poll interval for rechecks of one student, in seconds: a student who has paid or returned waits for the result.
RECHECKS_EVERY = 0.5

#: Poll interval in seconds while the database reports each new request.
LISTENING_EVERY = 30.0


class WakeUps(Protocol):
    """Reports that there are new requests."""

    @property
    def listening(self) -> bool:
        """Whether each new request is reported now."""

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Call this for each new request, and each time that requests may have been missed."""

    def unsubscribe(self, wake: Callable[[], None]) -> None:
        """Call it no more."""


def serve_requests(serving: Callable[[], int]) -> bool:
    """Serve the waiting requests. An error is logged, and the next poll tries again.

    Return False where the status database did not respond.
    """
    log = structlog.get_logger("clearance.schedule")
    try:
        serving()
    except StoreError as error:
        log.error("requests not served", message=str(error))  # noqa: TRY400 - the message is complete
        return False
    except RunUnderWay as busy:
        # Another run holds the source; the next poll tries again.
        log.debug("requests wait", message=str(busy))
    except Exception:
        log.exception("requests broke")
    return True


class Polling:
    """A thread that serves requests as soon as they are reported, and at an interval, until it is stopped."""

    def __init__(
        self,
        serving: Callable[[], int],
        every: float,
        stop_within: float,
        wake_ups: WakeUps | None = None,
        name: str = "rechecks",
    ) -> None:
        """`every` and `stop_within` are in seconds: a stop waits at most so long for the request under way.

        While `wake_ups` listens, the interval is longer.
        """
        self._serving = serving
        self._every = every
        self._stop_within = stop_within
        self._wake_ups = wake_ups
        self._stopped = False
        self._woken = threading.Event()
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        if self._wake_ups is not None:
            self._wake_ups.subscribe(self._woken.set)
        self._thread.start()

    def stop(self) -> None:
        """End after the request under way."""
        self.end(self._stop_within)

    def end(self, within: float) -> bool:
        """End; return whether the request under way has ended within so many seconds."""
        if self._wake_ups is not None:
            self._wake_ups.unsubscribe(self._woken.set)
        self._stopped = True
        self._woken.set()
        if self._thread.ident is not None:
            self._thread.join(within)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopped:
            listening = self._wake_ups is not None and self._wake_ups.listening
            self._woken.wait(max(self._every, LISTENING_EVERY) if listening else self._every)
            # Before it is served: what comes meanwhile wakes it again.
            self._woken.clear()
            if self._stopped:
                return
            serve_requests(self._serving)
