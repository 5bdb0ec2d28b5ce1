"""The web server: granian with its application, address and limits."""

import resource
import socket
import time
from contextlib import suppress
from enum import StrEnum
from threading import Thread
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from config.tables.limits import PortalLimits
from foundation.refusals import Refused
from foundation.service_manager import ServiceManager
from foundation.translation import tr

#: The longest header of a request, in bytes: an address, cookies, and what a browser adds.
_LONGEST_HEADER = 32 * 1024

#: Connections that the system queues until a worker accepts them.
_BACKLOG = 1024

#: Files that a process opens in addition to its connections.
_OTHER_FILES = 256


#: How often to look whether the workers answer, in seconds, until they do; and how long an answer may take.
_STARTS = 0.3
_ANSWERS_WITHIN = 10.0

#: A worker that has not ended this long after a stop is killed, in seconds.
_WORKERS_END_WITHIN = 20


class ListenCode(StrEnum):
    """Why the server cannot listen on an address."""

    #: The address is in use, is not on this machine, or needs more rights.
    REFUSED = "refused"


class CannotListen(Refused[ListenCode]):
    """The server cannot listen on the address. The text has the reason and the fix."""


def refuse_used_port(host: str, port: int) -> None:
    """Raise CannotListen if the server could not listen there; it would fail with a traceback itself."""
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise CannotListen(
            ListenCode.REFUSED,
            tr(
                "the pages cannot be served on {host}, port {port}: {error}. Choose another port with --port "
                "(make demo PORT=…) or in [portal].",
                host=host,
                port=port,
                error=error.strerror or error,
            ),
        ) from error


def local_address(host: str) -> str:
    """Return the address at which this machine reaches a server that listens on a host, also on every address."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - compared, not bound


def serve(
    target: str, host: str, port: int, workers: int, limits: PortalLimits, manager: ServiceManager | None = None
) -> None:
    """Serve until stopped by SIGTERM or Ctrl-C; `target` is the function that returns the application, module:function.

    Each worker is a process of its own that imports the target. A service `manager` is notified when the workers
    answer, and as long as they do. Raises CannotListen.
    """
    refuse_used_port(host, port)
    if manager is not None and manager.address:
        Thread(target=_report, args=(manager, local_address(host), port), name="watchdog", daemon=True).start()
    Granian(
        target,
        address=host,
        port=port,
        factory=True,
        workers=workers,
        log_access=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        # A worker that is just starting can miss the signal.
        workers_kill_timeout=_WORKERS_END_WITHIN,
        **bounds(limits),
    ).serve()


def _report(manager: ServiceManager, host: str, port: int) -> None:
    """Report to the manager once a worker answers, then as often as the manager wants to know, while one does.

    Any answer counts: a database that is down does not come back when the pages are started again.
    """
    pause, ready = manager.beat.total_seconds() if manager.beat is not None else None, False
    while not ready or pause is not None:
        time.sleep(_STARTS if not ready or pause is None else pause)
        if _answers(host, port):
            if not ready:
                manager.ready()
                ready = True
            manager.alive()


def _answers(host: str, port: int) -> bool:
    """Return whether a worker answers a request. Plain sockets: workers are forked from this process meanwhile."""
    with suppress(OSError), socket.create_connection((host, port), _ANSWERS_WITHIN) as there:
        there.sendall(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        return there.recv(5) == b"HTTP/"
    return False


def bounds(limits: PortalLimits) -> dict[str, Any]:
    """Return the limits as options of the server, and raise this process's limit of open files to match.

    If the system allows fewer files, fewer connections are accepted: without free files a server accepts none.
    """
    connections = min(limits.connections, _allow_files(limits.connections + _OTHER_FILES) - _OTHER_FILES)
    return {
        "interface": Interfaces.ASGI,
        # An HTTP/2 client can open hundreds of requests in one connection; proxies use HTTP/1.1.
        "http": HTTPModes.http1,
        "websockets": False,
        "backlog": _BACKLOG,
        "backpressure": max(connections, 1),
        "http1_settings": HTTP1Settings(
            # It starts when a connection opens, and again after each answer.
            header_read_timeout=round(limits.header_within.total_seconds() * 1000),
            max_buffer_size=_LONGEST_HEADER,
        ),
    }


def _allow_files(wanted: int) -> int:
    """Raise this process's limit of open files as far as the system allows. Return how many it may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most
