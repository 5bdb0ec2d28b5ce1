"""What an error of a database reports: the cause, where it is, who asks, and what can be done about this error."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, make_url

from connectors.databases.base import url_for_messages
from connectors.port import SourceError, SourceGarbled, SourceRefused, SourceUnavailable
from tests.connectors.database_office import DatabaseOffice, ask
from tests.services.university import free_port


def refusal(url: str, query: str = "SELECT number AS NUMBER FROM loans", **own: Any) -> SourceError:
    """Return how asking fails."""
    with pytest.raises(SourceError) as caught:
        ask(url, query, {"student": "NUMBER"}, connect_timeout="2 s", **own).pull()
    assert caught.value.fix_text.endswith(".")
    return caught.value


@pytest.mark.parametrize(
    ("query", "kind", "fix_text"),
    [
        ("SELECT number FROM lones", SourceGarbled, "no such table"),
        ("SELECT nummer FROM loans", SourceGarbled, "no such column"),
        ("SELECT number FROM loans WHERE", SourceGarbled, "has a syntax error"),
    ],
)
def test_a_slip_in_the_query_has_its_own_way_out(
    office: DatabaseOffice, query: str, kind: type[SourceError], fix_text: str
) -> None:
    error = refusal(office.url, query)
    assert type(error) is kind
    assert fix_text in error.fix_text


def test_a_hint_of_the_servers_is_kept(postgres_url: str) -> None:
    DatabaseOffice(postgres_url, postgres_url)
    assert 'meant to reference the column "' in refusal(postgres_url, "SELECT numbre AS NUMBER FROM loans").what


def test_a_database_that_is_not_there_is_called_that(served: str) -> None:
    error = refusal(make_url(served).set(database="no_such_library").render_as_string(hide_password=False))
    assert isinstance(error, SourceRefused)
    assert "no such database" in error.fix_text
    assert "no_such_library" in error.what


@pytest.mark.parametrize("scheme", ["mysql+pymysql", "postgresql+psycopg"])
def test_a_host_that_is_not_there_and_a_port_where_no_one_listens_are_distinguished(scheme: str) -> None:
    port = free_port()
    error = refusal(f"{scheme}://reader:hidden-word@127.0.0.1:{port}/library")
    assert isinstance(error, SourceUnavailable)
    assert "No server listens there" in error.fix_text
    assert f"{scheme}://reader:***@127.0.0.1:{port}/library" in error.what
    error = refusal(f"{scheme}://reader:hidden-word@no-such-office.invalid/library")
    assert "cannot be resolved" in error.fix_text
    assert "reader:***@no-such-office.invalid" in error.what


@pytest.mark.parametrize(
    ("scheme", "named"),
    [("mysql", "mysql+pymysql"), ("mariadb", "mysql+pymysql"), ("postgres", "postgresql+psycopg")],
)
def test_an_address_without_a_driver_gets_the_beginning_that_works(scheme: str, named: str) -> None:
    assert f"Begin the url with {named}://" in refusal(f"{scheme}://reader:word@127.0.0.1/library").fix_text


def test_a_table_that_a_job_locks_is_named_as_a_possible_cause(mariadb_url: str) -> None:
    engine = create_engine(mariadb_url)
    with engine.connect() as job:
        job.exec_driver_sql("CREATE TABLE locked_loans (NUMBER VARCHAR(20))")
        job.exec_driver_sql("LOCK TABLES locked_loans WRITE")
        error = refusal(mariadb_url, "SELECT NUMBER FROM locked_loans", timeout="1 s")
        job.exec_driver_sql("UNLOCK TABLES")
    engine.dispose()
    assert isinstance(error, SourceUnavailable)
    # The server's limit and the client's end at the same second: either may report.
    assert any(cause in error.fix_text for cause in ("waited for a lock on the table", "a job locks the table"))


def test_a_statement_that_takes_too_long_is_reported_as_that(postgres_url: str) -> None:
    error = refusal(postgres_url, "SELECT CAST(pg_sleep(60) AS text) AS NUMBER", timeout="1 s", allows=["pg_sleep"])
    assert isinstance(error, SourceUnavailable)
    assert "took longer than timeout" in error.fix_text


def test_a_password_that_a_server_repeats_is_not_shown(mariadb_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server quotes the query where it stumbles; here that holds the name that is the password, too."""
    secret = "hidden_word"
    # The server lets everybody in without one.
    without = make_url(mariadb_url).set(password=None)
    monkeypatch.setattr("connectors.databases.mysql.create_engine", lambda _url, **how: create_engine(without, **how))
    url = make_url(mariadb_url).set(password=secret).render_as_string(hide_password=False)
    error = refusal(url, f"SELECT {secret} AS NUMBER FROM nowhere_at_all WHERE {secret} {secret}")
    assert "You have an error in your SQL syntax" in error.what
    assert "hidden" not in str(error)


@pytest.mark.parametrize(
    ("written", "where"),
    [
        ("postgresql+psycopg://reader:w0rd@/fees?host=/run/pg&sslmode=require", "reader:***@/fees?host=%2Frun%2Fpg"),
        (
            "oracle+oracledb://reader:w0rd@/?dsn=tcps://lib:2484/LIBSYS",
            "reader:***@/?dsn=tcps%3A%2F%2Flib%3A2484%2FLIBSYS",
        ),
        ("oracle+oracledb://reader:w0rd@lib/?service_name=LIBSYS", "reader:***@lib/?service_name=LIBSYS"),
        ("oracle+oracledb://?dsn=reader/w0rd@lib/LIBSYS", "oracle+oracledb://"),
        ("postgresql+psycopg://reader@fees/x?password=w0rd", "reader@fees/x"),
        ("mssql+pyodbc://?odbc_connect=DRIVER%3Dx%3BPWD%3Dw0rd", "mssql+pyodbc://"),
    ],
)
def test_where_a_database_is_and_who_asks_is_shown_and_no_password(written: str, where: str) -> None:
    told = url_for_messages(make_url(written))
    assert where in told
    assert "w0rd" not in told


def test_what_is_no_sqlite_file_is_called_that(tmp_path: Path) -> None:
    file = tmp_path / "library.db"
    file.write_text("a list, and no database" * 100, encoding="utf-8")
    error = refusal(f"sqlite:///{file}")
    assert "not an SQLite database" in error.fix_text
    assert str(file) in error.what
