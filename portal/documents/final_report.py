"""The final report of a cohort: its figures, open cases, appeals and certificates, as PDF and as an Excel file."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from portal.access.reader_context import ReaderContext
from portal.documents import paper_pdf, report_sheets
from portal.documents.paper_pdf import PaperColumn, PaperRow, PaperSection, PrintSet, Wording
from portal.documents.report_tables import ReportCell, ReportColumn, ReportTable, colleges_by_step, tables
from portal.i18n.labels import N_
from portal.present import list_rows
from status_db.model import State
from status_db.queries.appeal_report import AppealCounts
from status_db.queries.lists import Filter, Lists, ListSelection, Order
from status_db.queries.report import CohortReport

#: Columns of words in the PDF, in mm. Columns of figures share the rest.
_WORDS = 40.0


@dataclass(frozen=True, slots=True)
class FinalReport:
    """Both files of the report."""

    pdf: bytes
    xlsx: bytes
    #: How many students are not all clear.
    open_cases: int


def write(
    reader: ReaderContext,
    found: CohortReport,
    appealed: Sequence[AppealCounts],
    lists: Lists,
    who: str,
    closed_at: datetime,
) -> FinalReport:
    """Return the report as of the context's time. `who` closed the cohort."""
    language = reader.language
    open_cases = _open_cases(reader, lists)
    made = (*tables(reader, found, appealed), colleges_by_step(reader, found), open_cases)
    title = " ".join((reader.cohort.name, language.gettext("离校总结报告")))
    closed = language.gettext("关闭时间：%(moment)s", moment=f"{closed_at.astimezone(language.zone):%Y-%m-%d %H:%M}")
    by = language.gettext("关闭人：%(who)s", who=who)
    pdf = paper_pdf.write(
        PrintSet(
            institution=reader.settings.institution.name,
            notices=(closed, by, language.gettext("数据截至 %(moment)s", moment=reader.as_of(found.freshness) or "–")),
            parts=[_section(title, closed_at, at, table) for at, table in enumerate(made, start=1)],
            how=(language.gettext("签字（盖章）：________________    日期：________________"),),
            wording=Wording(
                number=language.gettext("编号"),
                page=language.gettext("第 %(page)s 页，共 %(pages)s 页"),
                lacks=language.gettext("字库缺字以〓代替，依次是："),
                language=language.tag,
            ),
            printed_at=closed_at,
            upright=False,
        )
    )
    return FinalReport(pdf, report_sheets.write_tables(reader, title, found.freshness, who, made), len(open_cases.rows))


def _section(title: str, closed_at: datetime, at: int, table: ReportTable) -> PaperSection:
    return PaperSection(
        title=f"{title} · {table.title}",
        number=f"{closed_at:%Y%m%d}-{at}",
        columns=[PaperColumn(column.title, _WORDS if column.words else 0) for column in table.columns],
        lines=[PaperRow(["" if cell.value is None else str(cell.value) for cell in cells]) for cells in table.lines],
    )


def _open_cases(reader: ReaderContext, lists: Lists) -> ReportTable:
    """Return the students that are not all clear, each with the steps that are open."""
    language = reader.language
    chosen = Filter(ListSelection.NOT_CLEAR, order=Order.CLASS)
    rows: list[tuple[ReportCell, ...]] = []
    for listed in lists.whole(reader.visibility, chosen, reader.now):
        row = list_rows.row(reader, listed)
        states = {status.step: status.at(reader.now).state for status in listed.steps}
        steps = [
            f"{reader.titles[step]}：{cell.text}"
            for step, cell in zip(reader.steps, row.cells, strict=True)
            if cell is not None and states[step] not in (State.CLEARED, State.EXEMPT)
        ]
        words = (row.student, row.name, row.college, row.class_name, language.listed(steps))
        rows.append(tuple(ReportCell(word) for word in words))
    titles = (N_("学号"), N_("姓名"), N_("学院"), N_("班级"), N_("未办结环节"))
    return ReportTable(
        key="open_cases",
        title=language.gettext("未办结学生"),
        notes=(),
        columns=tuple(
            ReportColumn(language.gettext(title), words=at < len(titles) - 1) for at, title in enumerate(titles)
        ),
        rows=tuple(rows),
    )
