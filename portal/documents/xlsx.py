"""Lists as Excel files, written row by row, so that a long list needs no more memory than a short one.

Every cell is text: a name that looks like a formula stays a name, and a number keeps its leading zeros.
"""

from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

from foundation.xlsx import HEADING, fit_for_print, sheet_name, workbook, write_head

#: The widest column, in characters.
_WIDEST = 40


def write(
    file: Path | BytesIO,
    title: str,
    head: Sequence[tuple[str, str]],
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
) -> int:
    """Write a table to `file`, below a header block of names and values. Return its number of rows."""
    with workbook(file, by_row=True) as book:
        sheet = book.add_worksheet(sheet_name(title))
        heading, plain = book.add_format(HEADING), book.add_format({"num_format": "@"})
        for at, width in enumerate(_widths(columns)):
            sheet.set_column(at, at, width)
        top = write_head(book, sheet, title, head)
        for at, name in enumerate(columns):
            sheet.write_string(top, at, name, heading)
        written = 0
        for row in rows:
            written += 1
            for at, value in enumerate(row):
                sheet.write_string(top + written, at, value, plain)
        sheet.freeze_panes(top + 1, 2)
        sheet.autofilter(top, 0, top + written, len(columns) - 1)
        fit_for_print(sheet, top)
    return written


def _widths(columns: Sequence[str]) -> list[int]:
    """Return a width for each column. Chinese characters count double, and cells can be longer than their head."""
    wide = [sum(2 if ord(c) > 0x2E7F else 1 for c in column) for column in columns]
    return [min(_WIDEST, max(14, width + 6)) for width in wide]
