"""A list in an Excel workbook (.xlsx, .xlsm), row by row."""

import io
import re
import zipfile
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Final

import openpyxl
from defusedxml.common import DefusedXmlException
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet._reader import WorkSheetParser

from connectors.lists import MOST_COLUMNS, MOST_ROWS, Ending, Line, ListAsked, plain, rows_of, whole_rows_of
from connectors.port import Cell, SourceGarbled

#: What openpyxl and what it stands on raise over a file that is no whole workbook.
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

_FORMULA = re.compile(rb"<(\w+:)?f[\s>/]")

#: The parser of XML has run out of memory: its own number for it.
_XML_OUT_OF_MEMORY: Final = 1

_SAVE_ANEW = "Open it in Excel and save it anew (另存为 .xlsx)."


def read(path: Path, asked: ListAsked) -> Generator[tuple[Cell, ...], None, Ending]:
    """Give each row by our fields; return the columns and the list's own total. Raises SourceGarbled, OSError."""
    with path.open("rb") as file:
        _refuse_what_is_no_workbook(file, asked)
        return (yield from rows_of(_lines(file, asked), asked, text=False))


def read_whole(path: Path, asked: ListAsked) -> Generator[tuple[Cell, ...], None, Ending]:
    """Give each row whole, its number first; return the columns. Raises SourceGarbled, OSError.

    The list is the one visible worksheet that has the header; where several have rows beneath it, none is chosen.
    """
    with path.open("rb") as file:
        _refuse_what_is_no_workbook(file, asked)
        try:
            workbook = _opened(file)
            sheets = [sheet for sheet in workbook.worksheets if sheet.sheet_state == "visible"]
        except _NOT_WHOLE as error:
            raise _no_workbook(error, asked) from error
        found: tuple[str, ...] = ()
        holds: list[str] = []
        for sheet in sheets:
            rows = whole_rows_of(_lines_of(file, workbook, sheet, asked), asked, text=False)
            try:
                row = next(rows)
            except StopIteration as end:
                found = found or end.value[0]
                continue
            holds.append(sheet.title)
            if len(holds) > 1:
                raise asked.garbled(
                    f"several of its worksheets hold such a list ({', '.join(holds)})", "Keep one of them in the file."
                )
            yield row
            found, _total = yield from rows
        return found, None


def _lines(file: io.BufferedReader, asked: ListAsked) -> Iterator[Line]:
    try:
        workbook = _opened(file)
        sheet = _worksheet(workbook, asked)
    except _NOT_WHOLE as error:
        raise _no_workbook(error, asked) from error
    yield from _lines_of(file, workbook, sheet, asked)


def _opened(file: io.BufferedReader) -> Any:  # noqa: ANN401 - openpyxl's read-only workbook has no type of its own
    return openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)


def _lines_of(file: io.BufferedReader, workbook: Any, sheet: Any, asked: ListAsked) -> Iterator[Line]:  # noqa: ANN401 - see _worksheet
    try:
        values = _Rows(workbook, sheet, asked, data_only=True)
        if _has_formulas(file, sheet):
            yield from _calculated(values, _Rows(workbook, sheet, asked, data_only=False), asked)
            return
        for number, row in values:
            yield Line(number, tuple(plain(cell) for cell in row))
    except _NOT_WHOLE as error:
        raise _no_workbook(error, asked) from error


class _Rows:
    """The rows of a sheet with their numbers, as they stand in its XML.

    openpyxl's own rows believe the extent that a file states (some programs write it wrongly), pass over a row or a
    cell that comes out of order, and fill every gap: rows would vanish in silence, or never end.
    """

    def __init__(self, workbook: Any, sheet: Any, asked: ListAsked, *, data_only: bool) -> None:  # noqa: ANN401 - see _worksheet
        self._workbook = workbook
        self._sheet = sheet
        self._asked = asked
        self._data_only = data_only

    def __iter__(self) -> Iterator[tuple[int, tuple[Cell, ...]]]:
        book, before = self._workbook, 0
        with book._archive.open(self._sheet._worksheet_path) as xml:  # noqa: SLF001 - told nowhere else
            parser = WorkSheetParser(
                xml,
                self._sheet._shared_strings,  # noqa: SLF001 - told nowhere else
                data_only=self._data_only,
                epoch=book.epoch,
                date_formats=book._date_formats,  # noqa: SLF001 - told nowhere else
                timedelta_formats=book._timedelta_formats,  # noqa: SLF001 - told nowhere else
            )
            for number, cells in parser.parse():
                # Heights and styles of a million rows are kept there, and nobody asks for them.
                parser.row_dimensions.clear()
                if number > MOST_ROWS:
                    raise self._asked.garbled(f"it has a row {number}, beyond Excel's last", _SAVE_ANEW)
                if number <= before:
                    raise self._asked.garbled(f"its row {number} stands after row {before}", _SAVE_ANEW)
                before = number
                yield number, self._in_their_places(number, cells)

    def _in_their_places(self, number: int, cells: list[dict[str, Any]]) -> tuple[Cell, ...]:
        row: list[Cell] = []
        for cell in cells:
            column = cell["column"]
            if column > MOST_COLUMNS:
                raise self._asked.garbled(f"row {number} goes on beyond Excel's last column", _SAVE_ANEW)
            if column <= len(row):
                raise self._asked.garbled(f"the cells of row {number} are out of order", _SAVE_ANEW)
            row.extend([None] * (column - len(row)))
            row[-1] = cell["value"]
        return tuple(row)


def _calculated(values: _Rows, formulas: _Rows, asked: ListAsked) -> Iterator[Line]:
    """Give the rows of a sheet that calculates: a formula whose value was never stored looks like an empty cell."""
    for (number, row), (_same, as_written) in zip(values, formulas, strict=True):
        for value, formula in zip(row, as_written, strict=True):
            if value is None and formula is not None:
                raise asked.garbled(
                    f"row {number} holds a formula without its value ({str(formula)[:60]})",
                    "Open it in Excel and save it anew, or paste the column as values.",
                )
        yield Line(number, tuple(plain(cell) for cell in row))


def _no_workbook(error: BaseException, asked: ListAsked) -> SourceGarbled:
    """Return the refusal; raise MemoryError where that is what happened."""
    # openpyxl wraps what happened into a sentence that does not say it.
    while error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, SyntaxError) and getattr(error, "code", None) == _XML_OUT_OF_MEMORY:
        raise MemoryError from error
    if isinstance(error, DefusedXmlException):
        return asked.garbled("its XML declares entities of its own, which no spreadsheet writes", _SAVE_ANEW)
    return asked.garbled(f"it is no whole Excel workbook ({' '.join(str(error).split())[:200]})", _SAVE_ANEW)


def _refuse_what_is_no_workbook(file: io.BufferedReader, asked: ListAsked) -> None:
    head = file.read(2048)
    file.seek(0)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise asked.garbled(
            "it is an old .xls workbook, or one with a password", "Save it as .xlsx without one (另存为 .xlsx)."
        )
    if head.lstrip()[:1] == b"<":
        raise asked.garbled("it is a web page by another name", "Open it in Excel and save it as .xlsx (另存为 .xlsx).")
    try:
        with zipfile.ZipFile(file) as packed:
            unpacked = sum(entry.file_size for entry in packed.infolist())
    except _NOT_WHOLE as error:
        raise _no_workbook(error, asked) from error
    finally:
        file.seek(0)
    if unpacked > asked.most_unpacked:
        raise asked.garbled(
            f"it would unpack to {unpacked} bytes, more than {asked.most_unpacked}",
            f"Look whether it is the right file; if so, raise most_unpacked in {asked.told_in}.",
        )


def _worksheet(workbook: Any, asked: ListAsked) -> Any:  # noqa: ANN401 - openpyxl's read-only sheet has no type of its own
    sheets = {sheet.title: sheet for sheet in workbook.worksheets}
    visible = [title for title, sheet in sheets.items() if sheet.sheet_state == "visible"]
    wanted = asked.sheet or (visible[0] if len(visible) == 1 else "")
    if wanted not in sheets:
        what = f'it has no worksheet "{wanted}"' if wanted else "it has several worksheets"
        raise asked.garbled(f"{what} ({', '.join(sheets)})", f"Name the right one as sheet in {asked.told_in}.")
    return sheets[wanted]


def _has_formulas(file: io.BufferedReader, sheet: Any) -> bool:  # noqa: ANN401 - see _worksheet
    """Look for a formula in the sheet's own XML; most lists have none, and need not be read twice.

    Another encoding than UTF-8 would hide one, and shows by its zero bytes.
    """
    tail = b""
    with zipfile.ZipFile(file) as packed, packed.open(sheet._worksheet_path) as xml:  # noqa: SLF001 - told nowhere else
        while chunk := xml.read(1 << 16):
            if _FORMULA.search(tail + chunk) or b"\0" in chunk:
                return True
            tail = chunk[-64:]
    return False
