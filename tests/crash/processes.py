"""Processes to be killed: each forked in milliseconds from one that has loaded everything and opened nothing."""

import ctypes
import logging
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import structlog

from tests.patience import PATIENCE

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    ["tests.crash.stage", "tests.crash.actors", "psycopg", "sqlalchemy.dialects.postgresql"]
)

#: Longer than any of them takes; a process that hangs fails its test and is ended.

_PR_SET_PTRACER, _ANY = 0x59616D61, -1


class Actor:
    """A process that waits for a word before it acts."""

    def __init__(self, act: Callable[..., None], *arguments: Any, **named: Any) -> None:
        self.here, there = _CONTEXT.Pipe()
        self.process: BaseProcess = _CONTEXT.Process(target=_play, args=(there, act, arguments, named))
        self.process.start()
        there.close()
        self.hear()

    @property
    def pid(self) -> int:
        """The process's number."""
        assert self.process.pid is not None
        return self.process.pid

    def go(self) -> None:
        """Have it act."""
        self.here.send("go")

    def hear(self) -> Any:
        """Return what it reports next. Raises EOFError when it has ended without a word."""
        assert self.here.poll(PATIENCE), "it hangs"
        return self.here.recv()

    def ended(self) -> int:
        """Wait for its end, and return how it came: 0, a code, or the number of a signal below zero."""
        self.process.join(PATIENCE)
        assert self.process.exitcode is not None, "it hangs"
        return self.process.exitcode

    def stopped(self) -> None:
        """Wait until it has stopped."""
        while Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "T":
            os.sched_yield()

    def signal(self, what: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, what)


@contextmanager
def acting(act: Callable[..., None], *arguments: Any, **named: Any) -> Iterator[Actor]:
    """Give a process that waits to do this, and end it afterwards whatever it does."""
    actor = Actor(act, *arguments, **named)
    try:
        yield actor
    finally:
        if actor.process.is_alive():
            actor.process.kill()
        actor.process.join(PATIENCE)
        actor.here.close()


def _play(there: Connection, act: Callable[..., None], arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    if sys.platform == "linux":
        # Where a process may be traced by its parents alone, this one may be by everybody.
        ctypes.CDLL(None).prctl(_PR_SET_PTRACER, _ANY, 0, 0, 0)
    # What it logs would be writes of its own among those that are counted.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    there.send("ready")
    there.recv()
    act(there, *arguments, **named)
