"""Pages of students, kept for one browser until the second is over, or until anything has changed.

A browser that reloads asks for the same page again, with the same cookies. While both databases are as they were, and
the clock shows the same second, the answer is the same. Whoever writes to a database ends it: a sync, a decision, an
announcement, a session that ends, and a write of another program.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from datetime import datetime

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from status_db.queries.changes import Changes

#: Pages that are kept, of all browsers.
_MOST = 512

#: The headers that a page depends on. The cookies contain the session, the language, and announcements that were read.
_HEADERS = frozenset((b"cookie", b"accept-language", b"host"))


@dataclass(frozen=True, slots=True)
class PageKey:
    """All that a page depends on."""

    #: The state of the marks, and of the desk.
    states: tuple[object, object]
    second: int
    path: str
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]


@dataclass(slots=True)
class KeptPages:
    """The pages that one process has just sent."""

    marks: Changes
    desk: Changes
    _second: int = 0
    _pages: dict[Hashable, tuple[bytes, list[tuple[bytes, bytes]]]] = field(default_factory=dict)

    def states(self) -> tuple[object, object]:
        """Return the states of both databases."""
        return self.marks.state(), self.desk.state()

    def key(self, request: Request, states: tuple[object, object], now: datetime) -> PageKey:
        """Return the key of the page that a request asks for. The states are read before the page."""
        scope = request.scope
        headers = tuple((name, value) for name, value in scope["headers"] if name in _HEADERS)
        return PageKey(states, int(now.timestamp()), scope["path"], scope["query_string"], headers)

    def find(self, key: PageKey) -> Response | None:
        """Return the page that was kept under a key."""
        found = self._pages.get(key) if key.second == self._second else None
        if found is None:
            return None
        body, headers = found
        response = HTMLResponse(body)
        # What sends it adds to its headers.
        response.raw_headers = list(headers)
        return response

    def keep(self, key: PageKey, response: Response) -> None:
        """Keep a page that was shown; an error and a redirection are not kept."""
        if response.status_code != 200 or not isinstance(response, HTMLResponse):
            return
        if key.second != self._second or len(self._pages) >= _MOST:
            self._second = key.second
            self._pages.clear()
        self._pages[key] = bytes(response.body), list(response.raw_headers)

    def close(self) -> None:
        """Close its connections."""
        self.marks.close()
        self.desk.close()
