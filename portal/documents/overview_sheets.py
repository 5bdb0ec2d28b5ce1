"""The overview as an Excel file: colleges by step, every class, every day, and the days that it took."""

from collections.abc import Sequence

from portal.access.reader_context import WHERE, ReaderContext
from portal.documents.report_sheets import named, write_tables
from portal.documents.report_tables import ReportCell, ReportColumn, ReportTable
from status_db.model import State
from status_db.queries.trends import Trend
from status_db.views import Overview, StepCounts, Where


def workbook(reader: ReaderContext, order: Sequence[str], found: Overview, trend: Trend, who: str) -> bytes:
    """Return the file; `order` has the steps of its columns. Figures are numbers, words are text."""
    made = (
        _colleges(reader, order, found),
        _classes(reader, order, found),
        _days(reader, order, trend),
        _spans(reader, trend),
    )
    return write_tables(reader, _title(reader), found.freshness, who, made)


def file_name(reader: ReaderContext) -> str:
    """Return the file's name."""
    return named(reader, _title(reader))


def _title(reader: ReaderContext) -> str:
    return " ".join((reader.cohort.name, reader.language.gettext("总览")))


def _table(key: str, title: str, columns: Sequence[ReportColumn], rows: Sequence[Sequence[str | int]]) -> ReportTable:
    return ReportTable(key, title, (), tuple(columns), tuple(tuple(map(ReportCell, row)) for row in rows))


def _figures(reader: ReaderContext, order: Sequence[str]) -> list[ReportColumn]:
    return [ReportColumn(reader.titles[step]) for step in order]


def _colleges(reader: ReaderContext, order: Sequence[str], found: Overview) -> ReportTable:
    gettext = reader.language.gettext
    students: dict[str, int] = {}
    clear: dict[str, int] = {}
    for group in found.classes:
        students[group.college] = students.get(group.college, 0) + group.students
        clear[group.college] = clear.get(group.college, 0) + group.by_where.get(Where.CLEAR, 0)
    rows: list[tuple[str | int, ...]] = []
    for college, steps in found.by_college.items():
        not_settled = [steps[step].total - _settled(steps[step]) if step in steps else 0 for step in order]
        rows.append((college, students[college], students[college] - clear[college], *not_settled))
    columns = [
        ReportColumn(gettext("学院"), words=True),
        ReportColumn(gettext("人数")),
        ReportColumn(gettext("未办结人数")),
        *_figures(reader, order),
    ]
    return _table("colleges", gettext("各学院未办结人数"), columns, rows)


def _settled(counts: StepCounts) -> int:
    return counts.by_state.get(State.CLEARED, 0) + counts.by_state.get(State.EXEMPT, 0)


def _classes(reader: ReaderContext, order: Sequence[str], found: Overview) -> ReportTable:
    gettext = reader.language.gettext
    columns = [
        ReportColumn(gettext("学院"), words=True),
        ReportColumn(gettext("班级"), words=True),
        ReportColumn(gettext("人数")),
        ReportColumn(gettext("待办人数")),
        *(ReportColumn(gettext(word)) for word, *_ in WHERE.values()),
        *_figures(reader, order),
    ]
    rows: list[tuple[str | int, ...]] = [
        (
            group.college,
            group.class_name or gettext("未分班"),
            group.students,
            group.open,
            *(group.by_where.get(where, 0) for where in WHERE),
            *(group.to_do.get(step, 0) for step in order),
        )
        for group in found.classes
    ]
    return _table("classes", gettext("各班待办人数"), columns, rows)


def _days(reader: ReaderContext, order: Sequence[str], trend: Trend) -> ReportTable:
    gettext = reader.language.gettext
    shown = [step for step in order if step in trend.with_step]
    columns = [
        ReportColumn(gettext("日期"), words=True),
        ReportColumn(gettext("全部办结")),
        *_figures(reader, shown),
    ]
    rows: list[tuple[str | int, ...]] = [
        (day.day.isoformat(), day.clear, *(day.by_step[step] for step in shown)) for day in trend.days
    ]
    return _table("days", gettext("每日进度"), columns, rows)


def _spans(reader: ReaderContext, trend: Trend) -> ReportTable:
    gettext = reader.language.gettext
    columns = [
        ReportColumn(gettext("学院"), words=True),
        ReportColumn(gettext("人数")),
        ReportColumn(gettext("全部办结")),
        ReportColumn(gettext("四分之一不超过（天）")),
        ReportColumn(gettext("一半不超过（天）")),
        ReportColumn(gettext("四分之三不超过（天）")),
    ]
    rows = tuple(
        tuple(
            ReportCell(value)
            for value in (span.college or gettext("合计"), span.students, span.clear, *(span.quartiles or (None,) * 3))
        )
        for span in trend.spans
    )
    return ReportTable("spans", gettext("办结用时（天）"), (), tuple(columns), rows)
