"""A list in an Excel workbook (.xlsx, .xlsm), row by row."""

import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, Final

import openpyxl
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse
from openpyxl.cell.text import Text
from openpyxl.styles.numbers import BUILTIN_FORMATS, BUILTIN_FORMATS_MAX_SIZE
from openpyxl.utils.cell import range_boundaries
from openpyxl.utils.escape import unescape
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet._reader import ROW_TAG, WorkSheetParser
from openpyxl.xml.constants import SHEET_MAIN_NS

from connectors.files.tables.table import MOST_COLUMNS, MOST_ROWS, OTHER_KIND, SAVE_XLSX, FileRow, ListAsked, Page, trim
from connectors.files.workbooks.merges import Merge, filled
from connectors.files.workbooks.number_formats import shown_number
from connectors.files.workbooks.repair import NoWorkbookError, repaired
from connectors.port import Cell, SourceGarbled
from foundation.translation import N_, tr

#: The exceptions of openpyxl and its libraries for a file that is not a whole workbook.
_NOT_WHOLE = (
    InvalidFileException,
    zipfile.BadZipFile,
    zlib.error,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    OSError,
    EOFError,
    RuntimeError,
    SyntaxError,
)

#: A workbook has at least one of these parts, in any folder.
_OF_A_WORKBOOK = re.compile(r"\[Content_Types\]\.xml$|(?:^|[/\\])(?:workbook|sheet\d+)\.xml$", re.IGNORECASE)

_FORMULA = re.compile(rb"<(\w+:)?f[\s>/]")
_MERGE = re.compile(rb"<(\w+:)?mergeCell\s[^>]*?\bref\s*=\s*[\"']([A-Za-z$0-9:]{1,40})[\"']")

#: The most letters of a start tag of a cell, a formula or a merge.
_LONGEST_TAG = 4_096


#: The XML parser's error code for exhausted memory.
_XML_OUT_OF_MEMORY: Final = 1


def pages_of(path: Path, asked: ListAsked) -> list[Page]:
    """Return the worksheets of a workbook. Raises SourceGarbled, OSError.

    A workbook that Excel opens and openpyxl refuses is read from a copy in memory with only what a list needs.
    """
    # The process ends after the reading, which closes the file.
    file: IO[bytes] = path.open("rb")
    _refuse_what_is_no_workbook(file, asked)
    workbook: Any = None
    try:
        workbook = _open_workbook(file)
        sheets = list(workbook.worksheets)
    except (zipfile.BadZipFile, zlib.error, DefusedXmlException) as error:
        raise _no_workbook(error, asked) from error
    except _NOT_WHOLE as error:
        sheets, cause = [], error
    else:
        cause = ValueError(tr("it has no worksheets"))
    if not sheets:
        try:
            file = repaired(file)
            workbook = _open_workbook(file)
            sheets = list(workbook.worksheets)
        except _NOT_WHOLE as error:
            raise _no_workbook(cause if isinstance(error, NoWorkbookError) else error, asked) from error
    if not sheets:
        raise _no_workbook(cause, asked)
    try:
        _reread_texts(workbook, sheets)
    except _NOT_WHOLE as error:
        raise _no_workbook(error, asked) from error
    return [
        Page(
            sheet.title,
            visible=sheet.sheet_state == "visible",
            lines=lambda sheet=sheet: _lines_of(file, workbook, sheet, asked),  # type: ignore[misc]
            last_row=MOST_ROWS,
        )
        for sheet in sheets
    ]


def _open_workbook(file: IO[bytes]) -> Any:  # noqa: ANN401 - openpyxl's read-only workbook has no type of its own
    return openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)


def _lines_of(file: IO[bytes], workbook: Any, sheet: Any, asked: ListAsked) -> Iterator[FileRow]:  # noqa: ANN401 - openpyxl's read-only sheet has no type of its own
    try:
        values = _Rows(workbook, sheet, asked, data_only=True)
        has_formulas, merges = _scan_sheet(file, sheet)
        if has_formulas:
            lines = _calculated(values, _Rows(workbook, sheet, asked, data_only=False), asked)
        else:
            lines = (FileRow(number, row) for number, row in values)
        yield from filled(lines, merges)
    except _NOT_WHOLE as error:
        raise _no_workbook(error, asked) from error


class _Rows:
    """The rows of a sheet with their numbers, from its XML.

    openpyxl's own rows trust the extent in the file (some programs write it wrongly), skip a row or a cell that is out
    of order, and fill every gap: rows would be lost without an error, or never end.
    """

    def __init__(self, workbook: Any, sheet: Any, asked: ListAsked, *, data_only: bool) -> None:  # noqa: ANN401 - see _worksheet
        self._workbook = workbook
        self._sheet = sheet
        self._asked = asked
        self._data_only = data_only
        self._formats: dict[int, str] = {}

    def __iter__(self) -> Iterator[tuple[int, tuple[Cell, ...]]]:
        book, before = self._workbook, 0
        with book._archive.open(self._sheet._worksheet_path) as xml:  # noqa: SLF001 - there is no public attribute
            parser = WorkSheetParser(
                xml,
                self._sheet._shared_strings,  # noqa: SLF001 - there is no public attribute
                data_only=self._data_only,
                epoch=book.epoch,
                date_formats=book._date_formats,  # noqa: SLF001 - there is no public attribute
                timedelta_formats=book._timedelta_formats,  # noqa: SLF001 - there is no public attribute
            )
            for _event, element in iterparse(xml):
                # Other elements of a sheet (views, filters, conditional formats) are not part of a list.
                if element.tag != ROW_TAG:
                    continue
                number, cells = parser.parse_row(element)
                element.clear()
                # It keeps the heights and styles of a million rows, which are not needed.
                parser.row_dimensions.clear()
                if number > MOST_ROWS:
                    raise self._asked.garbled(
                        tr("it has a row {number}, beyond Excel's last", number=number), tr(SAVE_XLSX)
                    )
                if number <= before:
                    raise self._asked.garbled(
                        tr("its row {number} is after row {before}", number=number, before=before), tr(SAVE_XLSX)
                    )
                before = number
                yield number, self._in_their_places(number, cells)

    def _in_their_places(self, number: int, cells: list[dict[str, Any]]) -> tuple[Cell, ...]:
        row: list[Cell] = []
        for cell in cells:
            column = cell["column"]
            if column > MOST_COLUMNS:
                raise self._asked.garbled(
                    tr("row {number} has more columns than Excel can have", number=number), tr(SAVE_XLSX)
                )
            if column <= len(row):
                raise self._asked.garbled(
                    tr("the cells of row {number} are out of order", number=number), tr(SAVE_XLSX)
                )
            row.extend([None] * (column - len(row)))
            row[-1] = self._shown_value(cell)
        return tuple(row)

    def _shown_value(self, cell: dict[str, Any]) -> Cell:
        """Return what a cell shows: text without the escapes of its XML, and a number in its format."""
        value: Cell = cell["value"]
        if isinstance(value, str):
            return trim(_unescaped(value))
        style = cell.get("style_id") or 0
        if not style or not isinstance(value, int | float):
            return value
        if style not in self._formats:
            self._formats[style] = self._number_format(style)
        return shown_number(value, self._formats[style])

    def _number_format(self, style: int) -> str:
        """Return the number format of a style."""
        styles = self._workbook._cell_styles  # noqa: SLF001 - found nowhere else
        number = styles[style].numFmtId if style < len(styles) else 0
        if number in BUILTIN_FORMATS:
            return str(BUILTIN_FORMATS[number])
        own = self._workbook._number_formats  # noqa: SLF001 - found nowhere else
        at = number - BUILTIN_FORMATS_MAX_SIZE
        return str(own[at]) if 0 <= at < len(own) else "General"


def _calculated(values: _Rows, formulas: _Rows, asked: ListAsked) -> Iterator[FileRow]:
    """Yield the rows of a sheet with formulas: a formula without a stored value would be an empty cell."""
    for (number, row), (_same, as_written) in zip(values, formulas, strict=True):
        for value, formula in zip(row, as_written, strict=True):
            if value is None and formula is not None:
                raise asked.garbled(
                    tr(
                        "row {number} has a formula without its value ({formula})",
                        number=number,
                        formula=str(formula)[:60],
                    ),
                    tr("{save_xlsx} Or paste the column as values.", save_xlsx=tr(SAVE_XLSX)),
                )
        yield FileRow(number, row)


def _no_workbook(error: BaseException, asked: ListAsked) -> SourceGarbled:
    """Return the error; raise MemoryError where memory was exhausted."""
    # openpyxl wraps the error in one whose text does not have the cause.
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, SyntaxError) and getattr(error, "code", None) == _XML_OUT_OF_MEMORY:
        raise MemoryError from error
    if isinstance(error, DefusedXmlException):
        return asked.garbled(tr("its XML declares entities of its own, which no spreadsheet writes"), tr(SAVE_XLSX))
    return asked.garbled(
        tr("it is not a whole Excel workbook ({error})", error=" ".join(str(error).split())[:200]), tr(SAVE_XLSX)
    )


def _refuse_what_is_no_workbook(file: IO[bytes], asked: ListAsked) -> None:
    try:
        with zipfile.ZipFile(file) as packed:
            unpacked = sum(entry.file_size for entry in packed.infolist())
            names = [entry.filename for entry in packed.infolist()]
            is_locked = any(entry.flag_bits & 1 for entry in packed.infolist())
            kind = packed.read("mimetype")[:100] if "mimetype" in names and not is_locked else b""
    except _NOT_WHOLE as error:
        raise _no_workbook(error, asked) from error
    finally:
        file.seek(0)
    if b"opendocument" in kind:
        raise asked.garbled(tr("it is an OpenDocument file"), tr(SAVE_XLSX))
    if any(name.replace("\\", "/").endswith("xl/workbook.bin") for name in names):
        raise asked.garbled(tr("it is a binary workbook (.xlsb)"), tr(SAVE_XLSX))
    if any(entry.startswith("word/") for entry in names):
        raise asked.garbled(tr("it is a Word document"), tr(OTHER_KIND))
    if any(entry.startswith("Index/") and entry.endswith(".iwa") for entry in names):
        raise asked.garbled(tr("it is a document of Apple Numbers"), tr(OTHER_KIND))
    if not any(_OF_A_WORKBOOK.search(entry) for entry in names):
        what = N_("it is a zip archive ({names}), and not a workbook")
        if is_locked:
            what = N_("it is a zip archive with a password ({names}), and not a workbook")
        raise asked.garbled(
            tr(what, names=tr(", ").join(names[:3])[:100]),
            tr(OTHER_KIND),
        )
    if unpacked > asked.most_unpacked:
        raise asked.garbled(
            tr(
                "it would unpack to {unpacked} bytes, more than {most_unpacked}",
                unpacked=unpacked,
                most_unpacked=asked.most_unpacked,
            ),
            tr(
                "Check that it is the right file; if it is, raise most_unpacked in {table}.", table=asked.settings_table
            ),
        )


def _reread_texts(workbook: Any, sheets: list[Any]) -> None:  # noqa: ANN401 - as above
    """Read the shared texts again where they have escapes: openpyxl decodes some of them wrongly."""
    texts: list[str] = next((sheet._shared_strings for sheet in sheets), [])  # noqa: SLF001 - found nowhere else
    archive = workbook._archive  # noqa: SLF001 - found nowhere else
    part = next((name for name in archive.namelist() if name.lower().endswith("sharedstrings.xml")), None)
    if part is None or not any("_x" in text for text in texts):
        return
    texts.clear()
    with archive.open(part) as xml:
        for _event, element in iterparse(xml):
            if element.tag == f"{{{SHEET_MAIN_NS}}}si":
                text: Any = Text.from_tree(element)
                texts.append(text.content)
                element.clear()


def _unescaped(text: str) -> str:
    """Return a text as the spreadsheet shows it: `_x000D_` is a character, and half of a surrogate pair is U+FFFD."""
    if "_x" not in text:
        return text
    return unescape(text).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _scan_sheet(file: IO[bytes], sheet: Any) -> tuple[bool, list[Merge]]:  # noqa: ANN401 - as above
    """Return whether the sheet's XML has formulas, and its merges; a list without formulas is not read again.

    In another encoding than UTF-8, which its zero bytes show, neither would be found: such a sheet is parsed.
    """
    tail, has_formulas = b"", False
    merges: list[Merge] = []
    with zipfile.ZipFile(file) as packed:
        with packed.open(sheet._worksheet_path) as xml:  # noqa: SLF001 - found nowhere else
            while chunk := xml.read(1 << 16):
                if b"\0" in chunk:
                    break
                seen = tail + chunk
                has_formulas = has_formulas or _FORMULA.search(seen) is not None
                # A tag that is cut off at the end of this chunk is whole in the next one.
                end = max(seen.rfind(b">") + 1, len(seen) - _LONGEST_TAG, 0)
                merges.extend(_merges(match[2].decode() for match in _MERGE.finditer(seen[:end])))
                tail = seen[end:]
            else:
                return has_formulas, merges
        with packed.open(sheet._worksheet_path) as xml:  # noqa: SLF001 - found nowhere else
            refs = [
                element.get("ref", "")
                for _event, element in iterparse(xml)
                if element.tag.rpartition("}")[2] == "mergeCell"
            ]
    return True, list(_merges(refs))


def _merges(refs: Iterable[str]) -> Iterator[Merge]:
    """Yield the merges; a range that cannot be read is ignored."""
    for ref in refs:
        try:
            first_column, first_row, last_column, last_row = range_boundaries(ref)
        except (ValueError, TypeError):
            continue
        if first_column and first_row and last_column and last_row:
            yield Merge(first_row, last_row, first_column - 1, last_column - 1)
