"""Oracle for the connectors that ask a database: one consistent read, limits of time, and its own error numbers.

The numbers and what they mean are those of Oracle's Database Error Messages and of python-oracledb's and ODPI-C's
documentation (ORA-, DPY-, DPI-). The thin driver is the default: it needs no client, a server of 12.1 or later, and an
account whose password has an 11G or 12C verifier. Thick mode is for the whole process, set once.

cx_Oracle is oracledb's forerunner and is asked in the same way: what the two call differently stands beside its use. It
stands on Oracle's client always; without one it was tried, with one it was not.
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

from connectors.databases.base import BATCH, DATA, DID, FILES, LATER, PROGRAMS, Backend, milliseconds, short
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable

_CODE = re.compile(r"\b((?:ORA|DPY|DPI)-\d+)")

_CLIENT = (
    "Install Oracle's client here and set oracle_client to its folder, for thick mode; see docs/connectors/sql.md."
)

#: Number → what it means for us, and the way out.
_MEANS: dict[str, tuple[type[SourceError], str]] = {
    **dict.fromkeys(
        ("ORA-00018", "ORA-00020", "ORA-00028", "ORA-00040", "ORA-00054", "ORA-00604", "ORA-01012", "ORA-01013",
         "ORA-01033", "ORA-01034", "ORA-01089", "ORA-01090", "ORA-01092", "ORA-01109", "ORA-01652", "ORA-02391",
         "ORA-02396", "ORA-03113", "ORA-03114", "ORA-03135", "ORA-03136", "ORA-04031", "ORA-12170", "ORA-12516",
         "ORA-12518", "ORA-12519", "ORA-12520", "ORA-12526", "ORA-12528", "ORA-12535", "ORA-12537", "ORA-12541",
         "ORA-12543", "ORA-12545", "ORA-12560", "ORA-12637", "ORA-27101", "DPY-1001", "DPY-4011", "DPY-6000",
         "DPY-6002", "DPY-6005", "DPY-6010", "DPI-1010", "DPI-1080"),
        (SourceUnavailable, LATER),
    ),
    "DPY-4024": (SourceUnavailable, "Raise timeout, or have the office look why the query takes so long."),
    "DPI-1067": (SourceUnavailable, "Raise timeout, or have the office look why the query takes so long."),
    "ORA-01555": (SourceUnavailable, "It took longer than the old state is kept: ask at a quieter hour, or less."),
    "ORA-08177": (SourceUnavailable, LATER),
    "ORA-01005": (SourceRefused, "The name or the password is wrong: correct the url."),
    "ORA-01017": (SourceRefused, "The name or the password is wrong: correct the url."),
    "ORA-28000": (SourceRefused, "The account is locked: have the office unlock it, and look who tries it."),
    "ORA-28001": (SourceRefused, "The password has expired: have the office set it anew, and put it into the url."),
    "DPY-4001": (SourceRefused, "The url has no name or no password: add them."),
    "ORA-02399": (SourceRefused, "The account may not connect for so long: have the office raise its CONNECT_TIME."),
    "ORA-28040": (
        SourceRefused,
        (
            "The server and this client have no way to sign in in common: have the office lower "
            f"SQLNET.ALLOWED_LOGON_VERSION_SERVER in its sqlnet.ora. If the server is the older one: {_CLIENT}"
        ),
    ),
    "ORA-12638": (
        SourceRefused,
        "Have the office set SQLNET.AUTHENTICATION_SERVICES = (NONE), or give an account with a password.",
    ),
    "ORA-12650": (
        SourceRefused,
        f"The server's network encryption and this client's have no algorithm in common. {_CLIENT}",
    ),
    "DPY-3007": (SourceRefused, f"The server wants something that thin mode does not have. {_CLIENT}"),
    "ORA-12504": (SourceRefused, "The url names no service: write ?service_name= into the url."),
    "DPY-6006": (
        SourceRefused,
        "The server's certificate is for another name: write the host that it names into the url.",
    ),
    "ORA-29024": (
        SourceRefused,
        "The server's certificate is not trusted here: put the office's certificate authority into the wallet.",
    ),
    "ORA-01045": (SourceRefused, "The account may not log on: have the office grant CREATE SESSION."),
    "ORA-01031": (SourceRefused, "The account may not do that: have the office grant SELECT, and write a query only."),
    "ORA-12514": (SourceRefused, "The listener knows no such service: look at service_name in the url."),
    "DPY-6001": (SourceRefused, "The listener knows no such service: look at service_name in the url."),
    "ORA-12505": (SourceRefused, "The listener knows no such SID: most servers want ?service_name= in the url."),
    "DPY-6003": (SourceRefused, "The listener knows no such SID: most servers want ?service_name= in the url."),
    **dict.fromkeys(
        ("DPY-4026", "DPY-4027", "ORA-12154"),
        (SourceRefused, "Write host, port and ?service_name= into the url; a bare name is looked up in tnsnames.ora."),
    ),
    "DPY-3010": (SourceRefused, f"The server is older than 12.1, too old for thin mode. {_CLIENT}"),
    "DPY-3001": (SourceRefused, f"The server demands its own network encryption, which thin mode has not. {_CLIENT}"),
    "ORA-12660": (SourceRefused, f"The server demands its own network encryption, which thin mode has not. {_CLIENT}"),
    "DPY-3015": (SourceRefused, f"The account has only a 10G password: have the office set it anew. Or: {_CLIENT}"),
    "DPY-2019": (
        SourceRefused,
        "Thin mode is in use in this program already: name the same oracle_client in every Oracle source, and restart.",
    ),
    "DPI-1047": (SourceRefused, f"Oracle's client library is not to be found. {_CLIENT}"),
    "DPI-1072": (SourceRefused, f"Oracle's client library is too old. {_CLIENT}"),
    "ORA-00942": (
        SourceGarbled,
        "There is no such table or view, or the account may not read it: write OWNER.NAME, or have SELECT granted.",
    ),
    "ORA-00904": (SourceGarbled, "There is no such column: correct the query."),
    "ORA-00933": (SourceGarbled, "The query is not written as Oracle wants it: look where it ends."),
    "ORA-01722": (SourceGarbled, "Text is compared with a number: compare text with text."),
    **dict.fromkeys(
        ("ORA-01830", "ORA-01840", "ORA-01841", "ORA-01843", "ORA-01847", "ORA-01858", "ORA-01861"),
        (SourceGarbled, "A date is compared with text of another form: use TO_DATE with a format."),
    ),
}  # fmt: skip

#: These say that there is no connection; what they tell besides says why.
_UMBRELLAS = frozenset({"DPY-6005", "DPY-6000", "DPY-4011", "ORA-00604", "DPY-3007"})

_THICK = threading.Lock()

#: What lets an account change the office's data: privileges over any table, its own tables, and what it was granted,
#: directly and through roles. Oracle's own tables do not count: everybody may write into a few of them.
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


#: What lets it reach the server's files, or programs and other machines from there.
REACHES = {
    FILES: """SELECT COUNT(*) FROM SESSION_PRIVS WHERE PRIVILEGE IN ('CREATE ANY DIRECTORY', 'ALTER SYSTEM')""",
    PROGRAMS: """SELECT COUNT(*) FROM SESSION_PRIVS
    WHERE PRIVILEGE IN ('CREATE JOB', 'CREATE ANY JOB', 'CREATE EXTERNAL JOB')""",
}


class Oracle(Backend):
    """Oracle, through oracledb, or through cx_Oracle where that is still installed."""

    without_tls = "write tcp in place of tcps in the url"
    authority = "wallet_location in the url (its ewallet.pem)"

    @property
    def takes_limits(self) -> bool:
        """Say whether the settings may loosen TLS: in thick mode its own sqlnet.ora does."""
        return self.options.oracle_client is None and "oracledb" in self.where

    def engine(self, url: URL) -> Engine:
        """Connect with limits of time; in thick mode where a client's folder was told."""
        arguments: dict[str, Any] = (
            {"tcp_connect_timeout": self.patience.connect.total_seconds(), "retry_count": 0}
            if url.get_driver_name() == "oracledb"
            # One thread waits for an answer while another may break it off.
            else {"threaded": True}
        )
        if self.options.tls:
            # The driver adds what stands in a wallet.
            context = ssl.create_default_context()
            self.options.tls.apply(context)
            arguments["ssl_context"] = context
        engine = create_engine(url, poolclass=NullPool, arraysize=BATCH, connect_args=arguments)
        if self.options.oracle_client is not None:
            self._become_thick(engine.dialect.loaded_dbapi, self.options.oracle_client)
        event.listen(engine, "do_connect", self.connected_in_time)
        if self.options.bytes_as or self.options.lenient:
            event.listen(engine, "connect", self._take_text(engine.dialect.loaded_dbapi), insert=False)
        return engine

    def begin(self, connection: Connection) -> None:
        """Begin a transaction that sees one state and cannot write."""
        raw: Any = connection.connection.driver_connection
        raw.call_timeout = milliseconds(self.patience.statement)
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")

    def cut(self, raw: Any) -> None:  # noqa: ANN401 - a driver's connection
        """Have the server stop: each piece of an answer that drips comes within the driver's limit."""
        # Each driver has an error of its own, and one that is gone already needs no stopping.
        with suppress(Exception):
            raw.cancel()

    def warnings(self, connection: Connection) -> tuple[str, ...]:
        """Look at the account's rights; a view that is not to be seen tells nothing, and is no failure."""
        writes = False
        for question in RIGHTS:
            with suppress(DBAPIError):
                writes = writes or connection.exec_driver_sql(question).scalar_one() > 0
        deeds = [DATA] if writes else []
        for deed, question in REACHES.items():
            with suppress(DBAPIError):
                deeds += [deed] if connection.exec_driver_sql(question).scalar_one() > 0 else []
        if not deeds:
            return ()
        account = str(connection.exec_driver_sql("SELECT USER FROM DUAL").scalar_one())
        return (self.may(account, *deeds),)

    def kind(self, error: BaseException) -> type[SourceError]:
        """Sort by the error's number."""
        means = _MEANS.get(_code(error))
        return means[0] if means else super().kind(error)

    def explained(self, error: BaseException) -> SourceError:
        """Give each number its own way out."""
        plain, code = super().explained(error), _code(error)
        if code in _MEANS:
            kind, fix_text = _MEANS[code]
            if code in _UMBRELLAS and (refused := self.no_tls(_two_lines(str(error)))):
                return refused
            return kind(f"{self.source}: {self.where} {DID[kind]}: {short(_two_lines(str(error)))}", fix_text)
        return plain

    @property
    def charset_fix(self) -> str:
        """Name the charset of a database that believes itself ASCII."""
        return 'Say what the bytes really are, such as bytes_as = "gbk".'

    def charset(self, connection: Connection, _ask: Callable[[str], Sequence[object]]) -> str:
        """Look at the database's charset: what an ASCII or Latin one holds of Chinese text is not to be seen."""
        name = _charset_of(connection)
        if self.options.bytes_as:
            return f"{name or 'the database'} read as bytes in {self.options.bytes_as}"
        return "" if not name or name.startswith(_LATIN) else f"{name} in the database, Unicode on the connection"

    def utc(self, connection: Connection) -> datetime | None:
        """Return the server's time."""
        told: Any = None
        with suppress(DBAPIError):
            told = connection.exec_driver_sql("SELECT SYS_EXTRACT_UTC(SYSTIMESTAMP) FROM DUAL").scalar_one()
        return told.replace(tzinfo=UTC) if isinstance(told, datetime) else None

    def _become_thick(self, driver: Any, client: Path) -> None:  # noqa: ANN401 - oracledb or cx_Oracle
        """Have the driver use Oracle's client: once in a process, whoever asks."""
        with _THICK:
            if driver is oracledb and not oracledb.is_thin_mode():
                return
            try:
                driver.init_oracle_client(lib_dir=str(client))
            except driver.Error as error:
                # cx_Oracle cannot be asked whether it has its client, and says so only here.
                if "already been initialized" not in str(error):
                    raise self.explained(error) from error

    def _take_text(self, driver: Any) -> Any:  # noqa: ANN401 - oracledb or cx_Oracle
        """Have text come as the bytes it is stored as, or with what is no letter replaced.

        A database that believes itself ASCII may hold GBK.
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

        def told_by_metadata(cursor: Any, metadata: Any) -> Any:  # noqa: ANN401 - oracledb's form
            return fetched(cursor, metadata.type_code, metadata.internal_size)

        def told_by_arguments(cursor: Any, _name: str, kind: Any, size: int, _precision: int, _scale: int) -> Any:  # noqa: ANN401 - cx_Oracle's form
            # Its size may count letters.
            return fetched(cursor, kind, 4 * size)

        def listener(raw: Any, _record: object) -> None:  # noqa: ANN401 - a driver's connection
            raw.outputtypehandler = told_by_metadata if driver is oracledb else told_by_arguments

        return listener


#: How the names of charsets begin that hold no Chinese text but as bytes of another charset.
_LATIN = ("US7ASCII", "US8", "WE8", "EE8", "NE8", "EW8")


def _charset_of(connection: Connection) -> str:
    """Return the name of the database's charset; empty where it is not to be seen."""
    question = "SELECT VALUE FROM NLS_DATABASE_PARAMETERS WHERE PARAMETER = 'NLS_CHARACTERSET'"
    with suppress(DBAPIError):
        return str(connection.exec_driver_sql(question).scalar_one_or_none() or "")
    return ""


def _two_lines(said: str) -> str:
    """Return what the driver said: its first line and its second, which has the cause; without the link to its help."""
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("Help:")]
    return " ".join(lines[:2])


def _code(error: BaseException) -> str:
    """Return the error's number; a DPY- one may stand for an ORA- one that it tells."""
    detail = error.args[0] if error.args else None
    full = getattr(detail, "full_code", "") or ""
    found = _CODE.findall(f"{full} {error}")
    known = sorted((code for code in found if code in _MEANS), key=_UMBRELLAS.__contains__)
    return known[0] if known else found[0] if found else ""
