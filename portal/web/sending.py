"""Sends files that are deleted afterwards."""

from starlette.types import ASGIApp, Receive, Scope, Send

#: With this extension a server offers to send a file by its path, at a later time.
_BY_PATH = "http.response.pathsend"


class FileSending:
    """Sends files itself, except static ones: by its path, the server could look for a file after it was deleted."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer without the server's offer."""
        if scope["type"] == "http" and not scope["path"].startswith("/static/"):
            extensions = {name: how for name, how in (scope.get("extensions") or {}).items() if name != _BY_PATH}
            scope = {**scope, "extensions": extensions}
        await self._app(scope, receive, send)
