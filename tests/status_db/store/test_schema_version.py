"""A process that was started before an upgrade notices it, and an upgrade is whole or not at all."""

from collections.abc import Iterator

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, select, text
from sqlalchemy.pool import NullPool

from connectors.port import Progress, Snapshot, no_progress
from status_db import tables
from status_db.accounts.accounts import Accounts
from status_db.store import migrate, schema_version
from status_db.store.engine import StoreError
from tests.world import VoteKind, World


@pytest.fixture
def newcomer(status_url: str) -> Iterator[Engine]:
    """A second process's handle on the same database."""
    made = create_engine(status_url, poolclass=NullPool)
    yield made
    made.dispose()


def upgraded_beside(newcomer: Engine, part: str = "marks") -> None:
    """Have a newer program bring the database to tables that this one does not know."""
    with newcomer.begin() as connection:
        connection.execute(text(f"UPDATE version_{part} SET version_num = '9999'"))


def everything(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of the marks."""
    with engine.connect() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in tables.marks.sorted_tables
        }


class TestAnUpgradeWhileAProcessRuns:
    def test_a_run_that_begins_after_it_writes_nothing_and_reports_it(self, world: World, newcomer: Engine) -> None:
        world.run_all()
        before = everything(newcomer)
        upgraded_beside(newcomer)
        with pytest.raises(StoreError, match=r"a newer program wrote it\. Install the newer program"):
            world.run("loans")
        assert everything(newcomer) == before

    def test_a_run_under_way_writes_none_of_its_answer(
        self, world: World, newcomer: Engine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.run_all()
        before = everything(newcomer)
        asked = VoteKind.pull

        def pull(says: VoteKind, progress: Progress = no_progress) -> Snapshot:
            upgraded_beside(newcomer)
            return asked(says, progress)

        monkeypatch.setattr(VoteKind, "pull", pull)
        world.says["fees"] = [{"XH": "20151001", "QFJE": "100"}]
        with pytest.raises(StoreError, match="a newer program wrote it"):
            world.run("fees")
        after = everything(newcomer)
        for kept in ("record", "status", "flip"):
            assert after[kept] == before[kept], kept

    def test_no_account_is_written_after_one_of_the_desk(self, world: World, status_url: str, newcomer: Engine) -> None:
        desk = create_engine(world.desk_engine.url, poolclass=NullPool)
        upgraded_beside(desk, "desk")
        with pytest.raises(StoreError, match="a newer program wrote it"):
            Accounts(world.desk).add("dean", "Dean", "hash", now=world.now)
        with desk.connect() as connection:
            assert connection.execute(select(tables.account)).all() == []
        desk.dispose()

    def test_tables_that_have_gone_are_reported_with_the_fix(self, world: World, newcomer: Engine) -> None:
        with newcomer.begin() as connection:
            connection.execute(text("DROP TABLE version_marks"))
        with pytest.raises(StoreError, match="clearance db upgrade"):
            world.run("loans")


def test_an_upgrade_that_breaks_leaves_no_table(
    status_url: str, newcomer: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_at_the_end(config: Config, revision: str) -> None:
        upgrade(config, revision)
        raise KeyboardInterrupt

    upgrade = command.upgrade
    monkeypatch.setattr(command, "upgrade", break_at_the_end)
    with pytest.raises(KeyboardInterrupt):
        migrate.upgrade(status_url, "marks")
    assert inspect(newcomer).get_table_names() == []
    monkeypatch.undo()
    assert migrate.upgrade(status_url, "marks") == (None, schema_version.newest("marks"))


@pytest.mark.parametrize("part", schema_version.PARTS)
def test_the_migrations_files_are_named_as_alembic_finds_them(part: schema_version.Part) -> None:
    script = ScriptDirectory.from_config(schema_version.migrations(part))
    assert schema_version.newest(part) == script.get_current_head()
    assert schema_version.known(part) == {revision.revision for revision in script.walk_revisions()}
