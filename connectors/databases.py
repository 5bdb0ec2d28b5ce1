"""What differs between databases: limits of time, one state, and errors sorted by who must do something about them.

Facts stand beside their use, as the databases' documentation gives them: SQLSTATE classes of PostgreSQL, error numbers
of the others in their own modules. What other drivers say is sorted by the classes that PEP 249 names.
"""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable
from connectors.tls import UNLOOSENED, TlsLimits, cause_of

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
    #: Bytes that are no letter are replaced, where the driver can, and do not end the answer.
    lenient: bool = False
    #: How weak the connection may be.
    tls: TlsLimits = UNLOOSENED


class Undecodable(SourceGarbled):
    """Some text is not in the charset that was named; read leniently, what is no letter of it is replaced."""


#: Drivers that come only when they are asked for: the driver in the url → our extra that brings it.
_EXTRAS = {"cx_oracle": "cx-oracle", "mysqldb": "mysqlclient", "pymssql": "mssql"}


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
    backend = _backend(url.get_backend_name())(source, shown(url), patience, options)
    try:
        engine = backend.engine(url)
    except OSError as error:
        raise SourceUnavailable(
            f"{source}: {backend.where} could not be looked at ({error.strerror})", LATER
        ) from error
    except (NoSuchModuleError, ImportError, ArgumentError) as error:
        extra = _EXTRAS.get(url.drivername.partition("+")[2])
        install = f"Install it with the extra {extra}" if extra else "Install it into this environment"
        raise SourceRefused(
            f"{source}: there is no driver here for {url.drivername} ({short(str(error))})",
            f"{install}, or name another driver in the url; see docs/databases.md.",
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
        raise _masked(backend.explained(error.orig or error), url) from error
    except SQLAlchemyError as error:
        raise _masked(backend.explained(error), url) from error
    except Exception as error:
        # Rows come from the driver's own cursor, so its errors come bare.
        if isinstance(error, engine.dialect.loaded_dbapi.Error | UnicodeError | OSError):
            raise _masked(backend.explained(error), url) from error
        raise
    finally:
        engine.dispose()


#: Parameters of a url that say where a database is, and hold no secret.
_SAYS_WHERE = ("host", "hostaddr", "port", "dbname", "service_name", "unix_socket", "dsn")

#: A password of fewer letters cannot be told from other words.
_PASSWORD_LETTERS = 4


def shown(url: URL) -> str:
    """Return a url as messages show it: user, host and database, and no password, also where parameters name them."""
    where = {name: url.query[name] for name in _SAYS_WHERE if name in url.query and "@" not in str(url.query[name])}
    return url.set(query=where).render_as_string(hide_password=True)


def _masked(error: SourceError, url: URL) -> SourceError:
    """Return an error without the password, whatever a driver repeats of its own."""
    secrets = [str(url.password or ""), *map(str, (url.query.get("password", ""), url.query.get("sslpassword", "")))]
    what = error.what
    for secret in secrets:
        if len(secret) >= _PASSWORD_LETTERS:
            what = what.replace(secret, "…").replace(quote(secret, safe=""), "…")
    return error if what == error.what else type(error)(what, error.way_out)


class Backend:
    """What differs between databases; this one serves those that nothing more is known about."""

    #: How the bytes behind a column of text are asked for, with {0} for the column; empty where that is not known.
    raw_text = ""

    #: How the url asks for no TLS, and what names a certificate authority in it.
    without_tls = "take TLS out of the url"
    authority = "the certificate authority in the url"

    def __init__(self, source: str, where: str, patience: Patience, options: Options) -> None:
        self.source = source
        self.options = options
        self.where = where
        self.patience = patience

    def engine(self, url: URL) -> Engine:
        """Return an engine that opens one connection at a time."""
        return create_engine(url, poolclass=NullPool)

    def connected_in_time(self, dialect: Any, _record: object, cargs: Any, cparams: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy calls it
        """Connect, and wait no longer than told: for a server that never speaks some drivers know no limit."""
        opened: list[Any] = []
        failed: list[Exception] = []

        def connect() -> None:
            try:
                opened.append(dialect.loaded_dbapi.connect(*cargs, **cparams))
            except Exception as error:  # noqa: BLE001 - it is raised again, in the thread that waits
                failed.append(error)

        thread = threading.Thread(target=connect, name=f"connect {self.source}", daemon=True)
        thread.start()
        thread.join(self.patience.connect.total_seconds() + 1)
        if failed:
            raise failed[0]
        if not opened:
            raise SourceUnavailable(f"{self.source}: {self.where} accepted the connection but did not respond", LATER)
        return opened[0]

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

    @property
    def charset_fix(self) -> str:
        """Say what to do where text arrives in another charset than was named."""
        return 'Name the charset of the text, such as bytes_as = "gbk", or have the office correct those rows.'

    def charset(self, _connection: Connection, _ask: Callable[[str], Sequence[object]]) -> str:
        """Return what shows that no letter is lost on the way, for a proof; empty where nothing shows it.

        `_ask` evaluates an expression, with `{}` for the column, for each mapped column. Raises SourceGarbled where
        the connection's charset cannot hold what the columns may.
        """
        return ""

    def utc(self, _connection: Connection) -> datetime | None:
        """Return the server's own time in UTC; None where there is no server."""
        return None

    def kind(self, error: BaseException) -> type[SourceError]:
        """Sort an error by who must do something about it."""
        names = {cls.__name__ for cls in type(error).__mro__}
        return SourceUnavailable if names & {"OperationalError", "InterfaceError", "OSError"} else SourceGarbled

    def explained(self, error: BaseException) -> SourceError:
        """Return an error of ours for one of the driver's."""
        if isinstance(error, UnicodeDecodeError):
            return Undecodable(
                f"{self.source}: some text from {self.where} is not in the connection's charset ({error.encoding})",
                self.charset_fix,
            )
        if isinstance(error, UnicodeEncodeError):
            return SourceGarbled(
                f"{self.source}: the query has letters that the connection's charset ({error.encoding}) cannot hold",
                "Take charset out of the url: without it every letter can be sent.",
            )
        said = self.words(error) or type(error).__name__
        kind = self.kind(error)
        if (kind is not SourceGarbled or re.search(r"\b(SSL|TLS)\b", said)) and (refused := self.no_tls(said)):
            return refused
        return kind(f"{self.source}: {self.where} {DID[kind]}: {short(said)}", self.fix(error) or _WAYS_OUT[kind])

    def words(self, error: BaseException) -> str:
        """Return what the driver said: its first two lines, for the second often has the cause."""
        said = " ".join(str(part) for part in error.args if part)
        return " ".join([line.strip() for line in said.splitlines() if line.strip()][:2])

    def fix(self, _error: BaseException) -> str:
        """Return the way out of this very error; empty where only its kind is known."""
        return ""

    @property
    def takes_limits(self) -> bool:
        """Say whether tls_minimum and tls_ciphers can be set for this driver."""
        return False

    def no_tls(self, said: str) -> SourceError | None:
        """Return an error for a TLS handshake that failed; None where what the driver said is nothing of TLS."""
        cause = cause_of(said, plain=self.without_tls, authority=self.authority, settings=self.takes_limits)
        if cause is None:
            return None
        return cause.kind(f"{self.source}: {self.where} {cause.did}: {short(said)}", cause.way_out)

    def can_write(self, account: str) -> str:
        """Say that the account could write."""
        return (
            f"the account {account} may change the office's data: have the office give one that may only read, "
            "with SELECT on what the query needs."
        )


#: What a database did, by the kind of its error.
DID = {SourceUnavailable: "did not answer", SourceRefused: "refused", SourceGarbled: "could not run the query"}
#: The way out where nobody answered.
LATER = "See that it runs and can be reached from here; the next slot tries again."
_WAYS_OUT = {
    SourceUnavailable: LATER,
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
        if self.options.lenient:
            raw: Any = connection.connection.driver_connection
            raw.text_factory = self._text

    def _text(self, raw: bytes) -> str:
        """Decode what the file holds as text: UTF-8, else what the settings name."""
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode(self.options.bytes_as or "utf-8", "replace")

    def charset(self, _connection: Connection, _ask: Callable[[str], Sequence[object]]) -> str:
        """Read text as it is stored."""
        return "read as it is stored"

    def explained(self, error: BaseException) -> SourceError:
        """Know text that is not UTF-8."""
        plain = super().explained(error)
        return Undecodable(plain.what, self.charset_fix) if "Could not decode to UTF-8" in str(error) else plain

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
        if "readonly" in said or "unable to open" in said:
            return SourceRefused
        if any(word in said for word in ("locked", "busy", "interrupted", "disk I/O", "malformed")):
            return SourceUnavailable
        return SourceGarbled

    def fix(self, error: BaseException) -> str:
        """Know what is wrong with the file itself, and what with the query."""
        return next((fix for words, fix in _SQLITE if words in str(error)), "")


#: What SQLite says → the way out.
_SQLITE = (
    (
        "is not a database",
        "The file is no SQLite database, or an encrypted one: look at the url, and have the office look.",
    ),
    (
        "malformed",
        "The file is damaged, or was being copied: the next slot tries again; have the office copy it whole.",
    ),
    ("unable to open", "Give this user the right to read the file and its folder."),
    ("locked", "Another program writes into it: the next slot tries again; ask at a quieter hour."),
    ("busy", "Another program writes into it: the next slot tries again; ask at a quieter hour."),
    ("interrupted", "Raise timeout, or make the query cheaper: it took longer than that."),
    ("disk I/O", "Look at the disk or the network drive that the file is on; the next slot tries again."),
    ("readonly", "The query writes: write a SELECT alone."),
    ("no such table", "There is no such table or view: correct the query, or the url if it is another file."),
    ("no such column", "There is no such column: correct the query."),
    ("syntax error", "The query is not written as SQLite wants it: correct it, then run: clearance check."),
)

#: Who asks, and whether they may do everything or change a table, by a grant to them, to a role of theirs, or to all.
_RIGHTS = """
SELECT current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR EXISTS (
  SELECT 1 FROM information_schema.table_privileges p
  WHERE p.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
    AND p.table_schema NOT IN ('pg_catalog', 'information_schema')
    AND CASE p.grantee WHEN 'PUBLIC' THEN true ELSE pg_has_role(current_user, CAST(p.grantee AS name), 'USAGE') END)
"""


#: SQLSTATE → the way out.
_POSTGRES = {
    "28P01": "The name or the password is wrong: correct the url.",
    "28000": "The server does not let this account in from here: have the office add it to pg_hba.conf.",
    "3D000": "There is no such database: correct its name in the url.",
    "42501": "The account may not read that: have the office grant SELECT on what the query reads.",
    "42P01": "There is no such table or view, or it is in another schema: write SCHEMA.NAME in the query.",
    "3F000": "There is no such schema: correct the query.",
    "42703": "There is no such column: correct the query; a name with capitals stands in double quotes there.",
    "42601": "The query is not written as PostgreSQL wants it: correct it, then run: clearance check.",
    "42883": "The query compares or calls what does not fit: cast one side, such as CAST(xh AS text).",
    "42804": "The query compares or calls what does not fit: cast one side, such as CAST(xh AS text).",
    "22P02": "A value is not of the kind it is taken for: compare text with text.",
    "57014": "The query took longer than timeout: raise it, or make the query cheaper.",
    "57P03": "The server is starting or stopping: the next slot tries again.",
    "53300": "The server has no connection left: the next slot tries again; have the office raise max_connections.",
    "55P03": "Somebody else holds the rows: ask at a quieter hour.",
    "25006": "The query writes: write a SELECT alone.",
}

#: What the client says before there is a session → the way out.
_BEFORE_A_SESSION = (
    ("password authentication", "The name or the password is wrong: correct the url."),
    ("no password supplied", "The url has no password: add it, by env: or file:."),
    ("no pg_hba.conf", "The server does not let this account in from here: have the office add it to pg_hba.conf."),
    ("could not translate host name", "The name of the host cannot be resolved: look at the url, and at DNS."),
    ("failed to resolve host", "The name of the host cannot be resolved: look at the url, and at DNS."),
    ("Connection refused", "Nobody listens there: see that the server runs, and that the url has its port."),
    ("timeout expired", "It could not be reached in time: a firewall may have to let this machine through."),
    ("does not exist", "There is no such database or role: correct the url."),
    ("server closed the connection", LATER),
)

#: Text that is not in the server's charset, or that the client's cannot hold.
_NOT_IN_CHARSET = frozenset({"22021", "22P05"})

#: What PostgreSQL's client says of a handshake that it does not know.
_OTHER_HANDSHAKE = "SASL authentication mechanisms"


class Postgres(Backend):
    """PostgreSQL, and what speaks its wire: openGauss, GaussDB, Kingbase."""

    raw_text = "convert_to({0}, 'WIN1252')"
    without_tls = "sslmode=disable in the url"
    authority = "sslrootcert in the url"

    def engine(self, url: URL) -> Engine:
        """Connect with limits of time."""
        patience = int(self.patience.connect.total_seconds())
        arguments: dict[str, Any] = {
            "connect_timeout": max(2, patience),
            "keepalives_idle": 15,
            "keepalives_interval": 5,
        }
        if "client_encoding" not in url.query:
            # Whatever the server has or the environment names, every letter arrives; SQLAlchemy itself needs text.
            arguments["client_encoding"] = "utf8"
        if self.options.tls.minimum is not None:
            arguments["ssl_min_protocol_version"] = f"TLSv{self.options.tls.minimum}"
        engine = create_engine(url, poolclass=NullPool, connect_args=arguments, **_no_hstore(url))
        told: Any = engine.dialect
        of_its_own = told._get_server_version_info  # noqa: SLF001 - SQLAlchemy's hook for what follows another wire

        def version(connection: Connection) -> tuple[int, ...]:
            """Return the version told; one that is no PostgreSQL's counts as 9.2, from which openGauss comes."""
            try:
                found: tuple[int, ...] = of_its_own(connection)
            except AssertionError:
                return (9, 2)
            return found

        told._get_server_version_info = version  # noqa: SLF001 - as above
        return engine

    def begin(self, connection: Connection) -> None:
        """Begin a read-only transaction that sees one state."""
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds(self.patience.statement)}")
        if self.options.bytes_as and _encoding(connection, "server_encoding") == "SQL_ASCII":
            # It converts nothing: its text comes as the bytes that were once put in.
            connection.exec_driver_sql("SET client_encoding TO SQL_ASCII")

    @property
    def charset_fix(self) -> str:
        """Name the charset of a database that has none."""
        return (
            "Take client_encoding out of the url; for a database in SQL_ASCII say what its bytes are, such as "
            'bytes_as = "gbk".'
        )

    def charset(self, connection: Connection, _ask: Callable[[str], Sequence[object]]) -> str:
        """Look at both encodings: a letter that the client's cannot hold is an error of the server's, and never "?"."""
        server, client = _encoding(connection, "server_encoding"), _encoding(connection, "client_encoding")
        if not server or not client or (server == "SQL_ASCII" and not self.options.bytes_as):
            return ""
        return f"{server} on the server, {client} on the connection"

    def utc(self, connection: Connection) -> datetime | None:
        """Return the server's time."""
        # A stream would keep a cursor open.
        told = connection.execution_options(stream_results=False).exec_driver_sql("SELECT CURRENT_TIMESTAMP")
        moment: datetime = told.scalar_one()
        connection.execution_options(stream_results=True)
        return moment.astimezone(UTC)

    def cut(self, raw: Any) -> None:  # noqa: ANN401 - a driver's connection
        """Close its socket: the client library itself waits without end for a server that has stopped talking."""
        shut(raw.fileno())

    def warnings(self, connection: Connection) -> tuple[str, ...]:
        """Look at the account's rights on tables; a database that tells them otherwise is not asked twice."""
        try:
            # A savepoint is no query: streamed, it would be declared a cursor.
            with connection.execution_options(stream_results=False).begin_nested():
                account, writes = connection.exec_driver_sql(_RIGHTS).one()
        except DBAPIError:
            return ()
        finally:
            connection.execution_options(stream_results=True)
        return (self.can_write(account),) if writes else ()

    def kind(self, error: BaseException) -> type[SourceError]:
        """Sort by SQLSTATE (PostgreSQL's documentation, appendix A); before a session there is only text."""
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""
        if state[:2] in ("08", "53", "57", "40", "55") or state == "25P03":
            return SourceUnavailable
        if state[:2] in ("28", "3D", "25") or state == "42501":
            return SourceRefused
        if state:
            return SourceGarbled
        refused = (
            "password authentication",
            "no pg_hba.conf",
            "does not exist",
            "not permitted",
            "no password",
            _OTHER_HANDSHAKE,
        )
        return SourceRefused if any(words in str(error) for words in refused) else super().kind(error)

    def words(self, error: BaseException) -> str:
        """Return what the server said with its hint, and not its detail, which may quote a row; else both attempts."""
        told = getattr(error, "diag", None)
        if not (getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)) or told is None:
            return super().words(error)
        hint = told.message_hint
        return f"{told.message_primary or ''}{f' ({hint})' if hint else ''}" or super().words(error)

    def fix(self, error: BaseException) -> str:
        """Give SQLSTATEs, and what is said before there is a session, their own way out."""
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""
        said = str(error)
        return _POSTGRES.get(state) or next((fix for words, fix in _BEFORE_A_SESSION if words in said), "")

    def explained(self, error: BaseException) -> SourceError:
        """Give the handshake that PostgreSQL's client does not know its own way out."""
        plain = super().explained(error)
        if (getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)) in _NOT_IN_CHARSET:
            return SourceGarbled(plain.what, self.charset_fix)
        if isinstance(plain, SourceRefused) and _OTHER_HANDSHAKE in str(error):
            return SourceRefused(
                plain.what,
                "openGauss and GaussDB keep passwords in a way of their own: have the office set "
                "password_encryption_type to 1 and this account's password anew; see docs/databases.md.",
            )
        return plain


def _encoding(connection: Connection, name: str) -> str:
    """Return one of the encodings that the server reports without being asked; empty where it reports none."""
    info: Any = getattr(connection.connection.driver_connection, "info", None)
    return str(info.parameter_status(name) or "") if info is not None else ""


def _no_hstore(url: URL) -> dict[str, Any]:
    """Have nobody look for a type that only PostgreSQL knows, where the driver would."""
    return {"use_native_hstore": False} if url.get_driver_name() in ("psycopg", "psycopg2") else {}


def shut(descriptor: int) -> None:
    """Shut down the socket of a driver's connection, which stays the driver's to close."""
    with suppress(OSError), socket.socket(fileno=socket.dup(descriptor)) as wire:
        wire.shutdown(socket.SHUT_RDWR)


def milliseconds(span: timedelta) -> int:
    """Return a span in whole milliseconds, and never nought: that would mean no limit."""
    return max(1, round(span.total_seconds() * 1000))


def seconds(span: timedelta) -> int:
    """Return a span in whole seconds, and never nought: that would mean no limit."""
    return max(1, int(span.total_seconds()))


def _backend(name: str) -> type[Backend]:
    """Return what is particular about a database; what speaks another's wire is treated as that other."""
    match name:
        case "sqlite":
            return Sqlite
        case "postgresql" | "opengauss" | "gaussdb" | "kingbase":
            return Postgres
        case "mysql" | "mariadb":
            from connectors.mysql import Mysql  # noqa: PLC0415 - it stands on this module

            return Mysql
        case "mssql":
            from connectors.sqlserver import SqlServer  # noqa: PLC0415 - it stands on this module

            return SqlServer
        case "dm":
            from connectors.dameng import Dameng  # noqa: PLC0415 - it stands on this module

            return Dameng
        case "oracle":
            from connectors.oracle import Oracle  # noqa: PLC0415 - its driver is loaded only where it is needed

            return Oracle
        case _:
            return Backend
