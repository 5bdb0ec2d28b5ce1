"""SQL Server for the connectors that ask a database: one state, limits of time, its error numbers.

The numbers are those of Microsoft's list of database engine events, and of FreeTDS's DB-Library (20000 and above),
which pymssql stands on; pyodbc tells a SQLSTATE besides. SQL Server has no read-only transaction: what cannot write is
the account. Written by that documentation and tried against the drivers, not against a server.
"""

import re
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

from connectors.databases import DID, LATER, Backend, milliseconds, seconds, short
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
    18456: (SourceRefused, "The name or the password is wrong, or the server takes no passwords: mend the url."),
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
    207: (SourceGarbled, "There is no such column: mend the query."),
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
    "28000": (SourceRefused, "The name or the password is wrong: mend the url."),
    **dict.fromkeys(("08001", "08004", "08S01", "08007", "HYT00", "HYT01", "40001"), (SourceUnavailable, LATER)),
}

#: Who asks, and whether they could change anything that they can see.
RIGHTS = """
SELECT SUSER_SNAME(), CASE
  WHEN IS_SRVROLEMEMBER('sysadmin') = 1 OR IS_MEMBER('db_owner') = 1 OR IS_MEMBER('db_datawriter') = 1
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


class SqlServer(Backend):
    """SQL Server, through pymssql or pyodbc."""

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
        return engine

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
        found = (self.can_write(account),) if writes else ()
        if snapshots == 1:
            return found
        weaker = (
            "what is counted and what is read may be two states"
            if by_statement
            else "rows that move while they are read may be missed"
        )
        way_out = "have the office say ALTER DATABASE … SET ALLOW_SNAPSHOT_ISOLATION ON."
        return (*found, f"the database keeps no snapshots, so {weaker}: {way_out}")

    def kind(self, error: BaseException) -> type[SourceError]:
        """Sort by the error's number, else by its SQLSTATE."""
        means = _means(error)
        return means[0] if means else super().kind(error)

    def explained(self, error: BaseException) -> SourceError:
        """Give each number its own way out."""
        means = _means(error)
        if means is None:
            return super().explained(error)
        kind, way_out = means
        return kind(f"{self.source}: {self.where} {DID[kind]}: {short(_said(error))}", way_out)


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
    return re.split(r"DB-Lib error message|\n", own)[0].strip()
