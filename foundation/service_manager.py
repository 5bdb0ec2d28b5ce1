"""Reports to the service manager that started this process, such as systemd: it is ready, it is alive, it stops.

The protocol is sd_notify(3): datagrams to the socket in $NOTIFY_SOCKET. Without that variable, nothing is sent.
"""

import os
import socket
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

_SOCKET, _INTERVAL, _PROCESS = VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """The service manager of this process."""

    #: Where it listens; empty without one.
    address: str = ""
    #: It ends this process after so long without a word; None if it does not watch.
    watchdog: timedelta | None = None

    @classmethod
    def of(cls, environ: MutableMapping[str, str]) -> "ServiceManager":
        """Return the manager that these variables name, and remove them: processes that this one starts have none."""
        address, interval, process = (environ.pop(name, "") for name in VARIABLES)
        watched = bool(address) and interval.isdigit() and process in ("", str(os.getpid()))
        return cls(address, timedelta(microseconds=int(interval)) if watched else None)

    @property
    def beat(self) -> timedelta | None:
        """How often to call `alive`: at half of the watchdog's time. None without a watchdog."""
        return self.watchdog / 2 if self.watchdog else None

    def ready(self) -> None:
        """Report that this process serves."""
        self._send("READY=1")

    def alive(self) -> None:
        """Report that this process still works."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Report that this process has begun to stop."""
        self._send("STOPPING=1")

    def _send(self, word: str) -> None:
        if not self.address:
            return
        where = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        # A manager that does not listen must not end the service; the watchdog then does.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.sendto(word.encode(), where)
