"""Sheets that are brought to the desk: each kind is known by what it holds, and no cell becomes something else."""

import io
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from clearance.files.sheets import Sheets
from config.tables.desk import Desk
from portal.desk.context.services import SheetRead, SheetUnreadable
from tests.services.libreoffice import converted

HEAD = ["学号", "姓名", "办理结果", "办理依据"]
LIN = ["20151001", "林小满", "通过", "现场归还"]
NEEDED = ("学号", "办理结果")


def book(*rows: Sequence[Any], change: Callable[[Any], object] | None = None) -> bytes:
    """Return a workbook with these rows, as XlsxWriter writes it."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True, "strings_to_formulas": False}) as made:
        sheet = made.add_worksheet()
        day = made.add_format({"num_format": "yyyy-mm-dd"})
        for at, row in enumerate(rows):
            for column, cell in enumerate(row):
                sheet.write(at, column, cell, day if isinstance(cell, date) else None)
        if change is not None:
            change(made)
    return file.getvalue()


def text(*rows: Sequence[str], encoding: str = "utf-8") -> bytes:
    """Return the same as text."""
    return "".join(",".join(row) + "\n" for row in rows).encode(encoding)


def read(content: bytes, name: str = "结果.xlsx", limits: Desk | None = None) -> SheetRead:
    return Sheets(limits or Desk())(content, name, NEEDED)


def refused(content: bytes, name: str = "结果.xlsx", limits: Desk | None = None) -> str:
    """Return the word for what is wrong, once the sentence has been looked at."""
    with pytest.raises(SheetUnreadable) as raised:
        read(content, name, limits)
    said = str(raised.value)
    assert said.startswith(name), said
    assert said.count(". ") >= 1, f"no way out: {said}"
    assert said.endswith("."), said
    return raised.value.code


class TestWhatIsRead:
    def test_every_column_comes_back_with_the_rows_own_numbers(self) -> None:
        found = read(book(["2019届办理结果"], [], HEAD, LIN, [], ["20152003", "钱程", "", ""]))
        assert found.columns == tuple(HEAD)
        assert found.rows == ((4, tuple(LIN)), (6, ("20152003", "钱程", None, None)))

    def test_numbers_keep_their_digits_and_text_its_noughts(self) -> None:
        found = read(book(HEAD, [20151001, "a", "通过"], [1201610005.0, "b", "通过"], ["00151001", "c", "通过"]))
        assert [row[0] for _, row in found.rows] == ["20151001", "1201610005", "00151001"]

    def test_a_number_that_excel_has_ruined_never_looks_whole(self) -> None:
        found = read(book(HEAD, [420106200010112345.0, "a", "通过"]))
        assert found.rows[0][1][0] == "4.201062000101123e+17"

    def test_days_are_written_as_days(self) -> None:
        found = read(book([*HEAD, "有效期至"], [*LIN, date(2019, 6, 30)], [*LIN, datetime(2019, 6, 30, 17, 30)]))  # noqa: DTZ001 - a spreadsheet has no zones
        assert [row[4] for _, row in found.rows] == ["2019-06-30", "2019-06-30 17:30"]

    def test_a_formula_is_its_value_and_one_without_a_value_is_refused(self) -> None:
        def calculate(made: Any) -> None:
            made.worksheets()[0].write_formula(1, 2, '=IF(TRUE,"通过","不通过")', None, "通过")

        assert read(book(HEAD, LIN, change=calculate)).rows[0][1][2] == "通过"
        made = openpyxl.Workbook()
        made.worksheets[0].append(HEAD)
        made.worksheets[0].append(["20151001", "林小满", '=IF(TRUE,"通过","")', ""])
        file = io.BytesIO()
        made.save(file)
        assert refused(file.getvalue()) == "broken"

    def test_a_note_beside_the_list_of_a_workbook_is_none_of_it(self) -> None:
        assert read(book(HEAD, [*LIN, None, "问过王老师"])).rows == ((2, tuple(LIN)),)

    def test_what_cannot_be_seen_is_nothing(self) -> None:
        found = read(book(HEAD, ["\u200b20151001\ufeff", " 林\u3000小满 ", "通过\u00a0", "  "]))
        assert found.rows[0][1] == ("20151001", "林 小满", "通过", None)

    def test_the_worksheet_with_the_header_is_found_and_two_are_refused(self) -> None:
        def second(rows: Sequence[Sequence[str]]) -> Callable[[Any], object]:
            def change(made: Any) -> None:
                sheet = made.add_worksheet("另一张")
                for at, row in enumerate(rows):
                    sheet.write_row(at, 0, row)

            return change

        assert len(read(book(["说明"], change=second([HEAD, LIN]))).rows) == 1
        assert len(read(book(HEAD, LIN, change=second([HEAD]))).rows) == 1
        assert refused(book(HEAD, LIN, change=second([HEAD, LIN]))) == "broken"

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
    def test_csv_is_read_in_the_encodings_of_offices(self, encoding: str) -> None:
        assert read(text(HEAD, LIN, encoding=encoding), "结果.CSV").rows == ((2, tuple(LIN)),)

    @pytest.mark.parametrize("row", ["20151001,林小满,通过", "20151001,林小满,通过,现场,归还"])
    def test_a_line_of_csv_with_too_many_cells_or_too_few_is_no_row(self, row: str) -> None:
        assert refused(text(HEAD, LIN) + row.encode() + b"\n", "结果.csv") == "broken"

    @pytest.mark.parametrize("name", ["结果.xls", "结果.xlsm", "结果", "结果.csv"])
    def test_a_workbook_is_one_whatever_its_name_states(self, name: str) -> None:
        assert len(read(book(HEAD, LIN), name).rows) == 1

    def test_text_that_a_system_has_named_xls_is_text(self) -> None:
        content = "\n".join("\t".join(row) for row in (HEAD, LIN)).encode("gb18030")
        assert read(content, "export.xls").rows == ((2, tuple(LIN)),)


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("content", "name", "word"),
        [
            (b"", "结果.xlsx", "empty"),
            (b" \r\n", "结果.csv", "empty"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "结果.xls", "xls"),
            (b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le"), "结果.xlsx", "password"),
            (b"<html><body><table><tr><td>x</td></tr></table>", "结果.xls", "columns"),
            (b"<html><body><table><tr><td>x</td></tr>", "结果.xls", "web"),
            (b"\xef\xbb\xbf\r\n<!DOCTYPE html><html>", "结果.xlsx", "web"),
            ("<html xmlns:x='urn:schemas-microsoft-com:office:excel'>".encode("utf-16"), "结果.xls", "web"),
            (b"MIME-Version: 1.0\nX-Document-Type: Workbook\n", "结果.xls", "web"),
            (b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?><Workbook>', "结果.xls", "xml"),
            (b"\x89PNG\r\n\x1a\n\x00\x00", "结果.xlsx", "kind"),
            (b"%PDF-1.7 and more", "结果.pdf", "kind"),
            (b"\0\0\1\0 what is this", "结果.csv", "kind"),
            (b"PK\x03\x04 cut off", "结果.xlsx", "broken"),
        ],
    )  # fmt: skip
    def test_what_is_no_sheet_states_what_it_is(self, content: bytes, name: str, word: str) -> None:
        assert refused(content, name) == word

    def test_a_header_without_the_columns_or_without_rows(self) -> None:
        assert refused(book(["学号", "姓名"], ["20151001", "林小满"])) == "columns"
        assert refused(book(HEAD)) == "empty"

    def test_more_than_there_is_room_for(self) -> None:
        rows = [[str(20150000 + at), "某", "通过", ""] for at in range(3)]
        assert len(read(book(HEAD, *rows), limits=Desk(most_rows=3)).rows) == 3
        assert refused(book(HEAD, *rows), limits=Desk(most_rows=2)) == "rows"
        assert refused(text(HEAD, *rows), "结果.csv", Desk(most_rows=2)) == "rows"
        assert refused(bytes(10_001), limits=Desk(most_bytes=10_000)) == "large"

    def test_one_that_unpacks_without_end_is_not_unpacked(self) -> None:
        file = io.BytesIO(book(HEAD, LIN))
        with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
            packed.writestr("xl/media/image1.png", bytes(310_000_000))
        assert refused(file.getvalue()) == "broken"


def test_nothing_of_a_sheet_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    read(book(HEAD, LIN))
    refused(b"PK\x03\x04 cut off")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The same list in each kind of file."""
    folder = tmp_path_factory.mktemp("office")
    source = folder / "list.csv"
    source.write_bytes(text([*HEAD, "有效期至"], [*LIN, "2019-06-30"], ["0015200300000123", "钱程", "", "", ""]))
    found: dict[str, bytes] = {}
    for kind in ("xlsx", "xls", "ods", "html"):
        (file,) = converted([source], kind, folder)
        found[kind] = file.read_bytes()
    return found


class TestLibreOffice:
    """What a real spreadsheet program saves."""

    def test_a_workbook_states_what_the_list_states(self, saved: dict[str, bytes]) -> None:
        found = read(saved["xlsx"])
        assert found.columns == (*HEAD, "有效期至")
        assert found.rows == ((2, (*LIN, "2019-06-30")), (3, ("0015200300000123", "钱程", None, None, None)))

    @pytest.mark.parametrize("kind", ["xls", "html"])
    def test_an_old_workbook_and_a_web_page_say_the_same(self, saved: dict[str, bytes], kind: str) -> None:
        assert read(saved[kind], "结果.xls").rows == read(saved["xlsx"]).rows

    def test_what_is_no_workbook_is_refused(self, saved: dict[str, bytes]) -> None:
        assert refused(saved["ods"], "结果.ods") == "kind"
