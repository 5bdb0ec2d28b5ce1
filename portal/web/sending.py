"""Sending files that are deleted once they are sent."""

from starlette.types import ASGIApp, Receive, Scope, Send

#: By this a server offers to send a file by its path alone, whenever it comes to it.
_BY_PATH = "http.response.pathsend"


class SendsItself:
    """Sends files itself, but for those that stay: by its path alone one would be looked for after it was deleted."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer without the server's offer."""
        if scope["type"] == "http" and not scope["path"].startswith("/static/"):
            extensions = {name: how for name, how in (scope.get("extensions") or {}).items() if name != _BY_PATH}
            scope = {**scope, "extensions": extensions}
        await self._app(scope, receive, send)
