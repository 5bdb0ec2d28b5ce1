"""The back end of SQL Server: one state, time limits, its error numbers.

The numbers are from Microsoft's list of database engine events, and from FreeTDS's DB-Library (20000 and above), which
pymssql uses; pyodbc also reports a SQLSTATE. SQL Server has no read-only transaction: only the account's rights prevent
writing. This follows that documentation; it was tested with the drivers, not with a server.

Text of varchar columns is in the code page of their collation, text of nvarchar columns in UTF-16. FreeTDS converts
both to the connection's charset, and replaces characters that it lacks by "?" (its error 2403); with protocol versions
before 7.0 the server itself does that to nvarchar. pyodbc can be set to decode text as UTF-16 (its page on Unicode).
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from connectors.databases.base import DATA, FILES, LATER, PROGRAMS, Backend, milliseconds, seconds
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable
from foundation.translation import N_, tr

_SYNTAX = N_("The query has a syntax error for SQL Server: try it in the office's own tool, with the same account.")
_DERIVED = N_(
    "The query becomes a subquery to be counted: write it without WITH and without ORDER BY, each "
    "column with a name of its own; or have the office make it a view."
)

#: Number → the class of the error, and the fix.
_KNOWN_ERRORS: dict[int, tuple[type[SourceError], str]] = {
    **dict.fromkeys(
        # The server: paused, stopping, starting, full, in one user's hands, without memory; the database: not open yet.
        (233, 596, 601, 701, 802, 921, 922, 927, 942, 945, 976, 983, 1204, 6005, 8645, 8651, 10053, 10054, 10060, 10061,
         17142, 17197, 17809, 18401, 18451, 18461, 40197, 40501, 40613, 49918, 49919, 49920,
         # The driver: no connection, no answer, connection lost.
         20002, 20003, 20004, 20006, 20009, 20017, 20047),
        (SourceUnavailable, LATER),
    ),
    1205: (SourceUnavailable, N_("The server stopped it to end a deadlock: the next slot tries again.")),
    1222: (SourceUnavailable, N_("Another session locks the rows for longer than timeout: ask at a quieter hour.")),
    **dict.fromkeys(
        (3957, 3958, 3959, 3960, 3961, 3966, 3967),
        (SourceUnavailable, N_("The state of the read could not be kept: ask at a quieter hour, or for less.")),
    ),
    18456: (
        SourceRefused,
        N_("The name or the password is wrong, or the server accepts no passwords: correct the url."),
    ),
    18452: (SourceRefused, N_("The server accepts only domain accounts: have the office create one with a password.")),
    18470: (SourceRefused, N_("The account is disabled: have the office enable it.")),
    18486: (SourceRefused, N_("The account is locked: have the office unlock it, and check for failed logins.")),
    **dict.fromkeys(
        (18463, 18464, 18465, 18466, 18467, 18468, 18487, 18488),
        (SourceRefused, N_("The password has expired: have the office set it again, and put it into the url.")),
    ),
    **dict.fromkeys(
        (911, 916, 4060, 4064),
        (SourceRefused, N_("There is no such database, or the account cannot open it: check the url.")),
    ),
    **dict.fromkeys(
        (229, 230, 262, 297, 300, 15247),
        (SourceRefused, N_("The account lacks a right: have the office grant SELECT on what the query reads.")),
    ),
    **dict.fromkeys(
        (3951, 3952, 3956),
        (
            SourceRefused,
            N_("Have the office run ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON for each database read."),
        ),
    ),
    208: (
        SourceGarbled,
        N_("There is no such table or view, or the account cannot see it: write SCHEMA.NAME, or have SELECT granted."),
    ),
    207: (SourceGarbled, N_("There is no such column: correct the query.")),
    **dict.fromkeys((102, 105, 170, 195, 209, 4104, 8120), (SourceGarbled, _SYNTAX)),
    **dict.fromkeys((156, 319, 1033, 8155, 8156), (SourceGarbled, _DERIVED)),
    **dict.fromkeys(
        (241, 242, 245, 248, 8114, 8115, 8134),
        (SourceGarbled, N_("A value has not the type of its comparison: compare text with text, or use TRY_CONVERT.")),
    ),
}  # fmt: skip

#: SQLSTATE → the class of the error, and the fix, if the driver reports no known number.
_KNOWN_STATES: dict[str, tuple[type[SourceError], str]] = {
    "IM002": (
        SourceRefused,
        N_("Install Microsoft's ODBC driver, and name it in the url: ?driver=ODBC+Driver+18+for+SQL+Server."),
    ),
    "01000": (SourceRefused, N_("The ODBC driver named in the url cannot be loaded: check that it is installed here.")),
    "28000": (SourceRefused, N_("The name or the password is wrong: correct the url.")),
    **dict.fromkeys(("08001", "08004", "08S01", "08007", "HYT00", "HYT01", "40001"), (SourceUnavailable, LATER)),
}

#: The account, and whether it can change anything that it can see.
RIGHTS = """
SELECT SUSER_SNAME(), CASE
  WHEN IS_SRVROLEMEMBER('sysadmin') = 1 OR HAS_PERMS_BY_NAME(NULL, NULL, 'ADMINISTER BULK OPERATIONS') = 1
    OR HAS_PERMS_BY_NAME('master.sys.xp_cmdshell', 'OBJECT', 'EXECUTE') = 1
  THEN 2
  WHEN IS_MEMBER('db_owner') = 1 OR IS_MEMBER('db_datawriter') = 1
    OR HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'INSERT') = 1 OR HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'UPDATE') = 1
    OR HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'DELETE') = 1 OR HAS_PERMS_BY_NAME(DB_NAME(), 'DATABASE', 'ALTER') = 1
    OR EXISTS (
      SELECT 1 FROM (
        SELECT QUOTENAME(SCHEMA_NAME(o.schema_id)) + '.' + QUOTENAME(o.name) AS name
        FROM sys.objects o WHERE o.type IN ('U', 'V') AND o.is_ms_shipped = 0) seen
      WHERE HAS_PERMS_BY_NAME(seen.name, 'OBJECT', 'INSERT') = 1 OR HAS_PERMS_BY_NAME(seen.name, 'OBJECT', 'UPDATE') = 1
        OR HAS_PERMS_BY_NAME(seen.name, 'OBJECT', 'DELETE') = 1)
  THEN 1 ELSE 0 END
"""

#: Whether the database keeps the state of a transaction's beginning, and that of a statement's beginning.
KEEPS = "SELECT snapshot_isolation_state, is_read_committed_snapshot_on FROM sys.databases WHERE database_id = DB_ID()"


#: The code page of the database's collation, used by varchar columns without a collation of their own.
CODE_PAGE = """
SELECT CAST(COLLATIONPROPERTY(CAST(DATABASEPROPERTYEX(DB_NAME(), 'Collation') AS NVARCHAR(128)), 'CodePage') AS INT)
"""

#: Charsets of a connection that have every character, by their names in iconv, without hyphens.
_HOLDS_ALL = frozenset({"utf8", "gb18030", "utf16", "utf16le", "ucs4", "utf32"})

#: Code pages in which Chinese text can only be bytes of another charset.
_LATIN = frozenset({437, 850, *range(1250, 1259)})


#: Result of `RIGHTS`: the account can do more than change the office's data.
_REACHES = 2


class SqlServer(Backend):
    """SQL Server, through pymssql or pyodbc."""

    raw_text = "CAST({0} AS VARBINARY(8000))"

    def engine(self, url: URL) -> Engine:
        """Return an engine with time limits."""
        connect, statement = seconds(self.timeouts.connect), seconds(self.timeouts.statement)
        if url.get_driver_name() == "pymssql":
            engine = create_engine(
                url, poolclass=NullPool, connect_args={"login_timeout": connect, "timeout": statement}
            )
            # It tries one protocol version after another, each for the whole timeout.
            event.listen(engine, "do_connect", self.connect_in_time)
            return engine
        engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": connect})
        event.listen(engine, "connect", lambda raw, _: setattr(raw, "timeout", statement))
        event.listen(engine, "connect", self._decode_as_utf_16(engine.dialect))
        return engine

    def _decode_as_utf_16(self, dialect: Any) -> Callable[[Any, object], None]:  # noqa: ANN401 - SQLAlchemy's
        """Return a listener that decodes varchar as UTF-16: the ODBC driver's own code page would give "?"."""

        def listener(raw: Any, _record: object) -> None:  # noqa: ANN401 - a driver's connection
            driver = dialect.loaded_dbapi
            raw.setdecoding(driver.SQL_CHAR, encoding="utf-16le", ctype=driver.SQL_WCHAR)

        return listener

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that sees one state if the database keeps one, else one that reads committed rows.

        Locks until the end would give one state too, but would block the office's own work, so they are not used.
        """
        snapshots, _ = connection.exec_driver_sql(KEEPS).one()
        connection.rollback()
        # The level must be set between two transactions; SQLAlchemy then begins the next.
        connection.execution_options(isolation_level="SNAPSHOT" if snapshots == 1 else "READ COMMITTED")
        connection.exec_driver_sql(f"SET LOCK_TIMEOUT {milliseconds(self.timeouts.statement)}")

    def warnings(self, connection: Connection) -> tuple[str, ...]:
        """Return warnings about the account's rights, and about a database that does not keep one state."""
        snapshots, by_statement = connection.exec_driver_sql(KEEPS).one()
        account, writes = connection.exec_driver_sql(RIGHTS).one()
        found = (
            (self.rights_warning(account, DATA, *((FILES, PROGRAMS) if writes == _REACHES else ())),) if writes else ()
        )
        if snapshots == 1:
            return found
        if by_statement:
            weaker = tr(
                "the database keeps no snapshots, so the count and the rows can be of two states: have the office run "
                "ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON."
            )
        else:
            weaker = tr(
                "the database keeps no snapshots, so rows that move during the read can be missed: have the office run "
                "ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON."
            )
        return (*found, weaker)

    @property
    def charset_fix(self) -> str:
        """The fix for text in another charset than its column's."""
        return tr(
            "Remove charset and tds_version from the url. If a column contains bytes of another charset than its "
            'collation\'s, select CAST(column AS VARBINARY(8000)) and set that charset, such as bytes_as = "gbk".'
        )

    def charset(self, connection: Connection, _ask: Callable[[str], Sequence[object]]) -> str:
        """Return the database's code page and the connection's charset; empty for a Latin code page.

        A Latin one can contain Chinese text in any charset. Raises SourceGarbled if the connection would replace
        characters by "?".
        """
        arrives = self._connection_text(connection.connection.driver_connection)
        page: int | None = None
        with suppress(DBAPIError):
            page = connection.exec_driver_sql(CODE_PAGE).scalar_one_or_none()
        if not arrives or page is None or page in _LATIN:
            return ""
        return tr("code page {page} in the database, {arrives}", page=page, arrives=arrives)

    def _connection_text(self, raw: Any) -> str:  # noqa: ANN401 - a driver's connection
        """Return the charset in which text arrives; empty if it is unknown."""
        if not hasattr(raw, "_conn"):
            return tr("UTF-16 on the connection") if hasattr(raw, "setdecoding") else ""
        wire = raw._conn  # noqa: SLF001 - pymssql has its charset nowhere else
        charset = wire.charset.decode() if isinstance(wire.charset, bytes) else str(wire.charset or "")
        if tuple(wire.tds_version_tuple or ())[:1] in ((4,), (5,)):
            raise SourceGarbled(
                tr(
                    "{source}: tds_version in the url names a protocol without nvarchar, and the server replaces "
                    'characters that its code page lacks by "?"',
                    source=self.source,
                ),
                tr("Remove tds_version from the url."),
            )
        if re.sub(r"[-_]", "", charset.lower()) not in _HOLDS_ALL:
            raise SourceGarbled(
                tr(
                    '{source}: charset={charset} in the url lacks some characters, and the driver replaces them by "?"',
                    source=self.source,
                    charset=charset,
                ),
                tr("Remove charset from the url: then UTF-8 is used, which has every character."),
            )
        return tr("{charset} on the connection", charset=charset)

    def kind(self, error: BaseException) -> type[SourceError]:
        """Return the class of an error by its number, else by its SQLSTATE."""
        means = _known_error(error)
        return means[0] if means else super().kind(error)

    def to_source_error(self, error: BaseException) -> SourceError:
        """Return a SourceError with the fix for the error's number."""
        means = _known_error(error)
        if means is None:
            return super().to_source_error(error)
        kind, fix_text = means
        return kind(self.failed(kind, _server_message(error)), tr(fix_text))


def _known_error(error: BaseException) -> tuple[type[SourceError], str] | None:
    number, state = _error_number(error), _sqlstate(error)
    return _KNOWN_ERRORS.get(number) or _KNOWN_STATES.get(state)


def _error_number(error: BaseException) -> int:
    """Return the error's number, zero if it has none.

    pymssql's only argument is (number, bytes), or the two are its arguments; pyodbc's text has the number in brackets,
    (18456), after the server's message.
    """
    args: tuple[Any, ...] = error.args
    if args and isinstance(args[0], tuple):
        args = args[0]
    if args and isinstance(args[0], int):
        return args[0]
    numbers = [int(found) for found in re.findall(r"\((\d+)\)", str(args[-1]) if args else "")]
    return next((number for number in numbers if number in _KNOWN_ERRORS), numbers[0] if numbers else 0)


def _sqlstate(error: BaseException) -> str:
    first = error.args[0] if error.args else ""
    return first if isinstance(first, str) and re.fullmatch(r"[0-9A-Z]{5}", first) else ""


def _server_message(error: BaseException) -> str:
    """Return the server's message without the driver's own."""
    args: tuple[Any, ...] = error.args
    if args and isinstance(args[0], tuple):
        args = args[0]
    last = args[-1] if args else ""
    text = last.decode("utf-8", "replace") if isinstance(last, bytes) else str(last)
    server = text.rpartition("[SQL Server]")[2] if "[SQL Server]" in text else text
    # Only the number is before the first line of a driver's own error.
    own = re.sub(r"^DB-Lib error message \d+, severity \d+:\s*", "", server)
    first = re.split(r"DB-Lib error message|\n", own)[0].strip()
    # The network's message, which has the cause.
    wire = re.search(r"Net-Lib error during ([^\n]*)", own)
    return f"{first} ({wire[1].strip()})" if wire else first
