"""A status database that is lost or damaged: no command takes it for one that has yet to begin."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from clearance.main import app
from tests.world import World

COMMANDS = (
    ("status", "2015150001"), ("sources",), ("runs", "list"), ("sync",), ("plan",), ("verify",), ("check",),
    ("override", "list"), ("certificates", "list"), ("accounts", "list"), ("unmatched",), ("report",),
)  # fmt: skip


@pytest.fixture
def lost(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    sqlite_world.run_all()
    sqlite_world.__exit__(None, None, None)
    monkeypatch.setenv("STATUS_URL", sqlite_world.url)
    return sqlite_world


def ran(world: World, *words: str) -> str:
    done = CliRunner().invoke(app, ["--config", str(world.file), *words])
    assert done.exit_code not in (0, 3), f"{words}: {done.output}"
    assert done.exception is None or isinstance(done.exception, SystemExit), f"{words}: {done.exception!r}"
    return " ".join(done.output.split())


def files_of(world: World) -> list[Path]:
    return sorted(world.file.parent.glob("clearance.db*"))


def test_every_command_reports_that_a_lost_database_is_not_there_and_makes_none(lost: World) -> None:
    for file in files_of(lost):
        file.unlink()
    for words in COMMANDS:
        said = ran(lost, *words)
        assert "does not exist" in said, (words, said)
        assert "clearance restore FOLDER" in said, (words, said)
    assert files_of(lost) == []


@pytest.mark.parametrize("empty", [False, True])
def test_an_upgrade_makes_no_new_database_beside_the_key_of_a_lost_one(lost: World, *, empty: bool) -> None:
    for file in files_of(lost):
        file.unlink()
    if empty:
        (lost.file.parent / "clearance.db").touch()
    said = ran(lost, "db", "upgrade")
    assert "the ledger's key" in said
    assert said.endswith("To start a new database instead, move the key away first.")
    (lost.file.parent / "ledger.key").rename(lost.file.parent / "old.key")
    done = CliRunner().invoke(app, ["--config", str(lost.file), "db", "upgrade"])
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("how", ["overwritten", "torn"])
def test_every_command_reports_that_a_damaged_database_is_damaged(lost: World, how: str) -> None:
    file = lost.file.parent / "clearance.db"
    for beside in files_of(lost):
        if beside != file:
            beside.unlink()
    content = file.read_bytes()
    noise = b"not a database at all" * 1000
    file.write_bytes(noise if how == "overwritten" else content[:100] + noise + content[100 + len(noise) :])
    for words in COMMANDS:
        said = ran(lost, *words)
        assert "its file is damaged" in said, (words, said)
        assert "clearance restore FOLDER --replace" in said, (words, said)
