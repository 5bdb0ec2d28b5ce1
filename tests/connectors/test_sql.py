"""The same promises on three real databases, and what goes wrong with each."""

import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from secrets import token_hex
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from connectors import sql
from connectors.databases import sql_settings
from connectors.databases.read_transaction import ReadTransaction
from connectors.port import ProofKind, SourceGarbled, SourceRefused, SourceUnavailable
from tests.connectors.database_office import QUERY, DatabaseOffice, ask, but_clocks
from tests.contract import ROWS, ConnectorContract


class TestSqlite(ConnectorContract, of="sql", backend="Sqlite"):
    @pytest.fixture
    def office(self, tmp_path: Path) -> DatabaseOffice:
        return DatabaseOffice(f"sqlite:///{tmp_path / 'library.db'}", f"sqlite:///{tmp_path / 'nowhere.db'}")


class TestPostgres(ConnectorContract, of="sql", backend="Postgres"):
    @pytest.fixture
    def office(self, postgres_url: str) -> DatabaseOffice:
        office = DatabaseOffice(postgres_url, "postgresql+psycopg://reader:hidden-word@127.0.0.1:1/library")
        office.secret = "hidden-word"
        return office


class TestMariadb(ConnectorContract, of="sql", backend="Mysql"):
    @pytest.fixture
    def office(self, mysql: str) -> DatabaseOffice:
        office = DatabaseOffice(mysql, f"{make_url(mysql).drivername}://reader:hidden-word@127.0.0.1:1/library")
        office.secret = "hidden-word"
        return office


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


def test_a_column_that_appears_twice_is_refused_by_name(office: DatabaseOffice) -> None:
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


def test_exactly_as_many_rows_as_the_limit_are_an_answer(office: DatabaseOffice) -> None:
    assert len(ask(office.url, limit=4).pull().rows) == 4


def test_a_column_renamed_since_is_refused_and_one_in_other_letters_is_not(office: DatabaseOffice) -> None:
    connector = ask(office.url, "SELECT * FROM loans", {"student": "NUMBER", "title": "title"})
    assert len(connector.pull().rows) == 4
    with office.engine.begin() as connection:
        connection.execute(text("ALTER TABLE loans RENAME COLUMN title TO TITLE_"))
        connection.execute(text("ALTER TABLE loans RENAME COLUMN TITLE_ TO TITLE"))
    assert len(connector.pull().rows) == 4
    with office.engine.begin() as connection:
        connection.execute(text("ALTER TABLE loans RENAME COLUMN title TO caption"))
    with pytest.raises(SourceGarbled, match='no column "title"'):
        connector.pull()


def test_a_table_that_is_not_there_is_garbled(office: DatabaseOffice) -> None:
    with pytest.raises(SourceGarbled, match="lones"):
        ask(office.url, "SELECT number AS NUMBER FROM lones", {"student": "NUMBER"}).pull()


def test_a_query_with_a_slip_is_garbled(office: DatabaseOffice) -> None:
    with pytest.raises(SourceGarbled):
        ask(office.url, "SELECT number AS NUMBER FORM loans", {"student": "NUMBER"}).pull()


def test_a_broken_letter_in_a_title_is_reported_with_its_row(office: DatabaseOffice) -> None:
    office.fill([*ROWS, {"NUMBER": "20152005", "TITLE": "构造\ufffd质学", "BARCODE": "B9"}])
    snapshot = office.connector().pull()
    (warning,) = snapshot.warnings
    at = [row[2] for row in snapshot.rows].index("B9") + 1
    assert warning == f"row {at}, title: a letter could not be decoded"
    assert len(snapshot.rows) == 5
    assert ProofKind.CHARSET_SANE not in {proof.kind for proof in snapshot.proofs}


def test_a_broken_letter_in_a_number_is_never_taken_for_another_number(office: DatabaseOffice) -> None:
    office.fill([*ROWS, {"NUMBER": "2015\ufffd005", "TITLE": "唐诗选", "BARCODE": "B9"}])
    with pytest.raises(SourceGarbled, match="letter of the student number could not be decoded"):
        office.connector().pull()


def test_a_statement_that_takes_too_long_is_given_up(office: DatabaseOffice) -> None:
    endless = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS NUMBER FROM n",
        "postgresql": "SELECT number AS NUMBER FROM loans WHERE pg_sleep(60) IS NULL",
        "mysql": "SELECT number AS NUMBER FROM loans WHERE SLEEP(60) = 9",
    }[office.engine.dialect.name]
    with pytest.raises(SourceUnavailable):
        ask(office.url, endless, {"student": "NUMBER"}, timeout="1 s", allows=["pg_sleep", "sleep"]).pull()


def test_what_is_written_while_it_is_read_does_not_show(
    office: DatabaseOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between count and rows another connection adds one; the count proves that one state was read."""
    connector = ask(office.url)
    original = ReadTransaction._count_part

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
    with monkeypatch.context() as patch:
        patch.setattr(ReadTransaction, "_count_part", count_and_let_somebody_write)
        assert len(connector.pull().rows) == 4
    assert len(office.connector().pull().rows) == 5


def test_fewer_rows_than_the_database_counted_are_no_answer(
    office: DatabaseOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector = ask(office.url)
    monkeypatch.setattr(ReadTransaction, "_count_part", lambda *_: 5)
    with pytest.raises(SourceUnavailable, match="4 of 5, then 4 of 5"):
        connector.pull()


@pytest.mark.parametrize("number", ["20151001", "2015100１", " 20151001 "])
def test_a_recheck_compares_numbers_as_we_do(office: DatabaseOffice, number: str) -> None:
    office.fill([{"NUMBER": number, "TITLE": "构造地质学", "BARCODE": "B1"}])
    found = office.connector().pull_one("20151001").rows
    assert len(found) == 1


class TestRefusal:
    def test_a_wrong_password_on_mariadb_is_refused(self, mysql: str) -> None:
        url = make_url(mysql).set(username="nobody_here", password="wrong-word")
        with pytest.raises(SourceRefused) as caught:
            ask(url).pull()
        assert "wrong-word" not in str(caught.value)

    def test_a_role_that_is_not_there_on_postgresql_is_refused(self, postgres_url: str) -> None:
        with pytest.raises(SourceRefused):
            ask(make_url(postgres_url).set(username="nobody_here")).pull()

    def test_a_database_that_is_not_there_is_refused(self, served: str) -> None:
        with pytest.raises(SourceRefused):
            ask(make_url(served).set(database="no_such_database")).pull()

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

    def test_a_query_that_would_write_fails_even_where_no_one_counts(
        self, postgres_url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The count alone would refuse it; here it steps aside, and the transaction itself cannot write."""
        DatabaseOffice(postgres_url, postgres_url).fill(ROWS)
        query = "WITH gone AS (DELETE FROM loans RETURNING number) SELECT number AS NUMBER FROM gone"
        with pytest.raises(ValidationError, match="DELETE changes the office's data"):
            ask(postgres_url, query, {"student": "NUMBER"})
        # Nobody looks at its words, either.
        for module, refuses in ((sql_settings, "refuse_everywhere"), (sql_settings, "refuse"), (sql, "refuse")):
            monkeypatch.setattr(module, refuses, lambda *_: None)
        connector = ask(postgres_url, query, {"student": "NUMBER"})
        with pytest.raises(SourceGarbled):
            connector.pull()
        with monkeypatch.context() as patch:
            patch.setattr(ReadTransaction, "_count_part", lambda *_: 4)
            with pytest.raises(SourceRefused, match="read-only"):
                _unstreamed(connector, patch).pull()
        assert len(ask(postgres_url).pull().rows) == 4

    def test_a_function_that_would_write_fails_on_both(self, postgres_url: str, mariadb_url: str) -> None:
        """What a SELECT calls may write, and its words do not show it; the transaction does not let it."""
        bodies = {
            postgres_url: "CREATE FUNCTION wipe() RETURNS int LANGUAGE sql AS 'DELETE FROM loans; SELECT 1'",
            mariadb_url: "CREATE FUNCTION wipe() RETURNS int BEGIN DELETE FROM loans; RETURN 1; END",
        }
        for url, body in bodies.items():
            office = DatabaseOffice(url, url)
            office.fill(ROWS)
            engine = create_engine(url, poolclass=NullPool)
            with engine.begin() as connection:
                connection.execute(text("CREATE TABLE one (number INT)"))
                connection.execute(text("INSERT INTO one VALUES (1)"))
                connection.execute(text(body))
            with pytest.raises(SourceRefused):
                ask(url, "SELECT number AS NUMBER FROM one WHERE wipe() = 1", {"student": "NUMBER"}).pull()
            assert len(office.connector().pull().rows) == 4


def test_an_account_that_can_write_is_pointed_out(postgres_url: str, mariadb_url: str) -> None:
    for url in (postgres_url, mariadb_url):
        DatabaseOffice(url, url).fill(ROWS)
        (warning,) = but_clocks(ask(url).check().warnings)
        assert "only read" in warning


def test_an_account_that_reaches_the_servers_files_or_programs_is_pointed_out(
    postgres_url: str, mariadb_url: str
) -> None:
    mark = token_hex(4)
    grants = {
        postgres_url: (
            f"CREATE ROLE r{mark} LOGIN PASSWORD 'x'; GRANT SELECT ON loans TO r{mark}",
            f"GRANT pg_read_server_files, pg_execute_server_program TO r{mark}",
            f"DROP OWNED BY r{mark}; DROP ROLE r{mark}",
        ),
        # A server may have an account of nobody's for this very machine, which would come first.
        mariadb_url: tuple(
            "; ".join(f"{words} r{mark}@{host}{tail}" for host in ("localhost", "'127.0.0.1'") for words, tail in each)
            for each in (
                (("CREATE USER", " IDENTIFIED BY 'x'"), ("GRANT SELECT ON loans TO", "")),
                (("GRANT FILE ON *.* TO", ""),),
                (("DROP USER", ""),),
            )
        ),
    }
    for url, (made, more, dropped) in grants.items():
        DatabaseOffice(url, url).fill(ROWS)
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")

        def run(statements: str, engine: Engine = engine) -> None:
            with engine.connect() as connection:
                for statement in statements.split("; "):
                    connection.exec_driver_sql(statement)

        reader = make_url(url).set(username=f"r{mark}", password="x").render_as_string(hide_password=False)
        run(made)
        try:
            assert but_clocks(ask(reader).check().warnings) == []
            run(more)
            (warning,) = but_clocks(ask(reader).check().warnings)
        finally:
            run(dropped)
        assert "can read or write files of the server" in warning
        assert ("run programs on the server" in warning) is (url == postgres_url)
        assert "change the office's data" not in warning


def test_an_sqlite_file_is_never_made_where_it_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="there is no file"):
        ask(f"sqlite:///{tmp_path / 'library.db'}").pull()
    assert not (tmp_path / "library.db").exists()


def test_a_file_that_is_no_database_is_garbled(tmp_path: Path) -> None:
    (tmp_path / "library.db").write_bytes(b"<html>" * 1000)
    with pytest.raises(SourceGarbled):
        ask(f"sqlite:///{tmp_path / 'library.db'}").pull()


def test_a_driver_that_is_not_installed_is_named_with_the_fix() -> None:
    with pytest.raises(SourceRefused, match="Install it"):
        ask("firebird://reader@127.0.0.1/library").pull()


@pytest.fixture
def silent_server() -> Iterator[int]:
    """A server that takes connections and never sends a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["mysql+pymysql", "mysql+mysqldb", "postgresql+psycopg"])
def test_a_server_that_never_speaks_is_given_up(silent_server: int, scheme: str) -> None:
    if scheme.endswith("mysqldb"):
        pytest.importorskip("MySQLdb", reason="mysqlclient is not installed; see docs/databases.md")
    with pytest.raises(SourceUnavailable):
        ask(f"{scheme}://reader@127.0.0.1:{silent_server}/library", connect_timeout="2 s", timeout="1 s").pull()


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("DELETE FROM loans", "begins with SELECT"),
        ("SELECT 1; DELETE FROM loans", "several statements"),
        ("", "begins with SELECT"),
        ("EXPLAIN SELECT 1", "begins with SELECT"),
        ("SELECT * FROM loans INTO OUTFILE '/tmp/loans'", "INTO writes something"),
        ("SELECT * INTO copied FROM loans", "INTO writes something"),
        ("SELECT * FROM loans FOR UPDATE", "FOR UPDATE writes something, or locks"),
        ("SELECT * FROM loans FOR\n  NO KEY UPDATE", "FOR NO KEY UPDATE"),
        ("SELECT * FROM loans LOCK IN SHARE MODE", "LOCK IN SHARE MODE"),
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
        "SELECT 'lent INTO the wild' AS title, \"for update\" FROM loans -- INTO nothing",
    ],
)
def test_one_select_may_be_written_in_many_ways(query: str) -> None:
    assert sql.Settings.model_validate({"url": "sqlite:///a.db", "query": query}).timeout == timedelta(minutes=2)


def _unstreamed(connector: sql.Sql, monkeypatch: pytest.MonkeyPatch) -> sql.Sql:
    """Have it ask without a server-side cursor, which would refuse a query that writes on its own account."""
    original = connector._reading

    @contextmanager
    def reading() -> Iterator[ReadTransaction]:
        with original() as read:
            read.connection = read.connection.execution_options(stream_results=False)
            yield read

    monkeypatch.setattr(connector, "_reading", reading)
    return connector
