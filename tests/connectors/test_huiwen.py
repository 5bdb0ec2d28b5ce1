"""汇文 over Oracle's own wire: blank-padded keys, text dates, the way from reader to card to title."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from connectors import huiwen, sql
from connectors.port import Candidates, Question, SourceGarbled
from sync.rule.cells import day
from tests.contract import COLUMNS, ConnectorContract, Ticking
from tests.oracle_listener.library import TABLES, everything, loans, reader_no
from tests.oracle_listener.wire import Account
from tests.services.oracle import WORD, Place, oracle
from tests.services.university import free_port

# Refused, the driver leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

COUNT = 120

#: What may have been deleted behind a loan.
GONE = ("READER_CERT", "ITEM", "MARC")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    path = tmp_path_factory.mktemp("huiwen") / "library.sqlite"
    with oracle(path, TABLES, everything(COUNT), {"CLEARANCE": Account(WORD)}, require_owner=True) as place:
        yield place


def ask(server: Place, **own: Any) -> sql.Sql:
    told = {"url": f"env:NO_SUCH_NAME:-{server.address()}", "owner": server.owner, **own}
    settings = huiwen.Settings.model_validate(told)
    roster = Candidates({reader_no(0): (reader_no(0),), "20159999": ("20159999",)}, 1)
    columns = huiwen.Settings.default_columns(own)
    return huiwen.connect(settings, Question("loans", columns, Ticking(), lambda: roster))


def test_loans_come_by_the_readers_own_number_with_title_day_and_copy(server: Place) -> None:
    snapshot = ask(server, asks="loans", number="reader").pull()
    assert len(snapshot.rows) == len(list(loans(COUNT)))
    number, title, due, copy = snapshot.rows[0]
    assert str(number) in {reader_no(i) for i in range(COUNT)}
    assert "图书" in str(title)
    assert isinstance(day(due, ZoneInfo("Asia/Shanghai"), ZoneInfo("Asia/Shanghai")), date)
    assert str(copy).startswith("P")
    assert str(copy) == str(copy).strip()


def test_or_by_the_number_of_the_card(server: Place) -> None:
    snapshot = ask(server, asks="loans").pull()
    assert all(str(row[0]).startswith("C") and str(row[0]) == str(row[0]).strip() for row in snapshot.rows)


def test_everybody_with_a_card_is_known(server: Place) -> None:
    assert len(ask(server, asks="loans").pull().population or ()) == COUNT


def test_debts_are_those_that_are_not_zero(server: Place) -> None:
    rows = ask(server, asks="debts", number="reader").pull().rows
    assert rows
    assert all(Decimal(str(row[1])) > 0 for row in rows)


def test_one_reader_is_asked_for_alone(server: Place) -> None:
    snapshot = ask(server, asks="loans", number="reader").pull_one(reader_no(0))
    assert {row[0] for row in snapshot.rows} == {reader_no(0)}
    assert snapshot.population == [reader_no(0)]


def test_the_roster_alone_may_be_asked_for(server: Place) -> None:
    snapshot = ask(server, asks="loans", number="reader", roster_only=True).pull()
    assert {row[0] for row in snapshot.rows} == {reader_no(0)}
    assert snapshot.population == [reader_no(0)]


def test_some_readers_are_asked_for_alone(server: Place) -> None:
    for own in ({}, {"roster_only": True}):
        snapshot = ask(server, asks="loans", number="reader", **own).pull_these([reader_no(0), "20159999"])
        assert {row[0] for row in snapshot.rows} == {reader_no(0)}
        assert snapshot.population == [reader_no(0)]


@pytest.mark.parametrize(("number", "listed"), [("reader", reader_no(0)), ("card", f"reader {reader_no(0)}")])
def test_a_loan_holds_though_its_card_copy_and_title_are_gone(server: Place, number: str, listed: str) -> None:
    before = {table: [dict(zip(TABLES[table], row, strict=True)) for row in everything(COUNT)[table]] for table in GONE}
    try:
        for table in GONE:
            server.refill(table, [])
        rows = ask(server, asks="loans", number=number).pull().rows
        assert len(rows) == len(list(loans(COUNT)))
        assert listed in {row[0] for row in rows}
    finally:
        for table, kept in before.items():
            server.refill(table, kept)


class HuiwenOffice:
    """A library on Huiwen, for the promises of every connector."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.secret = str(place.url.password)

    def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
        empty = {table: dict.fromkeys(TABLES[table]) for table in TABLES}
        numbers = list(dict.fromkeys(row["NUMBER"] for row in rows))
        cards = [{**empty["READER_CERT"], "REDR_CERT_ID": n, "CERT_ID_F": f"R{at}"} for at, n in enumerate(numbers)]
        self._place.refill("READER_CERT", cards)
        lent, items, books = [], [], []
        for at, row in enumerate(rows):
            copy, reader = row["BARCODE"], f"R{numbers.index(row['NUMBER'])}"
            lent.append({**empty["LEND_LST"], "CERT_ID_F": reader, "PROP_NO_F": copy, "NORM_RET_DATE": "2019-05-30"})
            items.append({**empty["ITEM"], "PROP_NO_F": copy, "MARC_REC_NO": f"M{at}"})
            books.append({**empty["MARC"], "MARC_REC_NO": f"M{at}", "M_TITLE": row["TITLE"]})
        for table, filled in (("LEND_LST", lent), ("ITEM", items), ("MARC", books)):
            self._place.refill(table, filled)

    def connector(self, columns: Mapping[str, str] = COLUMNS) -> sql.Sql:
        return self._asking(self._place, columns)

    def out_of_reach(self) -> sql.Sql:
        return self._asking(Place(self._place.url.set(port=free_port()), self._place.owner), COLUMNS)

    def _asking(self, place: Place, columns: Mapping[str, str]) -> sql.Sql:
        told = {"url": f"env:NO_SUCH_NAME:-{place.address()}", "owner": place.owner, "asks": "loans"}
        own = {"NUMBER": "STUDENT_NO", "TITLE": "M_TITLE", "BARCODE": "PROP_NO"}
        mapped = {field: own.get(column, column) for field, column in columns.items()}
        settings = huiwen.Settings.model_validate({**told, "connect_timeout": "2 s"})
        return huiwen.connect(settings, Question("loans", mapped, Ticking()))


class TestHuiwen(ConnectorContract, of="huiwen"):
    @pytest.fixture
    def office(self, tmp_path: Path) -> Iterator[HuiwenOffice]:
        with oracle(
            tmp_path / "library.sqlite",
            TABLES,
            {t: [] for t in TABLES},
            {"CLEARANCE": Account(WORD)},
            require_owner=True,
        ) as place:
            yield HuiwenOffice(place)

    def test_a_check_shows_the_columns_and_one_row(self, office: HuiwenOffice) -> None:  # type: ignore[override]
        office.fill([{"NUMBER": "20151001", "TITLE": "构造地质学", "BARCODE": "B1"}])
        sample = office.connector().check()
        # The number is called so here, whatever its column is called in the library.
        assert [column.upper() for column in sample.columns] == ["STUDENT_NO", "M_TITLE", "NORM_RET_DATE", "PROP_NO"]
        assert sample.row is not None
        assert sample.row["student"] == "20151001"


def test_names_that_differ_here_are_reported(server: Place) -> None:
    with pytest.raises(SourceGarbled, match=r"OWNER\.NAME"):
        ask(server, asks="loans", lent="VLEND_ALL").pull()


@pytest.mark.parametrize("name", ["LEND_LST; DROP TABLE X", "A B", "", "1A", 'X"'])
def test_a_name_is_a_name_and_nothing_else(name: str) -> None:
    with pytest.raises(ValidationError, match="is not a name of a table or column"):
        huiwen.Settings.model_validate({"url": "sqlite:///a.db", "asks": "loans", "lent": name})


def test_it_may_be_asked_first_whether_anything_has_changed(server: Place) -> None:
    told = ask(server, asks="loans", number="reader", fingerprint=True).fingerprint()
    assert told is not None
    assert told.value == ask(server, asks="loans", number="reader", fingerprint=True).pull().fingerprint


def test_another_day_has_another_fingerprint(server: Place) -> None:
    asked = {"asks": "loans", "number": "reader", "fingerprint": True}
    before = ask(server, **asked).fingerprint()
    rows = [dict(zip(TABLES["LEND_LST"], row, strict=True)) for row in loans(COUNT)]
    server.refill("LEND_LST", [{**rows[0], "NORM_RET_DATE": "2031-01-01"}, *rows[1:]])
    other = ask(server, **asked).fingerprint()
    server.refill("LEND_LST", rows)
    again = ask(server, **asked).fingerprint()
    assert before is not None
    assert other is not None
    assert again is not None
    assert before.value == again.value != other.value
