"""MySQL and MariaDB, and what speaks their wire: OceanBase in its MySQL mode, TiDB.

Error numbers are those of MySQL's and MariaDB's references. Which of the others wants what, its own documentation says:
TiDB knows `START TRANSACTION WITH CONSISTENT SNAPSHOT`, but refuses READ ONLY as a function without effect (1235);
OceanBase gives a query up after `ob_query_timeout`, ten seconds unless told otherwise.
"""

import re
from contextlib import suppress
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

from connectors.databases import Backend, Patience, milliseconds, seconds, shut
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable

_WRITES = re.compile(r"^GRANT [^'`]*\b(ALL PRIVILEGES|INSERT|UPDATE|DELETE|DROP|ALTER|CREATE|SUPER)\b")


class Mysql(Backend):
    """MySQL and MariaDB, through PyMySQL or mysqlclient."""

    #: Access denied, to a database, a table, a column, from this host, by this plugin; unknown database; read-only.
    _REFUSED = frozenset(
        {1044, 1045, 1129, 1130, 1142, 1143, 1227, 1251, 1290, 1370, 1698, 1049, 1792, 1820, 1862, 2059, 3118}
    )
    #: No server, connection lost, too many connections, killed, shut down, lock or statement timed out.
    _UNAVAILABLE = frozenset(
        {2002, 2003, 2005, 2006, 2012, 2013, 2014, 2055, 1040, 1053, 1152, 1158, 1159, 1160, 1161, 1203, 1205, 1213,
         1226, 1317, 1927, 1969, 3024, 4012}
    )  # fmt: skip

    def engine(self, url: URL) -> Engine:
        """Connect with limits of time, in utf8mb4 unless the url tells another charset."""
        patience = seconds(self.patience.connect)
        arguments: dict[str, Any] = {"connect_timeout": patience}
        if url.get_driver_name() in ("pymysql", "mysqldb"):
            # Without it a server that has stopped talking is waited for without end.
            arguments["read_timeout"] = seconds(self.patience.statement)
            arguments["write_timeout"] = patience
        if "charset" not in url.query:
            arguments["charset"] = "utf8mb4"
        return create_engine(url, poolclass=NullPool, connect_args=arguments)

    def begin(self, connection: Connection) -> None:
        """Begin a read-only transaction on a consistent snapshot."""
        version = str(connection.exec_driver_sql("SELECT VERSION()").scalar_one())
        for statement in beginning(version, self.patience):
            connection.exec_driver_sql(statement)

    def cut(self, raw: Any) -> None:  # noqa: ANN401 - a driver's connection
        """Shut the connection's socket: an answer that drips comes within the driver's limit, piece by piece."""
        shut(_descriptor(raw))

    def abandon(self, connection: Connection, cursor: Any) -> None:  # noqa: ANN401 - a driver's cursor
        """Drop the cursor unread: its close would read every row that is left, or fail where the connection is gone."""
        result: Any = getattr(cursor, "_result", None)
        if hasattr(result, "unbuffered_active"):
            result.unbuffered_active = False
            cursor.connection = None
            connection.invalidate()
            return
        # mysqlclient too reads what is left; from a socket that is shut there is nothing.
        with suppress(Exception):  # it may be gone already, each driver says so in its own way
            self.cut(cursor.connection)
        super().abandon(connection, cursor)

    def warnings(self, connection: Connection) -> tuple[str, ...]:
        """Look at the account's grants."""
        grants = [str(row[0]) for row in connection.exec_driver_sql("SHOW GRANTS").all()]
        if not any(_WRITES.match(grant) for grant in grants):
            return ()
        account = connection.exec_driver_sql("SELECT CURRENT_USER()").scalar_one()
        return (self.can_write(str(account)),)

    def kind(self, error: BaseException) -> type[SourceError]:
        """Sort by the error's number."""
        number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        if number in self._REFUSED:
            return SourceRefused
        if number in self._UNAVAILABLE or isinstance(error, OSError):
            return SourceUnavailable
        # A cut stream comes from PyMySQL as an InterfaceError, or as one without a number.
        return super().kind(error) if number == 0 else SourceGarbled


def beginning(version: str, patience: Patience) -> tuple[str, ...]:
    """Return what begins a transaction that sees one state and, where the database knows how, cannot write."""
    limit = milliseconds(patience.statement)
    isolation = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"
    start = "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"
    if "TiDB" in version:
        return f"SET SESSION max_execution_time = {limit}", isolation, "START TRANSACTION WITH CONSISTENT SNAPSHOT"
    if "OceanBase" in version:
        return f"SET SESSION ob_query_timeout = {1000 * limit}", isolation, start
    if "MariaDB" in version:
        return f"SET SESSION max_statement_time = {limit / 1000}", isolation, start
    return f"SET SESSION max_execution_time = {limit}", isolation, start


def _descriptor(raw: Any) -> int:  # noqa: ANN401 - a driver's connection
    if hasattr(raw, "fileno"):
        return int(raw.fileno())
    return int(raw._sock.fileno())  # noqa: SLF001 - PyMySQL tells its socket nowhere else
