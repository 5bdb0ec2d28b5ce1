"""A real web server on loopback that represents an office's JSON API: it pages, lets in, counts, and fails on demand.

It is asked over real sockets by the real client. A test fills `rows`, chooses how it pages and where it reports its
total, and may lay replies into `script`: each is given once, before the ordinary answers go on.
"""

import base64
import contextlib
import json
import re
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

Style = Literal["none", "page", "offset", "link", "cursor", "key"]

#: The address of one student's records.
_ONE = re.compile(r"/api/students/([^/]+)/loans")


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as it came."""

    method: str
    path: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, and what befalls it on its way."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Bytes announced as Content-Length; "right" for as many as there are, None for no word about it.
    length: Literal["right"] | int | None = "right"
    #: Seconds between one byte and the next; 0 sends them together.
    drip: float = 0.0
    #: Closes the connection without any answer.
    hang_up: bool = False
    #: Seconds before anything is said.
    late: float = 0.0


def as_json(said: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Return an ordinary JSON answer."""
    named = {"Content-Type": "application/json", **(headers or {})}
    return Reply(json.dumps(said, ensure_ascii=False).encode(), status, named)


class HttpOffice:
    """An office's system at `url`. Enter it to start it; leaving stops it and waits for its threads.

    A system of another shape is a class below this one that has the addresses and answers of its data and its login.
    """

    token_path = "/api/token"
    data_paths: tuple[str, ...] = ("/api/loans",)

    def __init__(self, rows: Sequence[Mapping[str, Any]] = (), style: Style = "page", total: str = "body") -> None:
        self.rows: list[dict[str, Any]] = [dict(row) for row in rows]
        self.style = style
        #: "body", "header" or "" for a system that tells no total.
        self.total = total
        #: Never more records than this on a page, whatever is asked for.
        self.most = 100
        self.calls: list[Call] = []
        #: Replies given once each, in order, to requests for data; None for the ordinary answer.
        self.script: deque[Reply | None] = deque()
        #: Sent with each answer: an ETag, a time of its last change.
        self.versions: dict[str, str] = {}
        #: The ETag of a page, made from its body; a request that names it is answered 304.
        self.tags: Callable[[bytes], str] = lambda _body: ""
        #: The same for requests to log in.
        self.login_script: deque[Reply] = deque()
        #: What befalls a request for data, told by what it asks; None for the ordinary answer.
        self.befalls: Callable[[Call], Reply | None] = lambda _call: None
        #: The numbers it knows at the address of one student, /api/students/NUMBER/loans; None for every number.
        self.known: set[str] | None = None
        #: Says whether a request for data may come in.
        self.admits: Callable[[Call], bool] = lambda _call: True
        #: Tokens that are good, the latest last.
        self.tokens: list[str] = []
        #: Changes a page's records, given the page's number from 1.
        self.tamper: Callable[[int, list[dict[str, Any]]], list[dict[str, Any]]] = lambda _page, records: records
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._server = _Server(("127.0.0.1", 0), self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._thread.join()
        with self._lock:
            for connection in self._connections:
                # A client may have left it open; its thread would wait for another request.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

    @property
    def root(self) -> str:
        """The address of the server itself."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The address of the data."""
        return f"{self.root}{self.data_paths[0]}"

    @property
    def asked(self) -> list[Call]:
        """The requests for data."""
        return [call for call in self.calls if call.path in self.data_paths or _ONE.fullmatch(call.path)]

    @property
    def logins(self) -> list[Call]:
        """The requests to log in."""
        return [call for call in self.calls if call.path == self.token_path]

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    def came(self, connection: socket.socket) -> None:
        """Note that a connection is open."""
        with self._lock:
            self._connections.add(connection)

    def went(self, connection: socket.socket) -> None:
        """Note that a connection is closed."""
        with self._lock:
            self._connections.discard(connection)

    def shift_once(self, table: list[dict[str, Any]], gone: int, new: dict[str, Any], path: str = "") -> None:
        """Have a record of a table go and a new one come at its end, once, after its first page has been read."""

        def once(page: int, records: list[dict[str, Any]]) -> list[dict[str, Any]]:
            if page == 1 and table[-1] is not new and (not path or self.calls[-1].path == path):
                del table[gone]
                table.append(new)
            return records

        self.tamper = once

    def answer(self, call: Call) -> Reply:
        """Return the answer to a request."""
        with self._lock:
            self.calls.append(call)
            if call.path == self.token_path:
                return self.login_script.popleft() if self.login_script else self._log_in(call)
            one = _ONE.fullmatch(call.path)
            if call.path not in self.data_paths and not one:
                return as_json({"message": "no such address"}, 404)
            scripted = self.script.popleft() if self.script else self.befalls(call)
            if scripted is not None:
                return scripted
            if not self.admits(call):
                return as_json({"message": "log in first"}, 401)
            if one is None:
                return self._tagged(call, self._page(call))
            number = unquote(one[1])
            if self.known is not None and number not in self.known:
                return as_json({"message": "no such student"}, 404)
            return self._page(replace(call, params={**call.params, "number": number}))

    def _tagged(self, call: Call, reply: Reply) -> Reply:
        tag = self.tags(reply.body)
        if not tag:
            return reply
        headers = {**reply.headers, "ETag": tag}
        if call.headers.get("If-None-Match") == tag:
            return Reply(status=304, headers={"ETag": tag})
        return replace(reply, headers=headers)

    def _log_in(self, _call: Call) -> Reply:
        self.tokens.append(f"token-number-{len(self.tokens) + 1}")
        return as_json({"access_token": self.tokens[-1], "data": {"token": self.tokens[-1]}, "expires_in": 7200})

    def _page(self, call: Call) -> Reply:
        rows, params = self.rows, call.params
        if "number" in params:
            rows = [row for row in rows if row.get("NUMBER") == params["number"]]
        size = len(rows) or 1
        start, number = 0, 1
        if self.style != "none":
            size = min(int(params.get("limit", params.get("page_size", self.most))), self.most)
        if self.style == "offset":
            start = int(params.get("offset", 0))
            number = start // size + 1
        elif self.style in ("page", "link"):
            number = int(params.get("page", 1))
            start = (number - 1) * size
        elif self.style == "key":
            keys = [row["BARCODE"] for row in rows]
            start = keys.index(params["after"]) + 1 if "after" in params and params["after"] in keys else 0
            number = start // size + 1
        elif self.style == "cursor":
            start = int(params.get("cursor", "after-0").removeprefix("after-"))
            number = start // size + 1
        records = self.tamper(number, [dict(row) for row in rows[start : start + size]])
        more = start + size < len(rows)
        data: dict[str, Any] = {"rows": records}
        headers = {}
        if self.total == "body":
            data["total"] = len(rows)
        elif self.total == "header":
            headers["X-Total-Count"] = str(len(rows))
        if self.style == "cursor":
            data["next"] = f"after-{start + size}" if more else None
        if self.style == "link" and more:
            headers["Link"] = f'</api/loans?page={number + 1}&page_size={size}>; rel="next", </api/loans>; rel="first"'
        return as_json({"code": 0, "msg": "ok", "data": data}, headers={**headers, **self.versions})


class _Server(ThreadingHTTPServer):
    # Leaving waits for every thread, so that none outlives its test.
    daemon_threads = False
    block_on_close = True

    def __init__(self, address: tuple[str, int], office: HttpOffice) -> None:
        self.office = office
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up is part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    # Head and body go out in two writes; the second does not wait for the first to be acknowledged.
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        self.server.office.came(self.connection)

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.server.office.went(self.connection)

    def do_GET(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def _serve(self) -> None:
        address = urlsplit(self.path)
        params = {name: values[-1] for name, values in parse_qs(address.query, keep_blank_values=True).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        # Header names come in any case; a test reads them by the usual one.
        headers = {name.title(): value for name, value in self.headers.items()}
        reply = self.server.office.answer(Call(self.command, address.path, params, headers, body))
        self.server.office.stopping.wait(reply.late)
        if reply.hang_up:
            self.close_connection = True
            return
        with contextlib.suppress(OSError):
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.length is not None:
            self.send_header("Content-Length", str(len(reply.body) if reply.length == "right" else reply.length))
        if reply.length != "right":
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        if self.command == "HEAD":
            return
        if not reply.drip:
            self.wfile.write(reply.body)
            return
        for byte in reply.body:
            self.wfile.write(bytes([byte]))
            if self.server.office.stopping.wait(reply.drip):
                self.close_connection = True
                return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server names it so
        """Say nothing: a test's output belongs to the test."""


def basic(user: str, password: str) -> str:
    """Return the Authorization header for a user and a password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
