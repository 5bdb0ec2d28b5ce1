"""The report of a cohort: a page to read and to print, and the same as an Excel file."""

from dataclasses import replace
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import for_visitors
from portal.access.scenes import NONE, WHERE, ReaderContext, scene
from portal.documents import report_sheets
from portal.documents.report_tables import tables
from portal.page.context import Context, SignedIn
from status_db.accounts.accounts import Account, Act
from status_db.accounts.audit_log import AuditEvent
from status_db.queries.appeal_report import AppealCounts
from status_db.queries.report import CohortReport


async def page(context: SignedIn) -> Response:
    """Show the report of a cohort, or of one college that the address names."""
    here, college = _asked(context)
    found, appealed = await _found(context, here, college)
    own = "" if college is None else college or NONE
    whole = found.whole
    return context.page(
        "report.html",
        here=here,
        college=own,
        tables=tables(here, found, appealed, college),
        students=whole.students,
        totals=[
            (
                here.language.gettext(word),
                tone,
                whole.by_where.get(where, 0),
                here.language.percent(whole.by_where.get(where, 0), whole.students),
                here.address("/lists", wanted=wanted, college=own),
            )
            for where, (word, tone, _, wanted) in WHERE.items()
        ],
        scope=here.scope(),
        who=_who(context.account),
        export=here.address("/report.xlsx", college=own),
        overview=here.address("/overview", college=college or ""),
        at=here.language.dated(here.now),
        as_of=here.as_of(found.freshness),
        notes=here.windows(),
        stale=here.stale(found.freshness),
    )


async def export(context: SignedIn) -> Response:
    """Send the same as an Excel file; one that could not be noted is not handed out."""
    here, college = _asked(context)
    found, appealed = await _found(context, here, college)
    book = await context.ask_long(report_sheets.workbook, here, found, appealed, _who(context.account), college)
    await context.audit(
        AuditEvent.EXPORTED,
        cohort=here.cohort.key,
        what="report",
        scope=here.scope(),
        students=found.whole.students,
    )
    name = quote(report_sheets.file_name(here))
    return Response(book, media_type=_XLSX, headers={"Content-Disposition": f"attachment; filename*=utf-8''{name}"})


_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _asked(context: SignedIn) -> tuple[ReaderContext, str | None]:
    """Return what a request means, narrowed to the college that its address names; None for all of them."""
    here, named = scene(context), context.asked("college")
    if not named:
        return here, None
    college = "" if named == NONE else named
    return replace(here, visibility=here.visibility.within("college", college)), college


async def _found(
    context: Context, here: ReaderContext, college: str | None
) -> tuple[CohortReport, tuple[AppealCounts, ...]]:
    """Return what is to be told; a college of which nothing may be read is not there."""
    found = await context.ask_long(context.services.reports.report, here.visibility, here.now)
    if college is not None and not found.colleges:
        raise HTTPException(404)
    return found, await context.ask_long(context.services.appeal_reports.report, here.visibility, here.now)


def _who(account: Account) -> str:
    return f"{account.name} ({account.account})"


ROUTES = (
    Route("/report", for_visitors(page, Act.READ, long=True)),
    Route("/report.xlsx", for_visitors(export, Act.READ, long=True)),
)
