"""A way to a real database that stops carrying its answers after so many bytes, and keeps every connection open."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from sqlalchemy import URL


class Halting:
    """Is in front of a server; `url` leads through it.

    `carried` counts the bytes of its answers; `halted` is true once it has stopped.
    """

    def __init__(self, url: URL, after: int) -> None:
        self._server = url
        self._after = after
        self.carried = 0
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        query = {key: value for key, value in url.query.items() if key not in ("unix_socket", "host", "port")}
        self.url = url.set(host="127.0.0.1", port=self._listener.getsockname()[1], query=query)
        self.halted = False

    def _dial(self) -> socket.socket:
        """Reach the server as its url names it: by a socket's path, or by host and port."""
        query = {key: str(value) for key, value in self._server.query.items()}
        port = self._server.port or int(
            query.get("port", 5432 if self._server.get_backend_name() == "postgresql" else 3306)
        )
        path = query.get("unix_socket") or (f"{query['host']}/.s.PGSQL.{port}" if "host" in query else "")
        if not path:
            return socket.create_connection((self._server.host or "127.0.0.1", port))
        end = socket.socket(socket.AF_UNIX)
        end.connect(path)
        return end

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = self._dial()
                self._ends += [near, far]
                threading.Thread(target=self._carry, args=(near, far, False), daemon=True).start()
                threading.Thread(target=self._carry, args=(far, near, True), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while piece := source.recv(65_536):
                if answers:
                    self.carried += len(piece)
                    if self.carried > self._after:
                        self.halted = True
                        return
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
