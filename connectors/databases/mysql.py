"""MySQL and MariaDB, and what speaks their wire: OceanBase in its MySQL mode, TiDB.

Error numbers are those of MySQL's and MariaDB's references. Which of the others wants what, its own documentation says:
TiDB knows `START TRANSACTION WITH CONSISTENT SNAPSHOT`, but refuses READ ONLY as a function without effect (1235);
OceanBase gives a query up after `ob_query_timeout`, ten seconds unless told otherwise.
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

#: Grants, as the server shows them, that let an account do more than read.
_RIGHTS = {
    DATA: re.compile(
        r"^GRANT [^'`]*\b(ALL PRIVILEGES|INSERT|UPDATE|DELETE|DROP|ALTER|CREATE|SUPER|TRIGGER|EVENT|GRANT OPTION)\b"
    ),
    FILES: re.compile(r"^GRANT ([^'`]*\bFILE\b|ALL PRIVILEGES ON \*\.\*)"),
}
#: What everybody may do in the database `test`, as some servers are installed.
_PLAYGROUND = re.compile(r" ON `test(\\+_%)?`\.\* TO ")


READ_ONLY = ", READ ONLY"

#: What a server says of a variable, or of words, that it does not know: 1193, 1064; TiDB of READ ONLY 1235.
_NOT_KNOWN = frozenset({1193, 1064, 1235})

#: Begins the name of a codec of ours, which replaces what is no letter.
_REPLACING = "clearance_"

#: Charsets of a connection that hold every letter there is.
_HOLDS_ALL = frozenset({"utf8mb4", "gb18030", "utf32", "utf16", "utf16le"})

#: Charsets of a connection → those of columns whose letters they hold.
_HOLDS = {
    **dict.fromkeys(
        ("utf8", "utf8mb3", "ucs2"),
        frozenset({"utf8", "utf8mb3", "ucs2", "gbk", "gb2312", "big5", "latin1", "latin2", "cp1250", "cp1251"}),
    ),
    "gbk": frozenset({"gb2312"}),
}


_GRANT = "The account may not read that: have the office grant SELECT on what the query reads."
_LONG = "The query took longer than timeout: raise it, or make the query cheaper."
_FULL = (
    "The server has no connection left for this account: the next slot tries again; have the office raise its limit."
)
_EXPIRED = "The password has expired: have the office set it again, and put it into the url."

#: Number → the way out.
_FIXES = {
    1044: "The account may not open that database: have the office grant SELECT in it.",
    1045: "The name or the password is wrong, or the account is for another host: correct the url, or have it granted.",
    1049: "There is no such database: correct its name in the url.",
    1129: "The server has blocked this machine after many failures: have the office run FLUSH HOSTS.",
    1130: "The server does not let this machine in: have the office create the account for this machine's address.",
    **dict.fromkeys((1142, 1143, 1227, 1370), _GRANT),
    **dict.fromkeys((1251, 2059), "The account signs in by a plugin that this driver lacks: have the office use "
                    "mysql_native_password or caching_sha2_password."),
    **dict.fromkeys((1290, 1792), "The query writes: write a SELECT alone."),
    1698: "The account signs in by the server's own users alone: have the office give it a password.",
    **dict.fromkeys((1820, 1862), _EXPIRED),
    **dict.fromkeys((3118, 4151), "The account is locked: have the office unlock it."),
    **dict.fromkeys((1040, 1203, 1226), _FULL),
    **dict.fromkeys((1969, 3024, 4012), _LONG),
    **dict.fromkeys((1205, 1213), "Somebody else holds the rows: ask at a quieter hour; the next slot tries again."),
    1146: "There is no such table or view: correct the query, or the database in the url.",
    1054: "There is no such column: correct the query.",
    1064: "The query is not written as MySQL wants it: correct it, then run: clearance check.",
    1248: "To be counted, the query stands inside another: give each part in brackets a name.",
    1060: "To be counted, the query stands inside another: give each column a name of its own, with AS.",
    1356: "A view of the office's does not work: have the office repair it; the account may lack rights behind it.",
    2013: "The connection was lost while the answer came, or nothing came for timeout: the next slot tries again.",
}  # fmt: skip

#: What the client says of a server that it does not reach → the way out.
_UNREACHED = (
    ("Connection refused", "Nobody listens there: see that the server runs, and that the url has its port."),
    ("Name or service not known", "The name of the host cannot be resolved: look at the url, and at DNS."),
    ("getaddrinfo failed", "The name of the host cannot be resolved: look at the url, and at DNS."),
    ("No route to host", "There is no way to it from here: look at this machine's network and at the url."),
    ("timed out", "It could not be reached in time: a firewall may have to let this machine through."),
)

#: What a url may say of TLS to PyMySQL.
_SSL = ("ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_cipher")
_VERIFIES = ("ssl_verify_cert", "ssl_verify_identity")
_YES = frozenset({"true", "1", "yes", "required"})


class Mysql(Backend):
    """MySQL and MariaDB, through PyMySQL or mysqlclient."""

    raw_text = "CAST({0} AS BINARY)"
    #: FLOAT, as its protocol numbers it.
    single_precision = frozenset({4})
    without_tls = "ssl_disabled=true in the url, without ssl_ca and its like"
    authority = "ssl_ca in the url"

    #: What this server does not know, for `check`.
    lacks: Sequence[str] = ()

    #: Access denied, to a database, a table, a column, from this host, by this plugin; unknown database; read-only.
    _REFUSED = frozenset(
        {1044, 1045, 1129, 1130, 1142, 1143, 1227, 1251, 1290, 1370, 1698, 1049, 1792, 1820, 1862, 2059, 3118, 4151}
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
        if url.get_driver_name() == "pymysql" and any(name in url.query for name in _VERIFIES):
            url, arguments["ssl"] = url.difference_update_query([*_VERIFIES, *_SSL]), _tls_of(url)
        engine = create_engine(url, poolclass=NullPool, connect_args=arguments)
        if self.options.tls:
            event.listen(engine, "do_connect", self._within_limits)
        if self.options.lenient and url.get_driver_name() == "pymysql":
            event.listen(engine, "connect", lambda raw, _: setattr(raw, "encoding", _REPLACING + raw.encoding))
        return engine

    @property
    def takes_limits(self) -> bool:
        """Say whether tls_minimum and tls_ciphers can be set: PyMySQL stands on Python's own TLS."""
        return "pymysql" in self.where.partition(":")[0]

    def _within_limits(self, dialect: Any, _record: object, cargs: Any, cparams: Any) -> Any:  # noqa: ANN401 - as SQLAlchemy calls it
        """Connect with the source's own limits of TLS, on the context that PyMySQL has made of the url."""
        raw = dialect.loaded_dbapi.connect(*cargs, **cparams, defer_connect=True)
        if raw.ssl:
            self.options.tls.apply(raw.ctx)
        raw.connect()
        return raw

    def begin(self, connection: Connection) -> None:
        """Begin a read-only transaction on a consistent snapshot; older servers know less of that."""
        version = str(connection.exec_driver_sql("SELECT VERSION()").scalar_one())
        _, isolation, start = beginning(version, self.patience)
        self.lacks = lacks = list[str]()
        if not self._limited(connection, version):
            lacks.append(
                "no limit of time for a statement (it came with MySQL 5.7.8 and MariaDB 10.1): an answer is given up "
                "only when the driver's own limit is over. Keep the query cheap, or have the office update the server."
            )
        connection.exec_driver_sql(isolation)
        if not self._accepts(connection, start):
            connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT")
            if READ_ONLY in start:
                lacks.append(
                    "no read-only transaction (it came with MySQL 5.6.5 and MariaDB 10.0): only the account's rights "
                    "keep it from writing. Have the office give it SELECT alone."
                )

    def _limited(self, connection: Connection, version: str) -> bool:
        """Limit the time of a statement. A proxy may name another version than the server's, so both ways are tried."""
        return any(self._accepts(connection, statement) for statement in limits(version, self.patience))

    def _accepts(self, connection: Connection, statement: str) -> bool:
        """Have the server do something that older ones do not know; False where this one does not."""
        try:
            connection.exec_driver_sql(statement)
        except DBAPIError as error:
            if _number(error.orig) not in _NOT_KNOWN:
                raise
            return False
        return True

    @property
    def charset_fix(self) -> str:
        """Say what to do about text in another charset than its column's."""
        return (
            "Take charset out of the url (utf8mb4 is used); where a column holds bytes of another charset than its "
            'own, select CAST(column AS BINARY) and name it, such as bytes_as = "gbk".'
        )

    def charset(self, connection: Connection, ask: Callable[[str], Sequence[object]]) -> str:
        """Compare the connection's charset with the columns': what it cannot hold the server replaces by "?"."""
        results = connection.exec_driver_sql("SELECT @@character_set_results").scalar_one()
        results = str(results or "binary").lower()
        if results in _HOLDS_ALL:
            return f"{results} on the connection, which holds every letter"
        holds = _HOLDS.get(results, frozenset()) | {results, "ascii", "binary"}
        lost = sorted({str(charset).lower() for charset in ask("CHARSET({})")} - holds)
        if lost:
            raise SourceGarbled(
                f"{self.source}: charset={results} in the url cannot hold every letter of the columns ({lost[0]}), and "
                'the server replaces the others by "?"',
                "Take charset out of the url: then utf8mb4 is used, which holds every letter.",
            )
        return f"{results} on the connection, which holds the columns' letters"

    def utc(self, connection: Connection) -> datetime | None:
        """Return the server's time."""
        told: datetime | None = connection.exec_driver_sql("SELECT UTC_TIMESTAMP()").scalar_one()
        return told.replace(tzinfo=UTC) if told is not None else None

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
        shown = (str(row[0]) for row in connection.exec_driver_sql("SHOW GRANTS").all())
        grants = [grant for grant in shown if not _PLAYGROUND.search(grant)]
        lacks = tuple(f"the server has {what}" for what in self.lacks)
        deeds = [deed for deed, lets in _RIGHTS.items() if any(map(lets.match, grants))]
        if not deeds:
            return lacks
        account = str(connection.exec_driver_sql("SELECT CURRENT_USER()").scalar_one())
        return (self.may(account, *deeds), *lacks)

    def fix(self, error: BaseException) -> str:
        """Give each number its own way out."""
        said = str(error)
        # The client itself has one number for all that keeps it from a server.
        by_words = next((fix for words, fix in _UNREACHED if words in said), "") if _number(error) in (2003, 0) else ""
        return by_words or _FIXES.get(_number(error), "")

    def kind(self, error: BaseException) -> type[SourceError]:
        """Sort by the error's number."""
        number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
        if number in self._REFUSED:
            return SourceRefused
        if number in self._UNAVAILABLE or isinstance(error, OSError):
            return SourceUnavailable
        # A cut stream comes from PyMySQL as an InterfaceError, or as one without a number.
        return super().kind(error) if number == 0 else SourceGarbled


def limits(version: str, patience: DatabaseTimeouts) -> tuple[str, ...]:
    """Return what limits the time of a statement: what this server should know, then what its kin do."""
    limit = milliseconds(patience.statement)
    mysql = f"SET SESSION max_execution_time = {limit}"
    mariadb = f"SET SESSION max_statement_time = {limit / 1000}"
    if "TiDB" in version:
        return (mysql,)
    if "OceanBase" in version:
        return (f"SET SESSION ob_query_timeout = {1000 * limit}",)
    return (mariadb, mysql) if "MariaDB" in version else (mysql, mariadb)


def beginning(version: str, patience: DatabaseTimeouts) -> tuple[str, ...]:
    """Return what begins a transaction that sees one state and, where the database knows how, cannot write."""
    isolation = "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"
    start = "START TRANSACTION WITH CONSISTENT SNAPSHOT"
    return limits(version, patience)[0], isolation, start if "TiDB" in version else start + READ_ONLY


def _tls_of(url: URL) -> dict[str, Any]:
    """Return what the url says of TLS, as PyMySQL takes it.

    SQLAlchemy hands ssl_ca over in one argument and ssl_verify_cert in another, and PyMySQL then forgets the first.
    """
    told: dict[str, Any] = {name.removeprefix("ssl_"): url.query[name] for name in _SSL if name in url.query}
    cert, identity = (str(url.query.get(name, "")).lower() for name in _VERIFIES)
    told["check_hostname"] = identity in _YES
    told["verify_mode"] = told["check_hostname"] or cert in _YES
    return told


def _number(error: BaseException | None) -> int:
    return error.args[0] if error is not None and error.args and isinstance(error.args[0], int) else 0


def _replacing(name: str) -> codecs.CodecInfo | None:
    """Find a codec that replaces what is no letter of its charset: PyMySQL itself knows only to fail."""
    if not name.startswith(_REPLACING):
        return None
    inner = codecs.lookup(name.removeprefix(_REPLACING))
    return codecs.CodecInfo(inner.encode, lambda raw, _errors="strict": inner.decode(raw, "replace"), name=name)


codecs.register(_replacing)


def _descriptor(raw: Any) -> int:  # noqa: ANN401 - a driver's connection
    if hasattr(raw, "fileno"):
        return int(raw.fileno())
    return int(raw._sock.fileno())  # noqa: SLF001 - PyMySQL tells its socket nowhere else
