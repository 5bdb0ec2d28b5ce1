"""Bounds how long a request may take to arrive, and how many may be unfinished.

Only the body is read here; the server bounds the header. A request without a body is never counted. A body that arrives
within a second counts towards the total, but not against its address: a campus behind one address sends thousands.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from config.tables.limits import PortalLimits
from portal.web import addresses

#: A body that takes longer is slow, in seconds.
_SLOW_AFTER = 1.0

#: Each `_BYTES_A_SECOND` bytes received give a body one more second, up to `_LONGEST` seconds.
_BYTES_A_SECOND = 4096
_LONGEST = 600.0

#: A client takes each piece of an answer within this long, in seconds. A piece is 64 KiB or a whole page.
_TAKEN_WITHIN = 60.0

#: A refused client may try again after this long, in seconds.
_RETRY_AFTER = 10


class NotNow(HTTPException):
    """A request that is not answered now. `why` selects the text of the error page."""

    def __init__(self, status: int, why: str, retry_after: int, *, close: bool = False) -> None:
        headers = {"Retry-After": str(retry_after)} | ({"Connection": "close"} if close else {})
        super().__init__(status, headers=headers)
        self.why = why


@dataclass(eq=False, slots=True)
class _Body:
    """A body that has not arrived yet."""

    network: str
    began: float
    received: int = 0
    #: It is not read any further. (The exception is made where it is raised: kept here, it would keep the connection.)
    refused: bool = False
    #: Ends the wait for its next piece.
    waiting: asyncio.Timeout | None = None

    def refuse(self) -> None:
        """Stop reading it."""
        self.refused = True
        if self.waiting is not None:
            self.waiting.reschedule(asyncio.get_running_loop().time())


@dataclass(slots=True)
class UnfinishedBodies:
    """The bodies that have not arrived yet, in one process."""

    limits: PortalLimits
    _unfinished: int = 0
    _slow: dict[str, set[_Body]] = field(default_factory=dict)

    @property
    def unfinished(self) -> int:
        """How many there are."""
        return self._unfinished

    def full(self) -> bool:
        """Return whether no more are accepted."""
        return self._unfinished >= self.limits.unfinished

    def receiving(self, scope: Scope, receive: Receive) -> tuple[Receive, Callable[[], None]]:
        """Return how to receive the body within its time, and what to call when the request is over."""
        loop = asyncio.get_running_loop()
        body = _Body(addresses.network(addresses.of(scope)), loop.time())
        self._unfinished += 1
        # A late loop runs this after it has read the pieces that arrived meanwhile.
        grace = loop.call_later(_SLOW_AFTER, self._is_slow, body)
        over = False

        def end() -> None:
            nonlocal over
            if not over:
                over = True
                grace.cancel()
                self._unfinished -= 1
                self._forget(body)

        async def receive_in_time() -> Message:
            if over:
                return await receive()
            message = await self._next(body, receive)
            body.received += len(message.get("body", b""))
            if not message.get("more_body", False):
                end()
            return message

        return receive_in_time, end

    async def _next(self, body: _Body, receive: Receive) -> Message:
        if body.refused:
            raise _too_many_slow()
        allowed = min(self.limits.body_within.total_seconds() + body.received / _BYTES_A_SECOND, _LONGEST)
        try:
            async with asyncio.timeout_at(body.began + allowed) as body.waiting:
                return await receive()
        except TimeoutError:
            raise self._why(body) from None
        finally:
            body.waiting = None

    @staticmethod
    def _why(body: _Body) -> NotNow:
        return _too_many_slow() if body.refused else NotNow(408, "", _RETRY_AFTER, close=True)

    def _is_slow(self, body: _Body) -> None:
        """Count a body against its address. Above the limit, the body with the fewest bytes so far is refused."""
        slow = self._slow.setdefault(body.network, set())
        slow.add(body)
        if len(slow) > self.limits.slow_from_one:
            least = min(slow, key=lambda one: one.received)
            self._forget(least)
            least.refuse()

    def _forget(self, body: _Body) -> None:
        slow = self._slow.get(body.network, set())
        slow.discard(body)
        if not slow:
            self._slow.pop(body.network, None)


class BodyLimits:
    """Applies the bounds to every request that passes."""

    def __init__(
        self, app: ASGIApp, arriving: UnfinishedBodies, refuse: Callable[[Request, Exception], Awaitable[Response]]
    ) -> None:
        self._app = app
        self._arriving = arriving
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer within the bounds."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _taken_in_time(send)
        if not _has_body(scope):
            await self._app(scope, receive, send)
            return
        if self._arriving.full():
            refused = NotNow(503, "busy", _RETRY_AFTER, close=True)
            response = await self._refuse(Request(scope), refused)
            await response(scope, receive, send)
            return
        receive, end = self._arriving.receiving(scope, receive)
        try:
            await self._app(scope, receive, send)
        finally:
            end()


def _too_many_slow() -> NotNow:
    return NotNow(429, "many_slow", _RETRY_AFTER, close=True)


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip() not in (b"", b"0"))
        for name, value in scope["headers"]
    )


def _taken_in_time(send: Send) -> Send:
    """Return a `send` that drops the rest of an answer once the client has stopped reading."""
    gone = False

    async def send_in_time(message: Message) -> None:
        nonlocal gone
        if gone:
            return
        try:
            async with asyncio.timeout(_TAKEN_WITHIN):
                await send(message)
        except TimeoutError:
            gone = True

    return send_in_time
