"""Excel files: cells are text, never formulas or links."""

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import xlsxwriter

#: The format of a table's header.
HEADING = {"bold": True, "bottom": 1, "bg_color": "#EEF1F5", "text_wrap": True, "valign": "top"}


def workbook(file: Path | IO[bytes], *, by_row: bool = False) -> Any:  # noqa: ANN401 - XlsxWriter publishes no types
    """Return a new workbook. `close`, or the end of a `with` block, writes the file.

    With `by_row`, rows must be written in order and are not kept in memory, so that a long table needs no more memory
    than a short one.
    """
    options = {"constant_memory": by_row, "strings_to_formulas": False, "strings_to_urls": False}
    return xlsxwriter.Workbook(file, options)


def sheet_name(title: str) -> str:
    """Return a name that Excel accepts: without forbidden characters, and at most 31 long."""
    return "".join(" " if character in "[]:*?/\\" else character for character in title).strip("' ")[:31] or "1"


def write_head(book: Any, sheet: Any, title: str, lines: Sequence[tuple[str, str]]) -> int:  # noqa: ANN401 - XlsxWriter publishes no types
    """Write a title, and a line for each name and value; return the row of the table below them."""
    sheet.write_string(0, 0, title, book.add_format({"bold": True}))
    for at, (name, value) in enumerate(lines, start=1):
        sheet.write_string(at, 0, name)
        sheet.write_string(at, 1, value)
    return len(lines) + 2


def fit_for_print(sheet: Any, header: int) -> None:  # noqa: ANN401 - XlsxWriter publishes no types
    """Set a table to print on landscape pages at full width, with its header row on each."""
    sheet.repeat_rows(header)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
