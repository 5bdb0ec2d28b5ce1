"""A backup is one moment, whole and private, and brings it back: tried on both databases, row by row."""

import json
import os
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, select, text
from sqlalchemy.pool import NullPool

from foundation import private_files
from status_db import tables
from status_db.backups import making, manifest
from status_db.backups.manifest import BackedUpDatabase, BackupError
from status_db.model import RunState
from status_db.store import schema_version
from status_db.store.engine import StoreError, open_writing
from tests.cast import GEOLOGY_LOAN, POETRY_LOAN, QIAN, SUN
from tests.status_db.house import House, damage, everything, go_on


class TestTheDrill:
    def test_a_fresh_place_gets_every_row_as_it_was(self, house: House, elsewhere: list[BackedUpDatabase]) -> None:
        before = house.rows()
        made = house.back_up()
        go_on(house.world)
        after = house.rows()
        assert after != before
        house.restore(made, elsewhere)
        assert everything(elsewhere) == before
        assert house.rows() == after

    def test_the_same_place_gets_every_row_as_it_was_and_works_on(self, house: House) -> None:
        before = house.rows()
        made = house.back_up()
        go_on(house.world)
        house.stop()
        house.restore(made, replace=True)
        assert house.rows() == before
        (waiting,) = house.rows()["pending"]
        assert house.world.sync.approve(waiting[0], "fees", by="test").state is RunState.APPLIED
        go_on(house.world)
        assert {outcome.state for outcome in house.world.run_all().values()} == {RunState.UNCHANGED}

    def test_whoever_was_signed_in_signs_in_again(self, house: House, elsewhere: list[BackedUpDatabase]) -> None:
        made = house.back_up()
        house.restore(made, elsewhere)
        engine = create_engine(elsewhere[-1].url, poolclass=NullPool)
        with engine.connect() as connection:
            assert connection.execute(select(tables.account.c.account)).scalars().all() == ["librarian"]
            assert connection.execute(select(tables.session)).all() == []
            assert connection.execute(select(tables.factor_step)).all() == []
        engine.dispose()

    def test_a_backup_beside_a_writer_holds_each_run_whole(
        self, house: House, elsewhere: list[BackedUpDatabase]
    ) -> None:
        world, over, going, broken = house.world, threading.Event(), threading.Event(), []

        def write() -> None:
            try:
                while not over.is_set():
                    lent = world.says["loans"][-1]["CARD"] == QIAN.number
                    world.says["loans"] = [GEOLOGY_LOAN, {**POETRY_LOAN, "CARD": (SUN if lent else QIAN).number}]
                    world.run("loans")
                    going.set()
            except StoreError as error:
                broken.append(error)
                going.set()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            going.wait(60)
            made = making.make(house.place, house.folder, now=world.now, program="0.1.0", tools_folder=house.tools)
        finally:
            over.set()
            writer.join(60)
        assert broken == []
        house.restore(made, elsewhere)
        rows = everything(elsewhere)
        runs = [dict(zip(tables.run.c.keys(), row, strict=True)) for row in rows["run"]]
        flips = [dict(zip(tables.flip.c.keys(), row, strict=True)) for row in rows["flip"]]
        applied = [run for run in runs if run["state"] == RunState.APPLIED]
        assert max(applied, key=lambda run: run["run"])["source"] == "loans"
        for run in runs:
            assert (run["ended"] is None) == (run["state"] == RunState.RUNNING)
        for run in applied:
            assert len([f for f in flips if f["run"] == run["run"]]) == run["counts"].get("flips", 0), run
        (cohort,) = rows["cohort"]
        decided = len(rows["decision"])
        assert cohort[2] in (len(applied), len(applied) + decided)


class TestWhatABackupIs:
    def test_it_states_what_it_holds(self, house: House) -> None:
        made = house.back_up()
        said = json.loads((made.folder / "manifest.json").read_text(encoding="utf-8"))
        assert said["made_at"].startswith("2019-05-25T0")
        assert said["program"] == "0.1.0"
        held = {part: version for member in said["members"] for part, version in member["versions"].items()}
        assert held == {part: schema_version.newest(part) for part in schema_version.PARTS}
        rows = {table: count for member in said["members"] for table, count in member["rows"].items()}
        assert rows == {
            **{table: len(found) for table, found in house.rows().items()},
            "session": 0,
            "factor_step": 0,
        } | {table: count for table, count in rows.items() if table.startswith("sqlite")}
        for member in said["members"]:
            assert (made.folder / member["file"]).stat().st_size == member["size"]

    def test_its_owner_alone_may_read_it(self, house: House) -> None:
        made = house.back_up()
        assert stat.S_IMODE(made.folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in made.folder.iterdir()} == {0o600}

    def test_one_that_is_broken_off_leaves_nothing(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken_off(*arguments: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(making, "verify", broken_off)
        with pytest.raises(KeyboardInterrupt):
            house.back_up()
        assert house.names == []

    def test_one_that_is_not_what_it_claims_is_none(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        """The copy is damaged between being written and being read again."""
        flushed = private_files.flush

        def damaged(path: Path) -> None:
            flushed(path)
            if path.suffix in (".db", ".dump"):
                damage(path)

        monkeypatch.setattr(making, "flush", damaged)
        with pytest.raises(BackupError, match=r"(Make|Use) another backup"):
            house.back_up()
        assert house.names == []

    def test_a_database_without_tables_is_not_backed_up(self, elsewhere: list[BackedUpDatabase], house: House) -> None:
        house.place = elsewhere
        with pytest.raises(BackupError, match=r"clearance db upgrade|could not be copied"):
            house.back_up()
        assert house.names == []

    def test_a_newer_database_is_not_backed_up(self, house: House) -> None:
        with house.world.engine.begin() as connection:
            connection.execute(text("UPDATE version_marks SET version_num = '9999'"))
        with pytest.raises(BackupError, match="a newer program wrote it"):
            house.back_up()
        assert house.names == []

    @pytest.mark.parametrize("part", schema_version.PARTS)
    def test_every_table_that_any_version_had_is_known(self, tmp_path: Path, part: schema_version.Part) -> None:
        config = schema_version.migrations(part)
        script = ScriptDirectory.from_config(config)
        for revision in reversed(list(script.walk_revisions())):
            engine = open_writing(f"sqlite:///{tmp_path / revision.revision}.db", create=True)
            with engine.connect() as connection:
                config.attributes |= {"connection": connection, "version_table": schema_version.version_table(part)}
                command.upgrade(config, revision.revision)
                connection.commit()
            assert set(inspect(engine).get_table_names()) <= set(manifest.tables_of((part,))), revision.revision
            engine.dispose()


class TestKeeping:
    def test_older_ones_go_once_the_new_one_is_there(self, sqlite_house: House) -> None:
        made = [sqlite_house.back_up(keep=2) for _ in range(4)]
        assert sqlite_house.names == [made[2].folder.name, made[3].folder.name]
        assert made[3].pruned == (made[1].folder,)

    def test_none_goes_for_one_that_failed(self, sqlite_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        first = sqlite_house.back_up()

        def refused(*arguments: object) -> None:
            raise BackupError("not sound. Take another.")

        monkeypatch.setattr(making, "verify", refused)
        with pytest.raises(BackupError):
            sqlite_house.back_up(keep=1)
        assert sqlite_house.names == [first.folder.name]

    def test_what_is_no_backup_stays(self, sqlite_house: House) -> None:
        for name in ("clearance-20180101T000000Z", "letters"):
            (sqlite_house.folder / name).mkdir(parents=True)
        made = sqlite_house.back_up(keep=1)
        assert sqlite_house.names == ["clearance-20180101T000000Z", made.folder.name, "letters"]

    def test_what_a_killed_one_left_goes_after_a_day(self, sqlite_house: House) -> None:
        for name, age in (
            (".clearance-a.1.partial", timedelta(days=2)),
            (".clearance-b.1.partial", timedelta(hours=2)),
        ):
            left = sqlite_house.folder / name
            left.mkdir(parents=True)
            (left / "marks.db").write_bytes(b"half")
            at = (sqlite_house.world.now - age).timestamp()
            os.utime(left, (at, at))
        made = sqlite_house.back_up()
        assert sqlite_house.names == [".clearance-b.1.partial", made.folder.name]

    def test_two_in_one_second_are_refused(self, sqlite_house: House) -> None:
        sqlite_house.back_up()
        sqlite_house.world.later(minutes=-1)
        with pytest.raises(BackupError, match="already exists"):
            sqlite_house.back_up()
