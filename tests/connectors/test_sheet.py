"""Lists as offices keep them: real workbooks and text files, and what spreadsheets do to them."""

import os
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from connectors import sheet
from connectors.port import Connector, ProofKind, Question, SourceGarbled, SourceRefused, SourceUnavailable
from status_db.model import normalise_number
from tests.contract import COLUMNS, ConnectorContract, Ticking

DORM = {"student": "学号", "status": "清退状态", "title": "宿舍房间号"}
HEADER = ["学号", "姓名", "宿舍楼栋", "宿舍房间号", "清退状态"]
LIN = ["20151001", "林小满", "东区12栋", "412", "未清退"]
QIAN = ["20152003", "钱程", "西区3栋", "305", "已清退"]


def ask(path: Path, columns: Mapping[str, str] = DORM, **own: Any) -> sheet.Sheet:
    """Return a connector for this file."""
    settings = sheet.Settings.model_validate({"path": str(path), **own})
    return sheet.connect(settings, Question("checkouts", columns, Ticking()))


def workbook(path: Path, *rows: Sequence[Any], change: Callable[[Any], object] | None = None) -> Path:
    """Write a workbook with these rows."""
    book = openpyxl.Workbook()
    active = book.worksheets[0]
    for row in rows:
        active.append(list(row))
    if change is not None:
        change(book)
    book.save(path)
    book.close()
    return path


class FileOffice:
    """An office that keeps its list as a file."""

    secret = ""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, rows: Sequence[Mapping[str, str | None]]) -> None:
        names = list(COLUMNS.values())
        lines: list[list[str | None]] = [[*names], *([row[name] for name in names] for row in rows)]
        if self.path.suffix == ".xlsx":
            workbook(self.path, *lines)
        else:
            self.path.write_text("".join(",".join(c or "" for c in line) + "\n" for line in lines), encoding="utf-8")

    def connector(self, columns: Mapping[str, str] = COLUMNS) -> Connector:
        return ask(self.path, columns)

    def out_of_reach(self) -> Connector:
        return ask(self.path.with_name("nowhere.xlsx"), COLUMNS)


class TestWorkbook(ConnectorContract, of="sheet"):
    @pytest.fixture
    def office(self, tmp_path: Path) -> FileOffice:
        return FileOffice(tmp_path / "list.xlsx")


class TestText(ConnectorContract, of="sheet"):
    @pytest.fixture
    def office(self, tmp_path: Path) -> FileOffice:
        return FileOffice(tmp_path / "list.csv")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_the_encoding_is_found(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text("\n".join(",".join(line) for line in (HEADER, LIN, QIAN)) + "\n", encoding=encoding)
    assert list(ask(path).pull().rows) == [("20151001", "未清退", "412"), ("20152003", "已清退", "305")]


def test_an_encoding_that_is_named_and_wrong_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("学号,清退状态,宿舍房间号\n20151001,未清退,412\n", encoding="gb18030")
    with pytest.raises(SourceGarbled, match="gb18030"):
        ask(path, encoding="utf-8").pull()


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_the_separator_is_found(tmp_path: Path, delimiter: str) -> None:
    path = tmp_path / "list.tsv"
    path.write_text("\n".join(delimiter.join(line) for line in (HEADER, LIN)) + "\n", encoding="utf-8")
    assert len(ask(path).pull().rows) == 1


def test_a_header_below_a_title_is_found(tmp_path: Path) -> None:
    path = workbook(tmp_path / "list.xlsx", ["2019届毕业生退宿情况"], [], HEADER, LIN)
    assert list(ask(path).pull().rows) == [("20151001", "未清退", "412")]


def test_a_header_with_line_breaks_and_blanks_is_the_same_header(tmp_path: Path) -> None:
    path = workbook(tmp_path / "list.xlsx", ["学 号", "姓名", "宿舍\n楼栋", "宿舍\n房间号", "清退状态 "], LIN)
    assert len(ask(path).pull().rows) == 1


def test_the_extent_that_the_file_states_is_not_believed(tmp_path: Path) -> None:
    """Some programs write <dimension ref="A1"/>; believed, it would lose every row and clear no one or everybody."""
    path = workbook(tmp_path / "honest.xlsx", HEADER, LIN, QIAN)
    lying = tmp_path / "list.xlsx"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(lying, "w") as target:
        for name in source.namelist():
            data = source.read(name)
            if name == "xl/worksheets/sheet1.xml":
                assert b'<dimension ref="A1:E3"' in data
                data = data.replace(b'<dimension ref="A1:E3"', b'<dimension ref="A1:A1"')
            target.writestr(name, data)
    assert len(ask(lying).pull().rows) == 2


def test_numbers_stay_what_the_sheet_holds(tmp_path: Path) -> None:
    path = workbook(tmp_path / "list.xlsx", HEADER, [20151001, "林小满", "东区12栋", 412, "未清退"])
    assert list(ask(path).pull().rows) == [(20151001, "未清退", 412)]


def test_a_row_without_a_number_is_kept_and_an_empty_row_is_not(tmp_path: Path) -> None:
    path = workbook(tmp_path / "list.xlsx", HEADER, LIN, [None] * 5, [None, "?", "东区", "1", "未清退"])
    assert list(ask(path).pull().rows) == [("20151001", "未清退", "412"), (None, "未清退", "1")]


def test_a_population_is_everybody_on_the_list(tmp_path: Path) -> None:
    path = workbook(tmp_path / "list.xlsx", HEADER, LIN, QIAN)
    assert ask(path, population=True).pull().population == ["20151001", "20152003"]
    assert ask(path, population=True).pull_one("20152003").population == ["20152003"]


class TestTotals:
    def test_a_closing_row_of_totals_is_left_out(self, tmp_path: Path) -> None:
        path = workbook(tmp_path / "list.xlsx", HEADER, LIN, QIAN, ["合计", None, None, None, "1 间"])
        assert len(ask(path).pull().rows) == 2

    def test_its_count_is_a_proof(self, tmp_path: Path) -> None:
        path = workbook(tmp_path / "list.xlsx", HEADER, LIN, QIAN, ["合 计：", "2 人"])
        details = {proof.kind: proof.detail for proof in ask(path).pull().proofs}
        assert details[ProofKind.END_REACHED] == "2 rows to the file's own end, and its total of 2"

    def test_a_count_that_does_not_agree_is_refused(self, tmp_path: Path) -> None:
        path = workbook(tmp_path / "list.xlsx", HEADER, LIN, ["合计", "2人"])
        with pytest.raises(SourceGarbled, match="reports 2 rows, but 1 are above it"):
            ask(path).pull()

    @pytest.mark.parametrize("closing", [[], [["合计", None, None, None, "1 间"]]])
    def test_a_count_that_must_close_the_list_and_is_not_there_is_refused(
        self, tmp_path: Path, closing: list[list[str | None]]
    ) -> None:
        path = workbook(tmp_path / "list.xlsx", HEADER, LIN, *closing)
        with pytest.raises(SourceGarbled, match="no closing row counts the rows"):
            ask(path, closing_count=True).pull()
        with_count = workbook(tmp_path / "counted.xlsx", HEADER, LIN, ["合计", "1 人"])
        assert len(ask(with_count, closing_count=True).pull().rows) == 1


class TestWhatSpreadsheetsRuin:
    @pytest.mark.parametrize("number", ["2.01510E+10", 2015100112345678, 20151001.5, True, datetime(2015, 1, 1)])  # noqa: DTZ001 - as a sheet holds it
    def test_a_ruined_number_is_refused_with_its_row(self, tmp_path: Path, number: object) -> None:
        path = workbook(tmp_path / "list.xlsx", HEADER, LIN, [number, *LIN[1:]])
        with pytest.raises(SourceGarbled, match="damaged the student number in row 3") as caught:
            ask(path).pull()
        assert "as text" in caught.value.fix_text

    def test_a_formula_error_for_a_number_is_refused(self, tmp_path: Path) -> None:
        path = workbook(tmp_path / "list.xlsx", HEADER, LIN, ["#N/A", *LIN[1:]])
        with pytest.raises(SourceGarbled, match="row 3 is the formula error #N/A"):
            ask(path).pull()

    def test_a_formula_whose_value_was_never_stored_is_refused(self, tmp_path: Path) -> None:
        path = workbook(tmp_path / "list.xlsx", HEADER, [*LIN[:4], '=IF(1=1,"已清退","未清退")'])
        with pytest.raises(SourceGarbled, match="formula without its value"):
            ask(path).pull()

    def test_a_formula_with_its_value_is_read_as_that_value(self, tmp_path: Path) -> None:
        path = tmp_path / "list.xlsx"
        book = xlsxwriter.Workbook(path)
        page = book.add_worksheet()
        page.write_row(0, 0, HEADER)
        page.write_row(1, 0, LIN[:4])
        page.write_formula(1, 4, '=IF(1=1,"已清退","未清退")', None, "已清退")
        book.close()
        assert list(ask(path).pull().rows) == [("20151001", "已清退", "412")]


class TestOtherFilesByThatName:
    def test_an_old_workbook_is_distinguished_from_a_new_one(self, tmp_path: Path) -> None:
        path = tmp_path / "list.xlsx"
        path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600)
        with pytest.raises(SourceGarbled, match=r"the old \.xls workbook has been cut off"):
            ask(path).pull()

    @pytest.mark.parametrize("name", ["list.xlsx", "list.csv"])
    def test_a_web_page_is_no_list(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        path.write_text("<html><body>请先登录</body></html>", encoding="utf-8")
        with pytest.raises(SourceGarbled, match="web page"):
            ask(path).pull()

    def test_an_old_workbook_that_is_only_its_first_bytes_has_been_cut_off(self, tmp_path: Path) -> None:
        path = tmp_path / "list.xls"
        path.write_bytes(b"\xd0\xcf\x11\xe0")
        with pytest.raises(SourceGarbled, match="cut off"):
            ask(path).pull()

    @pytest.mark.parametrize("kept", [0.2, 0.5, 0.9, 0.99])
    def test_a_workbook_cut_anywhere_is_no_answer(self, tmp_path: Path, kept: float) -> None:
        path = workbook(tmp_path / "list.xlsx", HEADER, *([LIN] * 500))
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * kept)])
        with pytest.raises(SourceGarbled):
            ask(path).pull()

    def test_a_workbook_that_unpacks_to_far_too_much_is_not_opened(self, tmp_path: Path) -> None:
        path = tmp_path / "list.xlsx"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("xl/worksheets/sheet1.xml", b"\0" * 30_000_000)
        assert path.stat().st_size < 100_000
        with pytest.raises(SourceGarbled, match="unpack"):
            ask(path, most_unpacked=10_000_000).pull()

    def test_a_file_far_too_big_is_not_read(self, tmp_path: Path) -> None:
        path = workbook(tmp_path / "list.xlsx", HEADER, LIN)
        with pytest.raises(SourceGarbled, match="most_bytes"):
            ask(path, most_bytes=100).pull()


class TestTextThatWasCut:
    def test_in_the_middle_of_a_row(self, tmp_path: Path) -> None:
        path = tmp_path / "list.csv"
        path.write_text("学号,清退状态,宿舍房间号\n20151001,未清退,412\n20152003,已清", encoding="utf-8")
        with pytest.raises(SourceGarbled, match="cut off"):
            ask(path).pull()

    def test_within_quotes(self, tmp_path: Path) -> None:
        path = tmp_path / "list.csv"
        path.write_text('学号,清退状态,宿舍房间号\n20151001,未清退,"41', encoding="utf-8")
        with pytest.raises(SourceGarbled, match="cut off"):
            ask(path).pull()

    def test_within_a_letter(self, tmp_path: Path) -> None:
        path = tmp_path / "list.csv"
        path.write_bytes("学号,清退状态,宿舍房间号\n20151001,未清退,东区".encode()[:-1])
        with pytest.raises(SourceGarbled):
            ask(path, encoding="utf-8").pull()

    def test_a_last_row_without_a_line_break_is_whole_when_its_cells_are(self, tmp_path: Path) -> None:
        path = tmp_path / "list.csv"
        path.write_text("学号,清退状态,宿舍房间号\n20151001,未清退,412", encoding="utf-8")
        assert len(ask(path).pull().rows) == 1


@pytest.mark.parametrize("number", ['="20151001"', "'20151001", " 20151001 ", '"20151001"'])
def test_what_only_keeps_a_number_as_text_is_no_part_of_it(tmp_path: Path, number: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f"学号,清退状态,宿舍房间号\n{number},未清退,412\n", encoding="utf-8")
    assert list(ask(path).pull().rows) == [("20151001", "未清退", "412")]


def test_a_line_break_within_a_cell_ends_no_row(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text('学号,清退状态,宿舍房间号\n20151001,未清退,"东区\n412"\n20152003,已清退,305\n', encoding="utf-8")
    assert len(ask(path).pull().rows) == 2


def test_a_row_with_too_many_cells_is_refused_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("学号,清退状态,宿舍房间号\n20151001,未清退,东区,412\n", encoding="utf-8")
    with pytest.raises(SourceGarbled, match="row 2 has more cells"):
        ask(path).pull()


def test_a_broken_letter_is_counted_with_its_row_and_stops_no_other_row(tmp_path: Path) -> None:
    path = workbook(tmp_path / "list.xlsx", HEADER, LIN, [*QIAN[:4], "未\ufffd退"])
    answer = ask(path).pull()
    assert list(answer.rows) == [("20151001", "未清退", "412"), ("20152003", "未\ufffd退", "305")]
    assert answer.warnings[0].startswith("1 rows have letters that cannot be read (row 3)")
    assert ask(path).check().warnings == answer.warnings


def test_a_broken_letter_in_a_student_number_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "list.xlsx", HEADER, ["2015\ufffd001", *LIN[1:]])
    with pytest.raises(SourceGarbled, match="student number in row 2 has broken text"):
        ask(path).pull()


def test_broken_letters_in_many_rows_mean_another_encoding(tmp_path: Path) -> None:
    path = workbook(tmp_path / "list.xlsx", HEADER, *([[*LIN[:4], "未\ufffd退"]] * 21))
    with pytest.raises(SourceGarbled, match="21 of 21 rows have broken text, row 2 first"):
        ask(path).pull()


def test_a_column_that_appears_twice_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "list.xlsx", [*HEADER, "学号"], [*LIN, "x"])
    with pytest.raises(SourceGarbled, match="is duplicate in row"):
        ask(path).pull()


class TestWorksheets:
    def two(self, path: Path, *, hidden: bool) -> Path:
        def add(book: Any) -> None:
            other = book.create_sheet("说明")
            other.append(["请勿修改"])
            other.sheet_state = "hidden" if hidden else "visible"

        return workbook(path, HEADER, LIN, change=add)

    def test_a_hidden_one_does_not_matter(self, tmp_path: Path) -> None:
        assert len(ask(self.two(tmp_path / "list.xlsx", hidden=True)).pull().rows) == 1

    def test_several_visible_ones_are_listed(self, tmp_path: Path) -> None:
        with pytest.raises(SourceGarbled, match="Sheet, 说明"):
            ask(self.two(tmp_path / "list.xlsx", hidden=False)).pull()

    def test_the_one_that_is_reported_is_read(self, tmp_path: Path) -> None:
        assert len(ask(self.two(tmp_path / "list.xlsx", hidden=False), sheet="Sheet").pull().rows) == 1


def test_a_file_that_changes_while_it_is_read_is_no_answer(tmp_path: Path) -> None:
    path = workbook(tmp_path / "list.xlsx", HEADER, LIN)

    def touch(_done: int, _expected: int | None) -> None:
        os.utime(path, (1, 1))

    with pytest.raises(SourceUnavailable, match="was changed while it was read"):
        ask(path).pull(touch)


def test_a_list_that_is_too_old_is_no_answer(tmp_path: Path) -> None:
    path = workbook(tmp_path / "list.xlsx", HEADER, LIN)
    three_days_ago = (datetime(2019, 5, 25, tzinfo=UTC) - timedelta(days=3)).timestamp()
    os.utime(path, (three_days_ago, three_days_ago))
    with pytest.raises(SourceUnavailable, match="older than"):
        ask(path, older_than="2 d").pull()
    assert len(ask(path, older_than="4 d").pull().rows) == 1


def test_what_to_do_can_be_done_at_the_hour_at_which_the_list_is_read(tmp_path: Path) -> None:
    """No one in an office exports a list again before the day begins."""
    cut = tmp_path / "cut.csv"
    cut.write_text("学号,清退状态,宿舍房间号\n2015150001,已清", encoding="utf-8")
    (tmp_path / "empty.csv").touch()
    broken = workbook(tmp_path / "broken.xlsx", ["a"])
    broken.write_bytes(broken.read_bytes()[:200])
    old = tmp_path / "old.csv"
    old.write_text("学号,清退状态,宿舍房间号\n", encoding="utf-8")
    os.utime(old, (0, 0))
    for path, can_be_done in (
        (cut, "still being copied is read at the next run"),
        (tmp_path / "empty.csv", "still being copied is read at the next run"),
        (broken, "save it in the same folder as .xlsx"),
        (old, "The job that writes it has not run"),
    ):
        with pytest.raises((SourceGarbled, SourceUnavailable)) as caught:
            ask(path, older_than="1 d" if path is old else None).pull()
        assert can_be_done in caught.value.fix_text
        assert "again" not in caught.value.fix_text.replace("tries again", "")


def test_a_path_that_the_system_does_not_take_is_no_traceback(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="could not be opened"):
        ask(tmp_path / ("x" * 300 + ".csv")).pull()


def test_a_folder_is_no_list(tmp_path: Path) -> None:
    (tmp_path / "list.xlsx").mkdir()
    with pytest.raises(SourceRefused, match="is not a file"):
        ask(tmp_path / "list.xlsx").pull()


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [("utf-8", ","), ("utf-8-sig", ","), ("gb18030", ","), ("utf-16", "\t"), ("gb18030", ";")],
)
def test_whatever_wrote_the_text_the_rows_are_the_same(tmp_path: Path, encoding: str, delimiter: str) -> None:
    path = tmp_path / "list.csv"
    lines = (
        ["学号", "清退状态", "宿舍房间号"],
        ['="20151001"', "未清退", '"东区\n412"'],
        ["'20152003", "已清退", "305"],
        ["合计", "2 人", ""],
    )
    path.write_text("".join(delimiter.join(line) + "\r\n" for line in lines), encoding=encoding, newline="")
    assert list(ask(path).pull().rows) == [("20151001", "未清退", "东区\n412"), ("20152003", "已清退", "305")]


def test_numbers_as_integer_float_and_text_in_one_column_are_the_same_number(tmp_path: Path) -> None:
    same: list[object] = [20151001, 20151001.0, "20151001"]
    path = workbook(tmp_path / "list.xlsx", HEADER, *([number, *LIN[1:]] for number in same))
    assert {normalise_number(row[0]) for row in ask(path).pull().rows} == {"20151001"}


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!"])
def test_a_formula_error_elsewhere_is_a_word_about_its_own_student(tmp_path: Path, error: str) -> None:
    path = workbook(tmp_path / "list.xlsx", HEADER, LIN, ["20151002", *LIN[1:4], error])
    assert [row[1] for row in ask(path).pull().rows] == [LIN[4], error]


def test_a_header_in_another_case_is_the_same_header(tmp_path: Path) -> None:
    path = workbook(tmp_path / "list.xlsx", ["number", "Title"], ["20151001", "a"])
    asked = ask(path, columns={"student": "NUMBER", "title": "TITLE"})
    assert list(asked.pull().rows) == [("20151001", "a")]


def test_two_headers_that_differ_in_case_alone_are_no_ones_guess(tmp_path: Path) -> None:
    path = workbook(tmp_path / "list.xlsx", ["number", "Number", "TITLE"], ["1", "2", "a"])
    with pytest.raises(SourceGarbled, match='no row names the column "NUMBER"'):
        ask(path, columns={"student": "NUMBER", "title": "TITLE"}).pull()


def test_a_file_of_the_same_content_and_time_has_the_same_fingerprint(tmp_path: Path) -> None:
    path = workbook(tmp_path / "list.xlsx", HEADER, LIN)
    first = ask(path, fingerprint=True).fingerprint()
    assert first is not None
    assert ask(path, fingerprint=True).pull().fingerprint == first.value
    same_length = path.read_bytes()[:-1] + b"\x01"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(same_length)
    os.utime(path, ns=times)
    other = ask(path, fingerprint=True).fingerprint()
    assert other is not None
    assert other.value != first.value
    assert ask(path).fingerprint() is None


@pytest.mark.parametrize("number", [110101199001011234, 1.1010119900101123e17, float("inf")])
def test_a_long_number_that_excel_has_rounded_is_refused(tmp_path: Path, number: float) -> None:
    path = workbook(tmp_path / "list.xlsx", HEADER, [LIN[0], *LIN[1:]], ["=1+1", *LIN[1:]])
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(tmp_path / "other.xlsx", "w") as target:
        for name in source.namelist():
            data = source.read(name)
            held = b"1E400" if number == float("inf") else str(number).encode()
            target.writestr(
                name,
                data.replace(b"<f>1+1</f><v></v>", b"<v>" + held + b"</v>").replace(
                    b"<f>1+1</f><v />", b"<v>" + held + b"</v>"
                ),
            )
    with pytest.raises(SourceGarbled, match="damaged the student number in row 3"):
        ask(tmp_path / "other.xlsx").pull()


def test_a_formula_in_the_place_of_a_number_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text("学号,清退状态,宿舍房间号\n=A1+1,未清退,412\n", encoding="utf-8")
    with pytest.raises(SourceGarbled, match="the student number in row 2 is a formula"):
        ask(path).pull()


def test_a_workbook_with_locked_parts_is_refused(tmp_path: Path) -> None:
    """Not as Excel locks one, which is another kind of file, but as a packer of archives does."""
    path = workbook(tmp_path / "list.xlsx", HEADER, LIN)
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as packed:
        for entry in packed.infolist():
            raw[entry.header_offset + 6] |= 1
    at = raw.find(b"PK\x01\x02")
    while at >= 0:
        raw[at + 8] |= 1
        at = raw.find(b"PK\x01\x02", at + 4)
    path.write_bytes(raw)
    with pytest.raises(SourceGarbled, match="password required"):
        ask(path).pull()


@pytest.mark.parametrize("kept", [0.5, 1.0])
def test_a_file_that_is_still_being_written_is_no_answer_and_no_fault(tmp_path: Path, kept: float) -> None:
    path = workbook(tmp_path / "list.xlsx", HEADER, *([LIN] * 50))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    readings = iter(range(100))

    def clock() -> datetime:
        # The first reading is of the pull's beginning, the second stands right before the file is opened.
        if next(readings) == 1:
            os.utime(path, (1_558_760_000, 1_558_760_000))
        return datetime(2019, 5, 25, 8, tzinfo=UTC)

    settings = sheet.Settings.model_validate({"path": str(path), "older_than": "30 d"})
    with pytest.raises(SourceUnavailable, match="was changed while it was read"):
        sheet.connect(settings, Question("checkouts", DORM, clock)).pull()
