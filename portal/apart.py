"""Answers long questions in processes of their own, so that the pages' process keeps its interpreter to itself.

Each helper runs the same application, with lower priority, and answers one request at a time. One that takes too long,
or whose visitor has gone, is killed: nothing else ends a computation under way. The next request starts another.
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

from portal.limits import Refused
from portal.sent_files import SentOnce

#: By so much a helper gives way to other processes, as `nice` counts it.
_NICE = 10

#: An answer above this many bytes is handed over as a file.
_AS_FILE = 1_000_000

#: What of a request a helper is given. Where it came from is settled: no proxy is asked again.
_GIVEN = ("type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "query_string", "client", "server")
_NOT_GIVEN = (b"x-forwarded-for", b"x-forwarded-proto", b"range", b"if-range")

#: When somebody whose question took too long may try again, in seconds.
_RETRY_AFTER = 60


class HelperLost(Exception):  # noqa: N818 - named by what is so
    """A helper ended in the middle of an answer. The log of that process says why."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a helper answers: the body, or the file that holds it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes | str


class _Helper:
    """One process. It is started by its first question."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._command = command
        self._folder = folder
        self._ended = False
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection[Any, Any] | None = None

    def ask(self, question: dict[str, Any]) -> _Answer:
        """Return the answer; waits for it. Raises HelperLost."""
        try:
            if self._pipe is None:
                self._pipe = self._start()
            self._pipe.send(question)
            answer: _Answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            self.end()
            raise HelperLost("a helper process ended before it had answered") from error
        return answer

    def _start(self) -> "Connection[Any, Any]":
        self._folder.mkdir(mode=0o700)
        ours, theirs = Pipe()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                [*self._command, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                # What it leaves behind when it is killed goes with the folder.
                env={**os.environ, "TMPDIR": str(self._folder)},
                # Ctrl-C is for the pages' process, which ends this one.
                start_new_session=True,
            )
        if self._ended:
            self._process.kill()
        return ours

    def end(self) -> None:
        """Kill the process, and remove what it has left."""
        self._ended = True
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)


class Apart:
    """Answers requests in helpers; as many at once as are asked."""

    def __init__(self, command: Sequence[str], at_once: int, within: timedelta, folder: Path | None = None) -> None:
        self._command = command
        self._within = within
        #: Within the folder for temporary files, if no other is named.
        self._folder = Path(tempfile.mkdtemp(prefix="answers-", dir=folder))
        self._idle: list[_Helper] = []
        self._busy: set[_Helper] = set()
        self._started = 0
        self._threads = ThreadPoolExecutor(at_once, "apart")

    @property
    def started(self) -> int:
        """How many helpers have been started so far."""
        return self._started

    async def answer(self, request: Request) -> Response:
        """Answer a request without a body. Raises Refused after too long, and HelperLost."""
        helper = self._idle.pop() if self._idle else self._new()
        self._busy.add(helper)
        loop = asyncio.get_running_loop()
        asking = loop.run_in_executor(self._threads, helper.ask, _question(request))
        try:
            async with asyncio.timeout(self._within.total_seconds()):
                answer = await asyncio.shield(asking)
        except BaseException as error:
            # Its thread sees the process end, and raises into nowhere.
            asking.add_done_callback(lambda done: done.cancelled() or done.exception())
            loop.run_in_executor(None, helper.end)
            if isinstance(error, TimeoutError):
                raise Refused(503, "too_long", _RETRY_AFTER) from None
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
            # Outside the helper's own folder, which goes when the helper ends.
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
    """Be a helper: answer what comes through the pipe with this number, until it is closed."""
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
