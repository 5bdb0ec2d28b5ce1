"""PostgreSQL for the connectors that ask a database, and what speaks its wire: openGauss, GaussDB, Kingbase.

States are those of its documentation, appendix A.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from connectors.databases.base import DATA, FILES, LATER, PROGRAMS, Backend, milliseconds, shut
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable

#: Who asks, and whether they may do everything or change a table, by a grant to them, to a role of theirs, or to all.
_RIGHTS = """
SELECT current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR EXISTS (
  SELECT 1 FROM information_schema.table_privileges p
  WHERE p.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
    AND p.table_schema NOT IN ('pg_catalog', 'information_schema')
    AND CASE p.grantee WHEN 'PUBLIC' THEN true ELSE pg_has_role(current_user, CAST(p.grantee AS name), 'USAGE') END)
"""


#: Roles whose members reach the server's files and programs; servers older than PostgreSQL 11 have none.
_REACHES = """
SELECT r.rolname FROM pg_roles r
WHERE r.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
  AND pg_has_role(current_user, r.oid, 'USAGE')
"""


#: Row-level security (PostgreSQL's documentation, section 5.9) would leave rows out in silence. Servers without it have
#: no such setting.
_NO_HIDDEN_ROWS = """
SELECT set_config(name, 'off', true) FROM pg_settings WHERE name = 'row_security' AND source = 'default'
"""

#: … and what the server says of a query then.
_ROWS_HIDDEN = "affected by row-level security"

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
    #: The type `real`, by its number in pg_type.
    single_precision = frozenset({700})
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
        if url.get_driver_name() == "psycopg":
            event.listen(engine, "connect", _days_beyond_python)
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
        # A policy that hides rows makes the query fail; but for whoever has set row_security, and so knows of it.
        connection.execution_options(stream_results=False).exec_driver_sql(_NO_HIDDEN_ROWS)
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
                roles = set(connection.exec_driver_sql(_REACHES).scalars())
        except DBAPIError:
            return ()
        finally:
            connection.execution_options(stream_results=True)
        deeds = [DATA] if writes else []
        deeds += [FILES] if roles - {"pg_execute_server_program"} else []
        deeds += [PROGRAMS] if "pg_execute_server_program" in roles else []
        return (self.may(account, *deeds),) if deeds else ()

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
        if state == "42501" and _ROWS_HIDDEN in said:
            return (
                "A policy on that table hides rows from this account, so that whoever they are about would be cleared: "
                "have the office give the account BYPASSRLS, or a view whose owner sees every row. If the rows that it "
                "sees are all that matter: ALTER ROLE … SET row_security = on."
            )
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


def _days_beyond_python(raw: Any, _record: object) -> None:  # noqa: ANN401 - the driver's connection
    """Have days that Python has no date for (infinity, BC, after 9999) come as the server writes them."""
    from psycopg import DataError  # noqa: PLC0415 - a driver that not everybody has installed
    from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader  # noqa: PLC0415 - as above

    for name, kind in (("date", DateLoader), ("timestamp", TimestampLoader), ("timestamptz", TimestamptzLoader)):

        class Lenient(kind):  # type: ignore[misc, valid-type]
            """Returns text where there is no date."""

            def load(self, data: Any) -> Any:  # noqa: ANN401 - as the driver calls it
                try:
                    return super().load(data)
                except DataError:
                    return bytes(data).decode()

        raw.adapters.register_loader(name, Lenient)


def _no_hstore(url: URL) -> dict[str, Any]:
    """Have nobody look for a type that only PostgreSQL knows, where the driver would."""
    return {"use_native_hstore": False} if url.get_driver_name() in ("psycopg", "psycopg2") else {}
