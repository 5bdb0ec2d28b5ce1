"""Lists from the field, rebuilt: each is read as its format defines it, or refused with the true cause."""

import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from pydantic import ValidationError

from connectors import sheet
from connectors.port import ProofKind, Question, Snapshot, SourceGarbled, SourceUnavailable
from status_db.model import normalise_number
from tests.contract import Ticking
from tests.services.libreoffice import converted

INPUTS = Path(__file__).parent / "inputs"
FEES = {"student": "学号", "title": "收费项目", "amount": "欠费"}
NAMES = ["学号", "收费项目", "欠费"]
HEAD = ",".join(NAMES) + "\n"


def pulled(path: Path, columns: Mapping[str, str] = FEES, **own: Any) -> Snapshot:
    """Return what the connector reads of a list of fees."""
    settings = sheet.Settings.model_validate({"path": str(path), **own})
    return sheet.connect(settings, Question("fees", columns, Ticking())).pull()


def refused(path: Path, columns: Mapping[str, str] = FEES, **own: Any) -> str:
    """Return why a list is refused; the fix ends it."""
    with pytest.raises(SourceGarbled) as caught:
        pulled(path, columns, **own)
    assert caught.value.fix_text.endswith(".")
    return str(caught.value)


def written(path: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def rows(answer: Snapshot) -> list[tuple[object, ...]]:
    return list(answer.rows)


class TestCases:
    @pytest.mark.parametrize(
        "name",
        [
            "empty_fill_style.xlsx",
            "six_digit_colour.xlsx",
            "strict_ooxml.xlsx",
            "backslash_names.xlsx",
            "xlsx_named.xls",
        ],
    )
    def test_what_excel_opens_is_read(self, name: str) -> None:
        assert rows(pulled(INPUTS / name)) == [("2015150001", "学费", 5000), ("2015150002", "学费", 0)]

    @pytest.mark.parametrize(
        "name", ["footer_line.csv", "header_one_comma_more.csv", "tab_padded_commas.csv", "two_boms.csv"]
    )
    def test_untidy_text_is_read(self, name: str) -> None:
        answer = pulled(INPUTS / name)
        assert rows(answer) == [("2015150001", "学费", "5000")]
        assert answer.places == [2]

    def test_a_quotation_mark_that_is_not_doubled_loses_no_row(self) -> None:
        assert rows(pulled(INPUTS / "quotes_not_doubled.csv")) == [
            ("2015150001", '《C"语言"》', "5000"),
            ("2015150002", '"《数学》"上册', "100"),
        ]

    def test_every_row_of_a_merged_number_is_the_students(self) -> None:
        answer = pulled(INPUTS / "merged_student_cell.xlsx")
        assert rows(answer) == [
            ("2015150001", "学费", 0),
            ("2015150001", "住宿费", 1200),
            ("2015150002", "学费", 0),
        ]
        assert answer.places == [2, 3, 4]

    def test_a_row_that_continues_another_is_kept_without_a_number_and_has_its_place(self) -> None:
        answer = pulled(INPUTS / "blank_student_continuation.csv")
        assert rows(answer)[1] == (None, "住宿费", "1200")
        assert answer.places == [2, 3, 4]

    def test_a_column_under_a_merged_head_is_named_with_its_head(self) -> None:
        columns = FEES | {"amount": "学费/欠费"}
        assert rows(pulled(INPUTS / "two_row_header.xlsx", columns)) == [("2015150001", "x", 5000)]
        assert rows(pulled(INPUTS / "two_row_header.xlsx", FEES | {"amount": "住宿费/应缴"})) == [
            ("2015150001", "x", 1200)
        ]
        assert 'with its head, such as "学费/欠费"' in refused(INPUTS / "two_row_header.xlsx")

    def test_a_long_footnote_is_no_row(self) -> None:
        assert rows(pulled(INPUTS / "long_footnote.xlsx")) == [("2015150001", "学费", 5000)]

    def test_days_come_as_the_cells_have_them(self) -> None:
        columns = FEES | {"due": "期限"}
        days = [row[3] for row in pulled(INPUTS / "due_forms.xlsx", columns).rows]
        assert days == [43615, 20190530, "2019.5.30", "30/05/2019", "2019年5月30日前"]

    def test_numbers_with_words_are_kept_whole(self) -> None:
        keys = [row[0] for row in pulled(INPUTS / "number_with_words.csv").rows]
        assert keys == ["2015 150001", "2015150002 李二", "2015150003(文学院)", "2015-150004"]


def book(path: Path, *cells: tuple[int, int, object, str | None], merges: Sequence[tuple[str, object]] = ()) -> Path:
    """Write a workbook with the usual header: cells by row and column with their number formats, and merges."""
    with xlsxwriter.Workbook(path, {"strings_to_formulas": False}) as made:
        page = made.add_worksheet()
        page.write_row(0, 0, NAMES)
        for row, column, cell, form in cells:
            page.write(row, column, cell, made.add_format({"num_format": form}) if form else None)
        for where, value in merges:
            page.merge_range(where, value)
    return path


class TestWhatASpreadsheetShows:
    @pytest.mark.parametrize(
        ("number", "form", "shown"),
        [
            (15150005, "0000000000", "0015150005"),
            (15150005, '"S"00000000', "S15150005"),
            (2015150001, "0", "2015150001"),
            (2015150001, "General", "2015150001"),
            (2015150001, "0_ ", "2015150001"),
            (2015150001, "0_);[Red](0)", "2015150001"),
            (2015150001, "#,##0", "2015150001"),
            (2015150001, "0.00E+00", "2015150001"),
            (2015150001, '"学号："0', "2015150001"),
            (20150001, "0000-0000", "2015-0001"),
        ],
    )
    def test_a_number_is_what_its_cell_shows(self, tmp_path: Path, number: int, form: str, shown: str) -> None:
        path = book(tmp_path / "a.xlsx", (1, 0, number, form), (1, 1, "学费", None), (1, 2, 5, None))
        assert [normalise_number(row[0]) for row in pulled(path).rows] == [shown]

    @pytest.mark.parametrize("form", ['"¥"0', '0"元"', "#,##0", "00000", "[$¥-804]0.00", "0%"])
    def test_an_amount_is_its_value_whatever_its_format(self, tmp_path: Path, form: str) -> None:
        path = book(tmp_path / "a.xlsx", (1, 0, "2015150001", None), (1, 1, "学费", None), (1, 2, 5000, form))
        (row,) = pulled(path).rows
        assert int(str(row[2])) == 5000

    def test_an_escape_of_the_xml_is_the_letter_that_it_means(self, tmp_path: Path) -> None:
        path = book(tmp_path / "a.xlsx", (1, 0, "2015_x0031_50001", None), (1, 1, "第一行_x000A_第二行", None))
        with zipfile.ZipFile(path) as packed:
            assert b"_x005F_x0031_" in packed.read("xl/sharedStrings.xml")
        assert rows(pulled(path)) == [("2015_x0031_50001", "第一行_x000A_第二行", None)]
        other = tmp_path / "b.xlsx"
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
            for name in source.namelist():
                target.writestr(name, source.read(name).replace(b"_x005F_", b"_"))
        assert rows(pulled(other)) == [("2015150001", "第一行\n第二行", None)]


class TestMerges:
    def test_an_amount_that_is_shown_once_counts_once(self, tmp_path: Path) -> None:
        path = book(
            tmp_path / "a.xlsx",
            (1, 0, "2015150001", None),
            (2, 0, "2015150002", None),
            merges=[("B2:B3", "学费"), ("C2:C3", -100)],
        )
        assert rows(pulled(path)) == [("2015150001", "学费", -100), ("2015150002", "学费", None)]

    def test_blank_cells_are_filled_by_a_merge_alone(self, tmp_path: Path) -> None:
        path = book(
            tmp_path / "a.xlsx", (1, 0, "2015150001", None), (1, 2, 0, None), (2, 1, "住宿费", None), (2, 2, 9, None)
        )
        assert rows(pulled(path))[1] == (None, "住宿费", 9)

    def test_a_merge_that_ends_fills_no_row_below_it(self, tmp_path: Path) -> None:
        path = book(
            tmp_path / "a.xlsx", (1, 2, 1, None), (2, 2, 2, None), (3, 2, 3, None), merges=[("A2:A3", "2015150001")]
        )
        assert [row[0] for row in pulled(path).rows] == ["2015150001", "2015150001", None]

    def test_a_number_hidden_beneath_a_merge_is_refused(self, tmp_path: Path) -> None:
        path = book(tmp_path / "a.xlsx", (1, 2, 1, None), (2, 2, 2, None), merges=[("A2:A3", "2015150001")])
        other = tmp_path / "b.xlsx"
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
            for name in source.namelist():
                data = source.read(name)
                if name.endswith("sheet1.xml"):
                    assert b'<c r="C3"' in data
                    data = data.replace(b'<c r="C3"', b'<c r="A3"><v>2015150002</v></c><c r="C3"')
                target.writestr(name, data)
        assert "covers another number in row 3" in refused(other)


class TestTotalsAndNotes:
    def test_a_row_with_a_student_number_is_never_a_total(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.csv", "备注," + HEAD + "合计,2015150001,合计,5000\n小计,2015150002,学费,7\n")
        assert len(pulled(path).rows) == 2

    @pytest.mark.parametrize(
        "total",
        ["合计,,5000", ",合计,5000", "总计(元),,5000", "文学院小计,,5000", "Grand Total,,5000", "合 计：,1人,5000"],
    )
    def test_a_row_of_totals_is_no_student(self, tmp_path: Path, total: str) -> None:
        path = written(tmp_path / "a.csv", HEAD + f"2015150001,学费,5000\n{total}\n")
        assert rows(pulled(path)) == [("2015150001", "学费", "5000")]

    def test_a_subtotal_counts_the_rows_since_the_last(self, tmp_path: Path) -> None:
        lines = "2015150001,a,1\n小计,1人,1\n2015150002,a,1\n2015150003,a,1\n小计,2人,2\n合计,3人,3\n"
        answer = pulled(written(tmp_path / "a.csv", HEAD + lines), closing_count=True)
        assert len(answer.rows) == 3
        missing = written(tmp_path / "b.csv", HEAD + lines.replace("2015150003,a,1\n", ""))
        assert "row 5 says 2 rows" not in refused(missing)
        assert "rows are missing" in refused(missing)

    def test_a_total_may_count_students_where_a_student_has_several_rows(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.csv", HEAD + "2015150001,a,1\n2015150001,b,1\n合计,1人,2\n")
        assert len(pulled(path, closing_count=True).rows) == 2

    def test_notes_below_the_table_are_no_rows(self, tmp_path: Path) -> None:
        notes = "制表人：王,审核：李,2019-06-01\n说明：以财务处为准\n2019年6月1日\n"
        assert len(pulled(written(tmp_path / "a.csv", HEAD + "2015150001,学费,5000\n" + notes)).rows) == 1

    @pytest.mark.parametrize("title", ["会计学原理", "时间序列分析", "注册费", "说明：补缴"])
    def test_a_title_that_begins_as_a_note_does_is_kept_with_its_row(self, tmp_path: Path, title: str) -> None:
        path = written(tmp_path / "a.csv", f"学号,书名,状态\n2015150001,线性代数,在借\n,{title},在借\n")
        columns = {"student": "学号", "title": "书名", "status": "状态"}
        assert rows(pulled(path, columns))[1] == (None, title, "在借")

    def test_a_note_that_names_a_number_is_kept(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.csv", HEAD + "2015150001,学费,5000\n说明：2015150002 已缴,,\n")
        assert [row[0] for row in pulled(path).rows] == ["2015150001", "说明：2015150002 已缴"]

    def test_a_header_that_repeats_on_each_printed_page_is_no_row(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.csv", "\ufeff" + HEAD + "2015150001,a,1\n\ufeff" + HEAD + "2015150002,a,1\n")
        assert [row[0] for row in pulled(path).rows] == ["2015150001", "2015150002"]


class TestText:
    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (
                '2015150001,"书,5000\n2015150002,书",100\n',
                "line 2 opens a quotation mark that is not closed before line 3",
            ),
            ('2015150001,"书,5000\nS4,书",100\n', "line 2 opens a quotation mark"),
            ("2015150001,学费,1,200\n", "a text or an amount contains the separator"),
            ("2015150001,学\n费,1200\n", "a text with a line break is not in quotes"),
            ("2015150001,学费,5000\n2015150", "cut off"),
            ("2015150001,学费,5000\n李二", "cut off"),
            ("2015150001,学费,5000\n文学院\n2015150002,学费,1\n", "row 3 has 1 of 3 cells"),
            ("2.01515E+09,学费,5000\n", "a spreadsheet has"),
            ("110101199001011000,a,1\n110101199001012000,a,1\n", "end in zeros"),
        ],
    )
    def test_what_would_lose_a_row_is_refused_with_its_cause(self, tmp_path: Path, content: str, words: str) -> None:
        assert words in refused(written(tmp_path / "a.csv", HEAD + content))

    @pytest.mark.parametrize("separator", list(",\t;|，"))
    def test_the_separator_is_the_one_that_splits_the_header(self, tmp_path: Path, separator: str) -> None:
        others = "".join(other * 3 for other in ",;|" if other != separator)
        line = separator.join(["2015150001", f'"{others}"', "5"])
        path = written(tmp_path / "a.csv", f"sep={separator}\n{separator.join(NAMES)}\n{line}\n")
        assert rows(pulled(path)) == [("2015150001", others, "5")]

    def test_cells_left_out_at_the_end_of_a_row_are_empty(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.csv", "学号,收费项目,欠费,备注\n2015150001,学费,5000\n2015150002,学费,7,x\n")
        assert len(pulled(path).rows) == 2

    def test_half_a_letter_is_one_broken_letter(self, tmp_path: Path) -> None:
        content = (HEAD + "2015150001,计算机,5000\n2015150002,学费,1\n").encode("gb18030")
        half = content.replace("机".encode("gb18030"), "机".encode("gb18030")[:1])
        answer = pulled(written(tmp_path / "a.csv", half))
        assert rows(answer) == [("2015150001", "计算\ufffd", "5000"), ("2015150002", "学费", "1")]
        assert "row 2" in answer.warnings[0]

    def test_a_file_that_ends_within_a_letter_has_been_cut_off(self, tmp_path: Path) -> None:
        content = (HEAD + "2015150001,学费,5000\n" * 9 + "2015150002,学费,5元").encode("gb18030")[:-1]
        assert "ends within a letter" in refused(written(tmp_path / "a.csv", content))

    def test_utf_16_without_its_mark_is_found(self, tmp_path: Path) -> None:
        assert len(pulled(written(tmp_path / "a.csv", HEAD + "2015150001,学费,1\n", "utf-16-le")).rows) == 1

    def test_a_header_is_the_same_in_another_width_and_with_breaks(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.csv", '"学\n号 ",收费\u200b项目,欠费（元）\n2015150001,学费,1\n')
        assert len(pulled(path, FEES | {"amount": "欠费(元)"}).rows) == 1


def page(body: str, encoding: str = "gb18030", said: str = "gb2312") -> bytes:
    return f'<html><head><meta charset="{said}"></head><body>{body}</body></html>'.encode(encoding)


ROW = "<tr><td>0015150005<td>学费&amp;杂费<td>5000"
TOP = "<tr><th>学号<th>收费项目<th>欠费"


class TestNamedXls:
    def test_a_web_page_is_read_in_its_encoding_with_its_merges(self, tmp_path: Path) -> None:
        heads = "<tr><th rowspan=2>学号<th rowspan=2>收费项目<th colspan=2>学费<tr><th>应缴<th>欠费"
        body = "<tr><td rowspan=2>0015150005<td>学费<td>9<td>5000</tr><tr><td>住宿<br>费㐀<td>3<td>1200</tr>"
        path = written(tmp_path / "a.xls", page(f"<table>{heads}{body}</table>"))
        assert rows(pulled(path, FEES | {"amount": "学费/欠费"})) == [
            ("0015150005", "学费", "5000"),
            ("0015150005", "住宿\n费㐀", "1200"),
        ]

    @pytest.mark.parametrize(("encoding", "said"), [("utf-8", "gb2312"), ("gb18030", "utf-8"), ("utf-16", "unicode")])
    def test_a_web_page_that_names_a_wrong_encoding_is_read_all_the_same(
        self, tmp_path: Path, encoding: str, said: str
    ) -> None:
        path = written(tmp_path / "a.xls", page(f"<table>{TOP}{ROW}</table>", encoding, said))
        assert rows(pulled(path)) == [("0015150005", "学费&杂费", "5000")]

    def test_a_header_in_a_table_of_its_own_loses_no_row(self, tmp_path: Path) -> None:
        path = written(tmp_path / "a.xls", page(f"<table>{TOP}</table><table>{ROW}</table>"))
        assert len(pulled(path).rows) == 1

    def test_a_table_without_an_end_has_been_cut_off(self, tmp_path: Path) -> None:
        whole = page(f"<table>{TOP}{ROW}</table>")
        assert "cut off" in refused(written(tmp_path / "a.xls", whole[: whole.index(b"</table>")]))

    def test_a_page_to_sign_in_is_reported_as_that(self, tmp_path: Path) -> None:
        assert "请先登录" in refused(written(tmp_path / "a.xls", page("<form>请先登录</form>")))

    def test_text_is_text_whatever_its_name(self, tmp_path: Path) -> None:
        assert len(pulled(written(tmp_path / "a.xls", HEAD + "2015150001,a,1\n")).rows) == 1
        assert len(pulled(written(tmp_path / "a.dat", HEAD + "2015150001,a,1\n")).rows) == 1

    def test_a_pdf_is_reported_as_one(self, tmp_path: Path) -> None:
        assert "it is a PDF document" in refused(written(tmp_path / "a.xls", b"%PDF-1.4 and more"))

    XML = (
        '\r\n<?xml version="1.0" encoding="UTF-8"?><?mso-application progid="Excel.Sheet"?>'
        '<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet" xmlns:ss="urn:schemas-microsoft-com:office:'
        'spreadsheet"><Styles><Style ss:ID="s1"><NumberFormat ss:Format="0000000000"/></Style></Styles>'
        '<Worksheet ss:Name="名单"><Table>'
        '<Row><Cell><Data ss:Type="String">学号</Data></Cell><Cell><Data ss:Type="String">收费项目</Data></Cell>'
        '<Cell><Data ss:Type="String">欠费</Data></Cell></Row>'
        '<Row ss:Index="4"><Cell ss:MergeDown="1" ss:StyleID="s1"><Data ss:Type="Number">15150005</Data></Cell>'
        '<Cell><Data ss:Type="String">学费</Data></Cell><Cell><Data ss:Type="Number">12.5</Data></Cell></Row>'
        '<Row><Cell ss:Index="2"><Data ss:Type="String">书费</Data></Cell><Cell><Data ss:Type="Number">1200</Data>'
        "</Cell></Row></Table></Worksheet></Workbook>"
    )

    def test_xml_of_2003_is_read_with_merges_and_formats(self, tmp_path: Path) -> None:
        answer = pulled(written(tmp_path / "a.xls", self.XML))
        assert rows(answer) == [("0015150005", "学费", 12.5), ("0015150005", "书费", 1200)]
        assert answer.places == [4, 5]

    def test_xml_that_is_cut_or_a_trick_is_refused(self, tmp_path: Path) -> None:
        assert "cut off" in refused(written(tmp_path / "a.xls", self.XML[:-60]))
        trick = self.XML.replace("<Workbook", '<!DOCTYPE x [<!ENTITY e "x">]><Workbook', 1)
        assert "entities of its own" in refused(written(tmp_path / "a.xls", trick))


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same lists as LibreOffice writes them in the old kind."""
    folder = tmp_path_factory.mktemp("office")
    merged = folder / "merged.xlsx"
    with xlsxwriter.Workbook(merged) as made:
        page = made.add_worksheet()
        page.write_row(2, 1, NAMES)
        page.merge_range("B4:B5", "2015150001")
        page.write_row(3, 2, ["学费", 0])
        page.write_row(4, 2, ["住宿费", 1200])
        page.write_row(6, 1, [2015150002, "学费", 5.25])
        made.add_worksheet("说明").hide()
    zeros = book(folder / "zeros.xlsx", (1, 0, 15150005, "0000000000"), (1, 1, "学费", None), (1, 2, 5, None))
    return {path.stem: path for path in converted([merged, zeros], "xls", folder)}


class TestOldWorkbooks:
    def test_one_is_read_with_its_merges_and_places(self, saved: dict[str, Path]) -> None:
        answer = pulled(saved["merged"])
        assert rows(answer) == [("2015150001", "学费", 0), ("2015150001", "住宿费", 1200), (2015150002, "学费", 5.25)]
        assert answer.places == [4, 5, 7]

    def test_leading_zeros_that_cannot_be_read_are_not_lost_in_silence(self, saved: dict[str, Path]) -> None:
        assert "leading zeros (0000000000)" in refused(saved["zeros"])

    @pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
    def test_one_that_is_cut_anywhere_is_no_answer(self, saved: dict[str, Path], tmp_path: Path, kept: float) -> None:
        whole = saved["merged"].read_bytes()
        assert "cut off" in refused(written(tmp_path / "a.xls", whole[: int(len(whole) * kept)]))


class TestNewestOfAPattern:
    def lists(self, folder: Path, *names: str) -> Path:
        for name in names:
            written(folder / name, HEAD + f"{name},a,1\n")
        return folder / "fees_*.csv"

    @pytest.mark.parametrize(
        ("names", "right"),
        [
            (("fees_20190510.csv", "fees_20190524.csv"), "fees_20190524.csv"),
            (("fees_2019-05-24.csv", "fees_2019-5-3.csv"), "fees_2019-05-24.csv"),
            (("fees_2019年5月24日.csv", "fees_2018年12月30日.csv"), "fees_2019年5月24日.csv"),
            (("fees_20190524_0900.csv", "fees_20190524_1300.csv"), "fees_20190524_1300.csv"),
            (("fees_20190510.csv", "~$fees_20190525.csv", "fees_20190526.csv.part"), "fees_20190510.csv"),
        ],
    )
    def test_the_newest_is_read_and_named(self, tmp_path: Path, names: tuple[str, ...], right: str) -> None:
        answer = pulled(self.lists(tmp_path, *names))
        assert [row[0] for row in answer.rows] == [right]
        assert any(right in proof.detail for proof in answer.proofs if proof.kind is ProofKind.END_REACHED)

    @pytest.mark.parametrize(
        ("names", "words"),
        [
            (("fees_2019-05-24.csv", "fees_20190524.csv"), "several files are the newest"),
            (("fees_20190524.csv", "fees_final.csv"), "others have none (fees_final.csv)"),
            (("fees_20910524.csv", "fees_20190524.csv"), "a date in the future"),
        ],
    )
    def test_a_doubt_about_the_newest_is_refused(self, tmp_path: Path, names: tuple[str, ...], words: str) -> None:
        assert words in refused(self.lists(tmp_path, *names))

    def test_without_days_the_last_changed_is_read(self, tmp_path: Path) -> None:
        pattern = self.lists(tmp_path, "fees_a.csv", "fees_b.csv")
        os.utime(tmp_path / "fees_b.csv", (1_558_000_000, 1_558_000_000))
        assert [row[0] for row in pulled(pattern).rows] == ["fees_a.csv"]

    def test_a_list_that_the_desk_uploads_needs_one_name(self, tmp_path: Path) -> None:
        with pytest.raises(ValidationError, match=r"write path without \* and \?"):
            sheet.Settings.model_validate({"path": str(tmp_path / "fees_*.csv"), "uploaded": True})

    def test_none_at_all_is_awaited(self, tmp_path: Path) -> None:
        with pytest.raises(SourceUnavailable, match="no file has such a name"):
            pulled(tmp_path / "fees_*.csv")
