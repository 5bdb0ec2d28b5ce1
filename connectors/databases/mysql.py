"""The back end of MySQL and MariaDB, and of databases with their protocol: OceanBase in MySQL mode, TiDB.

Error numbers are those of MySQL's and MariaDB's references. By their own documentation, TiDB supports
`START TRANSACTION WITH CONSISTENT SNAPSHOT` but refuses READ ONLY as a function without effect (1235), and OceanBase
stops a query after `ob_query_timeout`, ten seconds by default.
"""

import codecs
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from connectors.databases.base import DATA, FILES, Backend, DatabaseTimeouts, milliseconds, seconds, shut
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable
from foundation.translation import N_, tr

#: Grants, as the server shows them, that allow an account more than reading.
_RIGHTS = {
    DATA: re.compile(
        r"^GRANT [^'`]*\b(ALL PRIVILEGES|INSERT|UPDATE|DELETE|DROP|ALTER|CREATE|SUPER|TRIGGER|EVENT|GRANT OPTION)\b"
    ),
    FILES: re.compile(r"^GRANT ([^'`]*\bFILE\b|ALL PRIVILEGES ON \*\.\*)"),
}
#: Rights of all users in the database `test`, which some servers have by default.
_PLAYGROUND = re.compile(r" ON `test(\\+_%)?`\.\* TO ")


READ_ONLY = ", READ ONLY"

#: Errors for a variable or syntax that the server does not know: 1193, 1064; TiDB for READ ONLY: 1235.
_NOT_KNOWN = frozenset({1193, 1064, 1235})

#: The prefix of codecs of this module, which replace undecodable bytes.
_REPLACING = "clearance_"

#: Charsets of a connection that have every character.
_HOLDS_ALL = frozenset({"utf8mb4", "gb18030", "utf32", "utf16", "utf16le"})

#: Charset of a connection → charsets of columns that it can represent.
_HOLDS = {
    **dict.fromkeys(
        ("utf8", "utf8mb3", "ucs2"),
        frozenset({"utf8", "utf8mb3", "ucs2", "gbk", "gb2312", "big5", "latin1", "latin2", "cp1250", "cp1251"}),
    ),
    "gbk": frozenset({"gb2312"}),
}


_GRANT = N_("The account is not allowed to read that: have the office grant SELECT on what the query reads.")
_TOO_LONG = N_(
    "The query took longer than timeout, or waited for a lock on the table: ask the office whether a job locks it; "
    "otherwise raise timeout, or make the query cheaper."
)
_NO_CONNECTION_LEFT = N_(
    "The server has no connection left for this account: the next slot tries again; have the office raise its limit."
)
_EXPIRED = N_("The password has expired: have the office set it again, and put it into the url.")

#: Number → the cause and the fix.
_FIXES = {
    1044: N_("The account is not allowed to open that database: have the office grant SELECT in it."),
    1045: N_(
        "The name or the password is wrong, or the account is for another host: correct the url, or have it granted."
    ),
    1049: N_("There is no such database: correct its name in the url."),
    1129: N_("The server has blocked this machine after many failures: have the office run FLUSH HOSTS."),
    1130: N_("The server does not admit this machine: have the office create the account for this machine's address."),
    **dict.fromkeys((1142, 1143, 1227, 1370), _GRANT),
    **dict.fromkeys(
        (1251, 2059),
        N_("The account signs in by a plugin that this driver lacks: have the office use mysql_native_password or "
           "caching_sha2_password."),
    ),
    **dict.fromkeys((1290, 1792), N_("The query writes: write a single SELECT.")),
    1698: N_("Only an operating system user can sign in to this account: have the office give it a password."),
    **dict.fromkeys((1820, 1862), _EXPIRED),
    **dict.fromkeys((3118, 4151), N_("The account is locked: have the office unlock it.")),
    **dict.fromkeys((1040, 1203, 1226), _NO_CONNECTION_LEFT),
    **dict.fromkeys((1969, 3024, 4012), _TOO_LONG),
    **dict.fromkeys(
        (1205, 1213), N_("Another session locks the rows: ask at a quieter hour. The next slot tries again.")
    ),
    1146: N_("There is no such table or view: correct the query, or the database in the url."),
    1054: N_("There is no such column: correct the query."),
    1064: N_("The query has a syntax error for MySQL: correct it, then run: clearance check."),
    1248: N_("The query becomes a subquery to be counted: give each part in brackets a name."),
    1060: N_("The query becomes a subquery to be counted: give each column a name of its own, with AS."),
    1356: N_("A view of the office fails, perhaps because the account lacks rights: have the office repair it."),
    2013: N_(
        "The connection was lost during the answer, or nothing arrived within timeout, perhaps because a job locks the "
        "table: the next slot tries again."
    ),
}  # fmt: skip

#: The client's message about a server that it cannot reach → the cause and the fix.
_CLIENT_FIXES = (
    ("Connection refused", N_("No server listens there: check that the server runs, and the port in the url.")),
    ("Name or service not known", N_("The name of the host cannot be resolved: check the url, and DNS.")),
    ("getaddrinfo failed", N_("The name of the host cannot be resolved: check the url, and DNS.")),
    ("No route to host", N_("There is no route to it from here: check this machine's network, and the url.")),
    ("timed out", N_("It could not be reached in time: check whether a firewall blocks this machine.")),
)

#: Parameters of a URL for the TLS of PyMySQL.
_SSL = ("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_cipher")
_VERIFIES = ("ssl_verify_cert", "ssl_verify_identity")
_YES = frozenset({"true", "1", "yes", "required"})


class Mysql(Backend):
    """MySQL and MariaDB, through PyMySQL or mysqlclient."""

    raw_text = "CAST({0} AS BINARY)"
    #: FLOAT, by its number in the protocol.
    single_precision = frozenset({4})
    without_tls = N_("ssl_disabled=true in the url, without ssl_ca and its like")
    authority = N_("ssl_ca in the url")

    #: Features that this server lacks, for `check`.
    lacks: Sequence[str] = ()

    #: Access denied, to a database, a table, a column, from this host, by this plugin; unknown database; read-only.
    _REFUSED = frozenset(
        {1044, 1045, 1129, 1130, 1142, 1143, 1227, 1251, 1290, 1370, 1698, 1049, 1792, 1820, 1862, 2059, 3118, 4151}
    )
    #: No server, connection lost, too many connections, killed, shut down, a lock or a statement timed out.
    _UNAVAILABLE = frozenset(
        {2002, 2003, 2005, 2006, 2012, 2013, 2014, 2055, 1040, 1053, 1152, 1158, 1159, 1160, 1161, 1203, 1205, 1213,
         1226, 1317, 1927, 1969, 3024, 4012}
    )  # fmt: skip

    def engine(self, url: URL) -> Engine:
        """Return an engine with time limits, in utf8mb4 unless the URL has another charset."""
        connect_timeout = seconds(self.timeouts.connect)
        arguments: dict[str, Any] = {"connect_timeout": connect_timeout}
        if url.get_driver_name() in ("pymysql", "mysqldb"):
            # Without it the driver waits forever for a server that stopped responding.
            arguments["read_timeout"] = seconds(self.timeouts.statement)
            arguments["write_timeout"] = connect_timeout
        if "charset" not in url.query:
            arguments["charset"] = "utf8mb4"
        if url.get_driver_name() == "pymysql" and any(name in url.query for name in _VERIFIES):
            url, arguments["ssl"] = url.difference_update_query([*_VERIFIES, *_SSL]), _tls_arguments(url)
        engine = create_engine(url, poolclass=NullPool, connect_args=arguments)
        if self.options.tls:
            event.listen(engine, "do_connect", self._connect_within_tls_limits)
        if self.options.lenient and url.get_driver_name() == "pymysql":
            event.listen(engine, "connect", lambda raw, _: setattr(raw, "encoding", _REPLACING + raw.encoding))
        return engine

    @property
    def supports_tls_limits(self) -> bool:
        """Whether tls_minimum and tls_ciphers can be set: PyMySQL uses Python's own TLS."""
        return "pymysql" in self.where.partition(":")[0]

    def _connect_within_tls_limits(self, dialect: Any, _record: object, cargs: Any, cparams: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy calls it
        """Connect with the source's own TLS limits, on the context that PyMySQL created from the URL."""
        raw = dialect.loaded_dbapi.connect(*cargs, **cparams, defer_connect=True)
        if raw.ssl:
            self.options.tls.apply(raw.ctx)
        raw.connect()
        return raw

    def begin(self, connection: Connection) -> None:
        """Begin a read-only transaction on a consistent snapshot, as far as the server supports it."""
        version = str(connection.exec_driver_sql("SELECT VERSION()").scalar_one())
        _, isolation, start = beginning(version, self.timeouts)
        self.lacks = lacks = list[str]()
        if not self._limit_statements(connection, version):
            lacks.append(
                tr(
                    "the server has no time limit for a statement (new in MySQL 5.7.8 and MariaDB 10.1): a query is "
                    "stopped only by the driver's own limit. Keep the query cheap, or have the office update the "
                    "server."
                )
            )
        connection.exec_driver_sql(isolation)
        if not self._accepts(connection, start):
            connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            if READ_ONLY in start:
                lacks.append(
                    tr(
                        "the server has no read-only transaction (new in MySQL 5.6.5 and MariaDB 10.0): only the "
                        "account's rights prevent writing. Have the office grant it only SELECT."
                    )
                )

    def _limit_statements(self, connection: Connection, version: str) -> bool:
        """Limit the time of a statement. A proxy can report another version than the server's, so try both forms."""
        return any(self._accepts(connection, statement) for statement in limits(version, self.timeouts))

    def _accepts(self, connection: Connection, statement: str) -> bool:
        """Run a statement that older servers do not support; return whether this one does."""
        try:
            connection.exec_driver_sql(statement)
        except DBAPIError as error:
            if _error_number(error.orig) not in _NOT_KNOWN:
                raise
            return False
        return True

    @property
    def charset_fix(self) -> str:
        """The fix for text in another charset than its column's."""
        return tr(
            "Remove charset from the url (utf8mb4 is then used). If a column contains bytes of another charset, "
            'select CAST(column AS BINARY) and set that charset, such as bytes_as = "gbk".'
        )

    def charset(self, connection: Connection, ask: Callable[[str], Sequence[object]]) -> str:
        """Compare the connection's charset with the columns': the server replaces characters that it lacks by "?"."""
        results = connection.exec_driver_sql("SELECT @@character_set_results").scalar_one()
        results = str(results or "binary").lower()
        if results in _HOLDS_ALL:
            return tr("{results} on the connection, which has every character", results=results)
        holds = _HOLDS.get(results, frozenset()) | {results, "ascii", "binary"}
        lost = sorted({str(charset).lower() for charset in ask("CHARSET({})")} - holds)
        if lost:
            raise SourceGarbled(
                tr(
                    "{source}: charset={results} in the url lacks some characters of the columns ({lost}), and "
                    'the server replaces them by "?"',
                    source=self.source,
                    results=results,
                    lost=lost[0],
                ),
                tr("Remove charset from the url: then utf8mb4 is used, which has every character."),
            )
        return tr("{results} on the connection, which holds the columns' letters", results=results)

    def utc(self, connection: Connection) -> datetime | None:
        """Return the server's time."""
        moment: datetime | None = connection.exec_driver_sql("SELECT UTC_TIMESTAMP()").scalar_one()
        return moment.replace(tzinfo=UTC) if moment is not None else None

    def cut(self, raw: Any) -> None:  # noqa: ANN401 - a driver's connection
        """Shut down the connection's socket: an answer in small pieces never reaches the driver's limit."""
        shut(_socket_descriptor(raw))

    def abandon(self, connection: Connection, cursor: Any) -> None:  # noqa: ANN401 - a driver's cursor
        """Drop the cursor unread: closing it would read all remaining rows, or fail if the connection is lost."""
        result: Any = getattr(cursor, "_result", None)
        if hasattr(result, "unbuffered_active"):
            result.unbuffered_active = False
            cursor.connection = None
            connection.invalidate()
            return
        # mysqlclient, too, reads all remaining rows; a socket that is shut down has none.
        with suppress(Exception):  # it can be closed already, and each driver has its own error for that
            self.cut(cursor.connection)
        super().abandon(connection, cursor)

    def warnings(self, connection: Connection) -> tuple[str, ...]:
        """Return warnings about the account's grants and about features that the server lacks."""
        rows = (str(row[0]) for row in connection.exec_driver_sql("SHOW GRANTS").all())
        grants = [grant for grant in rows if not _PLAYGROUND.search(grant)]
        rights = [right for right, pattern in _RIGHTS.items() if any(map(pattern.match, grants))]
        if not rights:
            return tuple(self.lacks)
        account = str(connection.exec_driver_sql("SELECT CURRENT_USER()").scalar_one())
        return (self.rights_warning(account, *rights), *self.lacks)

    def fix(self, error: BaseException) -> str:
        """Return the fix for the error's number."""
        number, text = _error_number(error), str(error)
        # The client has the same number for all errors before it reaches a server.
        by_text = next((fix for part, fix in _CLIENT_FIXES if part in text), "") if number in (2003, 0) else ""
        return tr(by_text or _FIXES.get(number, ""))

    def kind(self, error: BaseException) -> type[SourceError]:
        """Return the class of an error by its number."""
        number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        if number in self._REFUSED:
            return SourceRefused
        if number in self._UNAVAILABLE or isinstance(error, OSError):
            return SourceUnavailable
        # PyMySQL raises an InterfaceError, or an error without a number, for an aborted stream.
        return super().kind(error) if number == 0 else SourceGarbled


def limits(version: str, timeouts: DatabaseTimeouts) -> tuple[str, ...]:
    """Return statements that limit the time of a query: this server's form, then that of its relatives."""
    limit = milliseconds(timeouts.statement)
    mysql = f"SET SESSION max_execution_time = {limit}"
    mariadb = f"SET SESSION max_statement_time = {limit / 1000}"
    if "TiDB" in version:
        return (mysql,)
    if "OceanBase" in version:
        return (f"SET SESSION ob_query_timeout = {1000 * limit}",)
    return (mariadb, mysql) if "MariaDB" in version else (mysql, mariadb)


def beginning(version: str, timeouts: DatabaseTimeouts) -> tuple[str, ...]:
    """Return the statements that begin a transaction on one state, read-only if the database supports it."""
    isolation = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"
    start = "START TRANSACTION WITH CONSISTENT SNAPSHOT"
    return limits(version, timeouts)[0], isolation, start if "TiDB" in version else start + READ_ONLY


def _tls_arguments(url: URL) -> dict[str, Any]:
    """Return the TLS parameters of the URL as PyMySQL expects them.

    SQLAlchemy passes ssl_ca in one argument and ssl_verify_cert in another, and PyMySQL then ignores the first.
    """
    arguments: dict[str, Any] = {name.removeprefix("ssl_"): url.query[name] for name in _SSL if name in url.query}
    cert, identity = (str(url.query.get(name, "")).lower() for name in _VERIFIES)
    arguments["check_hostname"] = identity in _YES
    arguments["verify_mode"] = arguments["check_hostname"] or cert in _YES
    return arguments


def _error_number(error: BaseException | None) -> int:
    return error.args[0] if error is not None and error.args and isinstance(error.args[0], int) else 0


def _find_replacing_codec(name: str) -> codecs.CodecInfo | None:
    """Return a codec that replaces undecodable bytes, because PyMySQL itself can only fail."""
    if not name.startswith(_REPLACING):
        return None
    inner = codecs.lookup(name.removeprefix(_REPLACING))
    return codecs.CodecInfo(inner.encode, lambda raw, _errors="strict": inner.decode(raw, "replace"), name=name)


codecs.register(_find_replacing_codec)


def _socket_descriptor(raw: Any) -> int:  # noqa: ANN401 - a driver's connection
    if hasattr(raw, "fileno"):
        return int(raw.fileno())
    return int(raw._sock.fileno())  # noqa: SLF001 - PyMySQL has its socket nowhere else
