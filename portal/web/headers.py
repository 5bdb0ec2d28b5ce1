"""The headers of every answer: no content from other hosts, no inline content, no caching of personal pages.

Only one page has a script. Its policy allows exactly that script by its hash.
"""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from portal.web import own_script

_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

_EVERY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With `no-referrer` browsers would also hide the origin of our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

#: For a year browsers use only https for this host. Subdomains are left out: other services may run there.
_HTTPS_ALONE = "max-age=31536000"

#: Links to static files contain a digest of their content, so browsers can cache them without limit.
_STATIC = "public, max-age=31536000, immutable"


def put(headers: MutableHeaders, path: str, *, https: bool) -> None:
    """Add the headers to an answer about `path`; `https` if visitors use https."""
    for name, value in _EVERY.items():
        headers[name] = value
    own = f"; script-src {own_script.SOURCES[path]}" if path in own_script.SOURCES else ""
    headers["Content-Security-Policy"] = _POLICY + own
    if https:
        headers["Strict-Transport-Security"] = _HTTPS_ALONE
    headers["Cache-Control"] = _STATIC if path.startswith("/static/") else "no-store"


class Headers:
    """Adds the headers to every answer."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                put(MutableHeaders(scope=message), scope["path"], https=self._https)
            await send(message)

        await self._app(scope, receive, send_with_headers)
