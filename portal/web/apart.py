"""Answers long questions in helper processes, so that they do not block the interpreter of the pages' process.

Each helper runs the same application, with lower priority, and answers one request at a time. A helper that takes too
long, or whose visitor has disconnected, is killed: nothing else stops a running computation. The next request starts
another.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message

from foundation.translation import tr
from portal.web.limits import NotNow
from portal.web.sent_files import SentOnce

#: Added to a helper's `nice` value.
_NICE = 15

#: A longer answer, in bytes, is handed over as a file.
_AS_FILE = 1_000_000

#: The parts of a request that a helper receives. The client's address is final: proxies are not read again.
_GIVEN = ("type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "query_string", "client", "server")
_NOT_GIVEN = (b"x-forwarded-for", b"x-forwarded-proto", b"range", b"if-range")

#: After a question took too long, the visitor may try again after this long, in seconds.
_RETRY_AFTER = 60


class HelperLost(Exception):  # noqa: N818 - named by its cause
    """A helper ended before it answered. Its own log has the reason."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """A helper's answer; a text as the body is the path of a file with it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes | str


class _Helper:
    """One process. Its first question starts it."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._ended = False
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection[Any, Any] | None = None

    def ask(self, question: dict[str, Any]) -> _Answer:
        """Wait for the answer and return it. Raises HelperLost."""
        try:
            if self._pipe is None:
                self._pipe = self._start()
            self._pipe.send(question)
            answer: _Answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self.end()
            raise HelperLost(tr("a helper process ended before it answered. Check its own log.")) from error
        return answer

    def _start(self) -> "Connection[Any, Any]":
        self._folder.mkdir(mode=0o700)
        ours, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [*self._command, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                # Files that it leaves behind when it is killed are deleted with the folder.
                env={**os.environ, "TMPDIR": str(self._folder)},
                # Ctrl-C reaches only the pages' process, which ends this one.
                start_new_session=True,
            )
        if self._ended:
            self._process.kill()
        return ours

    def end(self) -> None:
        """Kill the process and delete its files."""
        self._ended = True
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


class Apart:
    """Answers requests in helpers, up to `at_once` at the same time."""

    def __init__(self, command: Sequence[str], at_once: int, within: timedelta, folder: Path | None = None) -> None:
        self._command = command
        self._within = within
        #: In `folder`, or else in the system's folder for temporary files.
        self._folder = Path(tempfile.mkdtemp(prefix="answers-", dir=folder))
        self._idle: list[_Helper] = []
        self._busy: set[_Helper] = set()
        self._started = 0
        self._threads = ThreadPoolExecutor(at_once, "apart")

    async def answer(self, request: Request) -> Response:
        """Answer a request without a body. Raises NotNow when it takes too long, and HelperLost."""
        helper = self._idle.pop() if self._idle else self._new()
        self._busy.add(helper)
        loop = asyncio.get_running_loop()
        asking = loop.run_in_executor(self._threads, helper.ask, _question(request))
        try:
            async with asyncio.timeout(self._within.total_seconds()):
                answer = await asyncio.shield(asking)
        except BaseException as error:
            # Its thread still raises when the process ends, and nothing waits for it.
            asking.add_done_callback(lambda done: done.cancelled() or done.exception())
            loop.run_in_executor(None, helper.end)
            if isinstance(error, TimeoutError):
                raise NotNow(503, "too_long", _RETRY_AFTER) from None
            raise
        else:
            self._idle.append(helper)
        finally:
            self._busy.discard(helper)
        return self._response(answer)

    def _new(self) -> _Helper:
        self._started += 1
        return _Helper(self._command, self._folder / str(self._started))

    def _response(self, answer: _Answer) -> Response:
        response: Response
        if isinstance(answer.body, bytes):
            response = Response(answer.body, answer.status)
        else:
            # Outside the helper's own folder, which is deleted when the helper ends.
            folder = tempfile.TemporaryDirectory(prefix="sent-", dir=self._folder)
            file = Path(answer.body).rename(Path(folder.name, "answer"))
            response = SentOnce(folder, file, file.name)
            response.status_code = answer.status
        response.raw_headers = answer.headers
        return response

    def close(self) -> None:
        """End every helper."""
        for helper in (*self._idle, *self._busy):
            helper.end()
        self._threads.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)


def _question(request: Request) -> dict[str, Any]:
    scope = request.scope
    given = {name: scope[name] for name in _GIVEN if name in scope}
    headers = [(name, value) for name, value in scope["headers"] if name not in _NOT_GIVEN]
    return {**given, "headers": headers, "root_path": scope.get("app_root_path", scope.get("root_path", ""))}


def answer_all(app: ASGIApp, number: int) -> None:
    """Run a helper: answer the questions on the pipe with this file descriptor until it is closed."""
    os.nice(_NICE)
    with Connection(number) as pipe:
        asyncio.run(_answer_all(app, pipe))


async def _answer_all(app: ASGIApp, pipe: "Connection[Any, Any]") -> None:
    while True:
        try:
            question = pipe.recv()
        except EOFError:
            return
        pipe.send(await _answered(app, question))


async def _answered(app: ASGIApp, question: dict[str, Any]) -> _Answer:
    asked = False
    status, headers = 500, []

    async def receive() -> Message:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    with tempfile.SpooledTemporaryFile(_AS_FILE) as body:

        async def send(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [(bytes(name), bytes(value)) for name, value in message["headers"]]
            else:
                body.write(message.get("body", b""))

        await app({**question, "extensions": {}}, receive, send)
        length = body.tell()
        body.seek(0)
        if length <= _AS_FILE:
            return _Answer(status, headers, body.read())
        with tempfile.NamedTemporaryFile(delete=False) as file:
            shutil.copyfileobj(body, file)
        return _Answer(status, headers, file.name)
