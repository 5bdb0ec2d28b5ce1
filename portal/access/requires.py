"""The entrance: a page is shown only to somebody who has signed in and may see it."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeAlias
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from portal.auth import sessions
from portal.page.context import House, Visitor, house_of, see_other
from portal.web import bounds
from status_db.accounts.accounts import Act
from status_db.sign_in.second_factor import asked_of

Page: TypeAlias = Callable[[Request, House, Visitor], Awaitable[Response]]
Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

# The routes of all pages use these convertors.
bounds.register()

#: Where a narrowed session leads, and nowhere else.
NARROWED: Mapping[str, str] = {"password": "/new-password", "factor": "/second-factor"}


def for_visitors(page: Page, *acts: Act, narrowed: str | None = None, long: bool = False) -> Handler:
    """Return a handler that lets in whoever has signed in; where acts are named, whoever has a grant for one of them.

    Everybody else is sent to sign in, or, signed in already, refused with 403. A session that is narrowed is sent to
    the one page it leads to; `narrowed` marks that page. A page that takes `long` waits its turn, and its
    requests have no body.
    """

    async def handler(request: Request) -> Response:
        house = house_of(request)
        visitor = await recognise(request, house, narrowed=True)
        if visitor is None:
            response = see_other(f"/sign-in?{urlencode({'next': _here(request)})}")
            house.keep_language(request, response)
            return response
        if visitor.narrowed not in (None, narrowed):
            return see_other(NARROWED[visitor.narrowed])
        if acts and not any(visitor.account.may(act) for act in acts):
            raise HTTPException(403)
        if long:
            return await house.long.answer(request, visitor.account.account, partial(page, request, house, visitor))
        return await page(request, house, visitor)

    return handler


async def recognise(request: Request, house: House, *, narrowed: bool = False) -> Visitor | None:
    """Return whose session a request brings, and note that it is in use; None without one.

    A session that still owes a password or a second factor is narrowed. It counts as none unless `narrowed` is set.
    """
    token, now = house.cookie.read(request), house.clock()
    session = await house.ask(sessions.find, house.accounts, house.settings.auth, token, now)
    if session is None:
        return None
    account, due = session.account.during(house.settings.cohort_keys()), session.narrowed
    if due is None and asked_of(house.settings.auth, account):
        # The grant or the settings may have changed while the session was open.
        shown = await house.ask(house.factors.shown_at, sessions.hash_of(token))
        due = None if shown is not None else "factor"
    if due is not None and not narrowed:
        return None
    if not session.staff and not house.for_students:
        return None
    if sessions.wants_touch(session, house.settings.auth, now):
        await house.ask_long(house.desk.touch_session, sessions.hash_of(token), now)
    visitor = Visitor(account, token, due)
    request.state.visitor = visitor
    return visitor


def _here(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def safe_next(path: str) -> str:
    """Return where to go after signing in: a page of ours, or the first one."""
    plain = path.isprintable() and path.isascii() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith(("//", "/sign-", *NARROWED.values())) else "/"
