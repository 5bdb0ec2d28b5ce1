"""The audit log, for auditors and administrators to read and to export. Nothing here changes a line."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import for_visitors
from portal.admin.audit_details import DetailWords, detail_words
from portal.documents import audit_sheet
from portal.i18n import admin_labels, labels
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from portal.page.account_names import People, people_of
from portal.page.context import Context, SignedIn
from portal.web import bounds
from status_db.accounts.accounts import Account, Act, normalise_account
from status_db.accounts.audit_log import AuditEvent, AuditLine
from status_db.model import normalise_number

_PAGE = 100

#: A workbook has at most this many lines. They are read in blocks of this size.
_LONGEST_SHEET = 100_000
_AT_ONCE = 5_000

#: The titles of the workbook's columns.
COLUMNS = (
    N_("时间"),
    N_("账号"),
    N_("操作"),
    N_("届"),
    N_("学号"),
    N_("同步"),
    N_("详情"),
    N_("网络地址"),
)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """The filter of the log."""

    account: str = ""
    event: AuditEvent | None = None
    student: str = ""

    def fields(self) -> dict[str, str]:
        """Return the filter as parameters of an address."""
        return {"account": self.account, "event": self.event or "", "student": self.student}


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One line of the audit log."""

    number: int
    at: str
    account: str
    #: The person's name; the account itself if no account has it.
    name: str
    event: str
    cohort: str
    student: str
    run: int | None
    detail: str
    address: str


def _read_filter(request: Request) -> AuditFilter:
    asked = request.query_params
    event = next((d for d in AuditEvent if d == asked.get("event")), None)
    return AuditFilter(
        normalise_account(asked.get("account", ""))[:100], event, normalise_number(asked.get("student", ""))[:64]
    )


async def audit_page(context: SignedIn) -> Response:
    """Show the newest lines, or those before one."""
    language, now, wanted = context.language, context.now, _read_filter(context.request)
    before = bounds.number(context.request.query_params.get("before", ""))
    found = await context.ask_long(_newest_lines, context, wanted, before, _PAGE + 1)
    people = await people_of(context, (line.account for line in found))
    words = await detail_words(context, (line.detail for line in found))
    return context.page(
        "audit.html",
        lines=[_audit_entry(language, line, now, people, words) for line in found[:_PAGE]],
        wanted=wanted,
        events=[(d.value, labels.say(language, admin_labels.EVENTS, d), d is wanted.event) for d in AuditEvent],
        kept=wanted.fields(),
        later_ones=before is not None,
        longest=_LONGEST_SHEET,
        more=found[_PAGE - 1].line if len(found) > _PAGE else 0,
    )


async def sheet(context: SignedIn) -> Response:
    """Return the filtered log as a workbook. The export itself is a line of the log."""
    language, now, wanted = context.language, context.now, _read_filter(context.request)
    words = DetailWords(context, People(language, {}))
    book = await context.ask_long(_audit_workbook, context, wanted, context.account, words)
    await context.audit(
        AuditEvent.EXPORTED, student=wanted.student or None, what="audit", scope=urlencode(wanted.fields())
    )
    name = f"audit-{now.astimezone(language.zone):%Y%m%d-%H%M}.xlsx"
    return Response(
        book,
        media_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _newest_lines(context: Context, wanted: AuditFilter, before: int | None, limit: int) -> tuple[AuditLine, ...]:
    return context.services.audit_log.newest(
        limit,
        before=before,
        account=wanted.account or None,
        event=wanted.event,
        student=wanted.student or None,
    )


def _all_lines(context: Context, wanted: AuditFilter) -> Iterator[AuditLine]:
    before: int | None = None
    left = _LONGEST_SHEET
    while left > 0:
        found = _newest_lines(context, wanted, before, min(_AT_ONCE, left))
        yield from found
        if len(found) < _AT_ONCE:
            return
        left -= len(found)
        before = found[-1].line


def _audit_workbook(context: Context, wanted: AuditFilter, by: Account, words: DetailWords) -> bytes:
    gettext = context.language.gettext
    narrowed = [
        f"{title}: {value}"
        for title, value in (
            (gettext("账号"), wanted.account),
            (
                gettext("操作"),
                labels.say(context.language, admin_labels.EVENTS, wanted.event) if wanted.event else "",
            ),
            (gettext("学号"), wanted.student),
        )
        if value
    ]
    head = (
        gettext("操作日志"),
        gettext(
            "%(moment)s 由 %(who)s 导出",
            moment=f"{context.now.astimezone(context.language.zone):%Y-%m-%d %H:%M}",
            who=by.account,
        ),
        "; ".join(narrowed) or gettext("全部"),
    )
    return audit_sheet.workbook(
        head,
        tuple(map(gettext, COLUMNS)),
        (
            (
                f"{line.at.astimezone(context.language.zone):%Y-%m-%d %H:%M:%S}",
                line.account,
                labels.say(context.language, admin_labels.EVENTS, line.event),
                line.cohort or "",
                line.student or "",
                str(line.run or ""),
                words.text(line.detail),
                line.address,
            )
            for line in _all_lines(context, wanted)
        ),
    )


def _audit_entry(language: Language, line: AuditLine, now: datetime, people: People, words: DetailWords) -> AuditEntry:
    return AuditEntry(
        number=line.line,
        at=language.moment(line.at, now),
        account=line.account,
        name=people.name(line.account),
        event=labels.say(language, admin_labels.EVENTS, line.event),
        cohort=line.cohort or "",
        student=line.student or "",
        run=line.run,
        detail=words.text(line.detail),
        address=line.address,
    )


ROUTES = (
    Route("/audit", for_visitors(audit_page, Act.MANAGE, Act.AUDIT, long=True)),
    Route("/audit.xlsx", for_visitors(sheet, Act.MANAGE, Act.AUDIT, long=True)),
)
