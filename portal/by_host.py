"""Several institutions in one process: each request goes to the pages of the institution with its host name.

The pages of two institutions share nothing but the process. A host that belongs to none gets a page that names none.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog
from anyio import to_thread
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from foundation.acting import acting_for
from portal.web.links import with_prefix

#: Misdirected Request: this server has no pages for that host.
_MISDIRECTED = 421

_NO_PAGES = "There are no pages at this address.\n此地址没有网页。\n"

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@dataclass(frozen=True, slots=True)
class HostedPages:
    """The pages of one institution."""

    key: str
    hosts: frozenset[str]
    #: The path of its public address.
    prefix: str
    app: Starlette
    #: Return whether its databases respond.
    responds: Callable[[], bool]


class ByHost:
    """Answers for several institutions, by host name."""

    def __init__(self, pages: Sequence[HostedPages], usable: Mapping[str, bool]) -> None:
        """`usable` has each institution's key, and whether its settings file can be used as it is now."""
        self._pages = pages
        self._by_host = {host: one for one in pages for host in one.hosts}
        self._usable = dict(usable)
        self._life = Router(lifespan=self._lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._life(scope, receive, send)
            return
        one = self._by_host.get(_host(scope))
        if one is None:
            await (await self._elsewhere(scope))(scope, receive, send)
            return
        with acting_for(one.key), with_prefix(one.prefix):
            await one.app(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _app: ASGIApp) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for one in self._pages:
                await stack.enter_async_context(one.app.router.lifespan_context(one.app))
            yield

    async def _elsewhere(self, scope: Scope) -> Response:
        """Answer a request to another host: health checks for monitoring, which name no institution, or nothing."""
        path = scope["path"]
        if path == "/livez":
            return PlainTextResponse("ok\n", headers=_HEADERS)
        if path in ("/readyz", "/healthz"):
            respond = [await to_thread.run_sync(one.responds) for one in self._pages]
            # One institution that fails does not take the others out of service.
            good = any(respond)
            found = {
                "ok": good,
                "institutions": len(self._usable),
                "served": len(respond),
                "responding": sum(respond),
                "unusable_settings": sum(not usable for usable in self._usable.values()),
            }
            return JSONResponse(found, 200 if good else 503, headers=_HEADERS)
        structlog.get_logger("clearance.portal").debug("no institution has this host")
        return PlainTextResponse(_NO_PAGES, _MISDIRECTED, headers=_HEADERS)


def _host(scope: Scope) -> str:
    """Return the host name that a request is for, in lower case, without its port; empty if it is not clear."""
    named = [value for name, value in scope["headers"] if name == b"host"]
    if len(named) != 1:
        return ""
    host: str = named[0].decode("latin-1").lower()
    name, bracket, _ = host.partition("]")
    return name.removeprefix("[") if bracket else host.partition(":")[0].rstrip(".")
