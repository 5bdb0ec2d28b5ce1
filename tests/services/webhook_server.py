"""A real web server on loopback that receives notifications: it keeps them, and fails or stays silent on demand."""

import json
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.patience import PATIENCE


@dataclass(frozen=True, slots=True)
class Hooked:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class HookReply:
    """One answer."""

    status: int = 200
    body: bytes = b'{"errcode":0,"errmsg":"ok"}'
    location: str = ""
    #: Say nothing until the server is closed.
    silent: bool = False


class WebhookServer:
    """Answers each request with the next of `script`, then as a robot does that accepts it."""

    def __init__(self) -> None:
        self.calls: list[Hooked] = []
        self.script: deque[HookReply] = deque()
        self.over = threading.Event()
        #: Set with each request.
        self.called = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE)

    @property
    def url(self) -> str:
        """An address with a robot's key."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/send?key=ROBOT-KEY"

    def keys(self) -> list[str]:
        """Return the key of each event that was delivered, in order."""
        return [event["key"] for call in self.calls for event in call.json["events"]]

    def events(self) -> list[dict[str, Any]]:
        """Return each event that was delivered, in order."""
        return [event for call in self.calls for event in call.json["events"]]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                server.calls.append(Hooked(self.path, dict(self.headers), body))
                server.called.set()
                reply = server.script.popleft() if server.script else HookReply()
                if reply.silent:
                    server.over.wait(PATIENCE)
                    return
                self.send_response(reply.status)
                if reply.location:
                    self.send_header("Location", reply.location)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the library names it
                pass

        return Handler
