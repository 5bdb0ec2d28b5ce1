"""SQL Server for the connectors that ask a database: one state, limits of time, its error numbers.

The numbers are those of Microsoft's list of database engine events, and of FreeTDS's DB-Library (20000 and above),
which pymssql stands on; pyodbc tells a SQLSTATE besides. SQL Server has no read-only transaction: what cannot write is
the account. Written by that documentation and tried against the drivers, not against a server.

Text of varchar columns is in the code page of their collation, text of nvarchar ones in UTF-16. FreeTDS turns both into
the connection's charset, and what that lacks into "?" (its error 2403); in its versions of the protocol before 7.0 the
server itself does so with nvarchar. pyodbc takes text as UTF-16 where it is told to (its page on Unicode).
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from connectors.databases.base import DATA, DID, FILES, LATER, PROGRAMS, Backend, milliseconds, seconds, short
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable

_SLIP = "The query is not written as SQL Server wants it: try it in the office's own tool, with the same account."
_DERIVED = (
    "To be counted, the query stands inside another: write it without WITH and without ORDER BY, each column with a "
    "name of its own; or have the office make it a view."
)

#: Number → what it means for us, and the way out.
_MEANS: dict[int, tuple[type[SourceError], str]] = {
    **dict.fromkeys(
        # The server: paused, stopping, starting, full, in one user's hands, without memory; the database: not open yet.
        (233, 596, 601, 701, 802, 921, 922, 927, 942, 945, 976, 983, 1204, 6005, 8645, 8651, 10053, 10054, 10060, 10061,
         17142, 17197, 17809, 18401, 18451, 18461, 40197, 40501, 40613, 49918, 49919, 49920,
         # The driver: no connection, no answer, connection lost.
         20002, 20003, 20004, 20006, 20009, 20017, 20047),
        (SourceUnavailable, LATER),
    ),
    1205: (SourceUnavailable, "It was chosen to end a deadlock: the next slot tries again."),
    1222: (SourceUnavailable, "Somebody else holds the rows for longer than timeout: ask at a quieter hour."),
    **dict.fromkeys(
        (3957, 3958, 3959, 3960, 3961, 3966, 3967),
        (SourceUnavailable, "The state it was reading could not be kept: ask at a quieter hour, or for less."),
    ),
    18456: (SourceRefused, "The name or the password is wrong, or the server takes no passwords: correct the url."),
    18452: (SourceRefused, "The server takes only the accounts of its domain: have the office make one of its own."),
    18470: (SourceRefused, "The account is switched off: have the office switch it on."),
    18486: (SourceRefused, "The account is locked: have the office unlock it, and look who tries it."),
    **dict.fromkeys(
        (18463, 18464, 18465, 18466, 18467, 18468, 18487, 18488),
        (SourceRefused, "The password has expired: have the office set it anew, and put it into the url."),
    ),
    **dict.fromkeys(
        (911, 916, 4060, 4064),
        (SourceRefused, "There is no such database, or the account may not open it: look at the url."),
    ),
    **dict.fromkeys(
        (229, 230, 262, 297, 300, 15247),
        (SourceRefused, "The account may not do that: have the office grant SELECT on what the query reads."),
    ),
    **dict.fromkeys(
        (3951, 3952, 3956),
        (SourceRefused, "Have the office say ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON for each database read."),
    ),
    208: (
        SourceGarbled,
        "There is no such table or view, or the account may not see it: write SCHEMA.NAME, or have SELECT granted.",
    ),
    207: (SourceGarbled, "There is no such column: correct the query."),
    **dict.fromkeys((102, 105, 170, 195, 209, 4104, 8120), (SourceGarbled, _SLIP)),
    **dict.fromkeys((156, 319, 1033, 8155, 8156), (SourceGarbled, _DERIVED)),
    **dict.fromkeys(
        (241, 242, 245, 248, 8114, 8115, 8134),
        (SourceGarbled, "A value is not of the kind it is taken for: compare text with text, or use TRY_CONVERT."),
    ),
}  # fmt: skip

#: SQLSTATE, where the driver tells no number that is known.
_STATES: dict[str, tuple[type[SourceError], str]] = {
    "IM002": (
        SourceRefused,
        "Install Microsoft's ODBC driver, and name it in the url: ?driver=ODBC+Driver+18+for+SQL+Server.",
    ),
    "01000": (SourceRefused, "The ODBC driver named in the url cannot be loaded: look at what is installed here."),
    "28000": (SourceRefused, "The name or the password is wrong: correct the url."),
    **dict.fromkeys(("08001", "08004", "08S01", "08007", "HYT00", "HYT01", "40001"), (SourceUnavailable, LATER)),
}

#: Who asks, and whether they could change anything that they can see.
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

#: Whether the database keeps the state that a transaction began with, and the state that a statement began with.
KEEPS = "SELECT snapshot_isolation_state, is_read_committed_snapshot_on FROM sys.databases WHERE database_id = DB_ID()"


#: The code page of the database's collation: of varchar columns that name none of their own.
CODE_PAGE = """
SELECT CAST(COLLATIONPROPERTY(CAST(DATABASEPROPERTYEX(DB_NAME(), 'Collation') AS NVARCHAR(128)), 'CodePage') AS INT)
"""

#: Charsets of a connection that hold every letter there is, as iconv names them, without hyphens.
_HOLDS_ALL = frozenset({"utf8", "gb18030", "utf16", "utf16le", "ucs4", "utf32"})

#: Code pages that hold no Chinese text but as bytes of another charset.
_LATIN = frozenset({437, 850, *range(1250, 1259)})


#: Of `RIGHTS`: the account may do more than change the office's data.
_REACHES = 2


class SqlServer(Backend):
    """SQL Server, through pymssql or pyodbc."""

    raw_text = "CAST({0} AS VARBINARY(8000))"

    def engine(self, url: URL) -> Engine:
        """Connect with limits of time."""
        patience, statement = seconds(self.patience.connect), seconds(self.patience.statement)
        if url.get_driver_name() == "pymssql":
            engine = create_engine(
                url, poolclass=NullPool, connect_args={"login_timeout": patience, "timeout": statement}
            )
            # It tries one version of the protocol after another, each for as long as it was told.
            event.listen(engine, "do_connect", self.connected_in_time)
            return engine
        engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": patience})
        event.listen(engine, "connect", lambda raw, _: setattr(raw, "timeout", statement))
        event.listen(engine, "connect", self._take_unicode(engine.dialect))
        return engine

    def _take_unicode(self, dialect: Any) -> Callable[[Any, object], None]:  # noqa: ANN401 - SQLAlchemy's
        """Have pyodbc take varchar as UTF-16: in the client's code page the ODBC driver would put "?" for letters."""

        def listener(raw: Any, _record: object) -> None:  # noqa: ANN401 - a driver's connection
            driver = dialect.loaded_dbapi
            raw.setdecoding(driver.SQL_CHAR, encoding="utf-16le", ctype=driver.SQL_WCHAR)

        return listener

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that sees one state, where the database keeps one; else one that reads what is committed.

        Locks that hold everything still until the end would keep the office from its own work, so none are taken.
        """
        snapshots, _ = connection.exec_driver_sql(KEEPS).one()
        connection.rollback()
        # It must be set between two transactions; SQLAlchemy then begins the next.
        connection.execution_options(isolation_level="SNAPSHOT" if snapshots == 1 else "READ COMMITTED")
        connection.exec_driver_sql(f"SET LOCK_TIMEOUT {milliseconds(self.patience.statement)}")

    def warnings(self, connection: Connection) -> tuple[str, ...]:
        """Look at the account's rights, and at whether the database keeps one state."""
        snapshots, by_statement = connection.exec_driver_sql(KEEPS).one()
        account, writes = connection.exec_driver_sql(RIGHTS).one()
        found = (self.may(account, DATA, *((FILES, PROGRAMS) if writes == _REACHES else ())),) if writes else ()
        if snapshots == 1:
            return found
        weaker = (
            "what is counted and what is read may be two states"
            if by_statement
            else "rows that move while they are read may be missed"
        )
        fix_text = "have the office say ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON."
        return (*found, f"the database keeps no snapshots, so {weaker}: {fix_text}")

    @property
    def charset_fix(self) -> str:
        """Say what to do about text in another charset than its column's."""
        return (
            "Take charset and tds_version out of the url; where a column holds bytes of another charset than its "
            'collation\'s, select CAST(column AS VARBINARY(8000)) and name it, such as bytes_as = "gbk".'
        )

    def charset(self, connection: Connection, _ask: Callable[[str], Sequence[object]]) -> str:
        """Look at what the connection can hold, and at the database's code page.

        What a Latin one holds of Chinese text is not to be seen. Raises SourceGarbled where the connection would put
        "?" for letters.
        """
        held = self._held(connection.connection.driver_connection)
        page: int | None = None
        with suppress(DBAPIError):
            page = connection.exec_driver_sql(CODE_PAGE).scalar_one_or_none()
        return "" if not held or page is None or page in _LATIN else f"code page {page} in the database, {held}"

    def _held(self, raw: Any) -> str:  # noqa: ANN401 - a driver's connection
        """Say in what text arrives; empty where that is not to be seen."""
        if not hasattr(raw, "_conn"):
            return "UTF-16 on the connection" if hasattr(raw, "setdecoding") else ""
        wire = raw._conn  # noqa: SLF001 - pymssql tells its charset nowhere else
        charset = wire.charset.decode() if isinstance(wire.charset, bytes) else str(wire.charset or "")
        if tuple(wire.tds_version_tuple or ())[:1] in ((4,), (5,)):
            raise SourceGarbled(
                f'{self.source}: tds_version in the url names a protocol without nvarchar, and the server puts "?" for '
                "every letter that its code page lacks",
                "Take tds_version out of the url.",
            )
        if re.sub(r"[-_]", "", charset.lower()) not in _HOLDS_ALL:
            raise SourceGarbled(
                f'{self.source}: charset={charset} in the url cannot hold every letter, and the driver puts "?" for '
                "the others",
                "Take charset out of the url: then UTF-8 is used, which holds every letter.",
            )
        return f"{charset} on the connection"

    def kind(self, error: BaseException) -> type[SourceError]:
        """Sort by the error's number, else by its SQLSTATE."""
        means = _means(error)
        return means[0] if means else super().kind(error)

    def explained(self, error: BaseException) -> SourceError:
        """Give each number its own way out."""
        means = _means(error)
        if means is None:
            return super().explained(error)
        kind, fix_text = means
        return kind(f"{self.source}: {self.where} {DID[kind]}: {short(_said(error))}", fix_text)


def _means(error: BaseException) -> tuple[type[SourceError], str] | None:
    number, state = _number(error), _state(error)
    return _MEANS.get(number) or _STATES.get(state)


def _number(error: BaseException) -> int:
    """Return the error's number, nought when it tells none.

    pymssql's only argument is (number, bytes), or the two are its arguments; pyodbc's text has the number in brackets,
    (18456), behind what the server said.
    """
    args: tuple[Any, ...] = error.args
    if args and isinstance(args[0], tuple):
        args = args[0]
    if args and isinstance(args[0], int):
        return args[0]
    numbers = [int(found) for found in re.findall(r"\((\d+)\)", str(args[-1]) if args else "")]
    return next((number for number in numbers if number in _MEANS), numbers[0] if numbers else 0)


def _state(error: BaseException) -> str:
    first = error.args[0] if error.args else ""
    return first if isinstance(first, str) and re.fullmatch(r"[0-9A-Z]{5}", first) else ""


def _said(error: BaseException) -> str:
    """Return what the server said, without what the driver says about itself."""
    args: tuple[Any, ...] = error.args
    if args and isinstance(args[0], tuple):
        args = args[0]
    last = args[-1] if args else ""
    text = last.decode("utf-8", "replace") if isinstance(last, bytes) else str(last)
    server = text.rpartition("[SQL Server]")[2] if "[SQL Server]" in text else text
    # A driver's own error has nothing before its first line but its number.
    own = re.sub(r"^DB-Lib error message \d+, severity \d+:\s*", "", server)
    first = re.split(r"DB-Lib error message|\n", own)[0].strip()
    # The network's own word, which has the cause.
    wire = re.search(r"Net-Lib error during ([^\n]*)", own)
    return f"{first} ({wire[1].strip()})" if wire else first
