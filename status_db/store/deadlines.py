"""Deadlines of statements on SQLite, which has no limit of its own: it calls a handler at intervals."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from math import inf
from typing import Any

from sqlalchemy import Connection, Engine, event

#: SQLite calls the handler after this many steps of its virtual machine: about a millisecond.
_EVERY = 20_000

#: The deadline of this thread's statements, in addition to that of each connection.
_THREAD = threading.local()


class _Deadline:
    """The deadline of the newest statement of one connection."""

    def __init__(self, at_most: float) -> None:
        self._at_most = at_most
        self._until = inf

    def begin(self) -> None:
        """Start the time for a statement."""
        self._until = time.monotonic() + self._at_most

    def is_over(self) -> bool:
        """Return whether the statement has to be interrupted."""
        return time.monotonic() > min(self._until, getattr(_THREAD, "until", inf))


def limit_statements(engine: Engine, at_most: timedelta | None) -> None:
    """Interrupt each statement of an SQLite engine that runs longer than this, or longer than `within` allows."""
    seconds = inf if at_most is None else at_most.total_seconds()

    def connected(connection: sqlite3.Connection, record: Any) -> None:  # noqa: ANN401 - SQLAlchemy's record
        deadline = record.info["deadline"] = _Deadline(seconds)
        connection.set_progress_handler(deadline.is_over, _EVERY)

    def begun(connection: Connection, *_statement: object) -> None:
        connection.info["deadline"].begin()

    event.listen(engine, "connect", connected)
    event.listen(engine, "before_cursor_execute", begun)


@contextmanager
def within(longest: timedelta) -> Iterator[None]:
    """Limit the total time of all statements in this block, in this thread. This works for SQLite only."""
    _THREAD.until = time.monotonic() + longest.total_seconds()
    try:
        yield
    finally:
        _THREAD.until = inf
