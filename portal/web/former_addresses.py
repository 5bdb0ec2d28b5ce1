"""Addresses that were renamed: former ones redirect for one release, for bookmarks and open pages."""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from portal.web.links import link

#: Former → current path, with the same parameters.
RENAMED: Mapping[str, str] = {
    "/strangers": "/unmatched",
    "/overview/days": "/overview",
    "/objection": "/appeal",
    "/objection/{appeal:id}/record": "/appeal/{appeal:id}/record",
    "/objection/{appeal:id}/withdraw": "/appeal/{appeal:id}/withdraw",
    "/runs/{run:id}/way-back": "/runs/{run:id}/revert-preview",
    "/runs/{run:id}/opinion": "/runs/{run:id}/vote",
    "/accounts/{account:name}/take": "/accounts/{account:name}/revoke-grant",
    "/desk/objections": "/desk/appeals",
    "/desk/objections/{appeal:id}": "/desk/appeals/{appeal:id}",
    "/desk/objections/{appeal:id}/answer": "/desk/appeals/{appeal:id}/answer",
    "/desk/objections/{appeal:id}/recheck": "/desk/appeals/{appeal:id}/recheck",
    "/desk/objections/{appeal:id}/record": "/desk/appeals/{appeal:id}/record",
    "/desk/look-again": "/desk/review-again",
    "/desk/classes/morning": "/desk/classes/review",
    "/desk/students/{number:name}/take-back": "/desk/students/{number:name}/withdraw-review",
}

_PARAMETER = re.compile(r"\{([a-z]+):[a-z]+\}")


class FormerAddress(Route):
    """A route that redirects to the current address, with its query. With 308, a form is sent there again."""


def former_addresses(routes: Iterable[BaseRoute]) -> Iterator[FormerAddress]:
    """Yield a redirect from each former address of these routes."""
    methods: dict[str, set[str]] = {}
    for route in routes:
        if isinstance(route, Route):
            methods.setdefault(route.path, set()).update(route.methods or ())
    for former, current in RENAMED.items():
        if current in methods:
            yield FormerAddress(former, _redirect_to(current), methods=sorted(methods[current]))


def _redirect_to(current: str) -> Callable[[Request], Awaitable[Response]]:
    async def redirect(request: Request) -> Response:
        parts = {name: quote(str(value), safe="") for name, value in request.path_params.items()}
        path = _PARAMETER.sub(lambda found: parts[found[1]], current)
        query = request.url.query
        return RedirectResponse(link(path) + (f"?{query}" if query else ""), 308)

    return redirect
