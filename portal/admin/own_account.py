"""The visitor's own account: its recent changes and their authors, and its open sessions, which can be ended."""

from dataclasses import dataclass
from functools import partial

from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form
from portal.access.requires import for_visitors
from portal.admin.address_fields import address_fields
from portal.admin.audit_details import DetailWords, detail_words
from portal.auth import sessions
from portal.i18n import admin_labels, labels
from portal.i18n.languages import Language
from portal.page.account_names import People, people_of
from portal.page.context import Context, SignedIn
from status_db.accounts.audit_log import AuditEvent
from status_db.accounts.own_account import AccountEvent, OwnSession
from status_db.sign_in.second_factor import is_staff

#: Details that the page shows elsewhere, or not at all.
_KNOWN = frozenset({"to", "of", "asked", "asked_by", "count", "left"})

_COMMAND_LINE = "command line"


@dataclass(frozen=True, slots=True)
class RecentChange:
    """One recent change of an account."""

    at: str
    event: str
    detail: str
    by: str
    address: str


@dataclass(frozen=True, slots=True)
class SessionLine:
    """One open session."""

    name: str
    created_at: str
    seen_at: str
    method: str
    address: str
    this: bool


class EndForm(Form):
    """The session to end: one by its name, or all others."""

    session: str = ""


async def own_account_page(context: SignedIn) -> Response:
    """Show the visitor's own account."""
    return await show_own(context)


async def show_own(context: SignedIn, wrong: str = "") -> Response:
    """Show the visitor's own account; `wrong` is why a form was refused."""
    language, now, auth = context.language, context.now, context.settings.auth
    own, this = context.account, sessions.hash_of(context.visitor.token)
    staff = is_staff(own)
    opened = await context.ask_long(
        partial(
            context.services.own.sessions, own.account, now, this, idle=auth.session_idle, longest=auth.session_longest
        )
    )
    return context.page(
        "own_account.html",
        status=422 if wrong else 200,
        wrong=language.gettext(wrong) if wrong else "",
        staff=staff,
        **await address_fields(context, own.account, own.student, "/own/addresses"),
        recent_changes=await recent_changes(context, own.account, staff=staff),
        sessions=[
            _session_line(language, one, language.moment(one.created_at, now), language.moment(one.seen_at, now))
            for one in opened
        ],
        others=sum(not one.this for one in opened),
    )


async def end(context: SignedIn) -> Response:
    """End one session, or all except the current one."""
    named = (await forms.read_form(context, EndForm)).session
    if named:
        this = sessions.hash_of(context.visitor.token)
        one = None if named == "others" else named
        ended = await context.ask_long(context.services.own.end, context.account.account, this, one)
        if ended:
            await context.audit(AuditEvent.SIGNED_OUT, what="other sessions", count=ended)
    return context.redirect("/own")


async def recent_changes(context: Context, account: str, *, staff: bool = True) -> list[RecentChange]:
    """Return the recent changes of an account, as the pages show them."""
    events = await context.ask_long(partial(context.services.own.events, account, context.now, staff=staff))
    people = await people_of(context, (one.by for one in events) if staff else ())
    words = await detail_words(context, (one.detail for one in events) if staff else ())
    return [
        _recent_change(context.language, one, context.language.moment(one.at, context.now), people, words, staff=staff)
        for one in events
    ]


def _recent_change(
    language: Language, one: AccountEvent, at: str, people: People, words: DetailWords, *, staff: bool
) -> RecentChange:
    # Students' pages do not show accounts of staff.
    by = people.name(one.by) if staff else ""
    on_server = one.address == _COMMAND_LINE
    shown = {name: value for name, value in one.detail.items() if name not in _KNOWN} if staff else {}
    return RecentChange(
        at=at,
        event=labels.say(language, admin_labels.EVENTS, one.event),
        detail=words.text(shown),
        by=language.gettext("%(who)s（服务器命令行）", who=by) if on_server and by else by,
        address="" if on_server else one.address,
    )


def _session_line(language: Language, one: OwnSession, created_at: str, seen_at: str) -> SessionLine:
    method = labels.say(language, admin_labels.METHODS, one.method)
    return SessionLine(
        name=one.name,
        created_at=created_at,
        seen_at=seen_at,
        method=method,
        address=one.address,
        this=one.this,
    )


ROUTES = (
    Route("/own", for_visitors(own_account_page)),
    Route("/own/end", for_visitors(end), methods=["POST"]),
)
