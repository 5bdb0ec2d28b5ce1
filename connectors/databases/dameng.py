"""The back end of Dameng (达梦), through its maker's drivers dmPython and dmSQLAlchemy.

Its errors begin with [CODE:-n]. There is no complete public list of the numbers: those here occurred with the driver
or were reported by its users; 70000 and above, the driver's own, count as a missing server. The charset of a database
is fixed: GB18030, UTF-8 or EUC-KR (SF_GET_UNICODE_FLAG, 0 to 2). The charset of a connection is local_code, by default
that of the operating system. Not tested with a server.
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
from foundation.translation import tr

_CODE = re.compile(r"\[CODE:-(\d+)\]")

#: Wrong name or password; a statement that writes.
_REFUSED = frozenset({2501, 6506})


#: The query for the database's charset, and the charset of each flag.
CHARSET = "SELECT SF_GET_UNICODE_FLAG() FROM DUAL"
_CHARSETS = {"0": "GB18030", "1": "UTF-8", "2": "EUC-KR"}

#: local_code for UTF-8, if the driver does not define it (DPI.h).
_UTF_8 = 1


class Dameng(Backend):
    """Dameng, in a transaction that cannot write."""

    def engine(self, url: URL) -> Engine:
        """Return an engine with time limits."""
        try:
            engine = self._engine(url)
        except ImportError:
            # With SQLAlchemy 2.1, dmSQLAlchemy 2.0 fails to import its asynchronous half; the half used here is loaded
            # by then, so a second attempt finds it.
            engine = self._engine(url)
        event.listen(engine, "do_connect", self._connect_in_utf_8)
        return engine

    def _connect_in_utf_8(self, dialect: Any, record: object, cargs: Any, cparams: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy calls it
        """Connect in UTF-8, which has every character, whatever this machine's own charset is."""
        cparams.setdefault("local_code", _utf_8_code(dialect.loaded_dbapi))
        return self.connect_in_time(dialect, record, cargs, cparams)

    def _engine(self, url: URL) -> Engine:
        limits = {"connection_timeout": seconds(self.timeouts.statement)}
        return create_engine(url, poolclass=NullPool, connect_args=limits)

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that cannot write."""
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")

    def charset(self, connection: Connection, _ask: Callable[[str], Sequence[object]]) -> str:
        """Return the charsets of the database and the connection; empty unless the connection is in UTF-8."""
        flag: object = None
        with suppress(DBAPIError):
            flag = connection.exec_driver_sql(CHARSET).scalar_one_or_none()
        name = _CHARSETS.get(str(flag), "")
        local = getattr(connection.connection.driver_connection, "local_code", None)
        known = name and local == _utf_8_code(connection.dialect.loaded_dbapi)
        return tr("{name} in the database, UTF-8 on the connection", name=name) if known else ""

    def kind(self, error: BaseException) -> type[SourceError]:
        """Return the class of an error by the number in its text."""
        found = _CODE.search(str(error))
        if found is None:
            return super().kind(error)
        number = int(found[1])
        if number in _REFUSED:
            return SourceRefused
        return SourceUnavailable if number >= 70_000 else SourceGarbled


def _utf_8_code(driver: Any) -> int:  # noqa: ANN401 - dmPython
    return int(getattr(driver, "PG_UTF8", _UTF_8))
