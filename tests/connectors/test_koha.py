"""Koha's tables as its public schema has them, on a real MariaDB: loans and fines, by card or by attribute."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from clearance.settings_file import schema_of
from config.load import load
from connectors import koha, sql
from connectors.port import Candidates, Question, SourceGarbled
from tests.contract import COLUMNS, ConnectorContract, Ticking
from tests.world import SETTINGS

TABLES = """
CREATE TABLE borrowers (borrowernumber INT PRIMARY KEY, cardnumber VARCHAR(32) UNIQUE, userid VARCHAR(75),
  sort1 VARCHAR(80), sort2 VARCHAR(80));
CREATE TABLE borrower_attributes (id INT PRIMARY KEY, borrowernumber INT, code VARCHAR(64), attribute VARCHAR(255));
CREATE TABLE biblio (biblionumber INT PRIMARY KEY, title LONGTEXT);
CREATE TABLE items (itemnumber INT PRIMARY KEY, biblionumber INT, barcode VARCHAR(20));
CREATE TABLE issues (issue_id INT PRIMARY KEY, borrowernumber INT, itemnumber INT, date_due DATETIME,
  onsite_checkout INT NOT NULL DEFAULT 0);
CREATE TABLE old_issues (issue_id INT PRIMARY KEY, borrowernumber INT, itemnumber INT, date_due DATETIME);
"""
ROWS = """
INSERT INTO borrowers VALUES (1, 'C-1', 'lin', NULL, NULL), (2, '20152003', 'qian', NULL, NULL);
INSERT INTO borrowers VALUES (3, NULL, 'x', NULL, NULL);
INSERT INTO borrower_attributes VALUES (1, 1, 'STUDENTNO', '20151001'), (2, 2, 'HOUSE', 'red');
INSERT INTO biblio VALUES (1, '构造地质学'), (2, '唐诗选');
INSERT INTO items VALUES (1, 1, 'B1'), (2, 2, 'B2'), (3, 2, 'B3');
INSERT INTO issues VALUES (1, 1, 1, '2019-05-30 23:59:00', 0), (2, 1, 2, '2019-05-30 23:59:00', 1);
INSERT INTO old_issues VALUES (3, 2, 3, '2019-05-01 23:59:00');
"""
ACCOUNTS = {
    "19.05": "accounttype VARCHAR(80)",
    "today": "debit_type_code VARCHAR(80), credit_type_code VARCHAR(80)",
}


def fill(connection: Connection, release: str) -> None:
    """Two readers: one with two books (one read in the room), one with a fine, a credit, and a book that came back."""
    accounts = f"""
CREATE TABLE accountlines (accountlines_id INT PRIMARY KEY, borrowernumber INT, description LONGTEXT,
  amountoutstanding DECIMAL(28,6), {ACCOUNTS[release]});
INSERT INTO accountlines (accountlines_id, borrowernumber, description, amountoutstanding)
  VALUES (1, 2, '逾期', 3.20), (2, 2, '', -1.20), (3, 2, '旧', 0);
"""
    for statement in (TABLES + ROWS + accounts).split(";"):
        if statement.strip():
            connection.execute(text(statement))


@pytest.fixture(params=["19.05", "today"])
def library(request: pytest.FixtureRequest, mariadb_url: str) -> str:
    engine = create_engine(mariadb_url, poolclass=NullPool)
    with engine.begin() as connection:
        fill(connection, request.param)
    return mariadb_url


#: Two students on the roster; the library knows one by a card.
ROSTER = Candidates({"20151001": ("20151001", "C-1"), "20152009": ("20152009",)}, 1)


def ask(url: str, **own: Any) -> sql.Sql:
    settings = koha.Settings.model_validate({"url": f"env:URL:-{url}", **own})
    columns = koha.Settings.default_columns(own)
    return koha.connect(settings, Question("loans", columns, Ticking(), lambda: ROSTER))


def test_loans_by_card_number(library: str) -> None:
    snapshot = ask(library, asks="loans", onsite=False).pull()
    ((number, title, due, barcode),) = snapshot.rows
    assert (number, title, barcode) == ("C-1", "构造地质学", "B1")
    assert str(due).startswith("2019-05-30")
    assert sorted(map(str, snapshot.population or ())) == ["20152003", "C-1"]


def change(url: str, *statements: str) -> None:
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


def test_loans_by_an_extended_attribute_and_by_card_where_there_is_none(library: str) -> None:
    change(library, "INSERT INTO issues VALUES (9, 2, 3, '2019-05-30 23:59:00', 0)")
    change(library, "INSERT INTO borrower_attributes VALUES (3, 2, 'STUDENTNO', ' ')")
    snapshot = ask(library, asks="loans", attribute="STUDENTNO").pull()
    assert [row[0] for row in snapshot.rows] == ["20151001", "20151001", "20152003"]
    assert sorted(map(str, snapshot.population or ())) == ["20151001", "20152003"]


def test_fines_by_an_extended_attribute_and_by_card_where_there_is_none(library: str) -> None:
    rows = ask(library, asks="fines", attribute="STUDENTNO").pull().rows
    assert {row[0] for row in rows} == {"20152003"}


def test_a_book_lent_for_the_reading_room_holds_unless_it_is_left_out(library: str) -> None:
    assert len(ask(library, asks="loans").pull().rows) == 2
    assert len(ask(library, asks="loans", onsite=False).pull().rows) == 1


@pytest.mark.parametrize("gone", ["DELETE FROM items", "DELETE FROM biblio", "UPDATE issues SET itemnumber = NULL"])
def test_a_loan_holds_though_its_item_or_title_is_deleted(library: str, gone: str) -> None:
    change(library, gone)
    assert [row[0] for row in ask(library, asks="loans").pull().rows] == ["C-1", "C-1"]


def test_a_reader_without_any_number_is_listed_and_in_no_population(library: str) -> None:
    change(library, "INSERT INTO issues VALUES (9, 3, 3, '2019-05-30 23:59:00', 0)")
    for number in ("cardnumber", "sort1"):
        snapshot = ask(library, asks="loans", number=number).pull()
        assert "borrower3" in {row[0] for row in snapshot.rows}
        assert sorted(map(str, snapshot.population or ())) == ["20152003", "C-1"]


def test_fines_and_credits_in_both_dialects(library: str) -> None:
    rows = ask(library, asks="fines").pull().rows
    assert sum((Decimal(str(row[2])) for row in rows), Decimal(0)) == Decimal("2.00")
    assert {row[0] for row in rows} == {"20152003"}


@pytest.mark.parametrize(
    "own", [{"asks": "loans"}, {"asks": "loans", "attribute": "STUDENTNO"}, {"asks": "loans", "onsite": False}]
)
def test_one_student_is_asked_for_alone(library: str, own: dict[str, Any]) -> None:
    number = "20151001" if "attribute" in own else "C-1"
    assert ask(library, **own).pull_one(number).rows
    assert ask(library, **own).pull_one("20152003").rows == []


def test_some_students_are_asked_for_alone(library: str) -> None:
    change(library, "INSERT INTO issues VALUES (9, 2, 3, '2019-05-30 23:59:00', 0)")
    for own in ({}, {"roster_only": True}):
        snapshot = ask(library, asks="loans", **own).pull_these(["C-1", "20159999"])
        assert [row[0] for row in snapshot.rows] == ["C-1", "C-1"]
        assert list(snapshot.population or ()) == ["C-1"]


@pytest.mark.parametrize("asks", ["loans", "fines"])
def test_the_roster_alone_may_be_asked_for(library: str, asks: str) -> None:
    snapshot = ask(library, asks=asks, roster_only=True).pull()
    assert {row[0] for row in snapshot.rows} == ({"C-1"} if asks == "loans" else set())
    assert list(snapshot.population or ()) == ["C-1"]


@pytest.mark.parametrize("asks", ["loans", "fines"])
def test_it_may_be_asked_first_whether_anything_has_changed(library: str, asks: str) -> None:
    told = ask(library, asks=asks, fingerprint=True).fingerprint()
    assert told is not None
    assert told.value == ask(library, asks=asks, fingerprint=True).pull().fingerprint


class KohaOffice:
    """A library on Koha, for the promises of every connector."""

    secret = "hidden-word"

    def __init__(self, url: str) -> None:
        self._url = url
        change(url, *[statement for statement in TABLES.split(";") if statement.strip()])

    def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
        change(self._url, *(f"DELETE FROM {table}" for table in ("issues", "items", "biblio", "borrowers")))
        readers = {row["NUMBER"]: at for at, row in enumerate(rows, 1)}
        engine = create_engine(self._url, poolclass=NullPool)
        with engine.begin() as connection:
            for number, at in readers.items():
                connection.execute(
                    text("INSERT INTO borrowers (borrowernumber, cardnumber) VALUES (:b, :c)"), {"b": at, "c": number}
                )
            for at, row in enumerate(rows, 1):
                own = {"i": at, "b": readers[row["NUMBER"]], "t": row["TITLE"], "c": row["BARCODE"]}
                connection.execute(text("INSERT INTO biblio VALUES (:i, :t)"), own)
                connection.execute(text("INSERT INTO items VALUES (:i, :i, :c)"), own)
                connection.execute(text("INSERT INTO issues VALUES (:i, :b, :i, '2019-05-30', 0)"), own)

    def connector(self, columns: Mapping[str, str] = COLUMNS) -> sql.Sql:
        return self._asking(self._url, columns)

    def out_of_reach(self) -> sql.Sql:
        return self._asking("mysql+pymysql://reader:hidden-word@127.0.0.1:1/koha", COLUMNS)

    def _asking(self, url: str, columns: Mapping[str, str]) -> sql.Sql:
        settings = koha.Settings.model_validate({"url": f"env:URL:-{url}", "asks": "loans"})
        return koha.connect(settings, Question("loans", columns, Ticking()))


class TestKoha(ConnectorContract, of="koha"):
    @pytest.fixture
    def office(self, mariadb_url: str) -> KohaOffice:
        return KohaOffice(mariadb_url)


def test_a_database_that_is_no_kohas_is_garbled(mariadb_url: str) -> None:
    with pytest.raises(SourceGarbled, match="issues"):
        ask(mariadb_url, asks="loans").pull()


def test_a_settings_file_need_not_spell_out_its_columns(tmp_path: Path) -> None:
    old = SETTINGS.split("[source.loans]")[1].split("[source.fines]")[0]
    new = """
step = "library"
connector = "koha"
url = "sqlite:///koha.db"
asks = "loans"
means = "items"
every = "15 min"

"""
    file = tmp_path / "clearance.toml"
    file.write_text(SETTINGS.replace(old, new), encoding="utf-8")
    read = load(file, schema_of, {"STATUS_URL": "sqlite:///status.db"})
    assert read.source["loans"].columns["student"] == "number"
