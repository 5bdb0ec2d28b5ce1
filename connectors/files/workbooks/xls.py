"""A list in an old Excel workbook (.xls, BIFF8), row by row, read by calamine."""

import re
import struct
from collections.abc import Iterator
from pathlib import Path

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from connectors.files.tables.table import CUT_OFF, OTHER_KIND, SAVE_XLSX, FileRow, ListAsked, Page, trim
from connectors.files.workbooks.merges import Merge, filled
from connectors.files.workbooks.number_formats import LEADING_ZEROS
from connectors.port import Cell
from foundation.translation import tr

#: A workbook with a password has the format of an old one, and a part with this name.
_LOCKED = "EncryptedPackage".encode("utf-16-le")

#: The record of a number format: its length, its number, and its text in one byte a letter or in two.
_FORMAT = re.compile(rb"\x1e\x04(..)..(..)([\x00\x01])", re.DOTALL)

#: The last row of a worksheet of Excel 97 to 2003.
_LAST_ROW = 65_536

#: A spreadsheet keeps whole numbers below this exactly.
_EXACT = 10**15


def pages_of(path: Path, asked: ListAsked) -> list[Page]:
    """Return the worksheets of a workbook. Raises SourceGarbled, OSError."""
    raw = path.read_bytes()
    if _LOCKED in raw:
        raise asked.garbled(
            tr("it has a password"), tr("The folder's rights protect a list. Have it saved without a password.")
        )
    if "WordDocument".encode("utf-16-le") in raw[: 1 << 20]:
        raise asked.garbled(tr("it is a Word document"), tr(OTHER_KIND))
    if not _is_whole(raw):
        raise asked.garbled(
            tr("it ends before its last part: the old .xls workbook has been cut off"),
            tr(CUT_OFF),
        )
    zeros = _leading_zeros(raw)
    try:
        workbook = CalamineWorkbook.from_path(path)
        return [
            Page(
                sheet.name,
                visible=sheet.visible == SheetVisibleEnum.Visible,
                lines=lambda name=sheet.name: _sheet_rows(workbook, name, asked),  # type: ignore[misc]
                zeros_lost=zeros,
                last_row=_LAST_ROW,
            )
            for sheet in workbook.sheets_metadata
            if sheet.typ == SheetTypeEnum.WorkSheet
        ]
    except PasswordError as error:
        raise asked.garbled(tr("it has a password"), tr("Have it saved without a password.")) from error
    except CalamineError as error:
        raise _unreadable(error, asked) from error


def _sheet_rows(workbook: CalamineWorkbook, name: str, asked: ListAsked) -> Iterator[FileRow]:
    try:
        sheet = workbook.get_sheet_by_name(name)
        # These rows begin with the sheet's first row, but with the first column that has a cell.
        left = (None,) * (sheet.start[1] if sheet.start else 0)
        lines = (FileRow(number, (*left, *map(_own_cell, row))) for number, row in enumerate(sheet.iter_rows(), 1))
        yield from filled(lines, _merges(sheet))
    except CalamineError as error:
        raise _unreadable(error, asked) from error


def _merges(sheet: CalamineSheet) -> list[Merge]:
    return [Merge(first[0] + 1, last[0] + 1, first[1], last[1]) for first, last in (sheet.merged_cell_ranges or [])]


def _own_cell(cell: Cell) -> Cell:
    """Return a cell in our types: calamine's empty cells are texts, and its whole numbers are floats."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT:
        return int(cell)
    return trim(cell)


def _unreadable(error: Exception, asked: ListAsked) -> Exception:
    text = " ".join(str(error).split())[:200]
    return asked.garbled(
        tr("it is not an old Excel workbook (.xls) that can be read ({text})", text=text), tr(SAVE_XLSX)
    )


def _is_whole(raw: bytes) -> bool:
    """Return whether the file has every sector that its own table marks as used."""
    if len(raw) < _HEADER:
        return False
    shift = struct.unpack_from("<H", raw, 30)[0]
    if shift not in (9, 12):
        return False
    size = 1 << shift
    count = (len(raw) - _HEADER) // size
    used = -1
    for at, sector in enumerate(struct.unpack_from("<109I", raw, 76)):
        if sector >= _FREE_FROM:
            continue
        start = _HEADER + sector * size if shift == 9 else (sector + 1) * size
        if start + size > len(raw):
            return False
        table = struct.unpack_from(f"<{size // 4}I", raw, start)
        last = max((entry for entry, following in enumerate(table) if following != _FREE), default=-1)
        if last >= 0:
            used = max(used, at * (size // 4) + last)
    return 0 <= used < count or (used >= 0 and used == count - 1)


#: The size of a compound file's header; the mark of a free sector; and the first of the marks that are not sectors.
_HEADER, _FREE, _FREE_FROM = 512, 0xFFFFFFFF, 0xFFFFFFFA


def _leading_zeros(raw: bytes) -> str:
    """Return a number format with leading zeros in the file; else an empty text: calamine reads only values."""
    for match in _FORMAT.finditer(raw):
        letters = int.from_bytes(match[2], "little")
        wide = match[3] == b"\x01"
        text = raw[match.end() : match.end() + letters * (2 if wide else 1)]
        if int.from_bytes(match[1], "little") != 5 + len(text):
            continue
        written = text.decode("utf-16-le" if wide else "latin-1", "replace")
        if LEADING_ZEROS.match(written):
            return written[:40]
    return ""
