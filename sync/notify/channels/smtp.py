"""SMTP with a bound on the whole conversation.

`smtplib` bounds each read. A server that sends one byte now and then passes every such bound, and would never end.
"""

import io
import smtplib
import socket
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

#: The most bytes that a server sends in one conversation; an honest one sends some hundreds.
_MOST_BYTES = 100_000

#: Bytes that are sent under one bound: a record of TLS.
_CHUNK = 16_384


class DeliveryDeadline:
    """When a conversation ends at the latest, and how long each of its steps may take, in seconds."""

    def __init__(self, step: float, whole: float) -> None:
        self._step = step
        self._until = time.monotonic() + whole

    @property
    def over(self) -> bool:
        """Whether the time for the whole is used up."""
        return time.monotonic() >= self._until

    def next_step(self) -> float:
        """Return the seconds for the next step. Raises TimeoutError if none are left."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        return min(self._step, left)


class BoundedSmtp(smtplib.SMTP):
    """A conversation that ends at its deadline."""

    def __init__(self, host: str, port: int, deadline: DeliveryDeadline, **more: Any) -> None:  # noqa: ANN401 - as the library accepts them
        """Connect, and read the greeting. Raises as smtplib.SMTP does."""
        self._deadline = deadline
        super().__init__(host, port, timeout=deadline.next_step(), **more)

    def getreply(self) -> tuple[int, bytes]:
        """Read a reply; each read takes its time from what is left."""
        if self.file is None and self.sock is not None:
            self.file = io.BufferedReader(_BoundedReader(self.sock, self._deadline))
        return super().getreply()

    def send(self, s: "ReadableBuffer | str") -> None:
        """Send in chunks, each within what is left."""
        content = s.encode(self.command_encoding) if isinstance(s, str) else bytes(s)
        for start in range(0, len(content), _CHUNK):
            if self.sock is not None:
                self.sock.settimeout(self._deadline.next_step())
            super().send(content[start : start + _CHUNK])


class BoundedSmtpSsl(BoundedSmtp, smtplib.SMTP_SSL):
    """The same with TLS from the start."""


class _BoundedReader(io.RawIOBase):
    """Reads from a socket until the deadline, and not without end."""

    def __init__(self, connection: socket.socket, deadline: DeliveryDeadline) -> None:
        self._connection = connection
        self._deadline = deadline
        self._left = _MOST_BYTES

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read what has come. Raises OSError."""
        self._connection.settimeout(self._deadline.next_step())
        read = self._connection.recv_into(buffer)
        self._left -= read
        if self._left < 0:
            raise ConnectionAbortedError
        return read
