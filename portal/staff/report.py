"""The report of a cohort: a page to read and to print, and the same as an Excel file."""

from dataclasses import replace
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access.reader_context import NONE, WHERE, ReaderContext, reader_context
from portal.access.requires import for_visitors
from portal.documents import report_sheets
from portal.documents.report_tables import tables
from portal.page.context import Context, SignedIn
from status_db.accounts.accounts import Account, Act
from status_db.accounts.audit_log import AuditEvent
from status_db.queries.appeal_report import AppealCounts
from status_db.queries.report import CohortReport


async def report_page(context: SignedIn) -> Response:
    """Show the report of a cohort, or of the college in the address."""
    reader, college = _report_scope(context)
    found, appealed = await _read_report(context, reader, college)
    own = "" if college is None else college or NONE
    whole = found.whole
    return context.page(
        "report.html",
        reader=reader,
        college=own,
        tables=tables(reader, found, appealed, college),
        students=whole.students,
        totals=[
            (
                reader.language.gettext(word),
                tone,
                whole.by_where.get(where, 0),
                reader.language.percent(whole.by_where.get(where, 0), whole.students),
                reader.address("/lists", wanted=wanted, college=own),
            )
            for where, (word, tone, _, wanted) in WHERE.items()
        ],
        scope=reader.scope(),
        who=_who(context.account),
        export=reader.address("/report.xlsx", college=own),
        overview=reader.address("/overview", college=college or ""),
        at=reader.language.dated(reader.now),
        as_of=reader.as_of(found.freshness),
        notes=reader.windows(),
        stale=reader.stale(found.freshness),
    )


async def export(context: SignedIn) -> Response:
    """Return the report as an Excel file. If the audit event cannot be recorded, no file is sent."""
    reader, college = _report_scope(context)
    found, appealed = await _read_report(context, reader, college)
    book = await context.ask_long(report_sheets.workbook, reader, found, appealed, _who(context.account), college)
    await context.audit(
        AuditEvent.EXPORTED,
        cohort=reader.cohort.key,
        what="report",
        scope=reader.scope(),
        students=found.whole.students,
    )
    name = quote(report_sheets.file_name(reader))
    return Response(book, media_type=_XLSX, headers={"Content-Disposition": f"attachment; filename*=utf-8''{name}"})


_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _report_scope(context: SignedIn) -> tuple[ReaderContext, str | None]:
    """Return the context of the request, narrowed to the college in its address; None for all of them."""
    reader, named = reader_context(context), context.asked("college")
    if not named:
        return reader, None
    college = "" if named == NONE else named
    return replace(reader, visibility=reader.visibility.within("college", college)), college


async def _read_report(
    context: Context, reader: ReaderContext, college: str | None
) -> tuple[CohortReport, tuple[AppealCounts, ...]]:
    """Return the report's data. Raise 404 for a college that is not readable."""
    found = await context.ask_long(context.services.reports.report, reader.visibility, reader.now)
    if college is not None and not found.colleges:
        raise HTTPException(404)
    return found, await context.ask_long(context.services.appeal_reports.report, reader.visibility, reader.now)


def _who(account: Account) -> str:
    return f"{account.name} ({account.account})"


ROUTES = (
    Route("/report", for_visitors(report_page, Act.READ, long=True)),
    Route("/report.xlsx", for_visitors(export, Act.READ, long=True)),
)
