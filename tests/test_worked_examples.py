"""The examples of docs/sources.md, over a database or a workbook as an office keeps it: what each row comes to mean."""

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from clearance.services import Program
from clearance.settings_file import schema_of
from config.load import load
from status_db.model import Verdict
from sync.rule.records import group, record_from_rows
from sync.rule_settings import source_rule
from tests.cast import LI, LIN, QIAN, SUN, ZHAO
from tests.services.university import ROOT
from tests.world import COHORT, SETTINGS

CLEARED, HELD, UNKNOWN, EXEMPT = Verdict.CLEARED, Verdict.HELD, Verdict.UNKNOWN, Verdict.EXEMPT


def example(name: str, connector: str) -> str:
    """Return the page's example of this source and connector, on a step that the cast's university has."""
    text = (ROOT / "docs" / "sources.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (found,) = [b for b in blocks if f"[source.{name}]" in b and f'connector = "{connector}"' in b]
    return str(found).replace('step = "textbook"', 'step = "finance"')


def verdicts(folder: Path, name: str, connector: str) -> tuple[dict[str, Verdict], Verdict, set[str] | None]:
    """Return what the example makes of each student, what it makes of no row, and whom the office knows."""
    file = folder / "clearance.toml"
    file.write_text(SETTINGS + example(name, connector), encoding="utf-8")
    url = f"sqlite:///{folder / 'office.db'}"
    settings = load(file, schema_of, {"STATUS_URL": "sqlite:///s.db", "TEXTBOOK_URL": url, "DORM_URL": url})
    rule = source_rule(settings, name)
    snapshot = Program(settings, COHORT).connect(name).pull()
    found = {
        str(student): record_from_rows(rule, snapshot.fields, str(student), rows, b"").verdict
        for student, rows in group(snapshot).items()
    }
    known = None if snapshot.population is None else {str(number) for number in snapshot.population}
    return found, rule.absent, known


def table(folder: Path, columns: str, rows: Sequence[Sequence[Any]]) -> None:
    with closing(sqlite3.connect(folder / "office.db")) as file:
        file.execute(f"CREATE TABLE {columns}")
        file.executemany(f"INSERT INTO {columns.split(maxsplit=1)[0]} VALUES ({', '.join('?' * len(rows[0]))})", rows)
        file.commit()


def workbook(path: Path, *rows: Sequence[Any]) -> None:
    path.parent.mkdir()
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(list(row))
    book.save(path)
    book.close()


def test_textbook_balances_by_a_view(tmp_path: Path) -> None:
    rows = [
        (LIN.number, "2018-1", 120, 100), (LIN.number, "2018-2", 80, 90), (QIAN.number, "2018-1", 120, 150),
        (QIAN.number, "2018-2", 80, 50), (SUN.number, "2018-1", 120, 120),
    ]  # fmt: skip
    table(tmp_path, "V_JCJS (XH TEXT, XNXQ TEXT, SF INTEGER, YF INTEGER)", rows)
    found, absent, known = verdicts(tmp_path, "textbooks", "sql")
    assert found == {LIN.number: HELD, QIAN.number: CLEARED}
    assert (absent, known) == (CLEARED, {LIN.number, QIAN.number, SUN.number})


def test_textbook_balances_by_a_sheet(tmp_path: Path) -> None:
    rows = [(LIN.number, "2018-1", 30.5), (QIAN.number, "2018-1", 0), (SUN.number, "2018-1", -3)]
    workbook(tmp_path / "lists" / "textbooks.xlsx", ("学号", "学期", "应补金额"), *rows)
    found, _, known = verdicts(tmp_path, "textbooks", "sheet")
    assert found == {LIN.number: HELD, QIAN.number: CLEARED, SUN.number: CLEARED}
    assert known == set(found)


CODES = ((LIN.number, 0, "412"), (QIAN.number, 1, "305"), (ZHAO.number, 2, ""), (SUN.number, 3, "305"))
MEANING = {LIN.number: HELD, QIAN.number: CLEARED, ZHAO.number: EXEMPT, SUN.number: UNKNOWN}


@pytest.mark.parametrize("kind", ["TEXT", "INTEGER", "REAL"])
def test_dormitory_codes_by_a_view_in_whatever_type(tmp_path: Path, kind: str) -> None:
    table(tmp_path, f"V_ZSZT (XH TEXT, ZT {kind}, FJH TEXT)", CODES)
    assert verdicts(tmp_path, "rooms", "sql") == (MEANING, UNKNOWN, None)


@pytest.mark.parametrize("kind", [str, int, float])
def test_dormitory_codes_by_a_sheet_in_whatever_type(tmp_path: Path, kind: type) -> None:
    rows = [(number, kind(code), room) for number, code, room in CODES]
    words = (LI.number, "退宿", "研5-101")
    workbook(tmp_path / "lists" / "rooms.xlsx", ("学号", "清退状态", "宿舍房间号"), *rows, words)
    assert verdicts(tmp_path, "rooms", "sheet") == ({**MEANING, LI.number: CLEARED}, UNKNOWN, None)


def test_where_only_those_who_have_checked_out_have_a_row_everybody_else_is_held(tmp_path: Path) -> None:
    table(tmp_path, "V_TSJL (XH TEXT, QTRQ TEXT)", [(LIN.number, "2019-06-01")])
    assert verdicts(tmp_path, "leavers", "sql") == ({LIN.number: CLEARED}, HELD, None)
