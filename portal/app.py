"""The application: the routes of all pages, and the answers when a page cannot be shown."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import structlog
from anyio import to_thread
from granian.utils.proxies import wrap_asgi_with_proxy_headers
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from portal.admin import (
    account_changes,
    accounts,
    addresses,
    announcements,
    audit,
    health,
    new_account,
    own_account,
    own_look,
    retention,
)
from portal.api import problems, routes
from portal.auth.refusals import SignInRefused
from portal.page.context import context_of
from portal.page.services import Services
from portal.page.templates import STATIC
from portal.signin import by_cas, by_oidc, password, providers, second_factor, sign_in
from portal.staff import (
    lists,
    overview,
    reminder,
    report,
    revert,
    runs,
    source_changes,
    sources,
    students,
    unmatched_rows,
)
from portal.student import appeal, card, recheck, slip
from portal.web import faults, headers, limits, links, observing, sending, well_formed
from portal.web.former_addresses import former_addresses
from status_db.store.engine import StoreError, TookTooLong, ValueRefused


class DeskPages(Protocol):
    """The desk, where offices and colleges decide: its pages and services."""

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """The routes of its pages."""
        ...


#: Sign-in and the visitor's own account, in every process.
_SIGN_IN_ROUTES = (
    *sign_in.ROUTES,
    *password.ROUTES,
    *second_factor.ROUTES,
    *own_account.ROUTES,
    *addresses.ROUTES,
    *by_cas.ROUTES,
    *by_oidc.ROUTES,
    *health.ROUTES,
)

#: The page after sign-in: a student's own page, or the first page that staff may read.
_HOME_ROUTES = card.ROUTES

_STUDENT_ROUTES = (*recheck.ROUTES, *slip.ROUTES, *appeal.ROUTES)

_STAFF_ROUTES = (
    *overview.ROUTES,
    *lists.ROUTES,
    *reminder.ROUTES,
    *report.ROUTES,
    *students.ROUTES,
    *sources.ROUTES,
    *source_changes.ROUTES,
    *runs.ROUTES,
    *revert.ROUTES,
    *unmatched_rows.ROUTES,
    *accounts.ROUTES,
    *account_changes.ROUTES,
    *new_account.ROUTES,
    *announcements.ROUTES,
    *audit.ROUTES,
    *retention.ROUTES,
)


def create_app(services: Services, desk: DeskPages | None = None) -> Starlette:
    """Return the application with the pages that these services are for. It closes the services when it stops.

    One process can serve only students, which needs no key of the ledger, and another one staff, with the desk.
    """
    settings = services.settings
    arriving = limits.UnfinishedBodies(settings.portal.limits)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await to_thread.run_sync(services.close)

    pages = (
        *_SIGN_IN_ROUTES,
        *_HOME_ROUTES,
        *(_STUDENT_ROUTES if services.for_students else ()),
        *(_STAFF_ROUTES if services.for_staff else ()),
        *(desk.routes if desk is not None else ()),
    )
    app = Starlette(
        routes=[
            *pages,
            *former_addresses(pages),
            *own_look.routes(settings),
            # Only static files are compressed. A page contains the token of its forms and repeats values of its
            # address; compressed together, the length of the answer would reveal the token (BREACH).
            Mount("/static", GZipMiddleware(StaticFiles(directory=STATIC))),
            *(routes.mounted(services) if services.for_staff else ()),
        ],
        middleware=[
            Middleware(wrap_asgi_with_proxy_headers, trusted_hosts=settings.portal.proxies),
            Middleware(observing.Observing),
            Middleware(headers.Headers, https=settings.portal.public_url.startswith("https://")),
            Middleware(sending.FileSending),
            Middleware(limits.BodyLimits, arriving=arriving, refuse=refused),
            Middleware(faults.Faults, broken=broken),
            Middleware(well_formed.TextCheck, refuse=malformed),
            Middleware(observing.RouteNoted),
        ],
        exception_handlers={
            HTTPException: refused,
            SignInRefused: providers.refused,
            StoreError: unavailable,
            ValueRefused: not_stored,
        },
        lifespan=lifespan,
    )
    # The router would redirect a path with a slash at its end to an address without the prefix.
    app.router.redirect_slashes = not links.prefix()
    app.state.services = services
    app.state.desk = desk
    app.state.arriving = arriving
    app.state.kept_refusals = {}
    return app


async def refused(request: Request, error: Exception) -> Response:
    """Show why a page is refused, and which page to open instead."""
    if request.url.path.startswith(routes.PREFIX):
        # An address that the API's own routes do not match, for example with a line break.
        return await problems.no_answer(request, error)
    status = error.status_code if isinstance(error, HTTPException) else 500
    if isinstance(error, limits.NotNow):
        response = _cached_refusal(request, error)
    else:
        response = context_of(request).page("error.html", status=status, code=status, why="")
    response.headers.update(getattr(error, "headers", None) or {})
    return response


def _cached_refusal(request: Request, error: limits.NotNow) -> Response:
    """Return the page of a refused request. Without cookie and query it is rendered once and cached for a flood."""
    context, kept, status = context_of(request), request.app.state.kept_refusals, error.status_code
    # The page depends only on address, cookies and language. Only a few addresses are cached.
    key = None
    if not request.url.query and "cookie" not in request.headers and request.url.path in _CACHED_PATHS:
        key = context.language.code, request.url.path, error.why, status
        if key in kept:
            body, headers = kept[key]
            return Response(body, status, headers)
    response = context.page("error.html", status=status, code=status, why=error.why)
    if key is not None:
        kept[key] = bytes(response.body), dict(response.headers)
    return response


#: The addresses whose refusals are cached: forms there need no sign-in.
_CACHED_PATHS = ("/sign-in", "/first-password", "/first-password/identity")


async def malformed(request: Request) -> Response:
    """Answer a request that is not text with an error page."""
    return await refused(request, HTTPException(400))


async def not_stored(request: Request, error: Exception) -> Response:
    """Refuse a value that the database cannot store. Only the log has the value."""
    path = faults.noted_path(request)
    structlog.get_logger("clearance.portal").warning("value refused by the database", path=path, message=str(error))
    return await refused(request, HTTPException(400))


async def unavailable(request: Request, error: Exception) -> Response:
    """Show that the database did not respond. Only the log has its message."""
    structlog.get_logger("clearance.portal").error(
        "database failed", path=faults.noted_path(request), message=str(error)
    )
    why = "too_long" if isinstance(error, TookTooLong) else ""
    response = context_of(request).page("error.html", status=503, code=503, why=why)
    response.headers["Retry-After"] = "30"
    return response


async def broken(request: Request, error: Exception) -> Response:
    """Show that an error occurred. Only the log has the details."""
    context = context_of(request)
    await context.services.faults.note(request, error)
    return context.page("error.html", status=500, code=500, why="")
