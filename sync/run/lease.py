"""What happens while a run is under way: its lease is renewed, it is traced, and garbage collection is paused."""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from datetime import timedelta

import structlog

from foundation.tracing import span
from status_db.marks.runs import Lease
from status_db.marks.settings import SettingsMarks
from status_db.store.engine import StoreError

#: A lease lasts this long and is renewed in the background three times as often.
LEASE_FOR = timedelta(minutes=2)


class Collector:
    """The collector of cyclic garbage, paused while runs are under way.

    A run makes hundreds of thousands of small values, and no cycles. Searching them for cycles again and again
    would cost up to a third of its time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = 0
        self._was_on = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause it until the last of the runs under way has ended."""
        with self._lock:
            if not self._runs:
                self._was_on = gc.isenabled()
                gc.disable()
            self._runs += 1
        try:
            yield
        finally:
            with self._lock:
                self._runs -= 1
                if not self._runs and self._was_on:
                    gc.enable()


COLLECTOR = Collector()


@contextmanager
def renewed(marks: SettingsMarks, lease: Lease, lease_for: timedelta) -> Iterator[None]:
    """Renew the lease in the background; a recheck holds none."""
    if lease.student is not None:
        yield
        return
    over = threading.Event()

    def beat() -> None:
        while not over.wait(lease_for.total_seconds() / 3):
            try:
                if not marks.renew(lease, lease_for):
                    return
            except StoreError:
                # The next attempt follows; until then the lease is valid.
                continue

    thread = threading.Thread(target=copy_context().run, args=(beat,), name=f"lease of {lease.source}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        # However slow the database is: a connection still in use when its engine is let go would never be closed.
        thread.join()


@contextmanager
def observed(lease: Lease) -> Iterator[Callable[..., None]]:
    """Trace a run, and name it in every line of the log that is written meanwhile, by connectors too."""
    source, run = lease.source, lease.run
    with (
        structlog.contextvars.bound_contextvars(source=source, run=run),
        span("run", cohort=lease.cohort, source=source, run=run) as add,
    ):
        yield add
