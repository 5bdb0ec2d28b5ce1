"""The demo in a terminal that is closed: it ends, and so does everything that it started."""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.patience import PATIENCE, until
from tests.services.university import COMMAND, University, free_port

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the processes of a session are read from /proc"),
]

#: Begins a session with this terminal, as a terminal's window does, and runs the words in it.
_SESSION = (
    "import fcntl, os, sys, termios\n"
    "os.setsid(); fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)


def of_session(leader: int) -> set[int]:
    """Return the processes of a session that have not ended."""
    found = set()
    for each in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            words = (each / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            if words[0] != "Z" and int(words[3]) == leader:
                found.add(int(each.name))
    return found


@contextmanager
def in_terminal(university: University, *words: str) -> Iterator[tuple[int, int]]:
    """Run a command line in a terminal of its own; give the session and the terminal's other end."""
    ours, theirs = os.openpty()
    started = subprocess.Popen(
        [sys.executable, "-c", _SESSION, *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=university.environ,
        cwd=university.folder,
    )
    os.close(theirs)
    try:
        yield started.pid, ours
    finally:
        with suppress(OSError):
            os.close(ours)
        started.kill()
        started.wait()
        for left in of_session(started.pid):
            os.kill(left, 9)


def read_until(terminal: int, text: bytes) -> None:
    """Read what is shown until a text is."""
    shown = b""
    while text not in shown:
        shown += os.read(terminal, 65536)


def answers(port: int) -> bool:
    """Return whether the pages answer."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE).close()
    except OSError:
        return False
    return True


def test_closing_the_terminal_ends_the_demo_and_all_that_it_started(university: University) -> None:
    university.close_finance()
    port = free_port()
    shell = f'"{COMMAND}" --config "{university.config}" demo --port {port} --finance-port {university.port}; exit'
    with in_terminal(university, "sh", "-c", shell) as (session, terminal):
        read_until(terminal, b"Press Ctrl-C")
        until(lambda: answers(port))
        running = of_session(session)
        # The shell, the demo, the finance office, the schedule, the server's workers.
        assert len(running) >= 5
        os.close(terminal)
        until(lambda: not of_session(session))
    assert not answers(port)


def test_a_demo_that_is_to_outlive_its_terminal_does(university: University) -> None:
    university.close_finance()
    port = free_port()
    shell = f'nohup "{COMMAND}" --config "{university.config}" demo --port {port} --finance-port {university.port} >out'
    with in_terminal(university, "sh", "-c", shell) as (session, terminal):
        until(lambda: answers(port))
        os.close(terminal)
        until(lambda: session not in of_session(session))
        assert answers(port)
