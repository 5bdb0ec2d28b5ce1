"""Announcements to students, current and past. Administrators write and withdraw them, auditors read them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, TypeAlias

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms, scope_picker
from portal.access.form_fields import Form, Text, Ticked, at_most
from portal.access.requires import for_visitors
from portal.i18n import labels
from portal.i18n.labels import N_
from portal.page.context import Context, SignedIn
from portal.present import cards
from portal.web import bounds
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.inbox.announcements import LONGEST_BODY, LONGEST_TITLE, Announcement, AnnouncementRefused
from status_db.views import Scope

#: The errors of a draft, each with the fix.
NO_TITLE = N_("公告须有中文标题。请填写。")
LONG_TITLE = N_("标题和联系方式各不超过 200 字。请缩短。")
LONG_BODY = N_("正文不超过 4000 字。请缩短。")
NO_TIME = N_("时间无法识别。请写成 2019-06-05T08:00，或留空。")
BACKWARDS = N_("结束时间须晚于开始时间。请改正。")
NO_SCOPE = N_("所选范围含有离校名单中没有的值，名单可能刚更新。请重新选择。")
NO_STEP = N_("没有这个环节或这一届。请重新选择。")
GONE = N_("该公告已撤回。")


_Title: TypeAlias = Annotated[Text, at_most(LONGEST_TITLE)]
_Body: TypeAlias = Annotated[Text, at_most(LONGEST_BODY)]


class AnnouncementForm(Form):
    """A draft as it was typed, valid or not."""

    #: Long texts in two languages, in which a form encodes each character as nine; and every value of the roster.
    longest = 160 * 1024
    most = 1_000

    title: _Title = ""
    title_en: _Title = ""
    body: _Body = ""
    body_en: _Body = ""
    contact: _Title = ""
    opens: Text = ""
    closes: Text = ""
    cohort: Text = ""
    step: Text = ""
    scope: tuple[str, ...] = ()
    #: The button that publishes; without it, the draft is shown.
    publish: Ticked = False


@dataclass(frozen=True, slots=True)
class AnnouncementLine:
    """One announcement, and whether it is shown now."""

    number: int
    note: cards.Note
    tone: str
    state: str
    opens: str
    closes: str
    author: str
    withdrawn: str
    withdrawn_by: str
    whom: str


async def announcement_list(context: SignedIn) -> Response:
    """Show every announcement to this cohort, the newest first."""
    return await _announcement_list_page(context)


async def _announcement_list_page(context: SignedIn, refused: str = "") -> Response:
    language, cohort = context.language, context.cohort.key
    found = await context.ask(context.services.announcements.listed, cohort)
    return context.page(
        "announcements.html",
        status=409 if refused else 200,
        announcements=[_announcement_line(context, one) for one in found],
        writes=context.account.may(Act.MANAGE),
        refused=language.gettext(refused) if refused else "",
    )


async def new(context: SignedIn) -> Response:
    """Show an empty form."""
    return await _announcement_form(context, AnnouncementForm(), {})


async def write_announcement(context: SignedIn) -> Response:
    """Preview a draft, or publish it. An invalid draft is shown again with its error."""
    draft = await forms.read_form(context, AnnouncementForm)
    values = await context.ask_long(scope_picker.values_of, context)
    chosen = scope_picker.read_scope(draft.scope, values)
    scope = chosen or {}
    zone = context.settings.institution.timezone
    try:
        opens, closes = (bounds.moment(text, zone) if text else None for text in (draft.opens, draft.closes))
    except ValueError:
        return await _announcement_form(context, draft, scope, wrong=NO_TIME)
    wrong = NO_SCOPE if chosen is None else _draft_error(context, draft, opens or context.now, closes)
    if wrong or not draft.publish:
        return await _announcement_form(context, draft, scope, wrong=wrong, opens=opens, preview=not wrong)
    made = await context.ask_long(
        partial(
            context.services.announcements.announce,
            draft.title,
            draft.body,
            author=context.account.account,
            now=context.now,
            cohort=draft.cohort or None,
            step=draft.step or None,
            scope=scope,
            title_en=draft.title_en,
            body_en=draft.body_en,
            contact=draft.contact,
            opens=opens,
            closes=closes,
        )
    )
    await context.audit(AuditEvent.ANNOUNCED, cohort=made.cohort, announcement=made.announcement, title=made.title)
    return context.redirect("/announcements")


async def withdraw_announcement(context: SignedIn) -> Response:
    """Withdraw an announcement."""
    await forms.read_form(context, Form)
    number = context.request.path_params["announcement"]
    listed = [
        one
        for key in context.settings.cohort_keys()
        for one in await context.ask(context.services.announcements.listed, key)
    ]
    if number not in {one.announcement for one in listed}:
        raise HTTPException(404)
    try:
        down = await context.ask_long(
            partial(context.services.announcements.withdraw, number, author=context.account.account, now=context.now)
        )
    except AnnouncementRefused:
        return await _announcement_list_page(context, GONE)
    await context.audit(
        AuditEvent.ANNOUNCEMENT_WITHDRAWN, cohort=down.cohort, announcement=down.announcement, title=down.title
    )
    return context.redirect("/announcements")


def _draft_error(context: Context, draft: AnnouncementForm, opens: datetime, closes: datetime | None) -> str:
    """Return the error in a draft; empty if there is none."""
    if not draft.title:
        return NO_TITLE
    if draft.too_long:
        return LONG_BODY if draft.too_long <= {"body", "body_en"} else LONG_TITLE
    if closes is not None and closes <= opens:
        return BACKWARDS
    steps = {step.key for step in context.settings.step}
    if draft.step not in {"", *steps} or draft.cohort not in {"", *context.settings.cohort_keys()}:
        return NO_STEP
    return ""


async def _announcement_form(
    context: Context,
    draft: AnnouncementForm,
    scope: Scope,
    *,
    wrong: str = "",
    opens: datetime | None = None,
    preview: bool = False,
) -> Response:
    language, now = context.language, context.now
    values = await context.ask_long(scope_picker.values_of, context)
    shown = Announcement(
        0,
        draft.title,
        draft.body,
        "",
        now,
        opens or now,
        title_en=draft.title_en,
        body_en=draft.body_en,
        contact=draft.contact,
    )
    return context.page(
        "announcement.html",
        status=422 if wrong else 200,
        draft=draft,
        wrong=language.gettext(wrong) if wrong else "",
        previews=[(other.tag, cards.note(other, shown, now)) for other in context.services.languages.values()]
        if preview
        else [],
        whom=_whom(context, draft.cohort, draft.step, scope),
        steps=list(labels.step_titles(language, context.settings).items()),
        cohorts=[(c.key, c.name) for c in context.settings.cohort],
        columns=scope_picker.columns(language, values, scope),
    )


def _whom(context: Context, cohort: str | None, step: str | None, scope: Mapping[str, Sequence[str]]) -> str:
    """Return in words which students see an announcement, and where on the page."""
    names = {c.key: c.name for c in context.settings.cohort}
    parts = [names.get(cohort, cohort) if cohort else context.language.gettext("每一届")]
    if step:
        title = labels.step_titles(context.language, context.settings).get(step, step)
        parts.append(context.language.gettext("显示在“%(step)s”卡片", step=title))
    else:
        parts.append(context.language.gettext("显示在环节之后"))
    parts.append(scope_picker.scope_text(context.language, scope) or context.language.gettext("全体学生"))
    return " · ".join(parts)


def _announcement_line(context: Context, one: Announcement) -> AnnouncementLine:
    if one.withdrawn_at is not None:
        tone, state = "none", context.language.gettext("已撤回")
    elif one.is_active(context.now):
        tone, state = "good", context.language.gettext("正在显示")
    elif one.opens > context.now:
        tone, state = "wait", context.language.gettext("尚未开始")
    else:
        tone, state = "none", context.language.gettext("已结束")
    return AnnouncementLine(
        number=one.announcement,
        note=cards.note(context.language, one, context.now),
        tone=tone,
        state=state,
        opens=context.language.moment(one.opens, context.now),
        closes=context.language.moment(one.closes, context.now) if one.closes else "",
        author=one.author,
        withdrawn=context.language.moment(one.withdrawn_at, context.now) if one.withdrawn_at else "",
        withdrawn_by=one.withdrawn_by,
        whom=_whom(context, one.cohort, one.step, one.scope),
    )


ROUTES = (
    Route("/announcements", for_visitors(announcement_list, Act.MANAGE, Act.AUDIT)),
    Route("/announcements", for_visitors(write_announcement, Act.MANAGE), methods=["POST"]),
    Route("/announcements/new", for_visitors(new, Act.MANAGE)),
    Route(
        "/announcements/{announcement:id}/withdraw", for_visitors(withdraw_announcement, Act.MANAGE), methods=["POST"]
    ),
)
