"""The audit log as a workbook: text cells, with the account that exported it, the time and the filter."""

from collections.abc import Iterable
from io import BytesIO

from foundation import xlsx

#: The widths of the columns, in characters.
_WIDTHS = (20, 14, 18, 12, 14, 8, 60, 18)


def workbook(head: Iterable[str], columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> bytes:
    """Return a workbook of one sheet: a header, then a table. Every cell is text, so that nothing is a formula."""
    written = BytesIO()
    book = xlsx.workbook(written, by_row=True)
    sheet = book.add_worksheet("audit")
    bold = book.add_format({"bold": True, "bottom": 1})
    row = 0
    for text in head:
        sheet.write_string(row, 0, text)
        row += 1
    row += 1
    for at, (name, width) in enumerate(zip(columns, _WIDTHS, strict=True)):
        sheet.set_column(at, at, width)
        sheet.write_string(row, at, name, bold)
    for cells in rows:
        row += 1
        for at, text in enumerate(cells):
            sheet.write_string(row, at, text)
    book.close()
    return written.getvalue()
