"""A web server of the tests' own, in a process of its own, over a settings file and at a moment that does not move."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from tests.patience import PATIENCE

ROOT = Path(__file__).parent.parent.parent


def free_port() -> int:
    """Return a port that no one listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@contextmanager
def served(file: Path, now: datetime, environ: dict[str, str]) -> Iterator[str]:
    """Serve the pages of a settings file, and give their address."""
    port = free_port()
    command = [
        sys.executable, "-m", "granian", "tests.browser.site:app",
        "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--no-ws",
    ]  # fmt: skip
    own = {**os.environ, **environ, "CLEARANCE_TEST_FILE": str(file), "CLEARANCE_TEST_NOW": now.isoformat()}
    with running(command, own, port) as address:
        yield address


@contextmanager
def running(command: Sequence[str], environ: Mapping[str, str], port: int) -> Iterator[str]:
    """Run a command that serves pages on a port until the end; give their address once they answer."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=ROOT, env=dict(environ), stdout=quiet, stderr=quiet) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            _until_it_answers(address, process)
            yield address
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _until_it_answers(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not _answers(address):
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the web server of the browser's tests did not answer")
        time.sleep(0.05)


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(f"{address}/healthz", timeout=PATIENCE).close()
    except (urllib.error.URLError, OSError):
        return False
    return True
