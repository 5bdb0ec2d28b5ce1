"""Forms of the sources' page: sync a source now, pause it, and resume it."""

from typing import Annotated

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form, Line, at_most
from portal.access.requires import for_visitors
from portal.i18n.labels import N_
from portal.page.context import SignedIn
from portal.staff.sources import show_sources
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.inbox.pauses import PauseCode, PauseRefused
from status_db.inbox.requests import RequestRefused
from status_db.model import ROSTER

LONGEST_REASON = 500

#: Why a form is refused, each with the fix.
_REFUSED = {
    PauseCode.PAUSED: N_("这个数据源已经停查，原因见下面。"),
    PauseCode.NOT_PAUSED: N_("这个数据源没有停查，不用恢复。"),
    PauseCode.NO_REASON: N_("停查要写明原因，好让别人知道。请写上再提交。"),
}
TOO_LONG = N_("原因太长了，请缩短到 500 字以内。")
WAITS = N_("这个数据源已有一次同步在等待，请稍后再看。")
IS_PAUSED = N_("这个数据源已经停查，没有查询。请先恢复。")


class PauseForm(Form):
    """The form that pauses a source."""

    reason: Annotated[Line, at_most(LONGEST_REASON)] = ""


async def sync_now(context: SignedIn) -> Response:
    """Request a sync of one source. The scheduler carries it out."""
    await forms.read_form(context, Form)
    source = _named(context)
    if source in await context.ask(context.services.pauses.current):
        return await show_sources(context, refused=context.language.gettext(IS_PAUSED), source=source)
    ask, cohort = context.services.requests.ask_sync, context.cohort.key
    try:
        await context.ask_long(ask, cohort, source, account=context.account.account, now=context.now)
    except RequestRefused:
        return await show_sources(context, refused=context.language.gettext(WAITS), source=source)
    await context.audit(AuditEvent.ASKED_SYNC, cohort=cohort, source=source)
    return context.redirect("/sources")


async def pause(context: SignedIn) -> Response:
    """Pause a source until it is resumed."""
    form = await forms.read_form(context, PauseForm)
    source = _named(context)
    if form.too_long:
        return await show_sources(
            context, refused=context.language.gettext(TOO_LONG), source=source, reason=form.reason
        )
    stop, account = context.services.pauses.pause, context.account.account
    try:
        await context.ask_long(stop, source, reason=form.reason, account=account, now=context.now)
    except PauseRefused as refused:
        return await _refused(context, source, refused)
    await context.audit(AuditEvent.SOURCE_PAUSED, source=source, reason=form.reason)
    return context.redirect("/sources")


async def resume(context: SignedIn) -> Response:
    """Let the schedule ask a paused source again."""
    await forms.read_form(context, Form)
    source = _named(context)
    try:
        await context.ask_long(context.services.pauses.resume, source, account=context.account.account, now=context.now)
    except PauseRefused as refused:
        return await _refused(context, source, refused)
    await context.audit(AuditEvent.SOURCE_RESUMED, source=source)
    return context.redirect("/sources")


async def _refused(context: SignedIn, source: str, refused: PauseRefused) -> Response:
    why = context.language.gettext(_REFUSED[refused.code])
    return await show_sources(context, refused=why, source=source)


def _named(context: SignedIn) -> str:
    """Return the source in the address. Raises HTTPException: 403 without the grant to manage, 404 for no source."""
    if not context.account.may(Act.MANAGE):
        raise HTTPException(403)
    source: str = context.request.path_params["source"]
    if source != ROSTER and source not in context.settings.source:
        raise HTTPException(404)
    return source


ROUTES = (
    Route("/sources/{source:name}/sync", for_visitors(sync_now), methods=["POST"]),
    Route("/sources/{source:name}/pause", for_visitors(pause), methods=["POST"]),
    Route("/sources/{source:name}/resume", for_visitors(resume), methods=["POST"]),
)
