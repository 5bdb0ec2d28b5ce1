"""A proxy on loopback that carries bytes between a connector and a real server, until a fault befalls them.

A fault is due after so many bytes in one direction of one connection, so that the same fault falls in the same place
each time. The proxy counts what it carried and how often its fault fired: a test that broke nothing proves nothing.
"""

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Self

Direction = Literal["question", "answer"]
Action = Literal["cut", "reset", "stall", "drip", "refuse"]

_CHUNK = 1 << 16

#: So often a connection looks whether the proxy is being closed.
_LOOK = 0.05

Address = tuple[str, int] | str


@dataclass(frozen=True, slots=True)
class Fault:
    """What befalls a connection, and where.

    cut     both sides are closed in order
    reset   both sides are reset
    stall   nothing passes any more, in either direction, and nothing is closed
    drip    the rest passes in pieces, with a pause before each
    refuse  the connection is reset before a byte has passed
    """

    action: Action
    #: Question: what the connector sends. Answer: what the server sends.
    direction: Direction = "answer"
    #: Bytes that pass in that direction before it is due.
    after: int = 0
    #: For a drip.
    piece: int = 1
    pause: float = 0.0
    #: It befalls so many connections; None for each.
    times: int | None = None


class FaultProxy:
    """A proxy at `port`. Enter it to start it; leaving stops it and waits for its threads."""

    def __init__(self, server: Address) -> None:
        """Carry to `server`: host and port, or the path of a socket."""
        self._server = server
        self._fault: Fault | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        #: Times the fault has fired, connections that came, and the most bytes one of them carried each way.
        self.fired = 0
        self.connections = 0
        self.carried: dict[Direction, int] = {"question": 0, "answer": 0}
        #: Hears each piece of a question before it passes.
        self.overhears: Callable[[bytes], None] = lambda _question: None

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            # Wakes the accept that waits.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def inject(self, fault: Fault | None) -> None:
        """Have this befall the connections that come from now on, and count again; None for no fault."""
        with self._lock:
            self._fault = fault
            self.fired = self.connections = 0
            self.carried = {"question": 0, "answer": 0}

    def _start(self, what: Callable[[], None]) -> None:
        thread = threading.Thread(target=what, name="fault proxy")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self._threads = [thread for thread in self._threads if thread.is_alive()]
            self._start(lambda client=client: self._carry(client))  # type: ignore[misc]  # mypy cannot infer the default

    def _connected(self) -> socket.socket:
        if isinstance(self._server, str):
            server = socket.socket(socket.AF_UNIX)
            server.connect(self._server)
            return server
        server = socket.create_connection(self._server)
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return server

    def _due(self) -> Fault | None:
        """Return what shall befall the connection that has just come."""
        with self._lock:
            self.connections += 1
            fault = self._fault
            return None if fault is None or (fault.times is not None and self.connections > fault.times) else fault

    def _fires(self) -> None:
        with self._lock:
            self.fired += 1

    def _carry(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fault = self._due()
        with client:
            if fault is not None and fault.action == "refuse":
                self._fires()
                _reset(client)
                return
            with contextlib.suppress(OSError), self._connected() as server:
                self._carry_between(client, server, fault)

    def _carry_between(self, client: socket.socket, server: socket.socket, fault: Fault | None) -> None:
        ways: dict[socket.socket, tuple[socket.socket, Direction]] = {
            client: (server, "question"),
            server: (client, "answer"),
        }
        carried: dict[Direction, int] = {"question": 0, "answer": 0}
        dripping = False
        while ways and not self._stopping.is_set():
            for ready in select.select(list(ways), [], [], _LOOK)[0]:
                other, direction = ways[ready]
                due = fault if fault is not None and fault.direction == direction else None
                size = _CHUNK if due is None else due.piece if dripping else max(1, due.after - carried[direction])
                data = ready.recv(min(size, _CHUNK))
                if not data:
                    del ways[ready]
                    other.shutdown(socket.SHUT_WR)
                    continue
                if direction == "question":
                    self.overhears(data)
                if due is not None and dripping and self._stopping.wait(due.pause):
                    return
                other.sendall(data)
                carried[direction] += len(data)
                self._note(carried)
                if due is None or dripping or carried[direction] < due.after:
                    continue
                self._fires()
                if due.action == "drip":
                    dripping = True
                    continue
                self._end(due, client, server)
                return

    def _note(self, carried: dict[Direction, int]) -> None:
        with self._lock:
            for direction, count in carried.items():
                self.carried[direction] = max(self.carried[direction], count)

    def _end(self, fault: Fault, client: socket.socket, server: socket.socket) -> None:
        if fault.action == "reset":
            _reset(client)
            _reset(server)
        while fault.action == "stall" and not self._stopping.is_set():
            # What the client still says is let fall; when it goes, the stall is over.
            if select.select([client], [], [], _LOOK)[0] and not client.recv(_CHUNK):
                return


def _reset(end: socket.socket) -> None:
    """Close with a reset instead of an end: no lingering, as SO_LINGER of zero seconds does it."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()
