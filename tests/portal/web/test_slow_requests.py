"""Requests that never end are bounded in time and number, and nobody else waits for them. Over real sockets."""

import selectors
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest
from starlette.applications import Starlette

from clearance.web import application
from config.tables.limits import PortalLimits
from tests.patience import PATIENCE, until
from tests.services.pages import served
from tests.services.university import free_port
from tests.world import World

MANY = 1_200

Serving = Callable[..., "Pages"]


class Pages:
    """The pages on a port, and sockets that ask for them."""

    def __init__(self, app: Starlette, port: int, stack: ExitStack) -> None:
        self.app = app
        self._port = port
        self._stack = stack

    @property
    def arriving(self) -> Any:
        """The bodies that have not arrived yet."""
        return self.app.state.arriving

    def connect(self, sent: bytes) -> socket.socket:
        """Open a connection and send this."""
        opened = self._stack.enter_context(closing(socket.create_connection(("127.0.0.1", self._port))))
        opened.settimeout(PATIENCE)
        opened.sendall(sent)
        return opened

    def slow(self, *headers: str) -> socket.socket:
        """Send a form's header, and one byte of its body."""
        return self.connect(_form(1000, *headers) + b"x")

    def status(self, path: str = "/sign-in", data: bytes | None = None) -> int:
        """Ask for a page as another visitor; return the status."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", data, PATIENCE) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


def _form(length: int, *headers: str) -> bytes:
    lines = ["POST /sign-in HTTP/1.1", "Host: testserver", f"Content-Length: {length}", *headers]
    lines.append("Content-Type: application/x-www-form-urlencoded")
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.fixture
def serving(university: World) -> Iterator[Serving]:
    """Serve the pages within limits, perhaps behind a proxy."""
    with ExitStack() as stack:

        def serve(*, proxies: tuple[str, ...] = (), **limits: Any) -> Pages:
            found = PortalLimits(**limits)
            portal = university.settings.portal.model_copy(update={"limits": found, "proxies": list(proxies)})
            app = application(university.settings.model_copy(update={"portal": portal}), clock=university.clock)
            stack.callback(app.state.services.close)
            port = free_port()
            stack.enter_context(served(app, port, found))
            return Pages(app, port, stack)

        yield serve


def answers(connections: list[socket.socket], count: int) -> list[bytes]:
    """Return the answers of the first so many connections that get one, each whole."""
    found: list[bytes] = []
    with selectors.DefaultSelector() as ready:
        for connection in connections:
            ready.register(connection, selectors.EVENT_READ)
        while len(found) < count:
            for key, _ in ready.select(PATIENCE):
                ready.unregister(key.fileobj)
                found.append(whole(key.fileobj))  # type: ignore[arg-type]  # sockets alone are registered
    return found


def unanswered(connections: list[socket.socket]) -> list[socket.socket]:
    """Return the connections that have neither an answer nor an end yet."""
    with selectors.DefaultSelector() as ready:
        for connection in connections:
            ready.register(connection, selectors.EVENT_READ)
        answered = {key.fileobj for key, _ in ready.select(0)}
    return [connection for connection in connections if connection not in answered]


def whole(connection: socket.socket) -> bytes:
    """Return what comes until the server closes the connection."""
    pieces: list[bytes] = []
    while True:
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            piece = b""
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)


@contextmanager
def released(connections: list[socket.socket]) -> Iterator[None]:
    yield
    for connection in connections:
        connection.close()


def test_1200_unfinished_forms_are_refused_but_for_some_while_another_visitors_page_answers(serving: Serving) -> None:
    pages = serving(body_within="60 s")
    slow = [pages.slow() for _ in range(MANY)]
    with released(slow):
        refused = answers(slow, MANY - pages.arriving.limits.slow_from_one)
        assert pages.status() == 200
        # A form that arrives whole is read: it lacks the token.
        assert pages.status(data=b"account=x") == 403
        assert len(unanswered(slow)) == pages.arriving.limits.slow_from_one
    assert {answer.split(b" ", 2)[1] for answer in refused} <= {b"429", b"503"}
    for answer in refused[::100]:
        assert b"\r\nretry-after: 10\r\n" in answer
        assert "请 15 秒后再试" in answer.decode()
    until(lambda: pages.arriving.unfinished == 0)
    assert pages.status(data=b"account=x") == 403


def test_the_server_closes_1200_connections_whose_headers_never_end(serving: Serving) -> None:
    pages = serving(header_within="1 s")
    slow = [pages.connect(b"GET /sign-in HTTP/1.1\r\nHost:") for _ in range(MANY)]
    assert pages.status() == 200
    assert set(answers(slow, MANY)) == {b""}


def test_a_header_of_more_than_32_kib_is_refused(serving: Serving) -> None:
    asked = serving().connect(b"GET /sign-in HTTP/1.1\r\nHost: testserver\r\nCookie: a=" + b"x" * 100_000 + b"\r\n\r\n")
    assert whole(asked).startswith(b"HTTP/1.1 431 ")


def test_a_form_that_does_not_arrive_in_time_is_answered_in_the_visitors_language(serving: Serving) -> None:
    pages = serving(body_within="1 s")
    chinese, english = pages.slow(), pages.slow("Accept-Language: en")
    answer = whole(chinese).decode()
    assert answer.startswith("HTTP/1.1 408 ")
    assert "网络太慢" in answer
    assert "Nothing was saved" in whole(english).decode()


def test_only_slow_requests_count_against_an_address(serving: Serving) -> None:
    pages = serving(slow_from_one=1, unfinished=1000)
    body = b"account=x"
    together = [pages.connect(_form(len(body), "Connection: close") + body) for _ in range(200)]
    assert {answer.split(b" ", 2)[1] for answer in answers(together, 200)} == {b"403"}


def test_behind_a_proxy_each_visitor_is_counted_alone(serving: Serving) -> None:
    pages = serving(proxies=("127.0.0.1",), slow_from_one=2, body_within="60 s")
    one = [pages.slow("X-Forwarded-For: 203.0.113.7") for _ in range(2)]
    other = [pages.slow("X-Forwarded-For: 203.0.113.8") for _ in range(3)]
    with released([*one, *other]):
        (refused,) = answers([*one, *other], 1)
        assert refused.startswith(b"HTTP/1.1 429 ")
        assert [len(unanswered(own)) for own in (one, other)] == [2, 2]
        one.append(pages.slow("X-Forwarded-For: 203.0.113.7"))
        (refused,) = answers(unanswered([*one, *other]), 1)
        assert refused.startswith(b"HTTP/1.1 429 ")
        assert [len(unanswered(own)) for own in (one, other)] == [2, 2]


def test_of_too_many_slow_requests_the_one_that_has_sent_least_is_refused(serving: Serving) -> None:
    pages = serving(slow_from_one=1, body_within="60 s")
    upload = pages.connect(_form(8000) + b"x" * 4000)
    with released([upload]):
        assert whole(pages.slow()).startswith(b"HTTP/1.1 429 ")
        upload.sendall(b"x" * 4000)
        assert upload.recv(12) == b"HTTP/1.1 403"


def test_no_more_bodies_are_read_than_may_be_unfinished(serving: Serving) -> None:
    pages = serving(unfinished=10, body_within="60 s")
    slow = [pages.slow() for _ in range(10)]
    with released(slow):
        until(pages.arriving.full)
        assert pages.status(data=b"account=x") == 503
        assert pages.status() == 200
    until(lambda: not pages.arriving.full())
    assert pages.status(data=b"account=x") == 403
