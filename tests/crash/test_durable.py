"""What was acknowledged is there, on SQLite and on PostgreSQL, however the process ends right after its word."""

import os
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url, text

from clearance.main import app
from config.load import load
from connectors import memory
from status_db import tables
from status_db.accounts.accounts import Accounts, Act, Grant
from status_db.desk.address import desk_url
from status_db.desk.store import DeskStore
from status_db.model import RunState
from status_db.store import durability
from tests import sizes
from tests.crash import actors, stage
from tests.crash.processes import Actor, acting
from tests.crash.stage import Dump, Stage
from tests.services import databases
from tests.services.university import free_port

#: Forty in all.
ROUNDS = {"sqlite": 24, "postgresql": 16}

_WORDS = re.compile(r"^(?:decision (?P<made>\d+): |decision (?P<withdrawn>\d+) is|applied +loans +run (?P<run>\d+),)")


@pytest.fixture
def about(status_url: str, tmp_path: Path) -> Stage:
    """A small university with an operator."""
    about = stage.set_up(status_url, tmp_path, 40)
    settings = load(about.file, {"memory": memory.Settings}.get, {"STATUS_URL": status_url})
    with stage.opened(desk_url(settings.status_db)) as engine:
        may = [Grant(Act.DECIDE, "library"), Grant(Act.READ, "library")]
        desk = DeskStore(engine, settings.status_db.ledger_key_file)
        Accounts(desk).add("librarian", "图书馆", "no password", grants=may, now=datetime.now(UTC))
    return about


def lines(actor: Actor) -> Iterator[str]:
    """Give each line that an actor prints, as it comes."""
    said = b""
    while more := os.read(actor.here.fileno(), 4096):
        *whole, said = (said + more).split(b"\n")
        yield from (line.decode() for line in whole)


def there(line: str, rows: Dump) -> str:
    """Return what the line acknowledged, having found it in the marks; empty when it acknowledged nothing."""
    match = _WORDS.match(line)
    if match is None:
        return ""
    decision, run = tables.decision.c.keys(), tables.run.c.keys()
    decisions = {row[0]: dict(zip(decision, row, strict=True)) for row in rows["decision"]}
    runs = {row[0]: dict(zip(run, row, strict=True)) for row in rows["run"]}
    if match["made"]:
        assert int(match["made"]) in decisions, f"lost: {line}"
        return "override set"
    if match["withdrawn"]:
        assert decisions[int(match["withdrawn"])]["withdrawn_at"] is not None, f"lost: {line}"
        return "override withdraw"
    found = runs[int(match["run"])]
    assert found["state"] == RunState.APPLIED, f"lost: {line}"
    if max(runs) == found["run"]:
        by = tables.record.c.keys().index("run")
        assert {row[0:2] for row in rows["record"] if row[by] == found["run"]} == (
            set() if found["decided_by"] else {("2019", "loans")}
        )
    return "runs approve" if found["decided_by"] else "sync"


def test_of_forty_processes_killed_at_their_word_none_has_promised_too_much(about: Stage) -> None:
    chance, seen = stage.seeded(), list[str]()
    rounds = sizes.times(ROUNDS[make_url(about.url).get_backend_name()])
    for turn in range(rounds):
        with acting(actors.acknowledge, about, turn) as actor:
            actor.go()
            heard, more = list[str](), chance.randrange(2)
            for line in lines(actor):
                if _WORDS.match(line):
                    heard.append(line)
                    if len(heard) > more:
                        break
            os.killpg(actor.pid, signal.SIGKILL)
            assert len(heard) > more, "it ended by itself"
            assert actor.ended() == -signal.SIGKILL
        rows = stage.dump(about.url)
        seen += [there(line, rows) for line in heard]
    assert set(seen) == set(actors.ACKNOWLEDGED)
    assert len(seen) >= rounds


def test_sqlite_waits_for_the_disk_before_it_acknowledges(tmp_path: Path) -> None:
    """Two is FULL: the log is synced with every commit. What that is good for, tests/crash/test_calls.py shows."""
    (tmp_path / "x.db").touch()
    with stage.opened(f"sqlite:///{tmp_path / 'x.db'}") as engine, engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"


@pytest.fixture
def forgetful(durable_postgres_server: URL, tmp_path: Path) -> Iterator[Stage]:
    """A university on a PostgreSQL that acknowledges before it is sure."""
    with databases.fresh_database(durable_postgres_server) as url:
        about = stage.set_up(url.render_as_string(hide_password=False), tmp_path, 40)
        with stage.opened(about.url) as engine:
            assert durability.warnings(engine) == ()
            with engine.begin() as connection:
                connection.execute(text(f'ALTER DATABASE "{url.database}" SET synchronous_commit = off'))
        yield about


def test_a_server_that_does_not_wait_for_the_disk_is_reported(
    forgetful: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATUS_URL", forgetful.url)
    assert not app(["--config", str(forgetful.file), "check", "loans"], standalone_mode=False)
    told = " ".join(capsys.readouterr().err.split())
    assert "loses decisions and runs that were acknowledged before it" in told
    assert "Set synchronous_commit = on for the server, or for this database and this role." in told


def test_a_status_database_that_does_not_answer_does_not_keep_the_sources_from_being_looked_at(
    about: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("STATUS_URL", f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/clearance")
    assert app(["--config", str(about.file), "check", "loans"], standalone_mode=False) == 1
    said = capsys.readouterr()
    assert "it did not answer" in " ".join(said.err.split())
    assert "answers loans" in said.out
