"""Long questions: overviews, lists, exports and PDFs. A few are answered at once, some wait, the rest are refused.

They share one queue in each process, separate from the short questions, so that many exports at once do not slow down
the students' own pages. A visitor who disconnects leaves the queue.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive

from config.tables.limits import PortalLimits
from portal.web.limits import NotNow

#: Retry after this long, in seconds: when the queue is full, and when the visitor's own questions are not answered yet.
_RETRY_FULL = 30
_RETRY_OWN = 10


class Elsewhere(Protocol):
    """Answers requests outside this process."""

    async def answer(self, request: Request) -> Response:
        """Return the answer. Raises NotNow when it takes too long."""
        ...

    def close(self) -> None:
        """Answer no more."""
        ...


@dataclass(slots=True)
class LongQuestions:
    """The queue of one process."""

    limits: PortalLimits
    #: Answers them outside this process; None to answer them here.
    elsewhere: Elsewhere | None = None
    _answered: int = 0
    _waiting: deque[asyncio.Future[None]] = field(default_factory=deque)
    _by_person: Counter[str] = field(default_factory=Counter)

    @property
    def answered(self) -> int:
        """How many are being answered."""
        return self._answered

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def answer(self, request: Request, person: str, here: Callable[[], Awaitable[Response]]) -> Response:
        """Answer a request without a body, in its turn; `here` answers it in this process. Raises as `place` does."""
        async with self.place(request, person) as gone:
            if self.elsewhere is None:
                return await here()
            return await _unless(gone, self.elsewhere.answer(request))

    @asynccontextmanager
    async def place(self, request: Request, person: str) -> AsyncIterator[asyncio.Future[None]]:
        """Wait for a place and hold it; yields a future that is done once the visitor has disconnected.

        The request's body must have been read. Raises NotNow when the queue is full, and ClientDisconnect when the
        visitor disconnects before their turn.
        """
        if self._by_person[person] >= self.limits.long_of_one:
            raise NotNow(429, "own_queue", _RETRY_OWN)
        if self._answered >= self.limits.long_at_once and len(self._waiting) >= self.limits.long_waiting:
            raise NotNow(503, "queue_full", _RETRY_FULL)
        self._by_person[person] += 1
        gone = asyncio.ensure_future(_gone(request.receive))
        try:
            await self._turn(gone)
            try:
                yield gone
            finally:
                self._next()
        finally:
            gone.cancel()
            self._by_person[person] -= 1
            if not self._by_person[person]:
                del self._by_person[person]

    async def _turn(self, gone: asyncio.Future[None]) -> None:
        """Wait for a place."""
        if self._answered < self.limits.long_at_once:
            self._answered += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait({turn, gone}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._leave(turn)
            raise
        if gone.done():
            self._leave(turn)
            raise ClientDisconnect

    def _leave(self, turn: asyncio.Future[None]) -> None:
        """Leave the queue; a place that has just been given passes to the next."""
        if turn.done():
            self._next()
        else:
            self._waiting.remove(turn)

    def _next(self) -> None:
        """Pass a place to the first in the queue."""
        if self._waiting:
            self._waiting.popleft().set_result(None)
        else:
            self._answered -= 1

    def close(self) -> None:
        """Answer no more."""
        if self.elsewhere is not None:
            self.elsewhere.close()


async def _gone(receive: Receive) -> None:
    """Return once the visitor has disconnected."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _unless(gone: asyncio.Future[None], answer: Awaitable[Response]) -> Response:
    """Return the answer. Raises ClientDisconnect when the visitor disconnects first."""
    answering = asyncio.ensure_future(answer)
    either: set[asyncio.Future[Any]] = {answering, gone}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise ClientDisconnect
        return answering.result()
    finally:
        answering.cancel()
