"""Links: every address of our own that is sent to a browser is made here, and nowhere else.

Routes, and comparisons with the path of a request, do not include the prefix.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

#: The prefix of every path, where the portal is not at the root of its host: "/graduation". The proxy removes it from
#: requests. Each process of the server sets it once, before it makes the application.
PREFIX = ""

#: The prefix of the institution whose request is answered, where this process serves several.
_of_institution: ContextVar[str | None] = ContextVar("prefix", default=None)


def set_prefix(public_url: str) -> None:
    """Set the prefix to the path of this process's public address."""
    global PREFIX  # noqa: PLW0603 - one address for each process, needed wherever a link is made
    PREFIX = prefix_of(public_url)


def prefix_of(public_url: str) -> str:
    """Return the path of a public address."""
    return urlsplit(public_url).path.rstrip("/")


@contextmanager
def with_prefix(prefix: str) -> Iterator[None]:
    """Make links with this prefix until this ends, in this thread or task."""
    before = _of_institution.set(prefix)
    try:
        yield
    finally:
        _of_institution.reset(before)


def prefix() -> str:
    """Return the prefix of the links that are made now."""
    own = _of_institution.get()
    return PREFIX if own is None else own


def link(path: str, **query: object) -> str:
    """Return the address of a page of ours; empty values are left out, and `class_` is class."""
    return prefix() + _with_query(path, query)


def _with_query(path: str, query: Mapping[str, object]) -> str:
    asked = {name.rstrip("_"): value for name, value in query.items() if value}
    return f"{path}?{urlencode(asked)}" if asked else path


def is_link(address: str) -> bool:
    """Return whether an address is one that `link` makes, and not another host's."""
    return address.startswith(link("/")) and not address.startswith("//")


def public_link(public_url: str, path: str, **query: object) -> str:
    """Return the address of a page below a public address, which can be that of another process with its own prefix."""
    return public_url.rstrip("/") + _with_query(path, query)


def own_address(request: Request) -> str:
    """Return the address of this process as the browser's request names it."""
    return str(request.base_url).rstrip("/") + prefix()


def cookie_path(path: str = "") -> str:
    """Return the path of a cookie: browsers send it for this path and all below it, or for every page."""
    return f"{prefix()}{path}" or "/"


def see_other(address: str) -> Response:
    """Redirect a browser to another address, as `link` returns it."""
    return RedirectResponse(address, 303)
