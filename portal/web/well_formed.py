"""Refuses requests whose address, cookies or headers are not text, before any page sees them.

No database stores a NUL or half of a character, and an address that is not UTF-8 would be read as another one.
Form fields are checked where forms are read: `portal.access.forms`.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import unquote_to_bytes, urlencode

from starlette.requests import Request, cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

#: How this portal's cookies begin. Cookies of other sites in the same domain are sent too, in any encoding.
_OWN_COOKIES = ("clearance", "__Host-clearance", "__Secure-clearance", "language")

#: The one parameter of a refused address that its answer keeps: the language.
_LANGUAGE = "lang"


class TextCheck:
    """Answers a request that is not text with `refuse`, and passes every other one on."""

    def __init__(self, app: ASGIApp, refuse: Callable[[Request], Awaitable[Response]]) -> None:
        self._app = app
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        if scope["type"] != "http" or is_text(scope):
            await self._app(scope, receive, send)
            return
        response = await self._refuse(Request(_blanked(scope)))
        await response(scope, receive, send)


def is_text(scope: Scope) -> bool:
    """Return whether the path, the query, the headers and this portal's cookies are text without a NUL."""
    raw_path: bytes = scope.get("raw_path") or b""
    sent = (scope["path"].encode("utf-8", "surrogatepass"), unquote_to_bytes(raw_path), scope["query_string"])
    if not all(map(_is_utf8, (*sent, unquote_to_bytes(scope["query_string"])))):
        return False
    for name, value in scope["headers"]:
        # Headers are read as Latin-1, so every byte is a character; some browsers send a Referer in GBK.
        if b"\0" in value or (name == b"cookie" and not _are_cookies(value)):
            return False
    return True


def _is_utf8(data: bytes) -> bool:
    if b"\0" in data:
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _are_cookies(value: bytes) -> bool:
    """Return whether our own cookies are text; a quoted one may write a NUL as an octal number."""
    kept = cookie_parser(value.decode("latin-1"))
    return all(_is_utf8(text.encode("latin-1", "replace")) for name, text in kept.items() if _is_own(name))


def _is_own(name: str) -> bool:
    return name.startswith(_OWN_COOKIES)


def _blanked(scope: Scope) -> Scope:
    """Return the request without the parts that are not text. The parts an answer needs are kept."""
    path = scope["path"].encode("utf-8", "replace").decode("utf-8").replace("\0", "")
    asked = Request({**scope, "headers": []}).query_params.get(_LANGUAGE, "")
    query = urlencode({_LANGUAGE: asked}) if asked.isascii() and asked.isalnum() else ""
    headers = [(name, value) for name, value in scope["headers"] if name != b"cookie" and b"\0" not in value]
    return {**scope, "path": path, "raw_path": b"/", "query_string": query.encode(), "headers": headers}
