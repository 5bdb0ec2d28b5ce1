"""On SQLite the old files are moved aside, whole, once no one has them open."""

import os
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import select

from status_db import tables
from status_db.backups import sqlite
from status_db.backups.manifest import BackedUpDatabase, BackupError
from status_db.store import schema_version
from status_db.store.migrate import upgrade
from tests.status_db.house import House, everything, go_on
from tests.world import World


def _kept(folder: Path) -> list[Path]:
    """Return what lies there, but for the logs that SQLite has beside a database while it is open."""
    return sorted(file for file in folder.iterdir() if not file.name.endswith(("-wal", "-shm")))


class TestOnSqlite:
    def test_what_was_there_is_kept_beside(self, sqlite_house: House) -> None:
        made = sqlite_house.back_up()
        go_on(sqlite_house.world)
        before = sqlite_house.rows()
        sqlite_house.stop()
        kept = sqlite_house.restore(made, replace=True).kept
        assert [file.name for file in kept] == [
            "clearance.db.before-20190525T001100Z", "clearance-desk.db.before-20190525T001100Z",
        ]  # fmt: skip
        was = [BackedUpDatabase(f"sqlite:///{file}", d.parts) for file, d in zip(kept, sqlite_house.place, strict=True)]
        assert everything(was) == before

    def test_no_log_of_the_old_one_stays_beside_the_new(self, sqlite_house: House) -> None:
        made = sqlite_house.back_up()
        sqlite_house.stop()
        sqlite_house.restore(made, replace=True)
        file = sqlite_house.place[0].file
        assert not [f for f in file.parent.iterdir() if f.name.startswith(file.name + "-")]
        assert not list(file.parent.glob(".*restored*"))

    def test_nothing_moves_while_another_has_it_open(self, sqlite_house: House) -> None:
        made = sqlite_house.back_up()
        before = sqlite_house.rows()
        folder = sqlite_house.place[0].file.parent
        files = _kept(folder)
        with sqlite_house.world.reading.connect() as connection:
            connection.execute(select(tables.run)).all()
            with pytest.raises(BackupError, match="open in another process"):
                sqlite_house.restore(made, replace=True)
        assert sqlite_house.rows() == before
        assert _kept(folder) == files

    def test_when_the_second_file_cannot_move_the_first_goes_back(
        self, sqlite_house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = sqlite_house.back_up()
        go_on(sqlite_house.world)
        before = sqlite_house.rows()
        sqlite_house.stop()
        take = sqlite.take_place

        def only_the_marks(staged: Path, database: BackedUpDatabase, suffix: str) -> list[Path]:
            if "desk" in database.parts:
                raise BackupError("no room. Make some.")
            return take(staged, database, suffix)

        monkeypatch.setattr(sqlite, "take_place", only_the_marks)
        with pytest.raises(BackupError, match="no room"):
            sqlite_house.restore(made, replace=True)
        assert sqlite_house.rows() == before
        assert not list(sqlite_house.place[0].file.parent.glob("*before*"))

    def test_on_a_disk_without_second_names_the_old_one_is_kept_all_the_same(
        self, sqlite_house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refused(*arguments: object) -> None:
            raise PermissionError("no hard links here")

        before = sqlite_house.rows()
        made = sqlite_house.back_up()
        sqlite_house.stop()
        monkeypatch.setattr(os, "link", refused)
        assert all(file.exists() for file in sqlite_house.restore(made, replace=True).kept)
        assert sqlite_house.rows() == before

    def test_a_damaged_database_is_moved_aside_with_its_log(self, sqlite_house: House) -> None:
        before = sqlite_house.rows()
        made = sqlite_house.back_up()
        sqlite_house.stop()
        file = sqlite_house.place[0].file
        file.write_bytes(b"not a database at all" * 1000)
        log = file.with_name(f"{file.name}-wal")
        log.write_bytes(b"nor a log")
        with pytest.raises(BackupError, match=r"cannot be read, and is kept\. Use --replace"):
            sqlite_house.restore(made)
        kept = sqlite_house.restore(made, replace=True).kept
        assert [f.read_bytes()[:5] for f in kept[:2]] == [b"not a", b"nor a"]
        assert sqlite_house.rows() == before

    def test_a_damaged_database_gives_no_backup(self, sqlite_house: House) -> None:
        sqlite_house.stop()
        file = sqlite_house.place[0].file
        with sqlite3.connect(file) as opened:
            opened.execute("PRAGMA journal_mode = DELETE")
        opened.close()
        size = file.stat().st_size
        with file.open("r+b") as opened_raw:
            opened_raw.seek(size // 2)
            opened_raw.write(os.urandom(size // 4))
        with pytest.raises(BackupError, match=r"damaged|not sound"):
            sqlite_house.back_up()
        assert sqlite_house.names == []

    def test_one_file_for_both_parts_comes_back_as_one(self, tmp_path: Path) -> None:
        database = BackedUpDatabase(f"sqlite:///{tmp_path / 'both.db'}", schema_version.PARTS)
        for part in schema_version.PARTS:
            upgrade(database.url, part)
        with World(database.url, tmp_path) as world:
            house = House(world, tmp_path / "backups", None)
            house.place = [database]
            world.run_all()
            before = house.rows()
            made = house.back_up()
            house.stop()
            house.restore(made, replace=True)
            assert house.rows() == before
