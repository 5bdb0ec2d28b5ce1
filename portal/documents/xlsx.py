"""Lists as Excel files, written row by row, so that a long one takes no more memory than a short one.

Everything in it is text: a name that looks like a formula stays a name, and a number keeps its noughts.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import xlsxwriter

#: No column is wider, in characters.
_WIDEST = 40


def write(
    file: Path, title: str, head: Sequence[tuple[str, str]], columns: Sequence[str], rows: Iterable[Sequence[str]]
) -> int:
    """Write a table to `file`, beneath a head of names and values; return how many rows it has."""
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(file, options) as book:
        sheet = book.add_worksheet(sheet_name(title))
        strong, plain = book.add_format({"bold": True}), book.add_format({"num_format": "@"})
        heading = book.add_format(
            {"bold": True, "bottom": 1, "bg_color": "#EEF1F5", "text_wrap": True, "valign": "top"}
        )
        for at, width in enumerate(_widths(columns)):
            sheet.set_column(at, at, width)
        sheet.write_string(0, 0, title, strong)
        for at, (name, value) in enumerate(head, start=1):
            sheet.write_string(at, 0, name)
            sheet.write_string(at, 1, value)
        top = len(head) + 2
        for at, name in enumerate(columns):
            sheet.write_string(top, at, name, heading)
        written = 0
        for row in rows:
            written += 1
            for at, value in enumerate(row):
                sheet.write_string(top + written, at, value, plain)
        sheet.freeze_panes(top + 1, 2)
        sheet.autofilter(top, 0, top + written, len(columns) - 1)
        sheet.repeat_rows(top)
        sheet.set_landscape()
        sheet.fit_to_pages(1, 0)
    return written


def sheet_name(title: str) -> str:
    """Return a name that Excel takes: without the characters it forbids, and no longer than 31."""
    return "".join(" " if character in "[]:*?/\\" else character for character in title).strip("' ")[:31] or "1"


def _widths(columns: Sequence[str]) -> list[int]:
    """Return a width for each column: Chinese is twice as wide, and what stands beneath is longer than its head."""
    wide = [sum(2 if ord(c) > 0x2E7F else 1 for c in column) for column in columns]
    return [min(_WIDEST, max(14, width + 6)) for width in wide]
