"""Dameng (达梦) for the connectors that ask a database, through dmPython and dmSQLAlchemy, which its maker publishes.

Its errors begin with [CODE:-n]. Few of those numbers are public in one place: those here were met with the driver, or
are told by others who use it; those of 70000 and above, the driver's own, are taken for a missing server. Not tried
against a server.
"""

import re

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from connectors.databases import Backend, seconds
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable

_CODE = re.compile(r"\[CODE:-(\d+)\]")

#: The name or the password is wrong; what was asked would write.
_REFUSED = frozenset({2501, 6506})


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
        event.listen(engine, "do_connect", self.connected_in_time)
        return engine

    def _engine(self, url: URL) -> Engine:
        limits = {"connection_timeout": seconds(self.patience.statement)}
        return create_engine(url, poolclass=NullPool, connect_args=limits)

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that cannot write."""
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")

    def kind(self, error: BaseException) -> type[SourceError]:
        """Sort by the number in the text."""
        found = _CODE.search(str(error))
        if found is None:
            return super().kind(error)
        number = int(found[1])
        if number in _REFUSED:
            return SourceRefused
        return SourceUnavailable if number >= 70_000 else SourceGarbled
