"""What differs between databases: limits of time, one state, and errors sorted by who must do something about them.

Facts stand beside their use, as the databases' documentation gives them: SQLSTATE classes of PostgreSQL, error numbers
of the others in their own modules. What other drivers say is sorted by the classes that PEP 249 names.
"""

import re
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.pool import NullPool

from connectors.http.tls import UNLOOSENED, TlsLimits, cause_of
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable

#: Rows fetched at a time.
BATCH = 5_000


@dataclass(frozen=True, slots=True)
class DatabaseTimeouts:
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


#: Parameters of a url that say where a database is, and hold no secret.
_SAYS_WHERE = ("host", "hostaddr", "port", "dbname", "service_name", "unix_socket", "dsn")


#: A password of fewer letters cannot be told from other words.
_PASSWORD_LETTERS = 4


def shown(url: URL) -> str:
    """Return a url as messages show it: user, host and database, and no password, also where parameters name them."""
    where = {name: url.query[name] for name in _SAYS_WHERE if name in url.query and "@" not in str(url.query[name])}
    return url.set(query=where).render_as_string(hide_password=True)


def masked(error: SourceError, url: URL) -> SourceError:
    """Return an error without the password, whatever a driver repeats of its own."""
    secrets = [str(url.password or ""), *map(str, (url.query.get("password", ""), url.query.get("sslpassword", "")))]
    what = error.what
    for secret in secrets:
        if len(secret) >= _PASSWORD_LETTERS:
            what = what.replace(secret, "…").replace(quote(secret, safe=""), "…")
    return error if what == error.what else type(error)(what, error.fix_text)


class Backend:
    """What differs between databases; this one serves those that nothing more is known about."""

    #: How the bytes behind a column of text are asked for, with {0} for the column; empty where that is not known.
    raw_text = ""

    #: How the url asks for no TLS, and what names a certificate authority in it.
    without_tls = "take TLS out of the url"
    authority = "the certificate authority in the url"

    #: The driver's types of floating-point columns of single precision, which keep seven digits.
    single_precision: frozenset[object] = frozenset()

    def __init__(self, source: str, where: str, patience: DatabaseTimeouts, options: Options) -> None:
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
        return cause.kind(f"{self.source}: {self.where} {cause.did}: {short(said)}", cause.fix_text)

    def may(self, account: str, *deeds: str) -> str:
        """Return a warning of what an account may do that no query needs."""
        return (
            f"the account {account} may {' and '.join(deeds)}: have the office give one that may only read, "
            "with SELECT on what the query needs."
        )


#: What an account may do that no query needs, as warnings name it.
DATA, FILES, PROGRAMS = "change the office's data", "read or write files of the server", "run programs on the server"


#: What a database did, by the kind of its error.
DID = {SourceUnavailable: "did not answer", SourceRefused: "refused", SourceGarbled: "could not run the query"}


#: The way out where nobody answered.
LATER = "See that it runs and can be reached from here; the next slot tries again."


_WAYS_OUT = {
    SourceUnavailable: LATER,
    SourceRefused: "Have the office look at the account's name, password and rights, and at the url.",
    SourceGarbled: "Correct the query or the mapping, then run: clearance check.",
}


def short(said: str) -> str:
    """Return what a driver said, on one line of a readable length."""
    line = " ".join(said.split()).rstrip(".")
    return line if len(line) <= 300 else line[:299] + "…"


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
