"""The cases of lists by the command line: a roster and a source of one university, each a file."""

import shutil
from pathlib import Path

import pytest

from tests.cases.test_cases_files import HEAD, INPUTS, page, written
from tests.services.five_students import FEES, STUDENTS, FiveStudents, settings

ROSTER = """connector = "sheet"
path = "roster.xls"
columns = { student = "学号", name = "姓名", level = "层次", college = "学院" }
"""


class University(FiveStudents):
    """The university whose roster is a web page named .xls, and whose source is a list."""

    def __init__(self, folder: Path, url: str) -> None:
        super().__init__(folder, url)
        people = "".join(f"<tr><td>{number}<td>{name}<td>本科<td>文学院" for number, name in STUDENTS)
        written(folder / "roster.xls", page(f"<table><tr><th>学号<th>姓名<th>层次<th>学院{people}</table>"))

    def owed(self, path: str, number: str) -> str:
        """Sync with the list at a path, and return what is printed about a student, amounts without separators."""
        columns = '{ student = "学号", title = "收费项目", amount = "欠费" }'
        source = f'{FEES}connector = "sheet"\npath = "{path}"\nmeans = "balance"\ncolumns = {columns}\n'
        self.write(settings(source, listed=ROSTER))
        self.run("sync")
        return self.run("status", number).replace(",", "")


@pytest.fixture
def university(status_url: str, tmp_path: Path) -> University:
    return University(tmp_path, status_url)


def test_the_second_row_of_a_merged_number_holds_its_student(university: University, tmp_path: Path) -> None:
    shutil.copy(INPUTS / "merged_student_cell.xlsx", tmp_path)
    assert "1200" in university.owed("merged_student_cell.xlsx", "2015150001")


def test_a_number_with_a_format_is_its_owners(university: University, tmp_path: Path) -> None:
    page_of_numbers = page("<table><tr><th>学号<th>收费项目<th>欠费<tr><td>0015150005<td>学费<td>1,200.00</table>")
    written(tmp_path / "fees_20190524.xls", page_of_numbers)
    written(tmp_path / "fees_20190510.csv", HEAD + "0015150005,学费,0\n")
    assert "1200" in university.owed("fees_*", "0015150005")


def test_a_long_footnote_is_applied(university: University, tmp_path: Path) -> None:
    shutil.copy(INPUTS / "long_footnote.xlsx", tmp_path)
    assert "5000" in university.owed("long_footnote.xlsx", "2015150001")
