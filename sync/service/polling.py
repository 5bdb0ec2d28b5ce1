"""Serving requests in a thread of its own, beside the schedule, whose workers can all be busy with long pulls."""

import threading
from collections.abc import Callable
from contextvars import copy_context

import structlog

from status_db.marks.runs import RunUnderWay
from status_db.store.engine import StoreError

#: Poll interval for rechecks of one student, in seconds: a student who has paid or returned waits for the result.
RECHECKS_EVERY = 0.5


def serve_requests(serving: Callable[[], int]) -> None:
    """Serve the waiting requests. An error is logged, and the next poll tries again."""
    log = structlog.get_logger("clearance.schedule")
    try:
        serving()
    except StoreError as error:
        log.error("requests not served", message=str(error))  # noqa: TRY400 - the message is complete
    except RunUnderWay as busy:
        # Another run holds the source; the next poll tries again.
        log.debug("requests wait", message=str(busy))
    except Exception:
        log.exception("requests broke")


class Polling:
    """A thread that serves requests at a short interval, until it is stopped."""

    def __init__(self, serving: Callable[[], int], every: float, stop_within: float) -> None:
        """`every` and `stop_within` are in seconds: a stop waits at most so long for the request under way."""
        self._serving = serving
        self._every = every
        self._stop_within = stop_within
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), name="rechecks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the request under way."""
        self._stopped.set()
        self._thread.join(self._stop_within)

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            serve_requests(self._serving)
