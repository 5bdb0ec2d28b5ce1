"""Lists in a web page or an XML table, often named .xls, row by row."""

import codecs
import re
from collections import deque
from collections.abc import Iterator
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import IO
from xml.etree.ElementTree import Element

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from connectors.files.tables.completeness import ALL_OF_IT, SurroundingWords
from connectors.files.tables.table import CUT_OFF, MOST_COLUMNS, MOST_ROWS, SAVE_XLSX, FileRow, ListAsked, Page, trim
from connectors.files.workbooks.merges import Merge, Merges
from connectors.files.workbooks.number_formats import shown_number
from connectors.port import Cell, SourceGarbled

#: How many bytes are read to find a page's encoding.
_HEAD = 4_096
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)

#: Chinese encodings that systems declare, and the larger one that they write.
_WIDER = {"gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "cp936": "gb18030", "gb_2312-80": "gb18030"}

#: The most rows or columns of a page's cell.
_WIDEST = 65_534

_SIZES = (1 << 16, 1 << 20)


def web_pages_of(path: Path, asked: ListAsked) -> list[Page]:
    """Return the tables of a web page, one after another, as one page. Raises SourceGarbled, OSError."""
    encoding = _page_encoding(path, asked)
    return [Page("", visible=True, lines=lambda: _web_lines(path, encoding, asked))]


def xml_pages_of(path: Path, asked: ListAsked) -> list[Page]:
    """Return the worksheets of an XML spreadsheet (2003). Raises SourceGarbled, OSError."""
    titles = _titles(path, asked)
    return [
        Page(title, visible=not hidden, lines=lambda at=at: _xml_lines(path, at, asked))  # type: ignore[misc]
        for at, (title, hidden) in enumerate(titles)
    ]


class _Tables(HTMLParser):
    """The rows of all tables of a page; a table within a cell has its own rows."""

    def __init__(self, asked: ListAsked) -> None:
        super().__init__(convert_charrefs=True)
        self._asked = asked
        self._tables: list[_MarkupTable] = []
        #: The number of open elements whose text is not part of a cell.
        self._silent = 0
        self._parse_number = 0
        self.rows: list[FileRow] = []
        self.words: list[str] = []
        self.last_words: deque[str] = deque(maxlen=_LAST_WORDS_KEPT)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style", "title"):
            self._silent += 1
        elif tag == "table":
            self._silent = 0
            self._tables.append(_MarkupTable())
        elif not self._tables:
            return
        elif tag == "tr":
            self._end_row()
            self._tables[-1].row = []
        elif tag in ("td", "th"):
            given = dict(attrs)
            self._tables[-1].begin(_span_count(given.get("rowspan")), _span_count(given.get("colspan")))
        elif tag in ("br", "p", "div"):
            self._tables[-1].add("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "title"):
            self._silent = max(0, self._silent - 1)
        elif tag == "table" and self._tables:
            self._end_row()
            self._tables.pop()
        elif tag == "tr":
            self._end_row()
        elif tag in ("body", "html"):
            # Tables that are still open end with the page.
            while self._tables:
                self._end_row()
                self._tables.pop()

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if self._tables:
            self._tables[-1].add(data)
        elif data.strip():
            self.last_words.append(data.strip())
            if len(self.words) < _WORDS_KEPT:
                self.words.append(data.strip())

    @property
    def open_tables(self) -> int:
        """How many tables have begun and not ended."""
        return len(self._tables)

    def _end_row(self) -> None:
        table = self._tables[-1] if self._tables else None
        if table is None or table.row is None:
            return
        self._parse_number += 1
        if self._parse_number > MOST_ROWS:
            raise self._asked.garbled("it has more rows than Excel can have", SAVE_XLSX)
        cells: list[Cell] = []
        covered = table.covered
        below: dict[int, tuple[int, Cell]] = {}
        blank: set[int] = set()
        for text, rows, columns in table.row:
            _over(cells, covered, blank)
            at = len(cells)
            cell = trim("".join(text))
            cells.extend([cell, *[None] * (columns - 1)])
            if len(cells) > MOST_COLUMNS:
                raise self._asked.garbled(f"row {self._parse_number} has more columns than Excel can have", SAVE_XLSX)
            if rows > 1:
                below.update({at + more: (rows - 1, cell if not more else None) for more in range(columns)})
        _over(cells, covered, blank)
        table.covered = {at: (left - 1, cell) for at, (left, cell) in covered.items() if left > 1} | below
        table.row = None
        self.rows.append(FileRow(self._parse_number, tuple(cells), frozenset(blank)))


#: How many texts at the beginning of a page are kept, to describe it.
_WORDS_KEPT = 5

#: … and at its end, where a text may state that the page is not the whole list.
_LAST_WORDS_KEPT = 100


def _over(cells: list[Cell], covered: dict[int, tuple[int, Cell]], blank: set[int]) -> None:
    """Add the cells that span down from the rows above."""
    while len(cells) in covered:
        blank.add(len(cells))
        cells.append(covered[len(cells)][1])


class _MarkupTable:
    """An open table: the cells of its current row, and the cells that span down into its rows."""

    def __init__(self) -> None:
        self.row: list[tuple[list[str], int, int]] | None = None
        self.covered: dict[int, tuple[int, Cell]] = {}

    def begin(self, rows: int, columns: int) -> None:
        """Begin a cell; a page can leave out the tag of its row."""
        if self.row is None:
            self.row = []
        self.row.append(([], rows, columns))

    def add(self, text: str) -> None:
        """Add text to the current cell."""
        if self.row:
            self.row[-1][0].append(text)


def _span_count(given: str | None) -> int:
    return max(1, _whole_number(given or "", 1, _WIDEST))


def _web_lines(path: Path, encoding: str, asked: ListAsked) -> Iterator[FileRow]:
    tables = _Tables(asked)
    found = False
    try:
        with path.open(encoding=encoding, errors="replace", newline="") as text:
            while part := text.read(_SIZES[0]):
                tables.feed(part)
                found = found or bool(tables.rows)
                yield from tables.rows
                tables.rows.clear()
        tables.close()
    except AssertionError as error:
        raise asked.garbled(f"its web page cannot be read ({' '.join(str(error).split())[:200]})", SAVE_XLSX) from error
    found = found or bool(tables.rows)
    yield from tables.rows
    if tables.open_tables:
        raise asked.garbled("its table has no end, so the web page may have been cut off", CUT_OFF)
    if not found:
        beginning = " ".join(" ".join(tables.words).split())[:100]
        raise asked.garbled(
            f'it is a web page without a table ("{beginning}"): perhaps a login page, saved as a list',
            SAVE_XLSX,
        )
    words, around = SurroundingWords(), " ".join(" ".join(tables.last_words).split())
    if words.broke_off(around) or words.missing:
        raise asked.garbled(f'a text around its table states that it is not whole ("{around[-100:]}")', ALL_OF_IT)


def _page_encoding(path: Path, asked: ListAsked) -> str:
    """Return the encoding of a page: the setting, its mark, UTF-8 if valid, the declared one, else GB18030."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if asked.encoding:
            return _known_encoding(asked.encoding, asked)
        for mark, name in (
            (codecs.BOM_UTF8, "utf-8-sig"),
            (codecs.BOM_UTF16_LE, "utf-16"),
            (codecs.BOM_UTF16_BE, "utf-16"),
        ):
            if head.startswith(mark):
                return name
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        try:
            while part := file.read(_SIZES[1]):
                decoder.decode(part)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            pass
        else:
            # Valid UTF-8 is UTF-8, whatever the page declares.
            return "utf-8"
    match = _CHARSET.search(head)
    declared = match[1].decode("ascii", "replace").lower() if match else "gb18030"
    declared = _WIDER.get(declared, declared)
    return _known_encoding("gb18030" if declared in ("utf-8", "utf8") else declared, asked)


def _known_encoding(name: str, asked: ListAsked) -> str:
    try:
        codecs.lookup(name)
        b"".decode(name)
    except (LookupError, ValueError, TypeError):
        raise asked.garbled(
            f"its encoding {name[:40]} is not known",
            f"Set encoding in {asked.settings_table} to the right one, such as gb18030.",
        ) from None
    return name


#: The exceptions of the XML parser for a file that is broken or malicious.
_NOT_WHOLE = (SyntaxError, ValueError, LookupError)

#: The XML parser's error code for exhausted memory.
_XML_OUT_OF_MEMORY = 1


def _titles(path: Path, asked: ListAsked) -> list[tuple[str, bool]]:
    titles: list[tuple[str, bool]] = []
    try:
        with path.open("rb") as file:
            for event, element in iterparse(_without_blanks(file), events=("start", "end")):
                name = _local(element.tag)
                if event == "start" and name == "Worksheet":
                    titles.append((_attribute(element, "Name") or f"{len(titles) + 1}", False))
                elif event == "end" and name == "Visible" and titles and (element.text or "").startswith("SheetHidden"):
                    titles[-1] = titles[-1][0], True
                elif event == "end" and name == "Row":
                    element.clear()
    except _NOT_WHOLE as error:
        raise _xml_error(error, asked) from error
    if not titles:
        raise asked.garbled("it is an XML file without a worksheet", SAVE_XLSX)
    return titles


def _xml_lines(path: Path, wanted: int, asked: ListAsked) -> Iterator[FileRow]:
    try:
        with path.open("rb") as file:
            yield from _xml_rows(file, wanted, asked)
    except _NOT_WHOLE as error:
        raise _xml_error(error, asked) from error


def _xml_rows(file: IO[bytes], wanted: int, asked: ListAsked) -> Iterator[FileRow]:
    sheet, number, style = -1, 0, ""
    formats: dict[str, str] = {}
    merges = Merges()
    for event, element in iterparse(_without_blanks(file), events=("start", "end")):
        name = _local(element.tag)
        if event == "start":
            if name == "Worksheet":
                sheet, number = sheet + 1, 0
            elif name == "Style":
                style = _attribute(element, "ID")
            continue
        if name == "NumberFormat":
            formats[style] = _attribute(element, "Format")
        if name != "Row":
            continue
        if sheet == wanted:
            at = _index(element, number + 1, MOST_ROWS, asked)
            if at <= number:
                raise asked.garbled(f"its row {at} is after row {number}", SAVE_XLSX)
            number = at
            cells, begun = _xml_cells(element, number, formats, asked)
            yield merges.row_with_merges(number, cells)
            for merge in begun:
                merges.begin(merge, cells)
            number += _whole_number(_attribute(element, "Span"), 0, MOST_ROWS)
        element.clear()


def _xml_cells(
    row: Element, number: int, formats: dict[str, str], asked: ListAsked
) -> tuple[tuple[Cell, ...], list[Merge]]:
    cells: list[Cell] = []
    merges: list[Merge] = []
    following = 0
    for element in row:
        if _local(element.tag) != "Cell":
            continue
        at = _index(element, following + 1, MOST_COLUMNS, asked) - 1
        if at < following:
            raise asked.garbled(f"the cells of row {number} are out of order", SAVE_XLSX)
        cells.extend([None] * (at + 1 - len(cells)))
        cells[at] = _xml_cell(element, formats.get(_attribute(element, "StyleID"), ""), number, asked)
        across = _whole_number(_attribute(element, "MergeAcross"), 0, MOST_COLUMNS)
        down = _whole_number(_attribute(element, "MergeDown"), 0, MOST_ROWS)
        if down:
            merges.append(Merge(number, number + down, at, at + across))
        following = at + 1 + across
    return tuple(cells), merges


def _xml_cell(cell: Element, number_format: str, row: int, asked: ListAsked) -> Cell:
    data = next((element for element in cell if _local(element.tag) == "Data"), None)
    if data is None:
        if _attribute(cell, "Formula"):
            raise asked.garbled(
                f"row {row} has a formula without its value ({_attribute(cell, 'Formula')[:60]})", SAVE_XLSX
            )
        return None
    text = "".join(data.itertext())
    match _attribute(data, "Type"):
        case "Number":
            value = _parse_number(text)
            return value if isinstance(value, str) else shown_number(value, number_format)
        case "DateTime":
            try:
                return datetime.fromisoformat(text.strip())
            except ValueError:
                return trim(text)
        case "Boolean":
            return text.strip() == "1"
        case _:
            return trim(text)


def _parse_number(text: str) -> int | float | str:
    """Return a number in the types of Excel's own files: int or float; else the text."""
    try:
        return int(text) if text.strip().lstrip("-").isdigit() and len(text) < _DIGITS else float(text)
    except ValueError:
        return text


#: More digits than any number has.
_DIGITS = 400


def _index(element: Element, following: int, most: int, asked: ListAsked) -> int:
    """Return the position of a row or a cell, from 1: its own index, or after the one before it."""
    at = _whole_number(_attribute(element, "Index"), following, most + 1)
    if at > most:
        raise asked.garbled("it has more rows or columns than Excel can have", SAVE_XLSX)
    return at


def _whole_number(text: str, otherwise: int, most: int) -> int:
    given = text.strip()
    return min(int(given), most) if given.isascii() and given.isdigit() and len(given) <= len(str(most)) else otherwise


def _without_blanks(file: IO[bytes]) -> IO[bytes]:
    """Return the file from its first non-blank on: some systems write a line break before the XML declaration."""
    head = file.read(_HEAD)
    file.seek(len(head) - len(head.lstrip(b"\r\n\t ")))
    return file


def _xml_error(error: Exception, asked: ListAsked) -> SourceGarbled:
    """Return the error; raise MemoryError where memory was exhausted."""
    if isinstance(error, SyntaxError) and getattr(error, "code", None) == _XML_OUT_OF_MEMORY:
        raise MemoryError from error
    if isinstance(error, DefusedXmlException):
        return asked.garbled("its XML declares entities of its own, which no spreadsheet writes", SAVE_XLSX)
    text = " ".join(str(error).split())[:200]
    return asked.garbled(f"its XML cannot be read to its end ({text}): the file may have been cut off there", SAVE_XLSX)


def _local(tag: object) -> str:
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _attribute(element: Element, name: str) -> str:
    return next((value for own, value in element.items() if _local(own) == name), "")
