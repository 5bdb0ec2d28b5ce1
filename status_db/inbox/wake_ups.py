"""New requests, reported by PostgreSQL at once: the transaction that adds one notifies, and the schedule listens.

Other databases report nothing, and the schedule polls. A message contains the schema alone, so that several
institutions in one database do not wake each other.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection, Engine, func, select

from status_db.store.engine import store_errors

_CHANNEL = "clearance_requests"

#: A connection on which the network is silent is given up after so long, in seconds.
_SILENT = 20


def can_listen(engine: Engine) -> bool:
    """Return whether this database reports new requests."""
    return engine.dialect.name == "postgresql"


def announce(connection: Connection) -> None:
    """Report a new request when this transaction is committed."""
    if can_listen(connection.engine):
        connection.execute(select(func.pg_notify(_CHANNEL, func.current_schema())))


@contextmanager
def listening(engine: Engine) -> Iterator[Callable[[float], bool]]:
    """Listen on a connection of its own; yield what waits so many seconds, and returns whether there are new requests.

    It returns at once when there are. Both raise StoreError when the connection is lost.
    """
    with store_errors(engine):
        pooled = engine.raw_connection()
        connection: Any = pooled.driver_connection
        # It must not go back to the pool: it would go on to listen there.
        pooled.detach()
        try:
            _end_silence(connection)
            connection.autocommit = True
            connection.execute(f"LISTEN {_CHANNEL}")
            (schema,) = connection.execute("SELECT current_schema()").fetchone()

            def wait(seconds: float) -> bool:
                with store_errors(engine):
                    found = [one.payload for one in connection.notifies(timeout=seconds, stop_after=1)]
                    if not found:
                        # A connection that is lost is noticed by a question, not by silence.
                        connection.execute("SELECT 1")
                    return schema in found

            yield wait
        finally:
            connection.close()


def _end_silence(connection: Any) -> None:  # noqa: ANN401 - the driver's own
    """Have the system end a connection whose network has gone silent."""
    with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as tcp:
        if tcp.family in (socket.AF_INET, socket.AF_INET6):
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENT * 1000)
