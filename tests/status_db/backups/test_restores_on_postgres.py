"""On PostgreSQL a restore is one transaction, made by PostgreSQL's own programs."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, inspect, make_url, text
from sqlalchemy.pool import NullPool

from status_db.backups import manifest, postgres
from status_db.backups.manifest import BackedUpDatabase, BackupError
from status_db.store import schema_version
from tests.status_db.house import House, go_on
from tests.world import SETTINGS, World


class TestOnPostgres:
    @pytest.fixture
    def house(self, postgres_url: str, postgres_tools: Path, tmp_path: Path) -> Iterator[House]:
        """A university on PostgreSQL."""
        with World(postgres_url, tmp_path) as world:
            world.run_all()
            yield House(world, tmp_path / "backups", postgres_tools)

    @pytest.fixture
    def engine(self, postgres_url: str) -> Iterator[Engine]:
        """The owner's handle."""
        made = create_engine(postgres_url, poolclass=NullPool)
        yield made
        made.dispose()

    def test_a_restore_that_breaks_at_its_start_leaves_the_old_state(self, house: House, engine: Engine) -> None:
        made = house.back_up()
        go_on(house.world)
        before = house.rows()
        with engine.begin() as connection:
            connection.execute(text("CREATE VIEW seen AS SELECT run FROM run"))
        with pytest.raises(BackupError, match=r"is unchanged.*view seen depends"):
            house.restore(made, replace=True)
        assert house.rows() == before

    def test_a_restore_that_breaks_at_its_end_leaves_the_old_state(self, house: House) -> None:
        made = house.back_up()
        go_on(house.world)
        before = house.rows()
        (member,) = made.manifest.members
        lying = replace(member, rows={**member.rows, "run": 3})
        tools = postgres.Tools.found(house.tools)
        with pytest.raises(BackupError, match="the table run does not have its 3 rows"):
            postgres.restore(lying, made.folder / member.file, house.place[0], tools, grants=True)
        assert house.rows() == before

    def test_a_dump_that_ends_early_leaves_the_old_state(self, house: House) -> None:
        made = house.back_up()
        before = house.rows()
        (member,) = made.manifest.members
        dumped = made.folder / member.file
        os.truncate(dumped, dumped.stat().st_size - 200)
        tools = postgres.Tools.found(house.tools)
        with pytest.raises(BackupError, match="is unchanged"):
            postgres.restore(member, dumped, house.place[0], tools, grants=True)
        assert house.rows() == before

    def test_a_desk_on_sqlite_beside_it_comes_back_as_well(
        self, postgres_url: str, postgres_tools: Path, tmp_path: Path
    ) -> None:
        desk = f"sqlite:///{tmp_path / 'desk.db'}"
        settings = SETTINGS.replace('"env:STATUS_URL"', f'"env:STATUS_URL"\ndesk_url = "{desk}"')
        with World(postgres_url, tmp_path, settings) as world:
            world.run("roster")
            house = House(world, tmp_path / "backups", postgres_tools)
            before = house.rows()
            made = house.back_up()
            world.accounts.add("dean", "Dean", "hash", now=world.now)
            with pytest.raises(BackupError, match=r"marks are restored already, but the rest is not.*open in another"):
                house.restore(made, replace=True)
            house.stop()
            house.restore(made, replace=True)
            assert house.rows() == before

    def test_the_tables_of_others_are_left_alone(self, house: House, engine: Engine) -> None:
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE theirs AS SELECT 1 AS one"))
        made = house.back_up()
        assert "theirs" not in made.manifest.members[0].rows
        house.restore(made, replace=True)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT one FROM theirs")).scalar_one() == 1

    def test_tables_of_a_later_version_go_with_the_others(
        self, house: House, engine: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = house.back_up()
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE later (run BIGINT REFERENCES run (run))"))
        monkeypatch.setattr(postgres, "tables_of", lambda parts: [*manifest.tables_of(parts), "later"])
        house.restore(made, replace=True)
        assert not inspect(engine).has_table("later")

    def test_the_next_run_has_the_next_number(self, house: House) -> None:
        made = house.back_up()
        last = house.world.run("loans").run
        house.restore(made, replace=True)
        assert house.world.run("loans").run == last

    def test_a_password_is_on_no_command_line(
        self, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert house.tools is not None
        told = tmp_path / "told"
        folder = tmp_path / "tools"
        folder.mkdir()
        for name in ("pg_dump", "pg_restore", "psql"):
            program = folder / name
            program.write_text(
                f'#!/bin/sh\necho "$0 $* | $PGPASSWORD" >> "{told}"\nexec "{house.tools / name}" "$@"\n',
                encoding="utf-8",
            )
            program.chmod(0o755)
        secret = "geheim 4711"
        url = make_url(house.place[0].url).set(password=secret).render_as_string(hide_password=False)
        house.place, house.tools = [BackedUpDatabase(url, schema_version.PARTS)], folder
        house.restore(house.back_up(), replace=True)
        lines = told.read_text(encoding="utf-8").splitlines()
        assert {Path(line.split()[0]).name for line in lines} == {"pg_dump", "pg_restore", "psql"}
        assert not [line for line in lines if secret in line.partition(" | ")[0]]
        assert [line for line in lines if line.endswith(f" | {secret}")]

    def test_a_password_is_in_no_message(self, house: House, tmp_path: Path) -> None:
        assert house.tools is not None
        folder = tmp_path / "tools"
        folder.mkdir()
        for name in ("pg_dump", "pg_restore", "psql"):
            program = folder / name
            program.write_text(
                f'#!/bin/sh\n[ "$1" = --version ] && exec "{house.tools / name}" "$1"\n'
                'echo "no way in with $PGPASSWORD" >&2\nexit 1\n',
                encoding="utf-8",
            )
            program.chmod(0o755)
        url = make_url(house.place[0].url).set(password="geheim").render_as_string(hide_password=False)
        house.place, house.tools = [BackedUpDatabase(url, schema_version.PARTS)], folder
        with pytest.raises(BackupError, match="no way in") as refused:
            house.back_up()
        assert "geheim" not in str(refused.value)

    def test_programs_that_are_not_there_are_reported_with_the_fix(self, house: House, tmp_path: Path) -> None:
        house.tools = tmp_path
        with pytest.raises(BackupError, match=r"pg_dump was not found in .*postgres_tools in \[status_db\]"):
            house.back_up()
        assert house.names == []

    def test_programs_older_than_the_server_are_refused(self, house: House, tmp_path: Path) -> None:
        for name in ("pg_dump", "pg_restore", "psql"):
            program = tmp_path / name
            program.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 9.6.24'\n", encoding="utf-8")
            program.chmod(0o755)
        house.tools = tmp_path
        with pytest.raises(BackupError, match="has version 9, but the server has"):
            house.back_up()
        assert house.names == []
