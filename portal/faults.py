"""What happens when a page breaks: it is answered and noted, and nobody else waits for it.

Writing out a traceback reads source files and takes long enough to be felt, so it is done by a thread of its own, a
bounded number at once. A client that goes away is no fault.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: So many tracebacks wait to be written at most; of any further fault only its kind is noted.
_WAITING = 8

#: An address is noted up to here.
_LONGEST_PATH = 200


class AnswerCutOff(Exception):  # noqa: N818 - named by what is so
    """A page broke after its answer had begun: the server must close the connection, or it would look complete."""


@dataclass(slots=True)
class FaultLog:
    """Notes what broke, with its traceback."""

    _writing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "faults"))
    _waiting: int = 0

    async def note(self, request: Request, error: Exception) -> None:
        """Note a fault; return once it is written."""
        log, path = structlog.get_logger("clearance.portal"), noted_path(request)
        if self._waiting >= _WAITING:
            log.error("page broke", path=path, error=type(error).__name__, traceback="left out: too many at once")
            return
        self._waiting += 1
        try:
            context = copy_context()
            write = lambda: context.run(log.error, "page broke", path=path, exc_info=error)  # noqa: E731
            await asyncio.get_running_loop().run_in_executor(self._writing, write)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Let go of the thread."""
        self._writing.shutdown()


class Faults:
    """Answers whatever breaks within with what `broken` says. Nothing is passed on to the server's own log."""

    def __init__(self, app: ASGIApp, broken: Callable[[Request, Exception], Awaitable[Response]]) -> None:
        self._app = app
        self._broken = broken

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer. Raises AnswerCutOff where an answer had begun."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def send_noting(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        request = Request(scope, receive)
        try:
            await self._app(scope, receive, send_noting)
        except ClientDisconnect:
            structlog.get_logger("clearance.portal").info("client went away", path=noted_path(request))
            if not begun:
                # Nobody reads it; without it the server would note an answer that is missing.
                await Response(status_code=400)(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - whatever broke is answered here
            response = await self._broken(request, error)
            if begun:
                raise AnswerCutOff(f"the answer was cut off by {type(error).__name__}") from None
            await response(scope, receive, send)


def noted_path(request: Request) -> str:
    """Return the path of a request as it is noted: without its query, and not longer than somebody reads."""
    path = request.url.path
    return path if len(path) <= _LONGEST_PATH else path[:_LONGEST_PATH] + "…"
