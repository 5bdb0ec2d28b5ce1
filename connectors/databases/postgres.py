"""The back end of PostgreSQL, and of databases with its protocol: openGauss, GaussDB, Kingbase.

SQLSTATEs are those of its documentation, appendix A.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from connectors.databases.base import DATA, FILES, LATER, PROGRAMS, Backend, milliseconds, shut
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable
from foundation.translation import N_, tr

#: The account, and whether it is a superuser or can change a table, by a grant to it, to a role of it, or to PUBLIC.
_RIGHTS = """
SELECT current_user, (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) OR EXISTS (
  SELECT 1 FROM information_schema.table_privileges p
  WHERE p.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE')
    AND p.table_schema NOT IN ('pg_catalog', 'information_schema')
    AND CASE p.grantee WHEN 'PUBLIC' THEN true ELSE pg_has_role(current_user, CAST(p.grantee AS name), 'USAGE') END)
"""


#: Roles whose members reach the server's files and programs; servers older than PostgreSQL 11 have none.
_SERVER_ROLES = """
SELECT r.rolname FROM pg_roles r
WHERE r.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')
  AND pg_has_role(current_user, r.oid, 'USAGE')
"""


#: Row-level security (PostgreSQL's documentation, section 5.9) would omit rows without an error. Servers without it do
#: not have this setting.
_NO_HIDDEN_ROWS = """
SELECT set_config(name, 'off', true) FROM pg_settings WHERE name = 'row_security' AND source = 'default'
"""

#: … and the server's message for a query then.
_ROWS_HIDDEN = "affected by row-level security"

#: SQLSTATE → the cause and the fix.
_FIXES = {
    "28P01": N_("The name or the password is wrong: correct the url."),
    "28000": N_("The server does not admit this account from here: have the office add it to pg_hba.conf."),
    "3D000": N_("There is no such database: correct its name in the url."),
    "42501": N_("The account is not allowed to read that: have the office grant SELECT on what the query reads."),
    "42P01": N_("There is no such table or view, or it is in another schema: write SCHEMA.NAME in the query."),
    "3F000": N_("There is no such schema: correct the query."),
    "42703": N_("There is no such column: correct the query, and write a name with capitals in double quotes."),
    "42601": N_("The query has a syntax error for PostgreSQL: correct it, then run: clearance check."),
    "42883": N_("The types of a comparison or a call do not match: cast one side, such as CAST(xh AS text)."),
    "42804": N_("The types of a comparison or a call do not match: cast one side, such as CAST(xh AS text)."),
    "22P02": N_("A value does not have the type of its comparison: compare text with text."),
    "57014": N_("The query took longer than timeout: raise it, or make the query cheaper."),
    "57P03": N_("The server is starting or stopping: the next slot tries again."),
    "53300": N_("The server has no connection left: the next slot tries again; have the office raise max_connections."),
    "55P03": N_("Another session locks the rows: ask at a quieter hour."),
    "25006": N_("The query writes: write a single SELECT."),
}

#: The client's message before there is a session → the cause and the fix.
_CLIENT_FIXES = (
    ("password authentication", N_("The name or the password is wrong: correct the url.")),
    ("no password supplied", N_("The url has no password: add it, by env: or file:.")),
    ("no pg_hba.conf", N_("The server does not admit this account from here: have the office add it to pg_hba.conf.")),
    ("could not translate host name", N_("The name of the host cannot be resolved: check the url, and DNS.")),
    ("failed to resolve host", N_("The name of the host cannot be resolved: check the url, and DNS.")),
    ("Connection refused", N_("No server listens there: check that the server runs, and the port in the url.")),
    ("timeout expired", N_("It could not be reached in time: check whether a firewall blocks this machine.")),
    ("does not exist", N_("There is no such database or role: correct the url.")),
    ("server closed the connection", LATER),
)

#: Text that is not in the server's charset, or that the client's charset lacks.
_NOT_IN_CHARSET = frozenset({"22021", "22P05"})

#: The message of PostgreSQL's client for an unknown handshake.
_OTHER_HANDSHAKE = "SASL authentication mechanisms"


class Postgres(Backend):
    """PostgreSQL, and databases with its protocol: openGauss, GaussDB, Kingbase."""

    raw_text = "convert_to({0}, 'WIN1252')"
    #: The type `real`, by its number in pg_type.
    single_precision = frozenset({700})
    without_tls = N_("sslmode=disable in the url")
    authority = N_("sslrootcert in the url")

    def engine(self, url: URL) -> Engine:
        """Return an engine with time limits."""
        arguments: dict[str, Any] = {
            "connect_timeout": max(2, int(self.timeouts.connect.total_seconds())),
            "keepalives_idle": 15,
            "keepalives_interval": 5,
        }
        if "client_encoding" not in url.query:
            # Every character then arrives, whatever the server or the environment has; SQLAlchemy itself needs text.
            arguments["client_encoding"] = "utf8"
        if self.options.tls.minimum is not None:
            arguments["ssl_min_protocol_version"] = f"TLSv{self.options.tls.minimum}"
        engine = create_engine(url, poolclass=NullPool, connect_args=arguments, **_no_hstore(url))
        if url.get_driver_name() == "psycopg":
            event.listen(engine, "connect", _days_beyond_python)
        dialect: Any = engine.dialect
        original = dialect._get_server_version_info  # noqa: SLF001 - SQLAlchemy's hook for other databases

        def version(connection: Connection) -> tuple[int, ...]:
            """Return the server's version; 9.2, the origin of openGauss, for one that is not PostgreSQL's."""
            try:
                found: tuple[int, ...] = original(connection)
            except AssertionError:
                return (9, 2)
            return found

        dialect._get_server_version_info = version  # noqa: SLF001 - as above
        return engine

    def begin(self, connection: Connection) -> None:
        """Begin a read-only transaction that sees one state."""
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {milliseconds(self.timeouts.statement)}")
        # A policy that hides rows then makes the query fail, unless the account has its own setting of row_security.
        connection.execution_options(stream_results=False).exec_driver_sql(_NO_HIDDEN_ROWS)
        if self.options.bytes_as and _connection_encoding(connection, "server_encoding") == "SQL_ASCII":
            # The server converts nothing: text arrives as the bytes that were stored.
            connection.exec_driver_sql("SET client_encoding TO SQL_ASCII")

    @property
    def charset_fix(self) -> str:
        """The fix for text in another charset than the declared one."""
        return tr(
            "Remove client_encoding from the url. For a database in SQL_ASCII, set the charset of its "
            'bytes, such as bytes_as = "gbk".'
        )

    def charset(self, connection: Connection, _ask: Callable[[str], Sequence[object]]) -> str:
        """Return both encodings: the server reports a character that the client's lacks as an error, never as "?"."""
        server, client = (
            _connection_encoding(connection, "server_encoding"),
            _connection_encoding(connection, "client_encoding"),
        )
        if not server or not client or (server == "SQL_ASCII" and not self.options.bytes_as):
            return ""
        return tr("{server} on the server, {client} on the connection", server=server, client=client)

    def utc(self, connection: Connection) -> datetime | None:
        """Return the server's time."""
        # A stream would keep a cursor open.
        result = connection.execution_options(stream_results=False).exec_driver_sql("SELECT CURRENT_TIMESTAMP")
        moment: datetime = result.scalar_one()
        connection.execution_options(stream_results=True)
        return moment.astimezone(UTC)

    def cut(self, raw: Any) -> None:  # noqa: ANN401 - a driver's connection
        """Shut down its socket: the client library itself waits forever for a server that stopped responding."""
        shut(raw.fileno())

    def warnings(self, connection: Connection) -> tuple[str, ...]:
        """Return a warning about the account's rights; none if the database does not have these system tables."""
        try:
            # A savepoint is not a query, and streaming would declare a cursor for it.
            with connection.execution_options(stream_results=False).begin_nested():
                account, writes = connection.exec_driver_sql(_RIGHTS).one()
                roles = set(connection.exec_driver_sql(_SERVER_ROLES).scalars())
        except DBAPIError:
            return ()
        finally:
            connection.execution_options(stream_results=True)
        rights = [DATA] if writes else []
        rights += [FILES] if roles - {"pg_execute_server_program"} else []
        rights += [PROGRAMS] if "pg_execute_server_program" in roles else []
        return (self.rights_warning(account, *rights),) if rights else ()

    def kind(self, error: BaseException) -> type[SourceError]:
        """Return the class of an error by SQLSTATE, or by its text before there is a session."""
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
        return SourceRefused if any(part in str(error) for part in refused) else super().kind(error)

    def message(self, error: BaseException) -> str:
        """Return the server's message and hint, without its detail, which can quote a row; or the client's message."""
        diagnostics = getattr(error, "diag", None)
        if not (getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)) or diagnostics is None:
            return super().message(error)
        hint = diagnostics.message_hint
        return f"{diagnostics.message_primary or ''}{f' ({hint})' if hint else ''}" or super().message(error)

    def fix(self, error: BaseException) -> str:
        """Return the fix for the SQLSTATE, or for the client's message before there is a session."""
        state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or ""
        text = str(error)
        if state == "42501" and _ROWS_HIDDEN in text:
            return tr(
                "A policy on that table hides rows from this account, so the students in these rows would be "
                "cleared: have the office grant the account BYPASSRLS, or create a view with an owner that "
                "sees every row. If only the visible rows matter: ALTER ROLE … SET row_security = on."
            )
        return tr(_FIXES.get(state) or next((fix for part, fix in _CLIENT_FIXES if part in text), ""))

    def to_source_error(self, error: BaseException) -> SourceError:
        """Return a SourceError with the fixes for charsets and for a handshake unknown to PostgreSQL's client."""
        general = super().to_source_error(error)
        if (getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)) in _NOT_IN_CHARSET:
            return SourceGarbled(general.what, self.charset_fix)
        if isinstance(general, SourceRefused) and _OTHER_HANDSHAKE in str(error):
            return SourceRefused(
                general.what,
                tr(
                    "openGauss and GaussDB store passwords in their own form: have the office set "
                    "password_encryption_type to 1 and set this account's password again; see docs/databases.md."
                ),
            )
        return general


def _connection_encoding(connection: Connection, name: str) -> str:
    """Return one of the encodings that the server reports when connecting; empty if it reports none."""
    info: Any = getattr(connection.connection.driver_connection, "info", None)
    return str(info.parameter_status(name) or "") if info is not None else ""


def _days_beyond_python(raw: Any, _record: object) -> None:  # noqa: ANN401 - the driver's connection
    """Read dates that Python cannot represent (infinity, BC, after 9999) as text."""
    from psycopg import DataError  # noqa: PLC0415 - a driver that is not always installed
    from psycopg.types.datetime import DateLoader, TimestampLoader, TimestamptzLoader  # noqa: PLC0415 - as above

    for name, kind in (("date", DateLoader), ("timestamp", TimestampLoader), ("timestamptz", TimestamptzLoader)):

        class Lenient(kind):  # type: ignore[misc, valid-type]
            """A loader that returns text for a date that Python cannot represent."""

            def load(self, data: Any) -> Any:  # noqa: ANN401 - as the driver calls it
                try:
                    return super().load(data)
                except DataError:
                    return bytes(data).decode()

        raw.adapters.register_loader(name, Lenient)


def _no_hstore(url: URL) -> dict[str, Any]:
    """Return the option by which the driver does not look for hstore, a type that only PostgreSQL has."""
    return {"use_native_hstore": False} if url.get_driver_name() in ("psycopg", "psycopg2") else {}
