"""The background thread of notifications, beside the schedule: nothing that it waits for delays a run."""

import threading
from collections.abc import Callable
from contextvars import copy_context

import structlog

from status_db.store.engine import StoreError

#: Seconds between two passes, and how many passes lie between two looks at the conditions.
_PASS = 2.0
_LOOKS = 30

#: Seconds that `stop` waits for a message that is being sent.
_STOPS_WITHIN = 30.0


class NotifyService:
    """Delivers every two seconds, and looks at the conditions every minute."""

    def __init__(self, deliver: Callable[[], int], look: Callable[[], int], prune: Callable[[], int]) -> None:
        self._steps = {"deliver": deliver, "look": look, "prune": prune}
        self._over = threading.Event()
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), name="notify", daemon=True)
        self._log = structlog.get_logger("clearance.notify")

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        self._log.info("notifications started")

    def stop(self) -> None:
        """End after the pass under way. A message that takes longer is sent again by the next process."""
        self._over.set()
        self._thread.join(_STOPS_WITHIN)

    def _run(self) -> None:
        passes = 0
        while not self._over.is_set():
            if passes % _LOOKS == 0:
                self._step("look")
                self._step("prune")
            self._step("deliver")
            passes += 1
            self._over.wait(_PASS)

    def _step(self, name: str) -> None:
        try:
            self._steps[name]()
        except StoreError as error:
            self._log.error("notifications not handled", step=name, message=str(error))
        except Exception:  # noqa: BLE001 - the next pass tries again
            self._log.exception("notifications broke", step=name)
