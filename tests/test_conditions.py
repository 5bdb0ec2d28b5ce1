"""What offices' data are really like: each condition once, sent through a real file, database and socket."""

import csv
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from connectors import rest, sheet, sql
from connectors.port import Connector, Question
from status_db.model import ROSTER, RunState, Verdict
from tests.cast import LIN, QIAN, SUN
from tests.services.one_answer import answering
from tests.world import COHORT, World

HELD, CLEARED, UNKNOWN = Verdict.HELD, Verdict.CLEARED, Verdict.UNKNOWN
MEDIA = ("csv", "xlsx", "database", "socket")

Row = Sequence[object]


@contextmanager
def office(
    medium: str, columns: Sequence[str], rows: Sequence[Row], question: Question, folder: Path
) -> Iterator[Connector]:
    """Give a connector that asks a real office of this medium, which holds these rows."""
    match medium:
        case "csv":
            path = folder / "office.csv"
            with path.open("w", encoding="gb18030", newline="") as file:
                csv.writer(file).writerows([columns, *(["" if c is None else c for c in row] for row in rows)])
            yield sheet.connect(sheet.Settings.model_validate({"path": str(path), "encoding": "gb18030"}), question)
        case "xlsx":
            path = folder / "office.xlsx"
            book = openpyxl.Workbook()
            for row in (columns, *rows):
                book.worksheets[0].append(list(row))
            book.save(path)
            book.close()
            yield sheet.connect(sheet.Settings.model_validate({"path": str(path)}), question)
        case "database":
            with closing(sqlite3.connect(folder / "office.db")) as database:
                names = ", ".join(f'"{column}"' for column in columns)
                database.execute("DROP TABLE IF EXISTS office")
                database.execute(f"CREATE TABLE office ({names})")
                database.executemany(f"INSERT INTO office VALUES ({', '.join('?' * len(columns))})", rows)
                database.commit()
            own = {"url": f"sqlite:///{folder / 'office.db'}", "query": "SELECT * FROM office"}
            yield sql.connect(sql.Settings.model_validate(own), question)
        case _:
            records = [dict(zip(columns, row, strict=True)) for row in rows]
            body = json.dumps({"total": len(records), "rows": records}).encode()
            with answering(body, "application/json") as url:
                own = {"url": url, "records": "rows", "total": "total"}
                yield rest.connect(rest.Settings.model_validate(own), question)


class Asked:
    """A world one of whose sources is a real office."""

    def __init__(self, world: World, medium: str, folder: Path) -> None:
        self.world = world
        self._medium = medium
        self._folder = folder

    def run(self, source: str, columns: Sequence[str], rows: Sequence[Row]) -> Any:
        """Run the roster and every source, this one through the real office; return how its run ended."""
        mapped = self.world.settings.source[source].columns
        question = Question(source, mapped, self.world.clock)
        with ExitStack() as stack:
            real = stack.enter_context(office(self._medium, columns, rows, question, self._folder))
            plain = self.world.connect
            self.world.sync._connect = lambda name: real if name == source else plain(name)
            return self.world.run_all()[source]


@pytest.fixture(params=MEDIA)
def asked(request: pytest.FixtureRequest, sqlite_world: World, tmp_path: Path) -> Asked:
    return Asked(sqlite_world, request.param, tmp_path)


LOANS = ("CARD", "TITLE", "DUE", "BARCODE")
FEES = ("XH", "QFJE", "XM")
ROOMS = ("学号", "清退状态", "房间")


@pytest.mark.parametrize(
    "number",
    [
        pytest.param("20151001      ", id="blank-padded"),
        pytest.param("20151001\u00a0", id="a non-breaking space"),
        pytest.param("2015\u200b1001", id="a zero-width space"),
        pytest.param("\ufeff20151001", id="a byte-order mark"),
        pytest.param("２０１５１００１", id="full width"),
        pytest.param(20151001, id="a whole number"),
        pytest.param(20151001.0, id="a float"),
        pytest.param("c-1001", id="a card in lower case"),
    ],
)
def test_a_number_is_the_same_number_however_it_comes(asked: Asked, number: object) -> None:
    asked.run("loans", LOANS, [(number, "构造地质学", "2019-05-30", "B1")])
    assert asked.world.verdict(LIN.number, "library") is HELD
    assert asked.world.reader.unmatched_keys(COHORT) == ()


def test_a_letter_o_for_a_zero_is_unmatched_and_never_guessed(asked: Asked) -> None:
    # Somebody else's row shows that the column is the right one.
    other = (SUN.number, "唐诗选", "2019-05-30", "B2")
    asked.run("loans", LOANS, [("2O151001", "构造地质学", "2019-05-30", "B1"), other])
    assert asked.world.verdict(LIN.number, "library") is CLEARED
    assert [s.key for s in asked.world.reader.unmatched_keys(COHORT)] == ["2O151001"]


def test_a_lost_leading_zero_makes_unknown_and_is_listed(asked: Asked) -> None:
    asked.world.says[ROSTER].append({**SUN.listed(), "学号": "0099123"})
    asked.run("loans", LOANS, [("99123", "构造地质学", "2019-05-30", "B1")])
    assert asked.world.verdict("0099123", "library") is UNKNOWN
    assert [s.near for s in asked.world.reader.unmatched_keys(COHORT)] == ["leading_zero"]


def test_the_same_record_twice_is_one_and_two_copies_of_a_title_are_two(asked: Asked) -> None:
    book = (LIN.number, "构造地质学", "2019-05-30")
    asked.run("loans", LOANS, [(*book, "B1"), (*book, "B1"), (*book, "B2")])
    step = next(s for s in asked.world.student(LIN.number).steps if s.step == "library")
    assert [o.reference for o in step.finding.evidence] == ["B1", "B2"]


def test_everybody_unmatched_is_a_wrong_column(asked: Asked) -> None:
    outcome = asked.run("loans", LOANS, [(f"X{i}", "a", "2019-05-30", f"B{i}") for i in range(25)])
    assert (outcome.state, outcome.fault) == (RunState.FAILED, "garbled")


@pytest.mark.parametrize(
    ("amounts", "verdict"),
    [
        pytest.param(["￥1,200.50"], HELD, id="with a sign and a comma"),
        pytest.param(["１２００．５０"], HELD, id="in full width"),
        pytest.param(["1200.5元"], HELD, id="in yuan, in words"),
        pytest.param(["120050分"], HELD, id="in fen, in words"),
        pytest.param([1200.5], HELD, id="as a number"),
        pytest.param(["-5"], CLEARED, id="below nought"),
        pytest.param(["10", "-10"], CLEARED, id="ten and minus ten"),
        pytest.param([None], UNKNOWN, id="none"),
        pytest.param(["1,2"], UNKNOWN, id="a comma that separates no thousands"),
        pytest.param(["(300.00)"], CLEARED, id="in brackets"),
        pytest.param(["0.004"], CLEARED, id="less than half a fen"),
        pytest.param(["0.01"], HELD, id="one fen"),
        pytest.param(["见备注"], UNKNOWN, id="words"),
        pytest.param(["#N/A"], UNKNOWN, id="a formula that has failed"),
        pytest.param(["10", "见备注"], UNKNOWN, id="words beside a sum"),
    ],
)
def test_what_an_amount_means(asked: Asked, amounts: list[object], verdict: Verdict) -> None:
    asked.run("fees", FEES, [(QIAN.number, amount, "学费") for amount in amounts])
    assert asked.world.verdict(QIAN.number, "finance") is verdict


def test_amounts_in_their_many_spellings_are_one_amount(asked: Asked) -> None:
    spelled = ["￥1,200.50", "１２００．５０", "1200.5元", "120050分"]
    people = [p["学号"] for p in asked.world.says[ROSTER][:4]]
    asked.run("fees", FEES, [(number, amount, "学费") for number, amount in zip(people, spelled, strict=True)])
    for number in people:
        step = next(s for s in asked.world.student(number).steps if s.step == "finance")
        assert [str(o.amount) for o in step.finding.evidence] in (["1200.50"], ["1200.5"])


def test_no_amount_is_a_doubt_in_a_balance_and_counted(asked: Asked) -> None:
    outcome = asked.run(
        "fees", FEES, [(QIAN.number, None, "学费"), (QIAN.number, "5", "住宿费"), (LIN.number, None, "学费")]
    )
    assert outcome.counts.no_amount == 2
    assert asked.world.verdict(QIAN.number, "finance") is HELD
    assert asked.world.verdict(LIN.number, "finance") is UNKNOWN


def test_an_item_is_owed_whatever_its_amount(asked: Asked) -> None:
    asked.run("loans", LOANS, [(LIN.number, None, None, None)])
    assert asked.world.verdict(LIN.number, "library") is HELD


def test_a_loan_after_clearing_holds_again(asked: Asked) -> None:
    for rows in ([(LIN.number, "构造地质学", None, "B1")], [(SUN.number, "唐诗选", None, "B2")]):
        asked.run("loans", LOANS, rows)
    assert asked.world.verdict(LIN.number, "library") is CLEARED
    asked.run("loans", LOANS, [(LIN.number, "普通地质学", None, "B3"), (SUN.number, "唐诗选", None, "B2")])
    assert asked.world.verdict(LIN.number, "library") is HELD


@pytest.mark.parametrize("due", ["0000-00-00 00:00:00", "2019-02-30", "长期", "", None])
def test_a_day_that_is_none_leaves_the_book_owed(asked: Asked, due: object) -> None:
    asked.run("loans", LOANS, [(LIN.number, "构造地质学", due, "B1")])
    (owed,) = next(s for s in asked.world.student(LIN.number).steps if s.step == "library").finding.evidence
    assert (owed.due, owed.due_unreadable) == (None, due in ("2019-02-30", "长期"))
    assert asked.world.verdict(LIN.number, "library") is HELD


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        pytest.param(["已清退", "未清退"], HELD, id="one of two rooms"),
        pytest.param(["已清退", "已清退"], CLEARED, id="both rooms"),
        pytest.param(["　已清退 "], CLEARED, id="with blanks around it"),
        pytest.param(["已退"], UNKNOWN, id="a word that nobody told"),
        pytest.param(["#REF!"], UNKNOWN, id="a formula that has failed"),
        pytest.param([None], UNKNOWN, id="no word"),
        pytest.param(["外宿"], Verdict.EXEMPT, id="who need not"),
    ],
)
def test_what_a_status_means(asked: Asked, words: list[object], verdict: Verdict) -> None:
    asked.run("checkouts", ROOMS, [(LIN.number, word, f"41{i}") for i, word in enumerate(words)])
    assert asked.world.verdict(LIN.number, "dorm") is verdict


def test_an_old_number_holds_the_new_one(asked: Asked) -> None:
    asked.run("fees", FEES, [(QIAN.former, "5850", "学费")])
    assert asked.world.verdict(QIAN.number, "finance") is HELD


def test_a_row_without_a_number_refuses_the_answer(asked: Asked) -> None:
    outcome = asked.run("fees", FEES, [(None, "5850", "学费"), (QIAN.number, "1", "学费")])
    assert (outcome.state, outcome.fault) == (RunState.FAILED, "garbled")
    assert "1 row without a student number" in outcome.message
    assert "学费" in outcome.message
    assert asked.world.verdict(LIN.number, "finance") is UNKNOWN
