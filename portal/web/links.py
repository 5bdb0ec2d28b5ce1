"""Links: every address of our own that is sent to a browser is made here, and nowhere else.

Routes, and comparisons with the path of a request, do not include the prefix.
"""

from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

#: The prefix of every path, where the portal is not at the root of its host: "/graduation".
PREFIX = ""


def link(path: str, **query: object) -> str:
    """Return the address of a page of ours; empty values are left out, and `class_` is class."""
    asked = {name.rstrip("_"): value for name, value in query.items() if value}
    return f"{PREFIX}{path}?{urlencode(asked)}" if asked else f"{PREFIX}{path}"


def is_link(address: str) -> bool:
    """Return whether an address is one that `link` makes, and not another host's."""
    return address.startswith(link("/")) and not address.startswith("//")


def public_link(public_url: str, path: str, **query: object) -> str:
    """Return the address of a page of ours as other hosts know it."""
    return public_url.rstrip("/") + link(path, **query)


def cookie_path(path: str = "") -> str:
    """Return the path of a cookie: browsers send it for this path and all below it, or for every page."""
    return f"{PREFIX}{path}" or "/"


def see_other(address: str) -> Response:
    """Redirect a browser to another address, as `link` returns it."""
    return RedirectResponse(address, 303)
