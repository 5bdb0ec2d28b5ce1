"""The web server: granian, told what to import and where to listen."""

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels


def serve(target: str, host: str, port: int, workers: int) -> None:
    """Serve until stopped by SIGTERM or Ctrl-C; `target` names the application, as module:attribute.

    Each worker is a process of its own that imports the target.
    """
    Granian(
        target,
        address=host,
        port=port,
        interface=Interfaces.ASGI,
        workers=workers,
        websockets=False,
        log_access=False,
        log_level=LogLevels.warning,
        respawn_failed_workers=True,
    ).serve()
