"""The same promises on three real databases, and what goes wrong with each."""

import socket
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError
from sqlalchemy import URL, Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from connectors import sql
from connectors.port import Connector, ProofKind, Question, SourceGarbled, SourceRefused, SourceUnavailable
from sync.rows import day
from tests.contract import COLUMNS, ROWS, ConnectorContract, Ticking

QUERY = "SELECT number AS NUMBER, title AS TITLE, barcode AS BARCODE FROM loans"


def ask(url: str | URL, query: str = QUERY, columns: Mapping[str, str] = COLUMNS, **own: Any) -> sql.Sql:
    """Return a connector for this url."""
    shown = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    settings = sql.Settings.model_validate({"url": "env:URL:-" + shown, "query": query, **own})
    return sql.connect(settings, Question("loans", columns, Ticking()))


class DatabaseOffice:
    """A library's table in a real database."""

    secret = ""

    def __init__(self, url: str, nowhere: str) -> None:
        self.url = url
        self.nowhere = nowhere
        self.engine: Engine = create_engine(url, poolclass=NullPool)
        with self.engine.begin() as connection:
            connection.execute(
                text("CREATE TABLE loans (number VARCHAR(40), title VARCHAR(200), barcode VARCHAR(40) PRIMARY KEY)")
            )

    def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
        with self.engine.begin() as connection:
            connection.execute(text("DELETE FROM loans"))
            if rows:
                connection.execute(
                    text("INSERT INTO loans VALUES (:NUMBER, :TITLE, :BARCODE)"), [dict(r) for r in rows]
                )

    def connector(self, columns: Mapping[str, str] = COLUMNS) -> Connector:
        return ask(self.url, columns=columns)

    def out_of_reach(self) -> Connector:
        return ask(self.nowhere, connect_timeout="2 s")


class TestSqlite(ConnectorContract):
    @pytest.fixture
    def office(self, tmp_path: Path) -> DatabaseOffice:
        return DatabaseOffice(f"sqlite:///{tmp_path / 'library.db'}", f"sqlite:///{tmp_path / 'nowhere.db'}")


class TestPostgres(ConnectorContract):
    @pytest.fixture
    def office(self, postgres_url: str) -> DatabaseOffice:
        office = DatabaseOffice(postgres_url, "postgresql+psycopg://reader:hidden-word@127.0.0.1:1/library")
        office.secret = "hidden-word"
        return office


class TestMariadb(ConnectorContract):
    @pytest.fixture
    def office(self, mariadb_url: str) -> DatabaseOffice:
        office = DatabaseOffice(mariadb_url, "mysql+pymysql://reader:hidden-word@127.0.0.1:1/library")
        office.secret = "hidden-word"
        return office


@pytest.fixture(params=["sqlite", "postgresql", "mariadb"])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseOffice:
    """A filled library on each database."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'library.db'}"
    else:
        url = request.getfixturevalue("postgres_url" if request.param == "postgresql" else "mariadb_url")
    made = DatabaseOffice(url, url)
    made.fill(ROWS)
    return made


def test_the_database_itself_counts_the_rows(office: DatabaseOffice) -> None:
    proofs = {proof.kind: proof.detail for proof in office.connector().pull().proofs}
    assert proofs[ProofKind.TOTAL_AGREES] == "4 of 4 rows, counted in the same read"


def test_columns_are_found_whatever_their_case(office: DatabaseOffice) -> None:
    columns = {"student": "number", "title": "Title"}
    assert len(ask(office.url, columns=columns).pull().rows) == 4


def test_only_mapped_columns_are_taken_in_our_order(office: DatabaseOffice) -> None:
    snapshot = ask(office.url, columns={"student": "NUMBER", "reference": "BARCODE"}).pull()
    assert snapshot.fields == ("student", "reference")
    assert ("20152003", "B0003") in snapshot.rows


def test_a_column_that_stands_twice_is_refused_by_name(office: DatabaseOffice) -> None:
    query = "SELECT l.number AS NUMBER, l.title AS Title, l.barcode AS TITLE FROM loans l"
    with pytest.raises(SourceGarbled, match=r"(?i)title"):
        ask(office.url, query, {"student": "NUMBER", "title": "title"}).pull()


def test_values_are_bound_and_never_pasted_in(office: DatabaseOffice) -> None:
    bound = ask(office.url, QUERY + " WHERE title = :title", parameters={"title": "唐诗选' OR 'a' = 'a"})
    assert list(bound.pull().rows) == []
    assert len(ask(office.url, QUERY + " WHERE title = :title", parameters={"title": "唐诗选"}).pull().rows) == 1


def test_a_value_that_is_not_given_is_named(office: DatabaseOffice) -> None:
    with pytest.raises(SourceGarbled, match=":year"):
        ask(office.url, QUERY + " WHERE number = :year").pull()


def test_a_percent_sign_and_a_colon_in_a_text_are_just_text(office: DatabaseOffice) -> None:
    query = QUERY + " WHERE title LIKE '%地质%' AND '12:30' <> title"
    assert len(ask(office.url, query).pull().rows) == 2


def test_a_population_comes_with_the_rows(office: DatabaseOffice) -> None:
    snapshot = ask(office.url, population="SELECT DISTINCT number FROM loans").pull()
    assert sorted(str(cell) for cell in snapshot.population or ()) == ["20151001", "20152003", "20152004"]


def test_one_student_is_asked_for_by_their_own_query(office: DatabaseOffice) -> None:
    connector = ask(office.url, one=QUERY + " WHERE number = :student")
    snapshot = connector.pull_one("20151001")
    assert len(snapshot.rows) == 2
    assert any("2 of 2" in proof.detail for proof in snapshot.proofs)


def test_a_query_that_forgot_its_condition_hits_its_limit(office: DatabaseOffice) -> None:
    with pytest.raises(SourceGarbled, match="more than its limit of 3"):
        ask(office.url, limit=3).pull()


def test_a_table_that_is_not_there_is_garbled(office: DatabaseOffice) -> None:
    with pytest.raises(SourceGarbled, match="lones"):
        ask(office.url, "SELECT number AS NUMBER FROM lones", {"student": "NUMBER"}).pull()


def test_a_query_with_a_slip_is_garbled(office: DatabaseOffice) -> None:
    with pytest.raises(SourceGarbled):
        ask(office.url, "SELECT number AS NUMBER FORM loans", {"student": "NUMBER"}).pull()


def test_a_broken_character_is_never_taken_for_text(office: DatabaseOffice) -> None:
    office.fill([{"NUMBER": "20151001", "TITLE": "构造\ufffd质学", "BARCODE": "B1"}])
    with pytest.raises(SourceGarbled, match="charset"):
        office.connector().pull()


def test_a_statement_that_takes_too_long_is_given_up(office: DatabaseOffice) -> None:
    endless = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS NUMBER FROM n",
        "postgresql": "SELECT number AS NUMBER FROM loans WHERE pg_sleep(60) IS NULL",
        "mysql": "SELECT number AS NUMBER FROM loans WHERE SLEEP(60) = 9",
    }[office.engine.dialect.name]
    with pytest.raises(SourceUnavailable):
        ask(office.url, endless, {"student": "NUMBER"}, timeout="1 s").pull()


def test_what_is_written_while_it_is_read_does_not_show(office: DatabaseOffice) -> None:
    """Between count and rows another connection adds one; the count proves that one state was read."""
    connector = ask(office.url)
    original = connector._count

    def count_and_let_somebody_write(*args: Any) -> int:
        counted = original(*args)
        with office.engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            connection.execute(text("INSERT INTO loans VALUES ('20159999', 'x', 'B9999')"))
        return counted

    if office.engine.dialect.name == "sqlite":
        with closing(sqlite3.connect(office.engine.url.database or "")) as file:
            file.execute("PRAGMA journal_mode = WAL").close()
    connector._count = count_and_let_somebody_write  # type: ignore[method-assign, assignment]
    assert len(connector.pull().rows) == 4
    assert len(office.connector().pull().rows) == 5


def test_fewer_rows_than_the_database_counted_are_no_answer(
    office: DatabaseOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = ask(office.url)
    monkeypatch.setattr(connector, "_count", lambda *_: 5)
    with pytest.raises(SourceUnavailable, match="4 of 5, then 4 of 5"):
        connector.pull()


@pytest.mark.parametrize("number", ["20151001", "2015100１", " 20151001 "])
def test_a_recheck_compares_numbers_as_we_do(office: DatabaseOffice, number: str) -> None:
    office.fill([{"NUMBER": number, "TITLE": "构造地质学", "BARCODE": "B1"}])
    found = office.connector().pull_one("20151001").rows
    assert len(found) == 1


class TestRefusal:
    def test_a_wrong_password_on_mariadb_is_refused(self, mariadb_url: str) -> None:
        url = make_url(mariadb_url).set(username="nobody_here", password="wrong-word")
        with pytest.raises(SourceRefused) as caught:
            ask(url).pull()
        assert "wrong-word" not in str(caught.value)

    def test_a_role_that_is_not_there_on_postgresql_is_refused(self, postgres_url: str) -> None:
        with pytest.raises(SourceRefused):
            ask(make_url(postgres_url).set(username="nobody_here")).pull()

    def test_a_database_that_is_not_there_is_refused(self, postgres_url: str, mariadb_url: str) -> None:
        for url in (postgres_url, mariadb_url):
            with pytest.raises(SourceRefused):
                ask(make_url(url).set(database="no_such_database")).pull()

    def test_a_table_the_account_may_not_read_is_refused(self, postgres_url: str) -> None:
        DatabaseOffice(postgres_url, postgres_url)
        engine = create_engine(postgres_url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text("CREATE ROLE reader_without_rights LOGIN"))
        try:
            with pytest.raises(SourceRefused):
                ask(make_url(postgres_url).set(username="reader_without_rights")).pull()
        finally:
            with engine.begin() as connection:
                connection.execute(text("DROP ROLE reader_without_rights"))

    def test_a_query_that_would_write_is_refused_by_the_database(self, postgres_url: str, mariadb_url: str) -> None:
        DatabaseOffice(postgres_url, postgres_url).fill(ROWS)
        query = "WITH gone AS (DELETE FROM loans RETURNING number) SELECT number AS NUMBER FROM gone"
        with pytest.raises((SourceRefused, SourceGarbled)):
            ask(postgres_url, query, {"student": "NUMBER"}).pull()
        assert len(ask(postgres_url).pull().rows) == 4


def test_an_account_that_can_write_is_pointed_out(postgres_url: str, mariadb_url: str) -> None:
    for url in (postgres_url, mariadb_url):
        DatabaseOffice(url, url).fill(ROWS)
        (warning,) = ask(url).check().warnings
        assert "only read" in warning


def test_an_sqlite_file_is_never_made_where_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="there is no file"):
        ask(f"sqlite:///{tmp_path / 'library.db'}").pull()
    assert not (tmp_path / "library.db").exists()


def test_a_file_that_is_no_database_is_garbled(tmp_path: Path) -> None:
    (tmp_path / "library.db").write_bytes(b"<html>" * 1000)
    with pytest.raises(SourceGarbled):
        ask(f"sqlite:///{tmp_path / 'library.db'}").pull()


def test_a_driver_that_is_not_installed_is_named_with_the_way_out() -> None:
    with pytest.raises(SourceRefused, match="Install it"):
        ask("firebird://reader@127.0.0.1/library").pull()


@pytest.fixture
def silent_server() -> Iterator[int]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["mysql+pymysql", "postgresql+psycopg"])
def test_a_server_that_never_speaks_is_given_up(silent_server: int, scheme: str) -> None:
    with pytest.raises(SourceUnavailable):
        ask(f"{scheme}://reader@127.0.0.1:{silent_server}/library", connect_timeout="2 s", timeout="1 s").pull()


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("DELETE FROM loans", "begins with SELECT"),
        ("SELECT 1; DELETE FROM loans", "several statements"),
        ("", "begins with SELECT"),
        ("EXPLAIN SELECT 1", "begins with SELECT"),
    ],
)
def test_what_is_not_one_select_does_not_get_into_the_settings(query: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        sql.Settings.model_validate({"url": "sqlite:///a.db", "query": query})


@pytest.mark.parametrize(
    "query",
    [
        "select 1;",
        "  -- every loan\n SELECT ';' FROM loans",
        "WITH a AS (SELECT 1) SELECT * FROM a",
        "(SELECT 1) UNION (SELECT 2)",
        "SELECT /* ; */ 1",
    ],
)
def test_one_select_may_be_written_in_many_ways(query: str) -> None:
    assert sql.Settings.model_validate({"url": "sqlite:///a.db", "query": query}).timeout == timedelta(minutes=2)


class TestMariadbAsItIs:
    """Zero dates, and text in charsets of their own."""

    COLUMNS = {"student": "card", "title": "title", "due": "due"}  # noqa: RUF012 - never changed

    def table(self, url: str, charset: str) -> None:
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text("SET SESSION sql_mode = ''"))
            connection.execute(
                text(f"CREATE TABLE lent (card VARCHAR(20), title VARCHAR(60), due DATETIME) CHARACTER SET {charset}")
            )
            connection.execute(text("INSERT INTO lent VALUES ('20151001', '', '0000-00-00 00:00:00')"))

    def test_a_zero_date_is_no_day_and_breaks_nothing(self, mariadb_url: str) -> None:
        self.table(mariadb_url, "utf8mb4")
        ((_, _, due),) = ask(mariadb_url, "SELECT card, title, due FROM lent", self.COLUMNS).pull().rows
        assert day(due, ZoneInfo("Asia/Shanghai"), ZoneInfo("Asia/Shanghai")) is None

    def test_a_gbk_column_comes_as_text(self, mariadb_url: str) -> None:
        self.table(mariadb_url, "gbk")
        engine = create_engine(mariadb_url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text("UPDATE lent SET title = '构造地质学'"))
        ((_, title, _),) = ask(mariadb_url, "SELECT card, title, due FROM lent", self.COLUMNS).pull().rows
        assert title == "构造地质学"

    def test_gbk_in_a_column_that_believes_itself_latin(self, mariadb_url: str) -> None:
        """Asked for as bytes, and told what they are, it is text again; its keys match either way."""
        self.table(mariadb_url, "latin1")
        engine = create_engine(mariadb_url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text("UPDATE lent SET title = :raw"), {"raw": "构造地质学".encode("gbk")})
        plain = ask(mariadb_url, "SELECT card, title, due FROM lent", self.COLUMNS).pull().rows
        assert plain[0][0] == "20151001"
        query = "SELECT card, CAST(title AS BINARY) AS title, due FROM lent"
        ((_, title, _),) = ask(mariadb_url, query, self.COLUMNS, bytes_as="gbk").pull().rows
        assert title == "构造地质学"
