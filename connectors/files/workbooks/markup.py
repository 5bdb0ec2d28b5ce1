"""Lists in a web page, often named .xls, row by row."""

import codecs
import re
from collections import deque
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from connectors.files.tables.completeness import ALL_OF_IT, SurroundingWords
from connectors.files.tables.table import CUT_OFF, MOST_COLUMNS, MOST_ROWS, SAVE_XLSX, FileRow, ListAsked, Page, trim
from connectors.files.workbooks.xml_sheets import HEAD, whole_number
from connectors.port import Cell
from foundation.translation import tr

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
            raise self._asked.garbled(tr("it has more rows than Excel can have"), tr(SAVE_XLSX))
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
                raise self._asked.garbled(
                    tr("row {number} has more columns than Excel can have", number=self._parse_number),
                    tr(SAVE_XLSX),
                )
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
    return max(1, whole_number(given or "", 1, _WIDEST))


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
        raise asked.garbled(
            tr("its web page cannot be read ({error})", error=" ".join(str(error).split())[:200]), tr(SAVE_XLSX)
        ) from error
    found = found or bool(tables.rows)
    yield from tables.rows
    if tables.open_tables:
        raise asked.garbled(tr("its table has no end, so the web page may have been cut off"), tr(CUT_OFF))
    if not found:
        beginning = " ".join(" ".join(tables.words).split())[:100]
        raise asked.garbled(
            tr(
                'it is a web page without a table ("{beginning}"): perhaps a login page, saved as a list',
                beginning=beginning,
            ),
            tr(SAVE_XLSX),
        )
    words, around = SurroundingWords(), " ".join(" ".join(tables.last_words).split())
    if words.broke_off(around) or words.missing:
        raise asked.garbled(
            tr('a text around its table states that it is not whole ("{text}")', text=around[-100:]), tr(ALL_OF_IT)
        )


def _page_encoding(path: Path, asked: ListAsked) -> str:
    """Return the encoding of a page: the setting, its mark, UTF-8 if valid, the declared one, else GB18030."""
    with path.open("rb") as file:
        head = file.read(HEAD)
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
            tr("its encoding {name} is not known", name=name[:40]),
            tr("Set encoding in {table} to the right one, such as gb18030.", table=asked.settings_table),
        ) from None
    return name
