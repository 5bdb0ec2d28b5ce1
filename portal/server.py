"""The web server: granian with its application, address and limits."""

import resource
import socket
from enum import StrEnum
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from config.tables.limits import PortalLimits
from foundation.refusals import Refused
from foundation.translation import tr

#: The longest header of a request, in bytes: an address, cookies, and what a browser adds.
_LONGEST_HEADER = 32 * 1024

#: Connections that the system queues until a worker accepts them.
_BACKLOG = 1024

#: Files that a process opens in addition to its connections.
_OTHER_FILES = 256


class ListenCode(StrEnum):
    """Why the server cannot listen on an address."""

    #: The address is in use, is not on this machine, or needs more rights.
    REFUSED = "refused"


class CannotListen(Refused[ListenCode]):
    """The server cannot listen on the address. The text has the reason and the fix."""


def serve(target: str, host: str, port: int, workers: int, limits: PortalLimits) -> None:
    """Serve until stopped by SIGTERM or Ctrl-C; `target` is the function that returns the application, module:function.

    Each worker is a process of its own that imports the target. Raises CannotListen.
    """
    try:
        # The server itself would fail with a traceback.
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
    Granian(
        target,
        address=host,
        port=port,
        factory=True,
        workers=workers,
        log_access=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
        **bounds(limits),
    ).serve()


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
