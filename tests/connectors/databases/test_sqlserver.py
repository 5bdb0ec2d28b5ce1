"""SQL Server's errors, by the real driver's classes and in the forms that both drivers give them; no server runs here.

The texts are those that pymssql's and pyodbc's documentation and users show, with names of our own cast.
"""

import socket
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pymssql
import pytest
import sqlglot
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from connectors import sql
from connectors.databases import sqlserver
from connectors.databases.base import DatabaseTimeouts, Options
from connectors.port import Question, SourceError, SourceGarbled, SourceRefused, SourceUnavailable
from tests.contract import Ticking
from tests.services.university import free_port

PATIENCE = DatabaseTimeouts(timedelta(seconds=10), timedelta(minutes=2))
OFFICE = sqlserver.SqlServer("fees", "mssql+pymssql://reader:***@finance/fees", PATIENCE, Options())

#: What DB-Library adds to whatever the server says.
AFTER = b"DB-Lib error message 20018, severity 16:\nGeneral SQL Server error: Check messages from the SQL Server\n"


def of_pymssql(number: int, said: str, kind: type[Exception] = pymssql.OperationalError) -> Exception:
    return kind((number, said.encode() + AFTER))


def of_pyodbc(state: str, number: int, said: str) -> Exception:
    """Return an error as pyodbc has it: a state, and a text that names it, the driver, the server, the number."""
    text = f"[{state}] [Microsoft][ODBC Driver 18 for SQL Server][SQL Server]{said} ({number}) (SQLExecDirectW)"
    error: Exception = type("ProgrammingError", (Exception,), {})(state, text)
    return error


@pytest.mark.parametrize(
    ("number", "said", "kind", "fix_text"),
    [
        (18456, "Login failed for user 'reader'.", SourceRefused, "password is wrong"),
        (18452, "Login failed. The login is from an untrusted domain.", SourceRefused, "domain accounts"),
        (18486, "Login failed for user 'reader' because the account is currently locked out.", SourceRefused, "unlock"),
        (18487, "Login failed. Reason: The password of the account has expired.", SourceRefused, "has expired"),
        (18488, "Login failed. Reason: The password of the account must be changed.", SourceRefused, "has expired"),
        (4060, 'Cannot open database "fees" requested by the login.', SourceRefused, "no such database"),
        (916, "The server principal is not able to access the database.", SourceRefused, "cannot open it"),
        (229, "The SELECT permission was denied on the object 'V_SFQF'.", SourceRefused, "grant SELECT"),
        (3952, "Snapshot isolation transaction failed accessing database 'fees'.", SourceRefused, "ALLOW_SNAPSHOT"),
        (208, "Invalid object name 'V_SFQF'.", SourceGarbled, "SCHEMA.NAME"),
        (207, "Invalid column name 'XHH'.", SourceGarbled, "no such column"),
        (102, "Incorrect syntax near 'FORM'.", SourceGarbled, "syntax error for SQL Server"),
        (156, "Incorrect syntax near the keyword 'WITH'.", SourceGarbled, "without WITH"),
        (1033, "The ORDER BY clause is invalid in views, derived tables.", SourceGarbled, "without ORDER BY"),
        (8155, "No column name was specified for column 2 of 'counted'.", SourceGarbled, "a name of its own"),
        (245, "Conversion failed when converting the varchar value 'S1' to int.", SourceGarbled, "TRY_CONVERT"),
        (1205, "Transaction was deadlocked on lock resources and chosen as the victim.", SourceUnavailable, "deadlock"),
        (1222, "Lock request time out period exceeded.", SourceUnavailable, "longer than timeout"),
        (3960, "Snapshot isolation transaction aborted due to update conflict.", SourceUnavailable, "quieter hour"),
        (40613, "Database 'fees' on server is not currently available.", SourceUnavailable, "next slot"),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else "",
)
def test_each_number_has_its_kind_and_its_way_out_over_both_drivers(
    number: int, said: str, kind: type[SourceError], fix_text: str
) -> None:
    for error in (of_pymssql(number, said), of_pyodbc("42000", number, said)):
        explained = OFFICE.to_source_error(error)
        assert type(explained) is kind
        assert fix_text in explained.fix_text
        assert said.rstrip(".") in explained.what
        assert "DB-Lib" not in explained.what
        assert "[" not in explained.what


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (of_pymssql(20003, "Adaptive Server connection timed out"), SourceUnavailable),
        (of_pymssql(20047, "DBPROCESS is dead or not enabled"), SourceUnavailable),
        (pymssql.OperationalError(20006, b"Write to the server failed"), SourceUnavailable),
        (pymssql.InterfaceError("Connection is closed."), SourceUnavailable),
        (pymssql.ProgrammingError((4145, b"An expression of non-boolean type.")), SourceGarbled),
        (of_pyodbc("08S01", 10054, "Communication link failure"), SourceUnavailable),
        (of_pyodbc("HYT00", 0, "Query timeout expired"), SourceUnavailable),
        (of_pyodbc("08001", 258, "Login timeout expired"), SourceUnavailable),
        (of_pyodbc("28000", 0, "Login failed"), SourceRefused),
        (of_pyodbc("IM002", 0, "Data source name not found and no default driver specified"), SourceRefused),
        (of_pyodbc("42S22", 99999, "Something new"), SourceGarbled),
    ],
)
def test_what_has_no_number_of_its_own_is_sorted_by_the_drivers_words(
    error: Exception, kind: type[SourceError]
) -> None:
    assert type(OFFICE.to_source_error(error)) is kind


def test_a_server_that_is_not_there_is_unavailable_and_the_password_untold() -> None:
    url = f"env:NO_SUCH_NAME:-mssql+pymssql://reader:hidden-word@127.0.0.1:{free_port()}/fees"
    settings = sql.Settings.model_validate({"url": url, "query": "SELECT XH FROM V_SFQF", "connect_timeout": "2 s"})
    with pytest.raises(SourceUnavailable, match=r"Unable to connect.*\(Connection refused") as caught:
        sql.connect(settings, Question("fees", {"student": "XH"}, Ticking())).pull()
    assert "hidden-word" not in str(caught.value)


def test_a_server_that_sends_nothing_is_left_before_every_version_of_the_protocol_was_tried() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"env:NO_SUCH_NAME:-mssql+pymssql://reader@127.0.0.1:{silent.getsockname()[1]}/fees"
        settings = sql.Settings.model_validate({"url": url, "query": "SELECT XH FROM V_SFQF", "connect_timeout": "1 s"})
        with pytest.raises(SourceUnavailable, match="accepted the connection but did not respond"):
            sql.connect(settings, Question("fees", {"student": "XH"}, Ticking())).pull()


@pytest.mark.parametrize("statement", [sqlserver.RIGHTS, sqlserver.KEEPS, sqlserver.CODE_PAGE])
def test_what_is_asked_is_sql_servers_own_language(statement: str) -> None:
    """No server runs here to say so; a parser of its grammar does."""
    (parsed,) = sqlglot.parse(statement, dialect="tsql")
    assert parsed is not None


class RecordingConnection:
    """A connection that answers what a server would and keeps what it was sent."""

    def __init__(self, *answers: tuple[Any, ...]) -> None:
        self.answers = list(answers)
        self.told: list[str] = []
        self.raw: Any = None

    def exec_driver_sql(self, statement: str) -> Any:
        self.told.append(" ".join(statement.split()))
        asked = statement.lstrip().startswith("SELECT")
        answer = self.answers.pop(0) if asked else ()

        class Result:
            def one(self) -> tuple[Any, ...]:
                return answer

            def scalar_one_or_none(self) -> Any:
                return answer[0]

        return Result()

    @property
    def connection(self) -> Any:
        return SimpleNamespace(driver_connection=self.raw)

    def rollback(self) -> None:
        self.told.append("ROLLBACK")

    def execution_options(self, *, isolation_level: str) -> None:
        self.told.append(isolation_level)


@pytest.mark.parametrize(("snapshots", "level"), [(1, "SNAPSHOT"), (0, "READ COMMITTED"), (2, "READ COMMITTED")])
def test_one_state_is_read_where_the_database_keeps_one(snapshots: int, level: str) -> None:
    connection: Any = RecordingConnection((snapshots, False))
    OFFICE.begin(connection)
    assert connection.told[1:] == ["ROLLBACK", level, "SET LOCK_TIMEOUT 120000"]


@pytest.mark.parametrize(
    ("keeps", "rights", "said"),
    [
        ((1, True), ("reader", 0), []),
        ((1, True), ("sa", 1), ["the account sa can change"]),
        ((0, True), ("reader", 0), ["can be of two states"]),
        ((0, False), ("sa", 1), ["the account sa can change", "can be missed"]),
    ],
)
def test_a_check_reports_an_account_that_can_write_and_a_weaker_read(
    keeps: tuple[int, bool], rights: tuple[str, int], said: list[str]
) -> None:
    connection: Any = RecordingConnection(keeps, rights)
    warnings = OFFICE.warnings(connection)
    assert [words in warning for words, warning in zip(said, warnings, strict=True)] == [True] * len(said)
    assert all(warning.endswith(".") for warning in warnings)


def wired(charset: object = "UTF-8", version: tuple[int, ...] = (7, 4)) -> Any:
    """Return a connection of pymssql's, as far as its charset is looked at."""
    return SimpleNamespace(_conn=SimpleNamespace(charset=charset, tds_version_tuple=version))


def read_by(raw: object, page: int | None) -> str:
    """Return what shows that no letter is lost over this connection, from a database of this code page."""
    connection: Any = RecordingConnection((page,))
    connection.raw = raw
    return OFFICE.charset(connection, lambda _expression: ())


@pytest.mark.parametrize(
    ("raw", "page", "shown"),
    [
        (wired(), 936, "code page 936 in the database, UTF-8 on the connection"),
        (wired(b"UTF-8"), 65001, "code page 65001 in the database, UTF-8 on the connection"),
        (wired("GB18030"), 936, "code page 936 in the database, GB18030 on the connection"),
        (SimpleNamespace(setdecoding=None), 936, "code page 936 in the database, UTF-16 on the connection"),
        # Old programs put bytes of GBK into columns of Latin letters; and some servers tell nothing.
        (wired(), 1252, ""),
        (wired(), None, ""),
        (object(), 936, ""),
    ],
)
def test_letters_are_called_sane_where_connection_and_database_hold_them(
    raw: object, page: int | None, shown: str
) -> None:
    assert read_by(raw, page) == shown


@pytest.mark.parametrize(
    ("raw", "named"),
    [(wired("cp936"), "charset=cp936"), (wired("ISO-8859-1"), "charset=ISO"), (wired(version=(4, 2)), "tds_version")],
)
def test_a_connection_that_would_put_question_marks_is_refused_by_name(raw: object, named: str) -> None:
    with pytest.raises(SourceGarbled, match=rf'{named}.*"\?"') as caught:
        read_by(raw, 936)
    assert "from the url" in caught.value.fix_text


def test_pymssql_reports_its_charset_where_it_is_looked_for() -> None:
    """No server runs here; the names are those of the real driver's classes."""
    assert hasattr(pymssql.Connection, "_conn")
    assert hasattr(pymssql._mssql.MSSQLConnection, "charset")
    assert hasattr(pymssql._mssql.MSSQLConnection, "tds_version_tuple")


def test_pyodbc_is_asked_to_take_text_as_utf_16() -> None:
    told: list[Any] = []
    raw = SimpleNamespace(setdecoding=lambda kind, **how: told.append((kind, how)))
    dialect = SimpleNamespace(loaded_dbapi=SimpleNamespace(SQL_CHAR=1, SQL_WCHAR=-8))
    OFFICE._decode_as_utf_16(dialect)(raw, None)
    assert told == [(1, {"encoding": "utf-16le", "ctype": -8})]


def test_the_dialect_begins_again_when_it_is_asked_to_keep_snapshots() -> None:
    """A transaction that began otherwise may not become one of snapshots (3951): the dialect ends it first."""
    engine = create_engine("mssql+pymssql://reader@finance/fees", poolclass=NullPool)
    told: list[str] = []

    class Cursor:
        def execute(self, statement: str) -> None:
            told.append(statement)

        def close(self) -> None:
            told.append("close")

    class Raw:
        def autocommit(self, _on: bool) -> None: ...

        def cursor(self) -> Cursor:
            return Cursor()

        def commit(self) -> None:
            told.append("commit")

    dialect: Any = engine.dialect
    dialect.set_isolation_level(Raw(), "SNAPSHOT")
    assert told == ["SET TRANSACTION ISOLATION LEVEL SNAPSHOT", "close", "commit"]
