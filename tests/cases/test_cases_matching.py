"""Whose row it is, and what it is worth: inputs from the field, through the real connector and the real command."""

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.services.five_students import FEES, NUMBERS, FiveStudents, roster, settings
from tests.services.one_answer import answering

INPUTS = Path(__file__).parent / "inputs"

ONE, TWO, THREE, FOUR, FIVE = NUMBERS

COLUMNS = 'columns = { student = "学号", title = "收费项目", amount = "欠费" }\nmeans = "balance"\n'
Row = Sequence[object]


class Office(FiveStudents):
    """The university with one source, whatever the office has."""

    def settings(self, source: str, cards: dict[str, str] | None = None) -> None:
        """Write the settings with this source in them; `cards` are other numbers of students."""
        self.write(settings(FEES + source, listed=roster(cards)))

    def sheet(self, name: str, more: str = "", columns: str = COLUMNS) -> None:
        """Have the source read one of the inputs."""
        self.settings(f'connector = "sheet"\npath = "{INPUTS / name}"\n{columns}{more}')

    def rows(
        self, rows: Sequence[Row], more: str = "", columns: str = COLUMNS, cards: dict[str, str] | None = None
    ) -> None:
        """Have the source read a list of these rows, each cell as its column is mapped; `cards` are other numbers."""
        names = re.findall(r'= "([^"]+)"', columns.partition("}")[0])
        path = self.file.parent / "list.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([names, *rows])
        self.settings(f'connector = "sheet"\npath = "{path}"\n{columns}{more}', cards)

    def sync(self, code: int = 0) -> str:
        """Ask the roster and the source."""
        return self.run("sync", code=code)

    def unmatched(self) -> dict[str, str]:
        """Return each listed key with the student whom it resembles."""
        return {row["key"]: row["student"] for row in json.loads(self.run("unmatched", "--json"))}


@pytest.fixture
def office(status_url: str, tmp_path: Path) -> Office:
    return Office(tmp_path, status_url)


def test_a_number_with_words_or_punctuation_leaves_its_owner_unknown_and_is_listed(office: Office) -> None:
    office.sheet("number_with_words.csv")
    for _ in range(2):
        office.sync()
        assert office.verdicts() == ["unknown"] * 4 + ["cleared"]
    assert office.unmatched() == {
        "2015 150001": ONE,
        "2015150002 李二": TWO,
        "2015150003(文学院)": THREE,
        "2015-150004": FOUR,
    }


def test_a_blank_number_on_a_continuation_row_refuses_the_answer_with_its_place(office: Office) -> None:
    office.sheet("blank_student_continuation.csv")
    said = office.sync(code=1)
    assert "without a student number: row 2 (住宿费, 1200)" in said or "row 3 (住宿费, 1200)" in said
    assert 'nameless in [source.fees]: "above"' in said
    assert office.verdicts() == ["unknown"] * 5


def test_or_it_takes_the_number_above_where_the_settings_say_so(office: Office) -> None:
    office.sheet("blank_student_continuation.csv", 'nameless = "above"\n')
    office.sync()
    assert office.verdicts() == ["held"] + ["cleared"] * 4
    assert [o["amount"] for o in office.finding(ONE)["evidence"]] == ["1200.00"]
    office.run("sync", "--student", ONE)
    assert office.verdicts() == ["held"] + ["cleared"] * 4


def test_two_equal_fees_and_one_payment_under_one_bill_number_leave_one_owed(office: Office) -> None:
    columns = COLUMNS.replace('" }', '", reference = "票号" }')
    bills: list[Row] = [
        (ONE, "学费", 100, "B1"),
        (ONE, "学费", 100, "B1"),
        (ONE, "缴费", -100, "B1"),
        (TWO, "学费", 0, "B2"),
    ]
    office.rows(bills, columns=columns)
    office.sync()
    assert office.verdicts() == ["held"] + ["cleared"] * 4
    assert sum(float(o["amount"]) for o in office.finding(ONE)["evidence"]) == 100


@pytest.mark.parametrize("turn", [1, -1])
def test_a_number_that_is_anothers_card_leaves_both_unknown_always(office: Office, turn: int) -> None:
    rows: list[Row] = [(ONE, "学费", 5000), (TWO, "学费", 0), (THREE, "学费", 7)]
    for more in ((FOUR, "学费", 1), (FIVE, "学费", 1), (TWO, "学费", 0)):
        office.rows([*rows, more][::turn], cards={TWO: ONE})
        office.sync()
        assert office.verdicts()[:3] == ["unknown", "unknown", "held"]


def test_unless_the_source_sends_student_numbers_only(office: Office) -> None:
    office.rows([(ONE, "学费", 5000), (TWO, "学费", 0)], 'keys = "student"\n', cards={TWO: ONE})
    office.sync()
    assert office.verdicts()[:2] == ["held", "cleared"]


def test_a_time_in_utc_is_due_on_the_institutions_day(office: Office) -> None:
    columns = 'columns = { student = "xh", title = "xm", amount = "qf", due = "dq" }\nmeans = "balance"\n'
    with answering((INPUTS / "due_utc.json").read_bytes(), "application/json") as url:
        office.settings(f'connector = "rest"\nurl = "{url}"\nrecords = "data.rows"\ntotal = "data.total"\n{columns}')
        office.sync()
    assert [o["due"] for o in office.finding(ONE)["evidence"]] == ["2019-05-31"]
    assert "due 2019-05-31" in office.run("status", ONE)


def test_due_dates_are_read_in_each_form_or_reported_to_be_unreadable(office: Office) -> None:
    columns = COLUMNS.replace('" }', '", due = "期限" }')
    office.sheet("due_forms.xlsx", columns=columns)
    office.sync()
    assert office.verdicts() == ["held"] * 5
    found = {number: office.finding(number)["evidence"][0] for number in NUMBERS}
    assert {n: o["due"] for n, o in found.items()} == dict.fromkeys((ONE, TWO, THREE, FIVE), "2019-05-30") | {
        FOUR: None
    }
    assert [n for n, o in found.items() if o["due_unreadable"]] == [FOUR]
    assert "due date unreadable" in office.run("status", FOUR)


def test_a_date_with_the_year_behind_is_read_where_the_settings_say_in_which_order(office: Office) -> None:
    columns = COLUMNS.replace('" }', '", due = "期限" }')
    office.sheet("due_forms.xlsx", 'date_order = "dmy"\n', columns)
    office.sync()
    assert office.finding(FOUR)["evidence"][0]["due"] == "2019-05-30"


def test_a_long_footnote_below_a_table_is_a_footnote(office: Office) -> None:
    office.sheet("long_footnote.xlsx")
    office.sync()
    assert office.verdicts() == ["held"] + ["cleared"] * 4
    assert office.unmatched() == {}
    assert "unchanged" in office.sync()


def test_a_row_under_a_key_of_any_length_is_listed_by_its_beginning(office: Office) -> None:
    office.rows([(ONE, "学费", 5000), ("经办人签字盖章后有效" * 9, "学费", 300)])
    office.sync()
    assert office.verdicts() == ["held"] + ["cleared"] * 4
    ((key, student),) = office.unmatched().items()
    assert key.startswith("经办人签字盖章后有效经办人")
    assert (len(key), student) == (64, "")
    assert "unchanged" in office.sync()


@pytest.mark.parametrize(
    ("amount", "verdict"),
    [
        ("1,2", "unknown"), ("12,34.5", "unknown"), ("1，2", "unknown"), ("1,200", "held"), ("(300.00)", "cleared"),
        ("300.00-", "cleared"), ("", "unknown"), ("--", "unknown"), ("5万元", "unknown"), ("0", "cleared"),
        ("1e5", "unknown"),
    ],
)  # fmt: skip
def test_an_amount_is_a_number_or_a_doubt(tmp_path: Path, amount: str, verdict: str) -> None:
    office = Office(tmp_path, f"sqlite:///{tmp_path / 'clearance.db'}")
    office.rows([(ONE, "学费", amount), (TWO, "学费", 0)])
    office.sync()
    assert office.verdicts()[:2] == [verdict, "cleared"]


def test_a_debt_under_a_mistyped_number_keeps_its_student_in_doubt(office: Office) -> None:
    columns = 'columns = { student = "学号", title = "书名", due = "应还", reference = "条码" }\nmeans = "items"\n'

    def loans(of_one: str) -> list[str]:
        keys = (of_one, TWO, THREE, FOUR)
        office.rows([(key, "地质学", f"2019-06-0{at}", f"B{at}") for at, key in enumerate(keys, 1)], columns=columns)
        office.sync()
        return office.verdicts()

    others = ["held"] * 3 + ["cleared"]
    assert loans(ONE) == ["held", *others]
    assert loans("98765432") == ["unknown", *others]
    assert loans("98765432") == ["unknown", *others]
    assert loans(ONE) == ["held", *others]
