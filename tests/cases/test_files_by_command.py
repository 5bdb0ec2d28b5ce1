"""The cases of lists by the command line: a roster and a source of one university, each a file."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cases.test_cases_files import HEAD, INPUTS, page, written
from tests.services.in_process import command

SETTINGS = """
[institution]
name = "试验大学"
timezone = "Asia/Shanghai"
[status_db]
url = "env:STATUS_URL"
ledger_key_file = "ledger.key"
[[cohort]]
key = "2019"
name = "2019届"
[roster]
connector = "sheet"
path = "roster.xls"
every = "1 h"
columns = { student = "学号", name = "姓名", level = "层次", college = "学院" }
levels = { "本科生" = "undergraduate" }
[[step]]
key = "finance"
title = "计财处"
office = { name = "计财处", places = { "*" = { where = "行政楼" } } }
[[flow]]
key = "u"
levels = ["undergraduate"]
entries = [ { step = "finance" } ]
[source.fees]
step = "finance"
connector = "sheet"
path = "PATH"
means = "balance"
obligation = "fee"
first = "apply"
every = "1 h"
columns = { student = "学号", title = "收费项目", amount = "AMOUNT" }
"""

PEOPLE = (
    ("2015150001", "张一"),
    ("2015150002", "李二"),
    ("2015150003", "王三"),
    ("2015150004", "赵四"),
    ("0015150005", "钱五"),
)


@pytest.fixture
def run(status_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command in a university whose roster is a web page named .xls."""
    monkeypatch.setenv("STATUS_URL", status_url)
    monkeypatch.chdir(tmp_path)
    people = "".join(f"<tr><td>{number}<td>{name}<td>本科生<td>文学院" for number, name in PEOPLE)
    written(tmp_path / "roster.xls", page(f"<table><tr><th>学号<th>姓名<th>层次<th>学院{people}</table>"))

    def say(*words: str, path: str = "fees.csv", amount: str = "欠费", code: int = 0) -> str:
        settings = tmp_path / "clearance.toml"
        settings.write_text(SETTINGS.replace("PATH", path).replace("AMOUNT", amount), encoding="utf-8")
        ended = command(["--config", str(settings), *words], os.environ)
        said = ended.out + ended.err
        assert ended.code == code, said
        assert "Traceback" not in said
        return said

    return say


def test_the_second_row_of_a_merged_number_holds_its_student(run: Callable[..., str], tmp_path: Path) -> None:
    shutil.copy(INPUTS / "merged_student_cell.xlsx", tmp_path)
    run("db", "upgrade")
    run("sync", path="merged_student_cell.xlsx")
    assert "1200" in run("status", "2015150001", path="merged_student_cell.xlsx").replace(",", "")


def test_a_number_with_a_format_is_its_owners(run: Callable[..., str], tmp_path: Path) -> None:
    page_of_numbers = page("<table><tr><th>学号<th>收费项目<th>欠费<tr><td>0015150005<td>学费<td>1,200.00</table>")
    written(tmp_path / "fees_20190524.xls", page_of_numbers)
    written(tmp_path / "fees_20190510.csv", HEAD + "0015150005,学费,0\n")
    run("db", "upgrade")
    run("sync", path="fees_*")
    assert "1200" in run("status", "0015150005", path="fees_*").replace(",", "")


def test_a_long_footnote_is_applied(run: Callable[..., str], tmp_path: Path) -> None:
    shutil.copy(INPUTS / "long_footnote.xlsx", tmp_path)
    run("db", "upgrade")
    run("sync", path="long_footnote.xlsx")
    assert "5000" in run("status", "2015150001", path="long_footnote.xlsx").replace(",", "")
