"""The base of all back ends: time limits, one consistent state, and errors classified by who must act.

Facts from the databases' documentation are next to their use: SQLSTATE classes of PostgreSQL, error numbers of the
others in their own modules. Errors of other drivers are classified by the exception classes of PEP 249.
"""

import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from foundation.translation import N_, tr

#: Rows fetched at a time.
BATCH = 5_000


@dataclass(frozen=True, slots=True)
class DatabaseTimeouts:
    """Time limits of connecting and of each statement."""

    connect: timedelta
    statement: timedelta


@dataclass(frozen=True, slots=True)
class Options:
    """Options that some databases need."""

    #: The charset of text that arrives as bytes; empty if it arrives as text.
    bytes_as: str = ""
    #: The folder of Oracle's client, for thick mode.
    oracle_client: Path | None = None
    #: Undecodable bytes are replaced if the driver can do that, instead of ending the answer.
    lenient: bool = False
    #: How weak the TLS of the connection can be.
    tls: TlsLimits = UNLOOSENED


class Undecodable(SourceGarbled):
    """Text that is not in the declared charset; a lenient read replaces the undecodable bytes."""


#: Parameters of a URL that locate the database and contain no secret.
_LOCATION_PARAMETERS = ("host", "hostaddr", "port", "dbname", "service_name", "unix_socket", "dsn")


#: A shorter password cannot be distinguished from other words.
_SHORTEST_PASSWORD = 4


def url_for_messages(url: URL) -> str:
    """Return a URL for messages: user, host and database, also from its parameters, without passwords."""
    where = {
        name: url.query[name] for name in _LOCATION_PARAMETERS if name in url.query and "@" not in str(url.query[name])
    }
    return url.set(query=where).render_as_string(hide_password=True)


def without_passwords(error: SourceError, url: URL) -> SourceError:
    """Return an error without the URL's passwords, which drivers can repeat in their messages."""
    secrets = [str(url.password or ""), *map(str, (url.query.get("password", ""), url.query.get("sslpassword", "")))]
    what = error.what
    for secret in secrets:
        if len(secret) >= _SHORTEST_PASSWORD:
            what = what.replace(secret, "…").replace(quote(secret, safe=""), "…")
    return error if what == error.what else type(error)(what, error.fix_text)


class Backend:
    """The base of back ends, used itself for databases without one of their own."""

    #: The expression for the bytes of a text column, with {0} for the column; empty if unknown.
    raw_text = ""

    #: How the url requests no TLS, and how it names a certificate authority.
    without_tls = N_("remove TLS from the url")
    authority = N_("the certificate authority in the url")

    #: The driver's types of single-precision floating-point columns, which keep seven digits.
    single_precision: frozenset[object] = frozenset()

    def __init__(self, source: str, where: str, timeouts: DatabaseTimeouts, options: Options) -> None:
        self.source = source
        self.options = options
        self.where = where
        self.timeouts = timeouts

    def engine(self, url: URL) -> Engine:
        """Return an engine that opens one connection at a time."""
        return create_engine(url, poolclass=NullPool)

    def connect_in_time(self, dialect: Any, _record: object, cargs: Any, cparams: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy calls it
        """Connect within the time limit: some drivers have none for a server that never responds."""
        opened: list[Any] = []
        failed: list[Exception] = []

        def connect() -> None:
            try:
                opened.append(dialect.loaded_dbapi.connect(*cargs, **cparams))
            except Exception as error:  # noqa: BLE001 - it is raised again, in the thread that waits
                failed.append(error)

        thread = threading.Thread(target=connect, name=f"connect {self.source}", daemon=True)
        thread.start()
        thread.join(self.timeouts.connect.total_seconds() + 1)
        if failed:
            raise failed[0]
        if not opened:
            raise SourceUnavailable(
                tr(
                    "{source}: {where} accepted the connection but did not respond",
                    source=self.source,
                    where=self.where,
                ),
                tr(LATER),
            )
        return opened[0]

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that sees one state."""

    @contextmanager
    def watched(self, connection: Connection) -> Iterator[None]:
        """Abort, from another thread, a read that far exceeds the driver's own limits."""
        raw = connection.connection.driver_connection
        timer = threading.Timer(2 * self.timeouts.statement.total_seconds() + 5, self.cut, [raw])
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def cut(self, raw: Any) -> None:  # noqa: ANN401 - a driver's connection
        """Abort a connection; do nothing if the driver's own limits are enough."""

    def abandon(self, connection: Connection, cursor: Any) -> None:  # noqa: ANN401 - a driver's cursor
        """Abandon a stream before its end, with its connection."""
        with suppress(Exception):  # closing a broken cursor can fail in any way, which no longer matters
            cursor.close()
        connection.invalidate()

    def warnings(self, _connection: Connection) -> tuple[str, ...]:
        """Return warnings, such as about an account that can write."""
        return ()

    @property
    def charset_fix(self) -> str:
        """The fix for text in another charset than the declared one."""
        return tr('Set the charset of the text, such as bytes_as = "gbk", or have the office correct those rows.')

    def charset(self, _connection: Connection, _ask: Callable[[str], Sequence[object]]) -> str:
        """Return the evidence that no character is lost on the way, for a proof; empty if there is none.

        `_ask` evaluates an expression, with `{}` for the column, for each mapped column. Raises SourceGarbled if the
        connection's charset cannot represent all characters of the columns.
        """
        return ""

    def utc(self, _connection: Connection) -> datetime | None:
        """Return the server's time in UTC; None if there is no server."""
        return None

    def kind(self, error: BaseException) -> type[SourceError]:
        """Return the class of an error, by who must act."""
        names = {cls.__name__ for cls in type(error).__mro__}
        return SourceUnavailable if names & {"OperationalError", "InterfaceError", "OSError"} else SourceGarbled

    def to_source_error(self, error: BaseException) -> SourceError:
        """Return a SourceError for an error of the driver."""
        if isinstance(error, UnicodeDecodeError):
            return Undecodable(
                tr(
                    "{source}: some text from {where} is not in the connection's charset ({encoding})",
                    source=self.source,
                    where=self.where,
                    encoding=error.encoding,
                ),
                self.charset_fix,
            )
        if isinstance(error, UnicodeEncodeError):
            return SourceGarbled(
                tr(
                    "{source}: the connection's charset ({encoding}) lacks some characters of the query",
                    source=self.source,
                    encoding=error.encoding,
                ),
                tr("Remove charset from the url: then every character can be sent."),
            )
        text = self.message(error) or type(error).__name__
        kind = self.kind(error)
        if (kind is not SourceGarbled or re.search(r"\b(SSL|TLS)\b", text)) and (refused := self.tls_error(text)):
            return refused
        return kind(self.failed(kind, text), self.fix(error) or tr(_FIXES[kind]))

    def failed(self, kind: type[SourceError], message: str) -> str:
        """Return what happened, with the driver's message."""
        return tr(DID[kind], source=self.source, where=self.where, message=short(message))

    def message(self, error: BaseException) -> str:
        """Return the driver's message: its first two lines, because the second often has the cause."""
        text = " ".join(str(part) for part in error.args if part)
        return " ".join([line.strip() for line in text.splitlines() if line.strip()][:2])

    def fix(self, _error: BaseException) -> str:
        """Return the fix for this error; empty if only its class is known."""
        return ""

    @property
    def supports_tls_limits(self) -> bool:
        """Whether tls_minimum and tls_ciphers can be set for this driver."""
        return False

    def tls_error(self, message: str) -> SourceError | None:
        """Return an error for a TLS handshake that failed; None if the driver's message is not about TLS."""
        cause = cause_of(
            message, plain=tr(self.without_tls), authority=tr(self.authority), settings=self.supports_tls_limits
        )
        if cause is None:
            return None
        return cause.kind(
            tr(
                "{source}: {where} {did}: {message}",
                source=self.source,
                where=self.where,
                did=cause.did,
                message=short(message),
            ),
            cause.fix_text,
        )

    def rights_warning(self, account: str, *rights: str) -> str:
        """Return a warning about rights of an account that no query needs."""
        return tr(
            "the account {account} can {rights}: have the office create one that can only read, with SELECT on what "
            "the query needs.",
            account=account,
            rights=tr(" and ").join(tr(right) for right in rights),
        )


#: Rights that no query needs, as warnings name them.
DATA, FILES, PROGRAMS = (
    N_("change the office's data"),
    N_("read or write files of the server"),
    N_("run programs on the server"),
)


#: What the database did, by the class of the error.
DID: Mapping[type[SourceError], str] = {
    SourceUnavailable: N_("{source}: {where} did not answer: {message}"),
    SourceRefused: N_("{source}: {where} refused: {message}"),
    SourceGarbled: N_("{source}: {where} could not run the query: {message}"),
}


#: The fix if the database did not answer.
LATER = N_("Check that it runs and can be reached from here. The next slot tries again.")


_FIXES = {
    SourceUnavailable: LATER,
    SourceRefused: N_("Have the office check the account's name, password and rights, and check the url."),
    SourceGarbled: N_("Correct the query or the mapping, then run: clearance check."),
}


def short(message: str) -> str:
    """Return a driver's message on one line without its full stop, at most 300 characters long."""
    line = " ".join(message.split()).rstrip(".?!。")
    return line if len(line) <= 300 else line[:299] + "…"


def shut(descriptor: int) -> None:
    """Shut down the socket of a driver's connection; the driver closes it."""
    with suppress(OSError), socket.socket(fileno=socket.dup(descriptor)) as wire:
        wire.shutdown(socket.SHUT_RDWR)


def milliseconds(span: timedelta) -> int:
    """Return a span in whole milliseconds, at least one: zero would mean no limit."""
    return max(1, round(span.total_seconds() * 1000))


def seconds(span: timedelta) -> int:
    """Return a span in whole seconds, at least one: zero would mean no limit."""
    return max(1, int(span.total_seconds()))
