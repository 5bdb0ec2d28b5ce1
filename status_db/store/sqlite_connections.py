"""Preparing connections of SQLite: their settings, the function of this program, and what a reader may do."""

import json
import sqlite3
from typing import Any


def prepare(connection: sqlite3.Connection, _record: object) -> None:
    """Prepare a connection that writes."""
    _add_functions(connection)
    # The driver's own transactions begin deferred, and a deferred transaction that begins to write can fail at once.
    connection.isolation_level = None
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON", "cache_size = -32000"):
        connection.execute(f"PRAGMA {pragma}").close()


def release_memory(connection: sqlite3.Connection | None, _record: object) -> None:
    """Free the pages that a connection has cached; the pool keeps it open, for months in a schedule.

    Each connection would otherwise grow with its database, up to `cache_size`. The file is still in the system's cache.
    """
    if connection is not None:
        connection.execute("PRAGMA shrink_memory").close()


def _add_functions(connection: sqlite3.Connection) -> None:
    connection.create_function("keys_within", 2, _keys_within, deterministic=True)


def _keys_within(keys: str, among: str | None) -> bool:
    """Return whether the second JSON list contains every key of the first."""
    return among is not None and set(json.loads(keys)) <= set(json.loads(among))


_READS = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
#: They return a value, or free memory; with an argument they would set a value.
_READ_PRAGMAS = {"query_only", "data_version", "shrink_memory"}


def forbid_writing(connection: sqlite3.Connection, _record: object) -> None:
    """Have a connection refuse everything except reads."""
    _add_functions(connection)
    connection.execute("PRAGMA query_only = ON").close()

    def allow(action: int, first: str | None, second: str | None, *_rest: Any) -> int:  # noqa: ANN401 - as sqlite3 calls it
        if action in _READS or action == sqlite3.SQLITE_TRANSACTION:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_PRAGMA and (first == "table_info" or (first in _READ_PRAGMAS and second is None)):
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY

    connection.set_authorizer(allow)
