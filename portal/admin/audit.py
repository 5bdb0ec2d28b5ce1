"""The audit log, for auditors and administrators to read and to export. Nothing here changes a line."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.access.requires import for_visitors
from portal.documents import audit_sheet
from portal.i18n import admin_labels, labels
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from portal.page.context import Context, SignedIn
from portal.web import bounds
from status_db.accounts.accounts import Account, Act, normalise_account
from status_db.accounts.audit_log import AuditEvent, AuditLine
from status_db.model import normalise_number

_PAGE = 100

#: A workbook has at most this many lines. They are read in blocks of this size.
_LONGEST_SHEET = 100_000
_AT_ONCE = 5_000

#: The names of a line's details. Other details are shown by their key.
DETAILS = {
    "source": N_("数据源"),
    "says": N_("表态"),
    "reason": N_("原因"),
    "change": N_("变动摘要码"),
    "to": N_("对象账号"),
    "asked": N_("申请的操作"),
    "asked_by": N_("申请人"),
    "held_by": N_("原账号"),
    "grants": N_("权限"),
    "act": N_("可办理的操作"),
    "step": N_("环节"),
    "scope": N_("范围"),
    "during": N_("届"),
    "what": N_("内容"),
    "announcement": N_("公告"),
    "title": N_("标题"),
    "verdict": N_("结论"),
    "decision": N_("办理编号"),
    "file": N_("文件"),
    "rows": N_("行"),
    "tries": N_("次数"),
    "since": N_("起始时间"),
    "batch": N_("导入批号"),
    "entered": N_("已导入"),
    "wrong": N_("有错"),
    "withdrawn": N_("已撤回"),
    "issued": N_("已发证，不变"),
    "of": N_("账号"),
    "fields": N_("地址"),
    "channel": N_("渠道"),
    "notices": N_("通知"),
    "because": N_("没有发出的原因"),
}

#: The labels of some details' values.
_WHAT = {
    "activated": N_("启用"),
    "deactivated": N_("停用"),
    "audit": N_("操作日志"),
    "report": N_("离校报告"),
    "other sessions": N_("其他登录"),
}

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
    return context.page(
        "audit.html",
        lines=[_audit_entry(language, line, now) for line in found[:_PAGE]],
        wanted=wanted,
        events=[(d.value, labels.say(language, admin_labels.EVENTS, d), d is wanted.event) for d in AuditEvent],
        kept=wanted.fields(),
        later_ones=before is not None,
        more=found[_PAGE - 1].line if len(found) > _PAGE else 0,
    )


async def sheet(context: SignedIn) -> Response:
    """Return the filtered log as a workbook. The export itself is a line of the log."""
    language, now, wanted = context.language, context.now, _read_filter(context.request)
    book = await context.ask_long(_audit_workbook, context, wanted, context.account)
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


def _audit_workbook(context: Context, wanted: AuditFilter, by: Account) -> bytes:
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
                _line_detail(context.language, line),
                line.address,
            )
            for line in _all_lines(context, wanted)
        ),
    )


def _audit_entry(language: Language, line: AuditLine, now: datetime) -> AuditEntry:
    return AuditEntry(
        number=line.line,
        at=language.moment(line.at, now),
        account=line.account,
        event=labels.say(language, admin_labels.EVENTS, line.event),
        cohort=line.cohort or "",
        student=line.student or "",
        run=line.run,
        detail=_line_detail(language, line),
        address=line.address,
    )


def _line_detail(language: Language, line: AuditLine) -> str:
    return detail_text(language, line.detail)


def detail_text(language: Language, detail: Mapping[str, object]) -> str:
    """Return a line's details in words, each with its name."""
    between = ": " if language.code == "en" else "："
    return "; ".join(
        f"{labels.say(language, DETAILS, name)}{between}{_detail_value(language, name, value)}"
        for name, value in detail.items()
        if value not in ("", None, [])
    )


def _detail_value(language: Language, name: str, value: object) -> str:
    if name == "asked":
        return labels.say(language, admin_labels.CHANGES, str(value))
    if name == "says":
        return labels.say(language, admin_labels.SAYS, str(value))
    if name == "what":
        return labels.say(language, _WHAT, str(value))
    if name == "verdict":
        return labels.say(language, labels.STATES, str(value))
    if name == "since":
        return f"{datetime.fromisoformat(str(value)).astimezone(language.zone):%Y-%m-%d %H:%M:%S}"
    if name == "act":
        return labels.say(language, admin_labels.ACTS, str(value))
    return language.listed(map(str, value)) if isinstance(value, list) else str(value)


ROUTES = (
    Route("/audit", for_visitors(audit_page, Act.MANAGE, Act.AUDIT, long=True)),
    Route("/audit.xlsx", for_visitors(sheet, Act.MANAGE, Act.AUDIT, long=True)),
)
