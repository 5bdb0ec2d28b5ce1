"""What differs between databases: limits of time, one state, and errors sorted by who must do something about them.

Facts stand beside their use, as the databases' documentation gives them: SQLSTATE classes of PostgreSQL, error numbers
of MySQL and MariaDB. What other drivers say is sorted by the classes that PEP 249 names.
"""

import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable

#: Rows fetched at a time.
BATCH = 5_000


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a connection, and each statement, may take."""

    connect: timedelta
    statement: timedelta


@dataclass(frozen=True, slots=True)
class Options:
    """What some databases need to be told besides."""

    #: The charset of text that comes as bytes; empty when it comes as text.
    bytes_as: str = ""
    #: The folder of Oracle's client, for thick mode.
    oracle_client: Path | None = None


@contextmanager
def reading(
    url: URL,
    source: str,
    patience: Patience,
    options: Options = Options(),
) -> Iterator[tuple[Connection, "Backend"]]:
    """Give a connection whose transaction sees one state and cannot write, and what is particular about its database.

    The connection is closed at the end. Whatever the driver raises, in here or in the body, comes out as
    SourceUnavailable, SourceRefused or SourceGarbled.
    """
    where = url.set(query={}).render_as_string(hide_password=True)
    backend = _backend(url.get_backend_name())(source, where, patience, options)
    try:
        engine = backend.engine(url)
    except (NoSuchModuleError, ImportError, ArgumentError) as error:
        raise SourceRefused(
            f"{source}: there is no driver here for {url.drivername} ({error})",
            "Install it into this environment, or name another driver in the url; see docs/connectors/sql.md.",
        ) from error
    try:
        with engine.connect() as connection:
            try:
                with backend.watched(connection):
                    backend.begin(connection)
                    yield connection.execution_options(stream_results=True, max_row_buffer=BATCH), backend
            except BaseException:
                # A stream broken off leaves a connection that nobody can use again; some drivers hang on its close.
                connection.invalidate()
                raise
            connection.rollback()
    except SourceError:
        raise
    except DBAPIError as error:
        raise backend.explained(error.orig or error) from error
    except SQLAlchemyError as error:
        raise backend.explained(error) from error
    except Exception as error:
        # Rows come from the driver's own cursor, so its errors come bare.
        if isinstance(error, engine.dialect.loaded_dbapi.Error | UnicodeDecodeError | OSError):
            raise backend.explained(error) from error
        raise
    finally:
        engine.dispose()


class Backend:
    """What differs between databases; this one serves those that nothing more is known about."""

    def __init__(self, source: str, where: str, patience: Patience, options: Options) -> None:
        self.source = source
        self.options = options
        self.where = where
        self.patience = patience

    def engine(self, url: URL) -> Engine:
        """Return an engine that opens one connection at a time."""
        return create_engine(url, poolclass=NullPool)

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that reads one state."""

    @contextmanager
    def watched(self, connection: Connection) -> Iterator[None]:
        """Break off, from another thread, what goes on far beyond the limits that the driver was told."""
        raw = connection.connection.driver_connection
        timer = threading.Timer(2 * self.patience.statement.total_seconds() + 5, self.cut, [raw])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def cut(self, raw: Any) -> None:  # noqa: ANN401 - a driver's connection
        """Break a connection off; nothing where the driver's own limits are enough."""

    def abandon(self, connection: Connection, cursor: Any) -> None:  # noqa: ANN401 - a driver's cursor
        """Give up a stream that has not been read to its end, with its connection."""
        with suppress(Exception):  # closing what is broken may break again, in any way, and no longer matters
            cursor.close()
        connection.invalidate()

    def warnings(self, _connection: Connection) -> tuple[str, ...]:
        """Return what should be looked at: an account that can write."""
        return ()

    def kind(self, error: BaseException) -> type[SourceError]:
        """Sort an error by who must do something about it."""
        names = {cls.__name__ for cls in type(error).__mro__}
        return SourceUnavailable if names & {"OperationalError", "InterfaceError", "OSError"} else SourceGarbled

    def explained(self, error: BaseException) -> SourceError:
        """Return an error of ours for one of the driver's."""
        if isinstance(error, UnicodeDecodeError):
            return SourceGarbled(
                f"{self.source}: text from {self.where} is not in the charset that was told ({error.encoding})",
                "Tell the right charset in the url, such as ?charset=gbk.",
            )
        # Only the first line: PostgreSQL's others may quote a row.
        said = " ".join(str(part) for part in error.args if part).strip().partition("\n")[0] or type(error).__name__
        kind = self.kind(error)
        return kind(f"{self.source}: {self.where} {DID[kind]}: {short(said)}", _WAYS_OUT[kind])

    def can_write(self, account: str) -> str:
        """Say that the account could write."""
        return (
            f"the account {account} may change the office's data: have the office give one that may only read, "
            "with SELECT on what the query needs."
        )


#: What a database did, by the kind of its error.
DID = {SourceUnavailable: "did not answer", SourceRefused: "refused", SourceGarbled: "could not run the query"}
_WAYS_OUT = {
    SourceUnavailable: "See that it runs and can be reached from here; the next slot tries again.",
    SourceRefused: "Have the office look at the account's name, password and rights, and at the url.",
    SourceGarbled: "Mend the query or the mapping, then run: clearance check.",
}


def short(said: str) -> str:
    """Return what a driver said, on one line of a readable length."""
    line = " ".join(said.split()).rstrip(".")
    return line if len(line) <= 300 else line[:299] + "…"


class Sqlite(Backend):
    """An SQLite file, opened read-only."""

    def engine(self, url: URL) -> Engine:
        """Open the file read-only: it is never made where it is missing."""
        file = url.database or ""
        if not file or file == ":memory:":
            raise SourceRefused(f"{self.source}: an SQLite url needs a file", "Write sqlite:///path/to/file.db.")
        if not Path(file).is_file():
            raise SourceUnavailable(f"{self.source}: there is no file {file}", "See that the office has put it there.")
        read_only = url.set(database=f"file:{file}", query={"mode": "ro", "uri": "true"})
        engine = create_engine(
            read_only, poolclass=NullPool, connect_args={"timeout": self.patience.connect.total_seconds()}
        )
        event.listen(engine, "connect", lambda raw, _: setattr(raw, "isolation_level", None))
        return engine

    def begin(self, connection: Connection) -> None:
        """Begin; the first read fixes what is seen."""
        connection.exec_driver_sql("BEGIN")

    @contextmanager
    def watched(self, connection: Connection) -> Iterator[None]:
        """Interrupt a statement that runs too long."""
        deadline = time.monotonic() + self.patience.statement.total_seconds()
        raw: Any = connection.connection.driver_connection
        raw.set_progress_handler(lambda: time.monotonic() > deadline, 100_000)
        yield

    def kind(self, error: BaseException) -> type[SourceError]:
        """Sort by the few words SQLite has."""
        said = str(error)
        if "readonly" in said:
            return SourceRefused
        if any(word in said for word in ("unable to open", "locked", "busy", "interrupted", "disk I/O")):
            return SourceUnavailable
        return SourceGarbled


class Postgres(Backend):
    """PostgreSQL, and what speaks its wire."""

    def engine(self, url: URL) -> Engine:
        """Connect with limits of time."""
        seconds = int(self.patience.connect.total_seconds())
        arguments = {"connect_timeout": max(2, seconds), "keepalives_idle": 15, "keepalives_interval": 5}
        return create_engine(url, poolclass=NullPool, connect_args=arguments)

    def begin(self, connection: Connection) -> None:
        """Begin a read-only transaction that sees one state."""
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {_milliseconds(self.patience.statement)}")

    def cut(self, raw: Any) -> None:  # noqa: ANN401 - a driver's connection
        """Close its socket: the client library itself waits without end for a server that has stopped talking."""
        with socket.socket(fileno=socket.dup(raw.pgconn.socket)) as wire:
            wire.shutdown(socket.SHUT_RDWR)

    def warnings(self, connection: Connection) -> tuple[str, ...]:
        """Look at the account's rights on tables."""
        found = connection.exec_driver_sql(
            "SELECT current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR EXISTS (SELECT 1 "
            "FROM information_schema.table_privileges p WHERE pg_has_role(current_user, p.grantee, 'USAGE') AND "
            "p.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE') AND p.table_schema NOT IN "
            "('pg_catalog', 'information_schema'))"
            if self._is_postgres(connection)
            else "SELECT current_user, false"
        ).one()
        return (self.can_write(found[0]),) if found[1] else ()

    def _is_postgres(self, connection: Connection) -> bool:
        return "PostgreSQL" in str(connection.exec_driver_sql("SELECT version()").scalar_one())

    def kind(self, error: BaseException) -> type[SourceError]:
        """Sort by SQLSTATE (PostgreSQL's documentation, appendix A); before a session there is only text."""
        state = getattr(error, "sqlstate", None) or ""
        if state[:2] in ("08", "53", "57", "40", "55") or state == "25P03":
            return SourceUnavailable
        if state[:2] in ("28", "3D", "25") or state == "42501":
            return SourceRefused
        if state:
            return SourceGarbled
        refused = ("password authentication", "no pg_hba.conf", "does not exist", "not permitted", "no password")
        return SourceRefused if any(words in str(error) for words in refused) else super().kind(error)


class Mysql(Backend):
    """MySQL and MariaDB."""

    #: Access denied, to a database, a table, a column, from this host, by this plugin; unknown database; read-only.
    _REFUSED = frozenset(
        {1044, 1045, 1129, 1130, 1142, 1143, 1227, 1251, 1290, 1370, 1698, 1049, 1792, 1820, 1862, 3118}
    )
    #: No server, connection lost, too many connections, killed, shut down, lock or statement timed out.
    _UNAVAILABLE = frozenset(
        {2002, 2003, 2005, 2006, 2013, 2014, 2055, 1040, 1053, 1152, 1158, 1159, 1160, 1161, 1203, 1205, 1213, 1226,
         1317, 1927, 1969, 3024}
    )  # fmt: skip

    def engine(self, url: URL) -> Engine:
        """Connect with limits of time, in utf8mb4 unless the url tells another charset."""
        seconds = max(1, int(self.patience.connect.total_seconds()))
        arguments: dict[str, Any] = {"connect_timeout": seconds}
        if url.get_driver_name() == "pymysql":
            # Without it a server that has stopped talking is waited for without end.
            arguments["read_timeout"] = max(1, int(self.patience.statement.total_seconds()))
            arguments["write_timeout"] = seconds
        if "charset" not in url.query:
            arguments["charset"] = "utf8mb4"
        return create_engine(url, poolclass=NullPool, connect_args=arguments)

    def begin(self, connection: Connection) -> None:
        """Begin a read-only transaction on a consistent snapshot."""
        milliseconds = _milliseconds(self.patience.statement)
        maria = "MariaDB" in str(connection.exec_driver_sql("SELECT VERSION()").scalar_one())
        limit = f"max_statement_time = {milliseconds / 1000}" if maria else f"max_execution_time = {milliseconds}"
        connection.exec_driver_sql(f"SET SESSION {limit}")
        connection.exec_driver_sql("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")

    def abandon(self, connection: Connection, cursor: Any) -> None:  # noqa: ANN401 - a driver's cursor
        """Drop the cursor unread: its close would read every row that is left, or fail where the connection is gone."""
        result = getattr(cursor, "_result", None)
        if result is not None:
            result.unbuffered_active = False
            cursor.connection = None
        connection.invalidate()

    def warnings(self, connection: Connection) -> tuple[str, ...]:
        """Look at the account's grants."""
        grants = [str(row[0]) for row in connection.exec_driver_sql("SHOW GRANTS").all()]
        writes = re.compile(r"^GRANT [^'`]*\b(ALL PRIVILEGES|INSERT|UPDATE|DELETE|DROP|ALTER|CREATE|SUPER)\b")
        if not any(writes.match(grant) for grant in grants):
            return ()
        account = connection.exec_driver_sql("SELECT CURRENT_USER()").scalar_one()
        return (self.can_write(str(account)),)

    def kind(self, error: BaseException) -> type[SourceError]:
        """Sort by the error's number (MySQL's and MariaDB's error references)."""
        number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        if number in self._REFUSED:
            return SourceRefused
        if number in self._UNAVAILABLE or isinstance(error, OSError):
            return SourceUnavailable
        # A cut stream comes from PyMySQL as an InterfaceError, or as one without a number.
        return super().kind(error) if number == 0 else SourceGarbled


def _milliseconds(span: timedelta) -> int:
    return max(1, round(span.total_seconds() * 1000))


_BACKENDS: Mapping[str, type[Backend]] = {"sqlite": Sqlite, "postgresql": Postgres, "mysql": Mysql, "mariadb": Mysql}


def _backend(name: str) -> type[Backend]:
    if name == "oracle":
        from connectors.oracle import Oracle  # noqa: PLC0415 - its driver is loaded only where it is needed

        return Oracle
    return _BACKENDS.get(name, Backend)
