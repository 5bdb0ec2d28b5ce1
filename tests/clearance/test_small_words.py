"""What messages and heads say in cases that come seldom, by the command."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import xlsxwriter

from config.tables import cron
from tests.services.small import CLEAR, OWES, Small


def workbook(path: Path, rows: Sequence[Sequence[str]]) -> None:
    with xlsxwriter.Workbook(path) as made:
        sheet = made.add_worksheet()
        for at, row in enumerate(rows):
            sheet.write_row(at, 0, row)


def test_the_head_of_a_student_without_a_class_has_no_comma_for_it(university_of_three: Small) -> None:
    university_of_three.roster([(OWES, "张一", "本科", "文学院", "", "A1"), (CLEAR, "李二", "本科", "", "", "A2")])
    university_of_three.run("sync", "roster")
    assert f"{OWES} 张一, 文学院 (2019)" in university_of_three.run("status", OWES)
    assert f"{CLEAR} 李二 (2019)" in university_of_three.run("status", CLEAR)


def test_a_total_that_is_not_a_whole_number_is_named_as_such(university_of_three: Small) -> None:
    university_of_three.loans_text('{"total": 1.5, "rows": []}')
    assert 'has a total at "total" that is not a whole number' in university_of_three.run("sync", "loans", code=1)


NOTE = "请各学院于5月30日前核对，联系电话 66661234 转 801"


def test_a_line_of_words_with_a_number_below_a_csv_is_called_a_note(university_of_three: Small) -> None:
    university_of_three.fees([("学号", "欠费", "项目"), (OWES, "4500", "学费"), (NOTE,)])
    for _ in range(2):
        said = university_of_three.run("sync", "fees", code=1).replace("\n", " ")
        assert "row 3 is a note with a number in it" in said
        assert "Remove the note, or begin it with 注" in said
        # … also where the file ends with it.
        file = university_of_three.folder / "fees.csv"
        file.write_bytes(file.read_bytes().rstrip())


@pytest.mark.parametrize(
    "note", ["注：咨询电话 66661234", "各位同学：" + "请于规定时间内核对。" * 12 + "电话 66661234"]
)
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_a_note_whose_number_is_no_students_is_left_out(
    university_of_three: Small, tmp_path: Path, note: str, kind: str
) -> None:
    rows = [("学号", "欠费", "项目"), (OWES, "4500", "学费"), (note,)]
    if kind == "xlsx":
        workbook(university_of_three.folder / "fees.xlsx", rows)
        university_of_three.change('"fees.csv"', '"fees.xlsx"')
    else:
        university_of_three.fees(rows)
    assert "all 1 rows were read" in university_of_three.run("check", "fees")


def test_a_note_that_names_a_number_as_long_as_a_students_stays_a_row(university_of_three: Small) -> None:
    workbook(
        university_of_three.folder / "fees.xlsx",
        [("学号", "欠费", "项目"), (OWES, "4500", "学费"), (f"备注：{CLEAR} 另欠",)],
    )
    university_of_three.change('"fees.csv"', '"fees.xlsx"')
    university_of_three.run("sync", "fees", code=4)
    assert f"number_within {CLEAR}" in " ".join(university_of_three.run("runs", "spot-check", "5").split())


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("0 0 7 * * 1-5", "0 7 * * 1-5"),
        ("0 7 31 2 *", "0 7 28 2 *"),
        ("0 22-6 * * *", "22-23,0-6"),
        ("0 7 * * 5-1", "5-6,0-1"),
        ("0 7 1 * 1", "0 7 1 * *"),
        ("0 7 1 * mon", "0 7 * * mon"),
    ],
)
def test_the_example_for_a_mistake_in_a_cron_line_is_that_line_put_right(line: str, instead: str) -> None:
    with pytest.raises(ValueError, match="write") as wrong:
        cron.parse_line(line)
    assert f'"{instead}"' in str(wrong.value)
    whole = instead if len(instead.split()) > 1 else " ".join(f if "-" not in f else instead for f in line.split())
    assert cron.checked(whole) == whole
