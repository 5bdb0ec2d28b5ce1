"""Dameng (达梦) for the connectors that ask a database, through dmPython and dmSQLAlchemy, which its maker publishes.

Its errors begin with [CODE:-n]. Few of those numbers are public in one place: those here were met with the driver, or
are told by others who use it; those of 70000 and above, the driver's own, are taken for a missing server. A database
is in GB18030, UTF-8 or EUC-KR for good (SF_GET_UNICODE_FLAG, 0 to 2); a connection is in what local_code names, by
default the operating system's charset. Not tried against a server.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from connectors.databases.base import Backend, seconds
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable

_CODE = re.compile(r"\[CODE:-(\d+)\]")

#: The name or the password is wrong; what was asked would write.
_REFUSED = frozenset({2501, 6506})


#: In what a database is, by its flag.
CHARSET = "SELECT SF_GET_UNICODE_FLAG() FROM DUAL"
_CHARSETS = {"0": "GB18030", "1": "UTF-8", "2": "EUC-KR"}

#: local_code for UTF-8, where the driver does not name it (DPI.h).
_UTF_8 = 1


class Dameng(Backend):
    """Dameng, in a transaction that cannot write."""

    def engine(self, url: URL) -> Engine:
        """Connect with limits of time."""
        try:
            engine = self._engine(url)
        except ImportError:
            # dmSQLAlchemy 2.0 stumbles over its asynchronous half with SQLAlchemy 2.1; the half that is wanted here is
            # loaded by then, and found when it is asked for again.
            engine = self._engine(url)
        event.listen(engine, "do_connect", self._connected)
        return engine

    def _connected(self, dialect: Any, record: object, cargs: Any, cparams: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy calls it
        """Connect in UTF-8, which holds every letter, whatever this machine's own charset is."""
        cparams.setdefault("local_code", _utf_8(dialect.loaded_dbapi))
        return self.connected_in_time(dialect, record, cargs, cparams)

    def _engine(self, url: URL) -> Engine:
        limits = {"connection_timeout": seconds(self.patience.statement)}
        return create_engine(url, poolclass=NullPool, connect_args=limits)

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that cannot write."""
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")

    def charset(self, connection: Connection, _ask: Callable[[str], Sequence[object]]) -> str:
        """Look at the database's charset and at the connection's: only UTF-8 is known to hold every letter."""
        flag: object = None
        with suppress(DBAPIError):
            flag = connection.exec_driver_sql(CHARSET).scalar_one_or_none()
        name = _CHARSETS.get(str(flag), "")
        local = getattr(connection.connection.driver_connection, "local_code", None)
        told = name and local == _utf_8(connection.dialect.loaded_dbapi)
        return f"{name} in the database, UTF-8 on the connection" if told else ""

    def kind(self, error: BaseException) -> type[SourceError]:
        """Sort by the number in the text."""
        found = _CODE.search(str(error))
        if found is None:
            return super().kind(error)
        number = int(found[1])
        if number in _REFUSED:
            return SourceRefused
        return SourceUnavailable if number >= 70_000 else SourceGarbled


def _utf_8(driver: Any) -> int:  # noqa: ANN401 - dmPython
    return int(getattr(driver, "PG_UTF8", _UTF_8))
