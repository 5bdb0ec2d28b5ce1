"""Lists as other programs write them, by the real command; docs/connectors/tried.md has them in words."""

import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from connectors.files.reader import FileKind, kind_of
from tests.cases.tried import COLUMNS, HEAD, OWES, Tried, held_to

Fill = Callable[[Any], None]

SECOND = "2015150002,学费,1200\n"
TOP = "<tr><th>学号<th>收费项目<th>欠费"
BOX = "+------------+----------+--------+\n"


def book(fill: Fill, **options: object) -> bytes:
    """Return a workbook."""
    kept = io.BytesIO()
    with xlsxwriter.Workbook(kept, {"in_memory": True, **options}) as workbook:
        fill(workbook)
    return kept.getvalue()


def table(workbook: Any, *rows: Sequence[object], title: str | None = None) -> Any:
    """Add a worksheet with the header and these rows."""
    sheet = workbook.add_worksheet(title)
    for at, row in enumerate([["学号", "收费项目", "欠费"], *rows]):
        sheet.write_row(at, 0, row)
    return sheet


def filtered(workbook: Any) -> None:
    sheet = table(workbook, ["2015150001", "学费", 5000], ["2015150002", "学费", 700])
    sheet.write(1, 1, "学费", workbook.add_format({"font_strikeout": True}))
    sheet.autofilter("A1:C3")
    sheet.set_row(2, None, None, {"hidden": True})


def in_words(workbook: Any) -> None:
    amounts = ("壹仟贰佰元整", "1.2万", "\u3000１，２００．００", "5000,00", "--")
    numbers = ("2015150001", "2015150002", "2015150003", "2015150004", "0015150005")
    table(workbook, *([number, "学费", amount] for number, amount in zip(numbers, amounts, strict=True)))


def of_numbers(workbook: Any) -> None:
    workbook.add_worksheet("导出摘要").write_row(0, 0, ["工作表", "表格"])
    table(workbook, ["2015150001", "学费", 5000], title="工作表 1 - 表格 1")


def of_two_colleges(workbook: Any) -> None:
    table(workbook, ["2015150001", "学费", 5000], title="文学院")
    table(workbook, ["2015150002", "学费", 5000], title="理学院").hide()


def scientific_by_format(workbook: Any) -> None:
    table(workbook, [0, "学费", 5000]).write(1, 0, 2015150001, workbook.add_format({"num_format": "0.00E+00"}))


def a_column_that_hides(workbook: Any) -> None:
    sheet = table(workbook)
    sheet.write_row(0, 0, ["学号", "学号", "收费项目", "欠费"])
    sheet.write_row(1, 0, ["2015150003", "2015150001", "学费", 5000])
    sheet.set_column(0, 0, None, None, {"hidden": True})


def to_the_last_row(workbook: Any) -> None:
    table(workbook, ["2015150001", "学费", 5000]).write_row(1_048_575, 0, ["2015150002", "学费", 700])


def archive(name: str, *, locked: bool = False) -> bytes:
    """Return a zip archive with a list in it; `locked`: it has a password."""
    kept = io.BytesIO()
    with zipfile.ZipFile(kept, "w") as packed:
        packed.writestr(name, HEAD + OWES)
    raw = bytearray(kept.getvalue())
    if locked:
        raw[raw.index(b"PK\x03\x04") + 6] |= 1
        raw[raw.index(b"PK\x01\x02") + 8] |= 1
    return bytes(raw)


#: How files begin that hold no list, and what they are called.
OTHERS = (
    (b"\x03\x13\x05\x1e\x02\0\0\0\x61\0\x2d\0" + bytes(20) + b"XH", "a table of dBase or FoxPro"),
    (b"$FL2@(#) SPSS DATA FILE\0", "an SPSS file"),
    (b"<stata_dta><header>", "a Stata file"),
    (b"\0\1\0\0Standard Jet DB\0", "an Access database"),
    (b"PAR1\x15\4\0", "a Parquet file"),
    ('[{"学号":"2015150001","欠费":5000}]'.encode(), "JSON"),
)


@pytest.mark.parametrize(("head", "name"), OTHERS)
def test_a_file_that_holds_no_list_is_called_what_it_is(head: bytes, name: str) -> None:
    assert kind_of(head) == (FileKind.OTHER, name)


#: What a program writes, and what is right: a letter for each of the five, or the refusal.
LISTS: dict[str, tuple[str | bytes, str]] = {
    # A number that is none.
    "words of programs for no value": (
        HEAD + OWES + "NULL,学费,1\n[NULL],学费,1\n\\N,学费,1\nnan,学费,1\n",
        "1: 4 rows without a student number: row 3 (学费, 1)",
    ),
    "an amount of NULL": (HEAD + OWES + "2015150002,学费,NULL\n", "huccc"),
    # What lies around a table.
    "SSMS, to a file": (
        HEAD + "----------,--------,-----\n" + OWES + SECOND + "\n(2 rows affected)\n\n"
        "Completion time: 2019-06-01T12:00:00.1234567+08:00\n",
        "hhccc",
    ),
    "SQL*Plus": (HEAD + "----------,--------,-----\n" + OWES + SECOND + "\n已选择 2 行。\n\n", "hhccc"),
    "SQL*Plus that lost a row": (HEAD + OWES + SECOND + "\n3 rows selected.\n\n", "1: reports 3 rows, but 2 are above"),
    "psql": (
        (
            "    学号    | 收费项目 | 欠费 \n------------+----------+------\n 2015150001 | 学费     | 5000\n"
            " 2015150002 | 学费     |   12\n(2 rows)\n\n"
        ),
        "hhccc",
    ),
    "the mysql client": (
        (
            f"{BOX}| 学号       | 收费项目 | 欠费   |\n{BOX}| 2015150001 | 学费     |   5000 |\n"
            f"| 2015150002 | NULL     |     12 |\n{BOX}2 rows in set (0.00 sec)\n\n"
        ),
        "hhccc",
    ),
    "PL/SQL Developer": ('"","学号","收费项目","欠费"\n"1","2015150001","学费","5000"\n', "hcccc"),
    # Signs that are not text.
    "a zero byte of bcp": (HEAD + OWES + SECOND + "2015150003,\0,70\n", "hhhcc"),
    "page breaks, line separators, the end of a DOS file": (
        HEAD + OWES + "\x0c\n\x0c" + HEAD + '2015150002,学\u2028费,"1,200"\n2015150003,学\x0b费,"1,200"\n\x1a',
        "hhhcc",
    ),
    "carriage returns alone": ((HEAD + OWES + SECOND).replace("\n", "\r"), "hhccc"),
    # Numbers that were written otherwise.
    "2.01515×10^9": (HEAD + OWES + "2.01515×10^9,学费,1200\n", "1: a spreadsheet has damaged"),
    "thousands and a lost zero": (HEAD + OWES + '"2,015,150,002",学费,1\n"15,150,005",学费,1\n', "huccu"),
    "a lost zero and a name": (HEAD + OWES + "15150005 钱五,学费,1200\n", "hcccu"),
    "a range": (HEAD + OWES + "2015150002至2015150004,公寓水电费,1200\n", "huuuc"),
    # Workbooks.
    "a row that a filter hides, and one that is struck out": (book(filtered), "hhccc"),
    "amounts in words": (book(in_words), "uuhuu"),
    "Apple Numbers, exported": (book(of_numbers), "1: several worksheets (导出摘要, 工作表 1 - 表格 1)"),
    "a worksheet for each college, one hidden": (book(of_two_colleges), '1: worksheet "理学院" is hidden and also has'),
    "a number that only looks scientific": (book(scientific_by_format), "hcccc"),
    "a hidden column of one name": (book(a_column_that_hides), '1: the column "学号" is duplicate'),
    # What says of itself that it is not whole.
    "PHP that ran out of memory": (
        HEAD + OWES + "<br />\n<b>Fatal error</b>: Allowed memory size of 134217728 bytes exhausted in x.php\n",
        "1: row 4 states that the list is not whole",
    ),
    "SQL*Plus that broke off": (HEAD + OWES + "ERROR:\nORA-01555: snapshot too old\n", '1: not whole ("ORA-01555'),
    "the first 200 rows": (HEAD + OWES + "（仅显示前 200 行）\n", "1: row 3 states that the list is not whole"),
    "the first page of a web page": (
        f"<table>{TOP}<tr><td>2015150001<td>学费<td>5000<tr><td colspan=3>共 2 条记录 第 1/2 页</table>",
        '1: there are other pages ("共 2 条记录 第 1/2 页")',
    ),
    "a web page that was not paged to its end": (
        f"<table>{TOP}<tr><td>2015150001<td>学费<td>5000</table><p>显示第 1 至 10 项结果，共 57 项</p>",
        "1: a text around its table states that it is not whole",
    ),
    "a web page that shows everything": (
        f"<table>{TOP}<tr><td>2015150001<td>学费<td>5000</table><p>显示第 1 至 1 项结果，共 1 项，第 1 页 共 1 页</p>",
        "hcccc",
    ),
    "printed pages": (HEAD + OWES + "第 1 页 共 2 页\n" + HEAD + SECOND + "第 2 页 共 2 页\n", "hhccc"),
    "inputs within a web page": (
        f"<table>{TOP}<tr><td>2015150001<td>学费<td><input value=5000></table>",
        "ucccc",
    ),
    "Excel's last row": (book(to_the_last_row), "1: it ends at row 1048576, the last row of such a file"),
    # Other kinds of file.
    "a zip archive with a password": (archive("list.xlsx", locked=True), "1: it is a zip archive with a password"),
    "Apple Numbers": (archive("Index/Document.iwa"), "1: it is a document of Apple Numbers"),
}


@pytest.mark.parametrize(("content", "right"), LISTS.values(), ids=LISTS)
def test_a_list_is_read_as_it_is_meant_or_refused_by_its_cause(
    tmp_path: Path, content: str | bytes, right: str
) -> None:
    (tmp_path / "list.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    held_to(Tried(tmp_path, f'connector = "sheet"\npath = "list.csv"\n{COLUMNS}'), right)


def test_days_of_a_workbook_that_counts_from_1904_are_its_own(tmp_path: Path) -> None:
    def fill(workbook: Any) -> None:
        sheet = table(workbook, ["2015150001", "学费", 5000])
        sheet.write(0, 3, "到期")
        sheet.write_datetime(1, 3, datetime(2019, 5, 31), workbook.add_format({"num_format": "yyyy年m月d日"}))  # noqa: DTZ001 - of no zone

    (tmp_path / "list.xlsx").write_bytes(book(fill, date_1904=True))
    columns = COLUMNS.replace(" }", ', due = "到期" }')
    tried = Tried(tmp_path, f'connector = "sheet"\npath = "list.xlsx"\n{columns}')
    assert tried.synced()[0] == 0
    assert [owed["due"] for owed in tried.finding("2015150001")["evidence"]] == ["2019-05-31"]
