"""The web server: granian, told what to import and where to listen."""

import socket

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels


class CannotListen(Exception):  # noqa: N818 - named by what is so
    """The address cannot be listened on; the text says why, and the way out."""


def serve(target: str, host: str, port: int, workers: int) -> None:
    """Serve until stopped by SIGTERM or Ctrl-C; `target` names what makes the application, as module:function.

    Each worker is a process of its own that imports the target. Raises CannotListen.
    """
    try:
        # The server itself would break with a trace of its own.
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise CannotListen(
            f"the pages cannot be served on {host}, port {port}: {error.strerror or error}. "
            "Choose another port with --port (make demo PORT=…), or in [portal]."
        ) from error
    Granian(
        target,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        factory=True,
        workers=workers,
        websockets=False,
        log_access=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
    ).serve()
