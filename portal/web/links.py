"""Links: every address of our own that is sent to a browser is written here."""

from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response


def link(path: str, **query: object) -> str:
    """Return the address of a page of ours; empty values are left out, and `class_` is class."""
    asked = {name.rstrip("_"): value for name, value in query.items() if value}
    return f"{path}?{urlencode(asked)}" if asked else path


def see_other(address: str) -> Response:
    """Send a browser on to another address."""
    return RedirectResponse(address, 303)
