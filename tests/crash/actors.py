"""What the processes do that are killed, stopped or raced."""

import os
import signal
import socket
from multiprocessing.connection import Connection
from typing import Any

from status_db import engine
from status_db.engine import StoreError
from status_db.marks import LeaseLost, SlotTaken
from tests.crash.stage import Stage

#: Said once a run is acknowledged; a write to be found among the calls.
DONE = "acknowledged"


def sync_once(there: Connection, stage: Stage, source: str) -> None:
    """Run one source once, acknowledge it, and let go of the database; or tell the error."""
    with stage.sync() as sync:
        try:
            sync.run(source, by="test")
        except StoreError as error:
            there.send(str(error))
        else:
            there.send(DONE)


def serve_slots(there: Connection, stage: Stage, source: str) -> None:
    """Run a source for each slot that comes, and tell how it went: won, taken, or another has the source."""
    with stage.sync() as sync:
        there.send("open")
        while (slot := there.recv()) is not None:
            try:
                there.send(sync.run(source, by="test", slot=slot).fault or "won")
            except SlotTaken:
                there.send("taken")


def pause_in_a_run(
    there: Connection, stage: Stage, source: str, at: str, *, stop: bool, approve: int | None = None, host: str = ""
) -> None:
    """Run a source, or approve a run, and pause at a step of the sync or of the marks, just after it.

    It stops as by SIGSTOP, or waits for a word. Tells how it ended: the run's state, or the error's name.
    """
    if host:
        socket.gethostname = lambda: host
    with stage.sync() as sync:
        whose = sync if hasattr(sync, at) else sync._marks
        original, paused = getattr(whose, at), list[bool]()

        def pause(*args: Any, **named: Any) -> Any:
            try:
                return original(*args, **named)
            finally:
                if not paused:
                    paused.append(True)
                    there.send("paused")
                    if stop:
                        os.kill(os.getpid(), signal.SIGSTOP)
                    else:
                        there.recv()

        setattr(whose, at, pause)
        if stop:
            # Renewed often, it might be stopped just while it writes that; no other could write then.
            vars(sync._marks)["renew"] = lambda *_: True
        try:
            outcome = sync.run(source, by="test") if approve is None else sync.approve(approve, source, by="test")
            there.send(outcome.state.value)
        except (LeaseLost, StoreError) as error:
            there.send(type(error).__name__)


def pause_with_short_patience(there: Connection, seconds: int, *arguments: Any, **named: Any) -> None:
    """Do so with a server that ends the session of who stands still for so long while writing."""
    engine._STALLED_SECONDS = seconds
    pause_in_a_run(there, *arguments, **named)
