"""The pages on a port of their own, over real sockets: for providers that call them, and for browsers."""

import asyncio
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from granian.log import LogLevels
from granian.server.embed import Server
from starlette.applications import Starlette

from config.tables.limits import PortalLimits
from portal.server import bounds
from tests.patience import PATIENCE


@contextmanager
def served(app: Starlette, port: int, limits: PortalLimits | None = None) -> Iterator[str]:
    """Serve an application on a port of loopback, in a thread, within the program's own bounds; give its address."""
    within = bounds(limits or PortalLimits())
    server = Server(app, "127.0.0.1", port, log_enabled=False, log_level=LogLevels.error, **within)
    loop = asyncio.new_event_loop()

    def serve() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(server.serve())
        loop.close()

    thread = threading.Thread(target=serve, name="pages")
    thread.start()
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address)
        yield address
    finally:
        loop.call_soon_threadsafe(server.stop)
        thread.join(PATIENCE)


def _wait_for(address: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(f"{address}/healthz"):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
