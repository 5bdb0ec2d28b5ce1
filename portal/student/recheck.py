"""Recheck requests by students. The scheduler serves them; a page of its own waits for the result."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import anyio
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form
from portal.access.requires import for_visitors
from portal.page.context import SignedIn
from portal.page.own_student import own_view
from portal.present.rechecks import waits_on_a_source
from portal.student.card import own as show_own
from status_db.accounts.audit_log import AuditEvent
from status_db.inbox.requests import Request as Asked
from status_db.inbox.requests import RequestRefused

#: How long the answer to the form is delayed, in seconds, so that a quick result needs no page between. After a longer
#: wait, a page that refreshes itself waits on. The own page never reloads: that would lose the reader's place.
PATIENCE = 2.0

#: How often the waiting page asks, in seconds, and for how long. Its link leads back at any time.
REFRESH = 3
LONGEST = timedelta(minutes=2)

_PAUSE = 0.4

#: The most delayed answers in each process. Further requests are redirected at once.
_HELD_BACK = asyncio.Semaphore(100)


async def recheck(context: SignedIn) -> Response:
    """Request a recheck of the visiting student. If it is refused, show how long to wait."""
    await forms.read_form(context, Form)
    now = context.now
    student = await own_view(context)
    if student is None or not waits_on_a_source(student, now):
        return context.redirect("/")
    ask = partial(
        context.services.requests.ask_recheck,
        student.cohort,
        student.student,
        account=context.account.account,
        now=now,
        pause=context.settings.portal.recheck_pause,
        day_limit=context.settings.portal.recheck_day_limit,
    )
    try:
        await context.ask_long(ask)
    except RequestRefused as refused:
        last = await context.ask(context.services.requests.last_recheck, student.cohort, student.student)
        if last is None or last.served_at is not None:
            response = await show_own(context, refused=refused.wait, status=429)
            response.headers["Retry-After"] = str(max(1, round(refused.wait.total_seconds())))
            return response
    else:
        await context.audit(AuditEvent.ASKED_RECHECK, cohort=student.cohort, student=student.student)
    newest = partial(context.ask, context.services.requests.last_recheck, student.cohort, student.student)
    await until_served(newest)
    asked = await newest()
    return context.redirect("/recheck" if asked is not None and asked.served_at is None else "/")


async def waiting_page(context: SignedIn) -> Response:
    """Show that the sources are asked, and refresh until they have answered. Then show the student's own page."""
    student = await own_view(context)
    asked = None
    if student is not None:
        asked = await context.ask(context.services.requests.last_recheck, student.cohort, student.student)
    if asked is None or asked.served_at is not None or context.now - asked.at >= LONGEST:
        return context.redirect("/")
    response = context.page("recheck.html", since=context.language.moment(asked.at, context.now))
    response.headers["Refresh"] = f"{REFRESH}; url={context.at_cohort('/recheck')}"
    return response


async def until_served(newest: Callable[[], Awaitable[Asked | None]]) -> None:
    """Wait until the newest request is served or `PATIENCE` is over. Return at once if too many answers wait."""
    if _HELD_BACK.locked():
        return
    async with _HELD_BACK:
        with anyio.move_on_after(PATIENCE):
            while True:
                asked = await newest()
                if asked is None or asked.served_at is not None:
                    return
                await anyio.sleep(_PAUSE)


ROUTES = (
    Route("/recheck", for_visitors(waiting_page, own=True)),
    Route("/recheck", for_visitors(recheck, own=True), methods=["POST"]),
)
