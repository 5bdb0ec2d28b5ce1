"""The back end of Oracle: one consistent read, time limits, and its own error numbers.

The numbers and their meanings are from Oracle's Database Error Messages and from the documentation of python-oracledb
and ODPI-C (ORA-, DPY-, DPI-). The thin driver is the default: it needs no client, but a server of 12.1 or later and an
account whose password has an 11G or 12C verifier. Thick mode is for the whole process, set once.

cx_Oracle is the predecessor of oracledb and is used in the same way; different names are noted at their use. It always
needs Oracle's client; it was tested without one, not with one.
"""

import re
import ssl
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import oracledb
from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from connectors.databases.base import BATCH, DATA, FILES, LATER, PROGRAMS, Backend, milliseconds
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable
from foundation.translation import N_, tr

_CODE = re.compile(r"\b((?:ORA|DPY|DPI)-\d+)")

_CLIENT = N_(
    "Install Oracle's client here and set oracle_client to its folder, for thick mode; see docs/connectors/sql.md."
)

#: Number → the class of the error, and the fix.
_KNOWN_ERRORS: dict[str, tuple[type[SourceError], str]] = {
    **dict.fromkeys(
        ("ORA-00018", "ORA-00020", "ORA-00028", "ORA-00040", "ORA-00054", "ORA-00604", "ORA-01012", "ORA-01013",
         "ORA-01033", "ORA-01034", "ORA-01089", "ORA-01090", "ORA-01092", "ORA-01109", "ORA-01652", "ORA-02391",
         "ORA-02396", "ORA-03113", "ORA-03114", "ORA-03135", "ORA-03136", "ORA-04031", "ORA-12170", "ORA-12516",
         "ORA-12518", "ORA-12519", "ORA-12520", "ORA-12526", "ORA-12528", "ORA-12535", "ORA-12537", "ORA-12541",
         "ORA-12543", "ORA-12545", "ORA-12560", "ORA-12637", "ORA-27101", "DPY-1001", "DPY-4011", "DPY-6000",
         "DPY-6002", "DPY-6005", "DPY-6010", "DPI-1010", "DPI-1080"),
        (SourceUnavailable, LATER),
    ),
    "DPY-4024": (SourceUnavailable, N_("Raise timeout, or have the office check why the query takes so long.")),
    "DPI-1067": (SourceUnavailable, N_("Raise timeout, or have the office check why the query takes so long.")),
    "ORA-01555": (
        SourceUnavailable,
        N_("It took longer than the old state is kept: ask at a quieter hour, or for less."),
    ),
    "ORA-08177": (SourceUnavailable, LATER),
    "ORA-01005": (SourceRefused, N_("The name or the password is wrong: correct the url.")),
    "ORA-01017": (SourceRefused, N_("The name or the password is wrong: correct the url.")),
    "ORA-28000": (SourceRefused, N_("The account is locked: have the office unlock it, and check for failed logins.")),
    "ORA-28001": (
        SourceRefused,
        N_("The password has expired: have the office set it again, and put it into the url."),
    ),
    "DPY-4001": (SourceRefused, N_("The url has no name or no password: add them.")),
    "ORA-02399": (
        SourceRefused,
        N_("The account's connection time is limited: have the office raise its CONNECT_TIME."),
    ),
    "ORA-28040": (
        SourceRefused,
        N_("The server and this client have no common login protocol: have the office lower "
           "SQLNET.ALLOWED_LOGON_VERSION_SERVER in its sqlnet.ora. If the server is the older one: {client}"),
    ),
    "ORA-12638": (
        SourceRefused,
        N_("Have the office set SQLNET.AUTHENTICATION_SERVICES = (NONE), or create an account with a password."),
    ),
    "ORA-12650": (
        SourceRefused,
        N_("The server's network encryption and this client's have no common algorithm. {client}"),
    ),
    "DPY-3007": (SourceRefused, N_("The server requires a feature that thin mode lacks. {client}")),
    "ORA-12504": (SourceRefused, N_("The url names no service: write ?service_name= into the url.")),
    "DPY-6006": (
        SourceRefused,
        N_("The server's certificate is for another name: write the host of the certificate into the url."),
    ),
    "ORA-29024": (
        SourceRefused,
        N_("The server's certificate is not trusted here: put the office's certificate authority into the wallet."),
    ),
    "ORA-01045": (SourceRefused, N_("The account is not allowed to log on: have the office grant CREATE SESSION.")),
    "ORA-01031": (
        SourceRefused,
        N_("The account lacks a right: have the office grant SELECT, and write only a query."),
    ),
    "ORA-12514": (SourceRefused, N_("The listener does not know this service: check service_name in the url.")),
    "DPY-6001": (SourceRefused, N_("The listener does not know this service: check service_name in the url.")),
    "ORA-12505": (SourceRefused, N_("The listener does not know this SID: write ?service_name= into the url.")),
    "DPY-6003": (SourceRefused, N_("The listener does not know this SID: write ?service_name= into the url.")),
    **dict.fromkeys(
        ("DPY-4026", "DPY-4027", "ORA-12154"),
        (
            SourceRefused,
            N_("Write host, port and ?service_name= into the url; a bare name is looked up in tnsnames.ora."),
        ),
    ),
    "DPY-3010": (SourceRefused, N_("The server is older than 12.1, too old for thin mode. {client}")),
    "DPY-3001": (SourceRefused, N_("The server requires its own network encryption, which thin mode lacks. {client}")),
    "ORA-12660": (SourceRefused, N_("The server requires its own network encryption, which thin mode lacks. {client}")),
    "DPY-3015": (SourceRefused, N_("The account has only a 10G password: have the office set it again. Or: {client}")),
    "DPY-2019": (
        SourceRefused,
        N_("Thin mode is already used in this program: set the same oracle_client in every Oracle source, and "
           "restart."),
    ),
    "DPI-1047": (SourceRefused, N_("Oracle's client library cannot be found. {client}")),
    "DPI-1072": (SourceRefused, N_("Oracle's client library is too old. {client}")),
    "ORA-00942": (
        SourceGarbled,
        N_("There is no such table or view, or the account cannot read it: write OWNER.NAME, or have SELECT granted."),
    ),
    "ORA-00904": (SourceGarbled, N_("There is no such column: correct the query.")),
    "ORA-00933": (SourceGarbled, N_("The query has a syntax error for Oracle: check where it ends.")),
    "ORA-01722": (SourceGarbled, N_("Text is compared with a number: compare text with text.")),
    **dict.fromkeys(
        ("ORA-01830", "ORA-01840", "ORA-01841", "ORA-01843", "ORA-01847", "ORA-01858", "ORA-01861"),
        (SourceGarbled, N_("A date is compared with text of another form: use TO_DATE with a format.")),
    ),
}  # fmt: skip

#: Errors that only report a failed connection; another code in their text has the cause.
_GENERAL_ERRORS = frozenset({"DPY-6005", "DPY-6000", "DPY-4011", "ORA-00604", "DPY-3007"})

_THICK = threading.Lock()

#: Rights by which an account can change the office's data: privileges on any table, its own tables, and what it was
#: granted, directly and through roles. Oracle's own tables do not count: all users can write to a few of them.
RIGHTS = (
    """SELECT COUNT(*) FROM SESSION_PRIVS
    WHERE PRIVILEGE IN ('INSERT ANY TABLE', 'UPDATE ANY TABLE', 'DELETE ANY TABLE', 'DROP ANY TABLE',
    'ALTER ANY TABLE', 'EXECUTE ANY PROCEDURE', 'GRANT ANY PRIVILEGE', 'GRANT ANY ROLE')""",
    "SELECT COUNT(*) FROM USER_TABLES",
    """SELECT COUNT(*) FROM USER_TAB_PRIVS_RECD
    WHERE PRIVILEGE IN ('INSERT', 'UPDATE', 'DELETE', 'ALTER') AND OWNER NOT IN ('SYS', 'SYSTEM')""",
    """SELECT COUNT(*) FROM ROLE_TAB_PRIVS
    WHERE PRIVILEGE IN ('INSERT', 'UPDATE', 'DELETE', 'ALTER') AND OWNER NOT IN ('SYS', 'SYSTEM')""",
)


#: Rights by which an account can reach the server's files, and from there programs and other machines.
REACHES = {
    FILES: """SELECT COUNT(*) FROM SESSION_PRIVS WHERE PRIVILEGE IN ('CREATE ANY DIRECTORY', 'ALTER SYSTEM')""",
    PROGRAMS: """SELECT COUNT(*) FROM SESSION_PRIVS
    WHERE PRIVILEGE IN ('CREATE JOB', 'CREATE ANY JOB', 'CREATE EXTERNAL JOB')""",
}


class Oracle(Backend):
    """Oracle, through oracledb, or through cx_Oracle if that is still installed."""

    without_tls = N_("write tcp in place of tcps in the url")
    authority = N_("wallet_location in the url (its ewallet.pem)")

    @property
    def supports_tls_limits(self) -> bool:
        """Whether the settings can loosen TLS; in thick mode its own sqlnet.ora does."""
        return self.options.oracle_client is None and "oracledb" in self.where

    def engine(self, url: URL) -> Engine:
        """Return an engine with time limits; in thick mode if the client's folder is set."""
        arguments: dict[str, Any] = (
            {"tcp_connect_timeout": self.timeouts.connect.total_seconds(), "retry_count": 0}
            if url.get_driver_name() == "oracledb"
            # One thread waits for an answer while another can abort it.
            else {"threaded": True}
        )
        if self.options.tls:
            # The driver adds the contents of a wallet.
            context = ssl.create_default_context()
            self.options.tls.apply(context)
            arguments["ssl_context"] = context
        engine = create_engine(url, poolclass=NullPool, arraysize=BATCH, connect_args=arguments)
        if self.options.oracle_client is not None:
            self._become_thick(engine.dialect.loaded_dbapi, self.options.oracle_client)
        event.listen(engine, "do_connect", self.connect_in_time)
        if self.options.bytes_as or self.options.lenient:
            event.listen(engine, "connect", self._read_text_as_bytes(engine.dialect.loaded_dbapi), insert=False)
        return engine

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that sees one state and cannot write."""
        raw: Any = connection.connection.driver_connection
        raw.call_timeout = milliseconds(self.timeouts.statement)
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")

    def cut(self, raw: Any) -> None:  # noqa: ANN401 - a driver's connection
        """Cancel the query on the server: an answer that arrives in small pieces never reaches the driver's limit."""
        # Each driver has an error of its own, and a closed connection needs no cancelling.
        with suppress(Exception):
            raw.cancel()

    def warnings(self, connection: Connection) -> tuple[str, ...]:
        """Return a warning about the account's rights; a view that it cannot read is ignored."""
        writes = False
        for question in RIGHTS:
            with suppress(DBAPIError):
                writes = writes or connection.exec_driver_sql(question).scalar_one() > 0
        rights = [DATA] if writes else []
        for right, question in REACHES.items():
            with suppress(DBAPIError):
                rights += [right] if connection.exec_driver_sql(question).scalar_one() > 0 else []
        if not rights:
            return ()
        account = str(connection.exec_driver_sql("SELECT USER FROM DUAL").scalar_one())
        return (self.rights_warning(account, *rights),)

    def kind(self, error: BaseException) -> type[SourceError]:
        """Return the class of an error by its number."""
        means = _KNOWN_ERRORS.get(_error_code(error))
        return means[0] if means else super().kind(error)

    def to_source_error(self, error: BaseException) -> SourceError:
        """Return a SourceError with the fix for the error's number."""
        general, code = super().to_source_error(error), _error_code(error)
        if code in _KNOWN_ERRORS:
            kind, fix_text = _KNOWN_ERRORS[code]
            if code in _GENERAL_ERRORS and (refused := self.tls_error(_two_lines(str(error)))):
                return refused
            return kind(self.failed(kind, _two_lines(str(error))), tr(fix_text, client=tr(_CLIENT)))
        return general

    @property
    def charset_fix(self) -> str:
        """The fix for a database that is declared as ASCII."""
        return tr('Set the real charset of the bytes, such as bytes_as = "gbk".')

    def charset(self, connection: Connection, _ask: Callable[[str], Sequence[object]]) -> str:
        """Return the database's charset; empty for ASCII or Latin, which can contain Chinese text in any charset."""
        name = _charset_of(connection)
        if self.options.bytes_as:
            read = name or tr("the database")
            return tr("{read} read as bytes in {charset}", read=read, charset=self.options.bytes_as)
        if not name or name.startswith(_LATIN):
            return ""
        return tr("{name} in the database, Unicode on the connection", name=name)

    def utc(self, connection: Connection) -> datetime | None:
        """Return the server's time."""
        moment: Any = None
        with suppress(DBAPIError):
            moment = connection.exec_driver_sql("SELECT SYS_EXTRACT_UTC(SYSTIMESTAMP) FROM DUAL").scalar_one()
        return moment.replace(tzinfo=UTC) if isinstance(moment, datetime) else None

    def _become_thick(self, driver: Any, client: Path) -> None:  # noqa: ANN401 - oracledb or cx_Oracle
        """Make the driver use Oracle's client, once in a process."""
        with _THICK:
            if driver is oracledb and not oracledb.is_thin_mode():
                return
            try:
                driver.init_oracle_client(lib_dir=str(client))
            except driver.Error as error:
                # Only this error shows that cx_Oracle already has its client.
                if "already been initialized" not in str(error):
                    raise self.to_source_error(error) from error

    def _read_text_as_bytes(self, driver: Any) -> Any:  # noqa: ANN401 - oracledb or cx_Oracle
        """Return a listener that makes text arrive as its stored bytes, or with undecodable bytes replaced.

        A database that is declared as ASCII can contain GBK.
        """
        how: dict[str, Any] = {"bypass_decode": True} if self.options.bytes_as else {"encoding_errors": "replace"}
        if driver is not oracledb and "encoding_errors" in how:
            how = {"encodingErrors": "replace"}

        def fetched(cursor: Any, kind: Any, size: int) -> Any:  # noqa: ANN401 - as the driver calls it
            if kind in (driver.DB_TYPE_VARCHAR, driver.DB_TYPE_CHAR, driver.DB_TYPE_LONG):
                return cursor.var(str, size=size, arraysize=cursor.arraysize, **how)
            if kind is driver.DB_TYPE_CLOB:
                return cursor.var(driver.DB_TYPE_LONG, arraysize=cursor.arraysize)
            if kind is driver.DB_TYPE_NUMBER:
                return cursor.var(Decimal, arraysize=cursor.arraysize)
            return None

        def handler_with_metadata(cursor: Any, metadata: Any) -> Any:  # noqa: ANN401 - oracledb's form
            return fetched(cursor, metadata.type_code, metadata.internal_size)

        def handler_with_arguments(cursor: Any, _name: str, kind: Any, size: int, _precision: int, _scale: int) -> Any:  # noqa: ANN401 - cx_Oracle's form
            # This size can be in characters instead of bytes.
            return fetched(cursor, kind, 4 * size)

        def listener(raw: Any, _record: object) -> None:  # noqa: ANN401 - a driver's connection
            raw.outputtypehandler = handler_with_metadata if driver is oracledb else handler_with_arguments

        return listener


#: Prefixes of charsets in which Chinese text can only be bytes of another charset.
_LATIN = ("US7ASCII", "US8", "WE8", "EE8", "NE8", "EW8")


def _charset_of(connection: Connection) -> str:
    """Return the name of the database's charset; empty if it cannot be read."""
    question = "SELECT VALUE FROM NLS_DATABASE_PARAMETERS WHERE PARAMETER = 'NLS_CHARACTERSET'"
    with suppress(DBAPIError):
        return str(connection.exec_driver_sql(question).scalar_one_or_none() or "")
    return ""


def _two_lines(message: str) -> str:
    """Return the first two lines of a driver's message, the second has the cause; without the link to its help."""
    lines = [line for line in message.splitlines() if line.strip() and not line.startswith("Help:")]
    return " ".join(lines[:2])


def _error_code(error: BaseException) -> str:
    """Return the error's number; of a DPY- error that contains an ORA- number, the more specific one."""
    detail = error.args[0] if error.args else None
    full = getattr(detail, "full_code", "") or ""
    found = _CODE.findall(f"{full} {error}")
    known = sorted((code for code in found if code in _KNOWN_ERRORS), key=_GENERAL_ERRORS.__contains__)
    return known[0] if known else found[0] if found else ""
