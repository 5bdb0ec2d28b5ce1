"""Lists that are broken, or made to hurt: each is refused with the reason and the fix, and within its limits."""

import random
import string
import struct
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter

from connectors.port import SourceGarbled
from tests import sizes
from tests.connectors.test_sheet import HEADER, LIN, ask, workbook

if sys.platform != "linux":
    pytest.skip("only here can the memory of a process be measured", allow_module_level=True)

from tests.connectors.one_pull import pulled

SPACE = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
SHEET = "xl/worksheets/sheet1.xml"

#: The least a list may be allowed, so that little files do to break it.
LITTLE = 100_000_000

#: A program that pulls takes so much by itself, whatever the file.
PARENT = 100_000_000


def packed(path: Path, parts: Iterable[str], part: str = SHEET) -> Path:
    """Put other XML, given piece by piece, in the place of a part of a workbook."""
    honest = path.with_name("honest.xlsx")
    with xlsxwriter.Workbook(honest) as book:
        book.add_worksheet().write_row(0, 0, HEADER)
    with zipfile.ZipFile(honest) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as target:
        for name in source.namelist():
            if name != part:
                target.writestr(name, source.read(name))
        with target.open(part, "w", force_zip64=True) as xml:
            for piece in parts:
                xml.write(piece.encode())
    return path


def cells(*given: tuple[str, str]) -> str:
    return "".join(f'<c r="{at}" t="inlineStr"><is><t>{text}</t></is></c>' for at, text in given)


HEAD = f'<row r="1">{cells(("A1", "学号"), ("B1", "清退状态"), ("C1", "宿舍房间号"))}</row>'


def page(*body: str, before: str = "") -> Iterator[str]:
    """Give a sheet's XML around these rows."""
    yield f'{before}<worksheet xmlns="{SPACE}"><sheetData>'
    yield from body
    yield "</sheetData></worksheet>"


def refused(path: Path, words: str, fix_text: str = "", *, memory: int = LITTLE, **own: Any) -> None:
    """Pull a list, and see that it is refused with these words and within this much memory."""
    said = pulled(path, most_memory=memory, **own)
    assert said.failure == "SourceGarbled", said
    assert words in said.what, said
    assert fix_text in said.fix_text, said
    assert said.fix_text.endswith("."), said
    assert said.child_took < memory, said
    assert said.parent_took < PARENT, said


class TestWorkbooksThatUnpackWithoutEnd:
    def test_one_that_declares_it_is_not_opened(self, tmp_path: Path) -> None:
        path = packed(tmp_path / "list.xlsx", ("x" * 1_000_000 for _ in range(200)))
        assert path.stat().st_size < 3_000_000
        refused(path, "it would unpack to 200", "raise most_unpacked in", most_unpacked=LITTLE)

    def test_one_that_hides_it_is_not_believed(self, tmp_path: Path) -> None:
        path = packed(tmp_path / "list.xlsx", page(HEAD, *("<row/>" * 1_000 for _ in range(10_000))))
        raw = path.read_bytes()
        with zipfile.ZipFile(path) as whole:
            size = whole.getinfo(SHEET).file_size
        # The size stands in the directory at the end and, in its long form, before the data.
        raw = raw.replace(struct.pack("<L", size), struct.pack("<L", 500)).replace(
            struct.pack("<Q", size), struct.pack("<Q", 500)
        )
        path.write_bytes(raw)
        refused(path, "it is not a whole Excel workbook", "另存为 .xlsx", most_unpacked=1_000_000)

    def test_one_text_that_fills_the_memory(self, tmp_path: Path) -> None:
        start, end = '<row r="2"><c r="A2" t="inlineStr"><is><t>', "</t></is></c></row>"
        path = packed(tmp_path / "list.xlsx", page(HEAD, start, *("x" * 1_000_000 for _ in range(150)), end))
        refused(path, "takes more than 100 MB of memory to read", "raise most_memory in [source.checkouts],")

    def test_shared_texts_that_fill_the_memory(self, tmp_path: Path) -> None:
        texts = ("".join(f"<si><t>{n}-{i:0300}</t></si>" for i in range(1_000)) for n in range(300))
        strings = (f'<sst xmlns="{SPACE}">', *texts, "</sst>")
        path = packed(tmp_path / "list.xlsx", strings, "xl/sharedStrings.xml")
        refused(path, "takes more than 100 MB of memory to read", "raise most_memory")

    def test_elements_within_elements_without_end(self, tmp_path: Path) -> None:
        path = packed(tmp_path / "list.xlsx", page(HEAD, *("<a>" * 10_000 for _ in range(300))))
        refused(path, "takes more than", "If it is the right file, raise", longest=3)


class TestSheetsWithoutEnd:
    def test_blank_rows_with_a_height_fill_no_memory(self, tmp_path: Path) -> None:
        """Whoever formats whole columns hands over such a list, and it is a whole one."""
        blank = (
            "".join(f'<row r="{n}" spans="1:3" ht="15" customHeight="1"/>' for n in range(start, start + 1_000))
            for start in range(2, 150_002, 1_000)
        )
        said = pulled(packed(tmp_path / "list.xlsx", page(HEAD, *blank)), most_memory=LITTLE)
        assert (said.failure, said.rows) == ("", 0)
        assert said.child_took < LITTLE

    def test_a_million_blank_rows_are_a_list_without_a_header_or_take_too_long(self, tmp_path: Path) -> None:
        blank = ["<row/>" * 1_000 for _ in range(1_000)]
        path = packed(tmp_path / "list.xlsx", page(*blank))
        refused(path, 'no row names the column "学号" (found: nothing at all)', "set header_row", memory=400_000_000)
        path = packed(tmp_path / "list.xlsx", page(HEAD, *blank))
        refused(
            path, "takes more than 1 s to read", "raise longest in [source.checkouts],", memory=400_000_000, longest=1
        )

    def test_a_row_far_beyond_the_last(self, tmp_path: Path) -> None:
        path = packed(tmp_path / "list.xlsx", page(HEAD, '<row r="99999999999"/>'))
        refused(path, "it has a row 99999999999, beyond Excel's last", "另存为 .xlsx")

    def test_one_cell_in_the_last_corner(self, tmp_path: Path) -> None:
        corner = f'<row r="1048575">{cells(("XFD1048575", "x"))}</row>'
        said = pulled(packed(tmp_path / "list.xlsx", page(HEAD, corner)), most_memory=LITTLE)
        assert (said.failure, said.rows) == ("", 0)
        assert said.child_took < LITTLE
        corner = f'<row r="1048576">{cells(("XFD1048576", "x"))}</row>'
        refused(packed(tmp_path / "last.xlsx", page(HEAD, corner)), "the last row of such a file", "as .csv")

    def test_one_cell_beyond_the_last_column(self, tmp_path: Path) -> None:
        path = packed(tmp_path / "list.xlsx", page(HEAD, f'<row r="2">{cells(("ZZZ2", "x"))}</row>'))
        refused(path, "row 2 has more columns than Excel can have", "另存为 .xlsx")


class TestXmlThatIsATrick:
    def test_an_entity_that_would_read_another_file(self, tmp_path: Path) -> None:
        trick = '<!DOCTYPE x [<!ENTITY secret SYSTEM "file:///etc/hostname">]>'
        row = f'<row r="2">{cells(("A2", "&secret;"), ("B2", "x"), ("C2", "y"))}</row>'
        path = packed(tmp_path / "list.xlsx", page(HEAD, row, before=trick))
        refused(path, "its XML declares entities of its own", "另存为 .xlsx")

    @pytest.mark.parametrize("part", [SHEET, "xl/sharedStrings.xml", "xl/workbook.xml", "xl/styles.xml"])
    def test_entities_that_would_grow_without_end(self, tmp_path: Path, part: str) -> None:
        grow = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 10))
        trick = f'<!DOCTYPE x [<!ENTITY e0 "x">{grow}]><worksheet xmlns="{SPACE}">&e9;</worksheet>'
        path = packed(tmp_path / "list.xlsx", [trick], part)
        refused(path, "its XML declares entities of its own", "另存为 .xlsx")

    def test_xml_that_never_ends(self, tmp_path: Path) -> None:
        start = f'<worksheet xmlns="{SPACE}"><sheetData>{HEAD}'
        path = packed(tmp_path / "list.xlsx", [start])
        refused(path, "it is not a whole Excel workbook (no element found", "另存为 .xlsx")

    def test_a_tag_that_never_ends(self, tmp_path: Path) -> None:
        start = f'<worksheet xmlns="{SPACE}" x="'
        path = packed(tmp_path / "list.xlsx", [start, *("x" * 1_000_000 for _ in range(150))])
        refused(path, "takes more than", "If it is the right file, raise", longest=3)


class TestRowsThatWouldVanish:
    """What reads workbooks passes over these in silence: a row lost is a student wrongly cleared."""

    def row(self, number: int, *, at: str = "ABC") -> str:
        return f'<row r="{number}">{cells(*((f"{letter}{number}", letter) for letter in at))}</row>'

    def test_a_row_that_comes_after_a_later_one(self, tmp_path: Path) -> None:
        path = packed(tmp_path / "list.xlsx", page(HEAD, self.row(5), self.row(3)))
        with pytest.raises(SourceGarbled, match="row 3 is after row 5"):
            ask(path).pull()

    def test_a_row_that_comes_twice(self, tmp_path: Path) -> None:
        path = packed(tmp_path / "list.xlsx", page(HEAD, self.row(2), self.row(2)))
        with pytest.raises(SourceGarbled, match="row 2 is after row 2"):
            ask(path).pull()

    def test_a_cell_that_comes_after_a_later_one(self, tmp_path: Path) -> None:
        path = packed(tmp_path / "list.xlsx", page(HEAD, self.row(2, at="ACB")))
        with pytest.raises(SourceGarbled, match="the cells of row 2 are out of order"):
            ask(path).pull()

    def test_a_gap_between_rows_and_cells_is_only_a_gap(self, tmp_path: Path) -> None:
        path = packed(tmp_path / "list.xlsx", page(HEAD, self.row(7, at="AC")))
        assert list(ask(path).pull().rows) == [("A", None, "C")]

    def test_a_formula_in_another_encoding_is_still_seen(self, tmp_path: Path) -> None:
        formula = '<row r="2"><c r="A2" t="inlineStr"><is><t>20151001</t></is></c><c r="B2"><f>1+1</f></c></row>'
        path = packed(tmp_path / "list.xlsx", page(HEAD, formula))
        other = tmp_path / "other.xlsx"
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(other, "w") as target:
            for name in source.namelist():
                raw = source.read(name)
                target.writestr(name, raw.decode().encode("utf-16") if name == SHEET else raw)
        with pytest.raises(SourceGarbled, match="formula without its value"):
            ask(other).pull()


class TestText:
    HEAD = "学号,清退状态,宿舍房间号\n"

    def test_a_hundred_megabytes_in_one_line(self, tmp_path: Path) -> None:
        path = tmp_path / "list.csv"
        path.write_bytes(self.HEAD.encode() + b"x" * LITTLE)
        refused(path, "more than 50000000", "raise most_bytes")
        refused(path, "line 2 has more than 1000000 letters", "right file", most_bytes=2 * LITTLE)

    def test_a_hundred_megabytes_in_one_quoted_cell(self, tmp_path: Path) -> None:
        path = tmp_path / "list.csv"
        path.write_bytes(self.HEAD.encode() + b'"' + b"x\n" * (LITTLE // 2))
        refused(
            path,
            "line 2 cannot be read: a quotation mark is opened there",
            "double the quotation mark in line 2",
            most_bytes=2 * LITTLE,
        )

    def test_a_text_far_bigger_than_the_memory_that_reading_takes(self, tmp_path: Path) -> None:
        path = tmp_path / "list.csv"
        line = "20151001,未清退,412\n".encode("gb18030")
        path.write_bytes(self.HEAD.encode("gb18030") + line * 200_000)
        said = pulled(path, most_memory=LITTLE)
        assert (said.failure, said.rows) == ("", 200_000)
        assert said.child_took < LITTLE

    def test_noise(self, tmp_path: Path) -> None:
        path = tmp_path / "list.csv"
        path.write_bytes(random.Random(7).randbytes(3_000_000))
        refused(path, "checkouts: the list")


def test_noise_in_a_workbook_never_ends_in_anything_but_a_refusal(tmp_path: Path) -> None:
    """One byte in a thousand is another, in the file as it lies on the disk."""
    whole = workbook(tmp_path / "honest.xlsx", HEADER, *([LIN] * 50)).read_bytes()
    chance = random.Random(7)
    for _ in range(12):
        raw = bytearray(whole)
        for at in chance.sample(range(len(raw)), len(raw) // 1_000 + 1):
            raw[at] = chance.randrange(256)
        path = tmp_path / "list.xlsx"
        path.write_bytes(raw)
        try:
            assert len(ask(path).pull().rows) == 50
        except SourceGarbled:
            continue


def test_check_reads_within_the_same_limits(tmp_path: Path) -> None:
    start, end = '<row r="2"><c r="A2" t="inlineStr"><is><t>', "</t></is></c></row>"
    path = packed(tmp_path / "list.xlsx", page(HEAD, start, *("x" * 1_000_000 for _ in range(150)), end))
    with pytest.raises(SourceGarbled, match="more than 100 MB of memory"):
        ask(path, most_memory=LITTLE).check()


@pytest.mark.slow
def test_many_rows_of_ten_columns_pass(tmp_path: Path) -> None:
    many = 100_000 if sizes.SOAK else 10_000
    letters = string.ascii_uppercase[3:10]

    def row(number: int) -> str:
        named = ((f"A{number}", f"2015{number:07}"), (f"B{number}", "未清退"), (f"C{number}", f"{number % 999}"))
        return f'<row r="{number}">{cells(*named, *((f"{c}{number}", f"备注{c}{number}") for c in letters))}</row>'

    head = [(f"{c}1", n) for c, n in zip("ABC", ("学号", "清退状态", "宿舍房间号"), strict=True)]
    first = f'<row r="1">{cells(*head, *((f"{c}1", c) for c in letters))}</row>'
    rows = ("".join(map(row, range(start, start + 1_000))) for start in range(2, many + 2, 1_000))
    said = pulled(packed(tmp_path / "list.xlsx", page(first, *rows)))
    assert (said.failure, said.rows) == ("", many)
    assert said.child_took < 512_000_000
