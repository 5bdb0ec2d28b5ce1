"""What the processes do that are killed, stopped or raced."""

import itertools
import os
import signal
import socket
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any

from sqlalchemy import event

from clearance.main import app
from config.load import load
from connectors import memory
from status_db.decisions.overrides import Overrides
from status_db.decisions.writer import DecisionRequest, DecisionWriter
from status_db.ledger.chain import Ledger
from status_db.marks.runs import LeaseLost, SlotTaken
from status_db.model import RunState, Verdict
from status_db.store import bulk, engine
from status_db.store.engine import StoreError
from sync.run import run as runs
from tests.crash.stage import Stage, loan, number, opened
from tests.world import COHORT, SETTINGS

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
        whose = next(one for one in (runs, sync._applying, sync._marks) if hasattr(one, at))
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
    """Do so with a server that ends the session of a client that stops for so long while writing."""
    engine._STALLED_SECONDS = seconds
    pause_in_a_run(there, *arguments, **named)


def die_at_statement(there: Connection, stage: Stage, source: str, last: int) -> None:
    """Run a source, and be killed at this statement, counted from one: before it, or just before a commit.

    A copy of rows counts as one before its first row and one after its last. Tells how many there were when it lives.
    """
    passed = itertools.count(1)

    def one_more(*_: Any) -> None:
        if next(passed) == last:
            os.kill(os.getpid(), signal.SIGKILL)

    copy = bulk._copy

    def counted(*arguments: Any) -> int:
        one_more()
        written = copy(*arguments)
        one_more()
        return written

    vars(bulk)["_copy"] = counted
    with stage.sync() as sync:
        event.listen(sync._engine, "before_cursor_execute", one_more)
        event.listen(sync._engine, "commit", one_more)
        sync.run(source, by="test")
        there.send(next(passed) - 1)


#: What `acknowledge` does, in turns.
ACKNOWLEDGED = ("override set", "override withdraw", "sync", "runs approve")


def acknowledge(there: Connection, stage: Stage, turn: int) -> None:
    """Do one thing after another by the command line, from this turn on, until killed; its output goes to the pipe.

    What has to be there first (a decision to withdraw, a run to approve) is done without a word.
    """
    os.setsid()
    os.dup2(there.fileno(), 1)
    os.environ["STATUS_URL"] = stage.url
    for n in itertools.count(turn):
        student = number(n % 20)
        rows = [loan(who, n) for who in range(20)]
        match ACKNOWLEDGED[n % 4]:
            case "override set":
                words = ["override", "set", student, "library", "cleared", "--as", "librarian", "--reason", "现场归还"]
            case "override withdraw":
                _decided(stage, student)
                words = ["override", "withdraw", student, "library", "--as", "librarian"]
            case "sync":
                words = ["sync", "loans"]
            case _:
                words = ["runs", "approve", str(_suspended(stage, rows))]
        toml = "rows = [" + ", ".join("{" + ", ".join(f'{k} = "{v}"' for k, v in r.items()) + "}" for r in rows) + "]"
        file = stage.file.with_name(f"turn-{turn}.toml")
        file.write_text(SETTINGS.replace("[source.loans]\n", f"[source.loans]\n{toml}\n"), encoding="utf-8")
        code = app(["--config", str(file), *words], standalone_mode=False)
        assert not code, words


def _decided(stage: Stage, student: str) -> None:
    settings = load(stage.file, {"memory": memory.Settings}.get, {"STATUS_URL": stage.url})
    with opened(stage.url) as database:
        wish = DecisionRequest(student, "library", Verdict.CLEARED, "现场归还")
        ledger = Ledger(settings.status_db.ledger_key_file, COHORT)
        Overrides(DecisionWriter(database, settings, COHORT, ledger)).enter(wish, "librarian", datetime.now(UTC))


def _suspended(stage: Stage, rows: list[dict[str, str]]) -> int:
    """Have the library say something, then nothing at all; return the run that waits for a person because of it."""
    now = replace(stage, now=datetime.now(UTC))
    with now.saying("loans", rows).sync() as sync:
        sync.run("loans", by="test")
    with now.saying("loans", []).sync() as sync:
        outcome = sync.run("loans", by="test")
    assert outcome.state is RunState.SUSPENDED, outcome
    assert outcome.run is not None
    return outcome.run
