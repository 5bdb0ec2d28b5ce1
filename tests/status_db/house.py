"""A university with a folder of backups, and what tests of backups ask of it."""

import json
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL, create_engine, select, text
from sqlalchemy.pool import NullPool

from status_db import tables
from status_db.accounts.accounts import Act, Grant
from status_db.backups import making, manifest, restoring
from status_db.backups.making import BackupResult
from status_db.backups.manifest import BackedUpDatabase
from status_db.decisions.writer import DecisionRequest
from status_db.model import RunState, Verdict
from status_db.sign_in.second_factor import SecondFactors
from tests.cast import GEOLOGY_LOAN, LEAVING, LIN, POETRY_LOAN, QIAN, SUN
from tests.services import databases
from tests.world import World

Rows = dict[str, list[tuple[Any, ...]]]


def everything(place: Sequence[BackedUpDatabase]) -> Rows:
    """Return every row of the marks and the desk, but who is signed in and what they have shown."""
    found: Rows = {}
    for database in place:
        engine = create_engine(database.url, poolclass=NullPool)
        with engine.connect() as connection:
            for part in database.parts:
                metadata = tables.marks if part == "marks" else tables.desk
                for table in metadata.sorted_tables:
                    if table.name not in ("session", "factor_step"):
                        rows = [tuple(row) for row in connection.execute(select(table))]
                        found[table.name] = sorted(rows, key=repr)
                version = f"SELECT version_num FROM version_{part}"
                found[f"version_{part}"] = [tuple(row) for row in connection.execute(text(version))]
        engine.dispose()
    return found


class House:
    """A world with a folder of backups."""

    def __init__(self, world: World, folder: Path, tools: Path | None) -> None:
        self.world = world
        self.folder = folder
        self.tools = tools
        self.place = manifest.databases(world.settings.status_db)

    def back_up(self, keep: int | None = None) -> BackupResult:
        """Back it up, a minute after whatever was before."""
        self.world.later(minutes=1)
        return making.make(
            self.place, self.folder, now=self.world.now, program="0.1.0", keep=keep, tools_folder=self.tools
        )

    def restore(
        self, made: BackupResult, place: Sequence[BackedUpDatabase] | None = None, **options: Any
    ) -> restoring.RestoreResult:
        """Restore a backup, here or elsewhere."""
        return restoring.restore(
            made.folder,
            place or self.place,
            now=self.world.now,
            gone=lambda _: False,
            tools_folder=self.tools,
            **options,
        )

    def stop(self) -> None:
        """Let go of the databases, as services do when they end."""
        for engine in (self.world.engine, self.world.desk_engine, self.world.reading):
            engine.dispose()

    def rows(self) -> Rows:
        """Return every row that is stored now."""
        return everything(self.place)

    @property
    def names(self) -> list[str]:
        """What lies in the folder of backups."""
        return sorted(f.name for f in self.folder.iterdir()) if self.folder.exists() else []


@pytest.fixture
def house(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> House:
    """A university in its season: runs, one of them suspended, a decision, an account that is signed in."""
    tools = None if world.url.startswith("sqlite") else request.getfixturevalue("postgres_tools")
    world.says["loans"] = [GEOLOGY_LOAN, POETRY_LOAN]
    world.says["fees"] = [
        {"XH": LIN.number, "QFJE": "120.50", "XM": "学费"},
        # So many rows that the guard looks when all of them are gone.
        *({"XH": LIN.number, "QFJE": "0.00", "XM": f"第{i}学期"} for i in range(4)),
    ]
    world.says["checkouts"] = [{"学号": person.number, "清退状态": "已清退", "房间": "1"} for person in LEAVING]
    world.run_all()
    librarian = world.accounts.add("librarian", "图书馆", "hash", grants=[Grant(Act.DECIDE, "library")], now=world.now)
    world.accounts.open_session(b"token", librarian.account, world.now, longest=timedelta(hours=8))
    SecondFactors(world.desk).show(b"token", librarian.account, world.now, longest=timedelta(hours=8))
    decide(world, QIAN.number)
    world.says["fees"] = []
    assert world.run("fees").state is RunState.SUSPENDED
    return House(world, tmp_path / "backups", tools)


@pytest.fixture
def sqlite_house(sqlite_world: World, tmp_path: Path) -> House:
    """A small one, for what does not depend on the database."""
    sqlite_world.run_all()
    return House(sqlite_world, tmp_path / "backups", None)


@pytest.fixture
def elsewhere(house: House, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[list[BackedUpDatabase]]:
    """A place where nothing has ever been."""
    if house.place[0].kind == "sqlite":
        yield [
            BackedUpDatabase(f"sqlite:///{tmp_path / 'new' / f'{database.parts[0]}.db'}", database.parts)
            for database in house.place
        ]
        return
    server: URL = request.getfixturevalue("postgres_server")
    with databases.fresh_database(server) as url:
        yield [BackedUpDatabase(url.render_as_string(hide_password=False), house.place[0].parts)]


def decide(world: World, student: str) -> None:
    """Have the librarian let somebody off."""
    wish = DecisionRequest(student, "library", Verdict.CLEARED, "赔书")
    world.decisions.enter(wish, "librarian", world.now)


def go_on(world: World) -> None:
    """Have more happen: a book goes to somebody else, a fine is due, an account is made."""
    world.says["loans"] = [GEOLOGY_LOAN, {**POETRY_LOAN, "CARD": SUN.number}]
    world.says["fines"] = [{"CARD": LIN.number, "AMOUNT": "3.20"}]
    world.run_all()
    world.accounts.add("dean", "Dean", "hash", now=world.now)


def damage(file: Path) -> None:
    """Turn one byte in the middle of a file round."""
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        byte = opened.read(1)
        opened.seek(-1, os.SEEK_CUR)
        opened.write(bytes([byte[0] ^ 0xFF]))


def told_otherwise(made: BackupResult, **values: Any) -> None:
    """Have a manifest's first member say something else."""
    file = made.folder / "manifest.json"
    said = json.loads(file.read_text(encoding="utf-8"))
    said["members"][0] |= values
    file.write_text(json.dumps(said), encoding="utf-8")
