"""Access to pages: each is shown only to a visitor who has signed in and has a grant for it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from portal.access import drafts
from portal.auth import sessions
from portal.page.context import Context, SignedIn, Visitor, context_of, keep
from portal.page.own_student import of_own_cohort
from portal.web import bounds
from portal.web.links import is_link, link, see_other
from status_db.accounts.accounts import Act
from status_db.sign_in.second_factor import asked_of

Page: TypeAlias = Callable[[SignedIn], Awaitable[Response]]
OpenPage: TypeAlias = Callable[[Context], Awaitable[Response]]
Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

# The routes of all pages use these convertors.
bounds.register()

#: Where a narrowed session leads, and nowhere else.
NARROWED: Mapping[str, str] = {"password": "/new-password", "factor": "/second-factor"}


def for_anybody(page: OpenPage) -> Handler:
    """Return a handler that admits every visitor, signed in or not."""

    async def handler(request: Request) -> Response:
        return await page(context_of(request))

    return handler


def for_visitors(page: Page, *acts: Act, narrowed: str | None = None, long: bool = False, own: bool = False) -> Handler:
    """Return a handler that admits visitors who have signed in and, if acts are given, have a grant for one of them.

    Other visitors are redirected to sign in or, if signed in already, refused with 403. A narrowed session is
    redirected to the one page it leads to; `narrowed` marks that page. A page that takes `long` waits its turn, and
    its requests have no body. A page that is a student's `own` is about a cohort that lists the student.
    """

    async def handler(request: Request) -> Response:
        arriving = context_of(request)
        visitor = await recognise(arriving, narrowed=True)
        if visitor is None:
            response = await drafts.to_sign_in(arriving)
            arriving.keep_language(response)
            return response
        if visitor.narrowed not in (None, narrowed):
            return see_other(link(NARROWED[visitor.narrowed]))
        context = keep(arriving.signed_in(visitor))
        if acts and not any(visitor.account.may(act) for act in acts):
            raise HTTPException(403)

        async def here() -> Response:
            # A page that has waited reads the clock when its turn comes.
            turn = replace(context, now=context.services.clock()) if long else context
            shown = keep(await of_own_cohort(turn)) if own else turn
            return await drafts.with_draft(shown, await page(shown))

        return await (context.services.long.answer(request, visitor.account.account, here) if long else here())

    return handler


async def recognise(context: Context, *, narrowed: bool = False) -> Visitor | None:
    """Return the visitor of a request's session, and store that the session is in use; None without a session.

    A session that still needs a password or a second factor is narrowed. It is ignored unless `narrowed` is set.
    """
    services, token, now = context.services, context.token, context.now
    settings = services.settings
    session = await services.ask(sessions.find, services.accounts, settings.auth, token, now)
    if session is None:
        return None
    account, due = session.account.during(settings.cohort_keys()), session.narrowed
    if due is None and asked_of(settings.auth, account):
        # The grant or the settings may have changed while the session was open.
        shown = await services.ask(services.factors.shown_at, sessions.hash_of(token))
        due = None if shown is not None else "factor"
    if due is not None and not narrowed:
        return None
    if not session.staff and not services.for_students:
        return None
    if sessions.wants_touch(session, settings.auth, now):
        await services.ask_long(services.desk.touch_session, sessions.hash_of(token), now)
    return Visitor(account, token, due)


def safe_next(path: str) -> str:
    """Return this path if it is a page of ours to show after sign-in; otherwise the first page."""
    plain = path.isprintable() and path.isascii() and "\\" not in path
    ours = plain and is_link(path) and not path.startswith(tuple(map(link, ("/sign-", *NARROWED.values()))))
    return path if ours else link("/")
