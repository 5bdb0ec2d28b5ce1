"""Asking the sources again about oneself. The scheduler does it; this page waits for it a few seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.requires import for_visitors
from portal.page.context import House, Visitor, see_other
from portal.page.own_student import own_view
from portal.present.rechecks import waits_on_a_source
from portal.student.card import own as show_own
from status_db.accounts.audit_log import Deed
from status_db.inbox.requests import Request as Asked
from status_db.inbox.requests import RequestRefused

#: For so long, in seconds, the answer to the form is held back, so that mostly it shows the result at once. A page that
#: loads itself anew would take a reader's place away; a link to do so is there for whom it took longer.
PATIENCE = 8.0
_PAUSE = 0.4

#: At most this many answers are held back in each process. Everybody else is sent on at once.
_HELD_BACK = asyncio.Semaphore(100)


async def recheck(request: Request, house: House, visitor: Visitor) -> Response:
    """Have the sources asked about the student who asks; say when, if not now."""
    await forms.read(request, house.settings.portal.public_url, visitor.token)
    now = house.clock()
    found = await own_view(request, house, visitor, now)
    if found is None:
        return see_other("/")
    (student, own), number = found, found[0].student
    if not waits_on_a_source(student, now):
        return see_other(own.address("/"))
    ask = partial(
        house.requests.ask_recheck,
        student.cohort,
        number,
        account=visitor.account.account,
        now=now,
        pause=house.settings.portal.recheck_pause,
        day_limit=house.settings.portal.recheck_day_limit,
    )
    try:
        await house.ask_long(ask)
    except RequestRefused as refused:
        last = await house.ask(house.requests.last_recheck, student.cohort, number)
        if last is None or last.served_at is not None:
            response = await show_own(request, house, visitor, refused=refused.wait, status=429)
            response.headers["Retry-After"] = str(max(1, round(refused.wait.total_seconds())))
            return response
    else:
        await house.note(request, Deed.ASKED_RECHECK, cohort=student.cohort, student=number)
    await until_served(partial(house.ask, house.requests.last_recheck, student.cohort, number))
    return see_other(own.address("/"))


async def until_served(newest: Callable[[], Awaitable[Asked | None]]) -> None:
    """Hold an answer back until the newest request is served, or `PATIENCE` is over; not where too many are."""
    if _HELD_BACK.locked():
        return
    async with _HELD_BACK:
        with anyio.move_on_after(PATIENCE):
            while True:
                asked = await newest()
                if asked is None or asked.served_at is not None:
                    return
                await anyio.sleep(_PAUSE)


ROUTES = (Route("/recheck", for_visitors(recheck), methods=["POST"]),)
