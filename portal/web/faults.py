"""What happens when a page raises: the error page is sent, the fault is logged, and no other request waits for it.

Writing a traceback reads source files and is slow enough to delay other requests. It runs in a thread of its own, and
only a bounded number wait for it. A client that disconnects is not a fault.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass, field

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.log_names import StudentNo

#: At most this many tracebacks wait to be written; of a further fault only the type is logged.
_WAITING = 8

#: A longer path is cut in the log, in characters.
_LONGEST_PATH = 200


class AnswerCutOff(Exception):  # noqa: N818 - named by what is so
    """A page raised after its answer had begun. The server closes the connection, so that it does not look complete."""


@dataclass(slots=True)
class FaultLog:
    """Logs faults with their tracebacks."""

    _writing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "faults"))
    _waiting: int = 0

    async def note(self, request: Request, error: Exception) -> None:
        """Log a fault; return once it is written."""
        log, path = structlog.get_logger("clearance.portal"), noted_path(request)
        if self._waiting >= _WAITING:
            log.error("page broke", path=path, error=type(error).__name__, traceback="left out: too many at once")
            return
        self._waiting += 1
        try:
            context = copy_context()
            write = lambda: context.run(log.error, "page broke", path=path, exc_info=error)  # noqa: E731
            with suppress(RuntimeError):
                # If this process is stopping, its thread accepts no more work.
                await asyncio.get_running_loop().run_in_executor(self._writing, copy_context().run, write)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Stop the thread."""
        self._writing.shutdown()


class Faults:
    """Answers every exception from within with `broken`. The server's own log gets none of them."""

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
                # No client reads it. Without it the server would log a missing answer.
                await Response(status_code=400)(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - whatever broke is answered here
            response = await self._broken(request, error)
            if begun:
                raise AnswerCutOff(f"the answer was cut off by {type(error).__name__}") from None
            await response(scope, receive, send)


def noted_path(request: Request) -> str:
    """Return the path of a request for the log: without its query, numbers and tokens, at most 200 characters long."""
    path = request.url.path
    for name, value in request.scope.get("path_params", {}).items():
        if isinstance(value, str) and value:
            path = path.replace(value, "…" if name == "token" else str(StudentNo(value)))
    return path if len(path) <= _LONGEST_PATH else path[:_LONGEST_PATH] + "…"
