"""A thread that listens for new requests, connects again when it is cut off, and wakes who serves them."""

import threading
from collections.abc import Callable
from contextvars import copy_context

import structlog
from sqlalchemy import Engine

from status_db.inbox.wake_ups import listening
from status_db.store.engine import StoreError

#: Seconds between two looks at whether it is stopped, and the wait after a lost connection: from, and at most.
_LOOK, _AGAIN, _LONGEST = 1.0, 0.5, 10.0


class RequestListener:
    """Wakes its subscribers for each new request, and after each time that it connects."""

    def __init__(self, engine: Engine) -> None:
        """`engine` is the desk's, on PostgreSQL."""
        self._engine = engine
        self._subscribers: list[Callable[[], None]] = []
        self._over = threading.Event()
        self._listening = threading.Event()
        self._thread: threading.Thread | None = None
        self._log = structlog.get_logger("clearance.schedule")

    @property
    def listening(self) -> bool:
        """Whether it is connected."""
        return self._listening.is_set()

    def subscribe(self, wake: Callable[[], None]) -> None:
        """Wake this one too."""
        self._subscribers.append(wake)

    def unsubscribe(self, wake: Callable[[], None]) -> None:
        """Wake it no more."""
        if wake in self._subscribers:
            self._subscribers.remove(wake)

    def start(self) -> None:
        """Begin."""
        self._over.clear()
        self._thread = threading.Thread(target=copy_context().run, args=(self._run,), name="listener", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._over.set()
        if self._thread is not None:
            self._thread.join(_LOOK * 5)

    def _run(self) -> None:
        pause = _AGAIN
        while not self._over.is_set():
            try:
                with listening(self._engine) as wait:
                    self._listening.set()
                    self._log.info("listening for requests")
                    pause = _AGAIN
                    # What came while it was cut off.
                    self._wake()
                    while not self._over.is_set():
                        if wait(_LOOK):
                            self._wake()
            except StoreError as error:
                self._log.warning("not listening for requests", message=str(error))
            except Exception:  # noqa: BLE001 - the poll goes on, and the next attempt follows
                self._log.exception("listening broke")
            finally:
                self._listening.clear()
            # So that a poll changes to its short interval now.
            self._wake()
            self._over.wait(pause)
            pause = min(pause * 2, _LONGEST)

    def _wake(self) -> None:
        for wake in tuple(self._subscribers):
            wake()
