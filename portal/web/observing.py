"""Each request is observed from outside: an identifier in every line of the log, a metric, and a trace."""

import secrets
import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foundation import metrics
from foundation.tracing import span

#: A request that no route answers.
UNMATCHED = "unmatched"

_ID_BYTES = 8


def route_of(scope: Scope) -> str:
    """Return the address of the route that answered, as its pattern; it contains nothing of the request itself."""
    route = scope.get("route")
    pattern = getattr(route, "path", None)
    if not isinstance(pattern, str):
        return UNMATCHED
    root = str(scope.get("app_root_path", ""))
    # A mounted application has patterns of its own, below its own address.
    prefix = str(scope.get("root_path", "")).removeprefix(root)
    return pattern if prefix == pattern else prefix + pattern


#: In a scope: the list in which the innermost middleware writes the route. Middlewares between copy the scope.
_ROUTE = "clearance.route"


class RouteNoted:
    """Notes the route that answers, for `Observing`. It is the innermost middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            await self._app(scope, receive, send)
        finally:
            if _ROUTE in scope:
                scope[_ROUTE][:] = [route_of(scope)]


class Observing:
    """Binds an identifier to each request, counts and traces it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, observed."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 500
        identifier = secrets.token_hex(_ID_BYTES)
        scope[_ROUTE] = noted = [UNMATCHED]

        async def send_observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message.setdefault("headers", []).append((b"x-request-id", identifier.encode()))
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=identifier), span("request") as add:
            try:
                await self._app(scope, receive, send_observed)
            finally:
                (route,) = noted
                add(
                    **{"http.route": route, "http.request.method": scope["method"], "http.response.status_code": status}
                )
                metrics.count_request(route, scope["method"], status, time.monotonic() - began)
