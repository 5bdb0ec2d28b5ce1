"""Unmatched rows: rows that do not match a student on the roster. Rows with a match hint come first."""

from dataclasses import dataclass
from io import BytesIO

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import for_visitors
from portal.auth.permissions import oversees
from portal.documents import xlsx
from portal.i18n import admin_labels, labels
from portal.i18n.labels import N_
from portal.page.context import SignedIn
from portal.present import run_lines
from portal.web import bounds
from status_db.accounts.audit_log import AuditEvent
from status_db.views import UnmatchedKeyView

_PAGE = 100
#: The largest page number is six digits long.
_PAGE_DIGITS = 6

#: The titles of the file's columns.
_COLUMNS = (N_("数据源中的号码"), N_("数据源"), N_("疑似匹配"), N_("名单中的学号"))


@dataclass(frozen=True, slots=True)
class SourceCount:
    """How many unmatched rows a source has."""

    name: str
    title: str
    all: int
    listed: int
    near: int
    chosen: bool


@dataclass(frozen=True, slots=True)
class UnmatchedRow:
    """One row that does not match a student on the roster."""

    key: str
    source: str
    near: str
    student: str
    close: bool


@dataclass(frozen=True, slots=True)
class UnmatchedFilter:
    """What the address asks for: one source or all, only rows with a hint, and a part of a number."""

    source: str | None
    hinted: bool
    text: str

    def fields(self) -> dict[str, str]:
        """Return the filter as parameters of an address."""
        return {"source": self.source or "", "hinted": "1" if self.hinted else "", "q": self.text}


def _filter(context: SignedIn) -> UnmatchedFilter:
    if not oversees(context.account):
        raise HTTPException(403)
    asked = context.request.query_params
    source = asked.get("source") if asked.get("source") in context.settings.source else None
    return UnmatchedFilter(source, asked.get("hinted") == "1", context.asked("q"))


async def unmatched_rows_page(context: SignedIn) -> Response:
    """Show the unmatched rows of one source or of all, page by page."""
    wanted = _filter(context)
    cohort = context.cohort.key
    number = max(1, bounds.number(context.request.query_params.get("page", ""), _PAGE_DIGITS) or 1)
    found = await context.ask(
        context.services.runs.unmatched_keys,
        cohort,
        wanted.source,
        text=wanted.text,
        hinted=wanted.hinted,
        offset=(number - 1) * _PAGE,
        limit=_PAGE + 1,
    )
    counted = await context.ask(context.services.runs.unmatched_keys_counted, cohort)
    views = {view.source: view.unmatched_keys for view in await context.ask(context.services.reader.sources, cohort)}
    sources = [
        SourceCount(
            name=name,
            title=run_lines.title(context, name),
            all=views.get(name, 0),
            listed=sum(counted.get(name, {}).values()),
            near=sum(count for near, count in counted.get(name, {}).items() if near),
            chosen=name == wanted.source,
        )
        for name in context.settings.source
    ]
    return context.page(
        "unmatched_rows.html",
        sources=sources,
        beyond=[one for one in sources if one.all > one.listed],
        unmatched_keys=[_row(context, one) for one in found[:_PAGE]],
        wanted=wanted,
        kept=wanted.fields(),
        number=number,
        before=number - 1,
        after=number + 1 if len(found) > _PAGE else 0,
    )


async def export(context: SignedIn) -> Response:
    """Return all rows of the filter as an Excel file. If the audit event cannot be recorded, no file is sent."""
    wanted, language = _filter(context), context.language
    book = await context.export(lambda: _workbook(context, wanted))
    await context.audit(
        AuditEvent.EXPORTED, cohort=context.cohort.key, what="unmatched", source=wanted.source or "", filter=wanted.text
    )
    name = f"unmatched-{context.now.astimezone(language.zone):%Y%m%d-%H%M}.xlsx"
    return Response(
        book,
        media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _workbook(context: SignedIn, wanted: UnmatchedFilter) -> bytes:
    language, written = context.language, BytesIO()
    found = context.services.runs.unmatched_keys(
        context.cohort.key, wanted.source, text=wanted.text, hinted=wanted.hinted, limit=None
    )
    rows = (_row(context, one) for one in found)
    head = [
        (language.gettext("时间"), f"{context.now.astimezone(language.zone):%Y-%m-%d %H:%M}"),
        (language.gettext("导出人"), f"{context.account.name} ({context.account.account})"),
    ]
    columns = [language.gettext(title) for title in _COLUMNS]
    xlsx.write(
        written,
        language.gettext("未匹配数据"),
        head,
        columns,
        ((row.key, row.source, row.near, row.student) for row in rows),
    )
    return written.getvalue()


def _row(context: SignedIn, one: UnmatchedKeyView) -> UnmatchedRow:
    return UnmatchedRow(
        key=one.key,
        source=run_lines.title(context, one.source),
        near=labels.say(context.language, admin_labels.HINT, one.near),
        student=one.student,
        close=bool(one.near),
    )


ROUTES = (
    Route("/unmatched", for_visitors(unmatched_rows_page, long=True)),
    Route("/unmatched.xlsx", for_visitors(export, long=True)),
)
