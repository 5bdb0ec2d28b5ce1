"""Interlib over Oracle's own wire: padded keys, the way from reader to number, cancelled readers, names that differ."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from sqlite3 import connect as open_file
from typing import Any

import pytest
from pydantic import ValidationError

from connectors import interlib_views, sql
from connectors.port import Connector, ProofKind, Question, SourceGarbled
from tests.cast import LIN, QIAN, SUN, ZHAO
from tests.contract import COLUMNS, ConnectorContract, Ticking
from tests.oracle_listener.sql import Schema, load
from tests.oracle_listener.wire import Account, OracleListener
from tests.services.university import free_port

# Refused or reset, the driver leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

WORD = "hidden-word"
TABLES = {
    "READER": {"RDID": "CHAR(20)", "WORKCARDNO": "CHAR(20)", "RDCFSTATE": "NUMBER(2)"},
    "LOAN_WORK": {"RDID": "CHAR(20)", "BARCODE": "CHAR(12)", "RETURNDATE": "DATE"},
    "HOLDING": {"BARCODE": "CHAR(12)", "BOOKRECNO": "NUMBER(10)"},
    "BIBLIOS": {"BOOKRECNO": "NUMBER(10)", "TITLE": "VARCHAR2(400)"},
    "FIN_DEBT": {"RDID": "CHAR(20)", "MONEY": "NUMBER(10,2)"},
}
ROWS: dict[str, Sequence[Sequence[object]]] = {
    "READER": [
        ("R1", LIN.number, 1),
        ("R2", ZHAO.number, 4),
        ("R3", QIAN.number, 5),
        ("R4", None, 1),
        ("R5", SUN.number, None),
    ],
    "LOAN_WORK": [
        ("R1", "B1", "2019-05-30 00:00:00"),
        ("R3", "B2", "2019-06-02 00:00:00"),
        ("R4", "B3", None),
        ("R9", "B4", None),
    ],
    "HOLDING": [("B1", 1), ("B2", 2)],
    "BIBLIOS": [(1, "构造地质学"), (2, "唐诗选")],
    "FIN_DEBT": [("R1", Decimal("3.20")), ("R2", Decimal(0))],
}


@contextmanager
def database(path: Path, state: str = "NUMBER(2)") -> Iterator[OracleListener]:
    """Serve a library's database, in which a reader's state is of this type."""
    schema = Schema.of({**TABLES, "READER": {**TABLES["READER"], "RDCFSTATE": state}}, "INTERLIB")
    load(path, schema, ROWS)
    with OracleListener(path, schema, users={"CLEARANCE": Account(WORD)}, require_owner=True) as wire:
        yield wire


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OracleListener]:
    with database(tmp_path / "library.sqlite") as wire:
        yield wire


def ask(port: int, asks: str = "loans", columns: Mapping[str, str] | None = None, /, **own: Any) -> sql.Sql:
    url = f"oracle+oracledb://clearance:{WORD}@127.0.0.1:{port}/?service_name=LIBSYS"
    settings = interlib_views.Settings.model_validate({"url": f"env:URL:-{url}", "asks": asks, **own})
    mapped = interlib_views.Settings.default_columns({"asks": asks}) if columns is None else columns
    return interlib_views.connect(settings, Question("loans", mapped, Ticking()))


class TestInterlibViews(ConnectorContract, of="interlib_views"):
    class Office:
        secret = WORD

        def __init__(self, server: OracleListener) -> None:
            self.server = server

        def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
            with closing(open_file(self.server.path)) as file:
                for table in TABLES:
                    file.execute(f"DELETE FROM {table}")
                for number in {row["NUMBER"] for row in rows}:
                    held = None if number is None else number.ljust(20)
                    file.execute("INSERT INTO READER VALUES (?, ?, 1)", [f"R{number}".ljust(20), held])
                for at, row in enumerate(rows):
                    barcode = str(row["BARCODE"]).ljust(12)
                    file.execute("INSERT INTO LOAN_WORK VALUES (?, ?, NULL)", [f"R{row['NUMBER']}".ljust(20), barcode])
                    file.execute("INSERT INTO HOLDING VALUES (?, ?)", [barcode, at])
                    file.execute("INSERT INTO BIBLIOS VALUES (?, ?)", [at, row["TITLE"]])
                file.commit()

        def connector(self, columns: Mapping[str, str] = COLUMNS) -> Connector:
            own = {column: column.replace("NUMBER", "STUDENT_NO") for column in columns.values()}
            return ask(self.server.port, "loans", {field: own[column] for field, column in columns.items()})

        def out_of_reach(self) -> Connector:
            return ask(free_port(), "loans", COLUMNS, connect_timeout="2 s")

    @pytest.fixture
    def office(self, server: OracleListener) -> Office:
        return self.Office(server)

    def test_a_check_shows_the_columns_and_one_row(self, office: Any) -> None:
        office.fill([{"NUMBER": LIN.number, "TITLE": "构造地质学", "BARCODE": "B1"}])
        sample = office.connector().check()
        # The number is called so here, whatever its column is called in the library.
        assert sample.columns == ("student_no", "title", "due", "barcode")
        assert sample.row["student"] == LIN.number


def test_loans_come_by_the_number_on_the_work_card(server: OracleListener) -> None:
    rows = {row[3]: row[:2] for row in ask(server.port).pull().rows}
    assert rows.pop("B1") == (LIN.number, "构造地质学")
    assert rows.pop("B2") == (QIAN.number, "唐诗选")
    # Of a reader without a number, and of one whom the library does not know: nobody's, and listed by their ids.
    assert rows == {"B3": ("reader R4", None), "B4": ("reader R9", None)}


def test_some_students_are_asked_for_alone(server: OracleListener) -> None:
    snapshot = ask(server.port).pull_these([LIN.number, ZHAO.number])
    assert [row[3] for row in snapshot.rows] == ["B1"]
    assert sorted(map(str, snapshot.population or ())) == sorted([LIN.number, ZHAO.number])


@pytest.mark.parametrize("state", ["NUMBER(2)", "CHAR(2)"])
def test_the_population_is_every_reader_with_a_number_who_is_not_cancelled(tmp_path: Path, state: str) -> None:
    with database(tmp_path / "library.sqlite", state) as server:
        assert set(ask(server.port).pull().population or ()) == {LIN.number, ZHAO.number, SUN.number}


def test_a_library_states_itself_which_states_have_left(server: OracleListener) -> None:
    assert set(ask(server.port, cancelled=["4", "5"]).pull().population or ()) == {LIN.number, SUN.number}
    assert QIAN.number in set(ask(server.port, cancelled=[]).pull().population or ())


def test_debts_are_those_that_are_not_zero(server: OracleListener) -> None:
    assert [(row[0], str(row[1])) for row in ask(server.port, "debts").pull().rows] == [(LIN.number, "3.2")]


@pytest.mark.parametrize("asks", ["loans", "debts"])
def test_one_student_is_asked_for_alone(server: OracleListener, asks: str) -> None:
    snapshot = ask(server.port, asks).pull_one(LIN.number)
    assert {row[0] for row in snapshot.rows} == {LIN.number}
    assert snapshot.population == [LIN.number]
    assert any("1 of 1" in proof.detail for proof in snapshot.proofs if proof.kind is ProofKind.TOTAL_AGREES)


def test_names_that_differ_here_are_reported(server: OracleListener) -> None:
    with pytest.raises(SourceGarbled, match=r"OWNER\.NAME"):
        ask(server.port, loans="V_LOANS").pull()


@pytest.mark.parametrize(
    "own", [{"loans": "LOAN_WORK; DROP TABLE X"}, {"due": "A B"}, {"owner": ""}, {"cancelled": ["5') OR ('1'='1"]}]
)
def test_a_name_is_a_name_and_nothing_else(own: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        interlib_views.Settings.model_validate({"url": "sqlite:///a.db", "asks": "loans", **own})
