"""The report of a cohort as an Excel file: one worksheet per table, each with the same header block.

Words are text, so that none is a formula. Figures are numbers, for further calculation.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from io import BytesIO
from typing import Any

from foundation import xlsx
from portal.access.reader_context import ReaderContext
from portal.documents.report_tables import ReportCell, ReportTable, colleges_by_step, tables
from status_db.queries.appeal_report import AppealCounts
from status_db.queries.report import CohortReport
from status_db.views import StepSource

#: The widths of a column of words and of figures, in characters.
_WORDS, _FIGURES = 20, 12

#: Excel's number of the paper size.
_A4 = 9


def workbook(
    reader: ReaderContext, found: CohortReport, appealed: Sequence[AppealCounts], who: str, college: str | None = None
) -> bytes:
    """Return the file. Each sheet has its time, the age of the data, the scope, and the account that made it."""
    made = (*tables(reader, found, appealed, college), colleges_by_step(reader, found))
    return write_tables(reader, _report_title(reader), found.freshness, who, made)


def write_tables(
    reader: ReaderContext, title: str, freshness: Mapping[str, StepSource], who: str, made: Iterable[ReportTable]
) -> bytes:
    """Return a file with a worksheet for each table, each with the time, the age of the data, the scope and `who`."""
    language = reader.language
    data = (
        language.gettext("数据截至 %(moment)s", moment=reader.as_of(freshness) or "–"),
        *reader.stale(freshness),
    )
    head = [
        (language.gettext("制表时间"), f"{reader.now.astimezone(reader.language.zone):%Y-%m-%d %H:%M}"),
        (language.gettext("数据"), "; ".join(data)),
        (language.gettext("范围"), reader.scope()),
        (language.gettext("导出人"), who),
    ]
    written = BytesIO()
    with xlsx.workbook(written) as book:
        for table in made:
            _write(book, f"{title} · {table.title}", head, table)
    return written.getvalue()


def file_name(reader: ReaderContext) -> str:
    """Return the file's name."""
    return named(reader, _report_title(reader))


def named(reader: ReaderContext, title: str) -> str:
    """Return the name of a file with this title, made now."""
    return f"{title.replace(' ', '-')}-{reader.now.astimezone(reader.language.zone):%Y%m%d-%H%M}.xlsx"


def _report_title(reader: ReaderContext) -> str:
    return " ".join((reader.cohort.name, reader.language.gettext("离校报告")))


def _write(book: Any, title: str, head: Sequence[tuple[str, str]], table: ReportTable) -> None:  # noqa: ANN401 - xlsxwriter has no types
    sheet = book.add_worksheet(xlsx.sheet_name(table.title))
    heading = book.add_format(xlsx.HEADING)
    for at, column in enumerate(table.columns):
        sheet.set_column(at, at, _WORDS if column.words else _FIGURES)
    top = xlsx.write_head(book, sheet, title, [*head, *(("", note) for note in table.notes)])
    for at, column in enumerate(table.columns):
        sheet.write_string(top, at, column.title, heading)
    for row, cells in enumerate(table.lines, start=top + 1):
        for at, cell in enumerate(cells):
            _write_cell(
                sheet, row, at, cell, book.add_format({"bold": cells is table.sums, "num_format": _format(cell)})
            )
    sheet.freeze_panes(top + 1, 1)
    sheet.set_paper(_A4)
    xlsx.fit_for_print(sheet, top)


def _format(cell: ReportCell) -> str:
    match cell.value:
        case int():
            return "0"
        case Decimal():
            return "0.0"
        case _:
            return "@"


def _write_cell(sheet: Any, row: int, at: int, cell: ReportCell, form: Any) -> None:  # noqa: ANN401 - xlsxwriter has no types
    match cell.value:
        case None:
            sheet.write_blank(row, at, None, form)
        case str(text):
            sheet.write_string(row, at, text, form)
        case number:
            sheet.write_number(row, at, float(number), form)
