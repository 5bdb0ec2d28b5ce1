"""What is not restored leaves everything as it is, and what is restored reports what to do next."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update

from status_db import tables
from status_db.backups import restoring
from status_db.backups.making import BackupResult
from status_db.backups.manifest import BackedUpDatabase, BackupError
from status_db.store import schema_version
from status_db.store.migrate import upgrade
from tests.status_db.house import House, damage, everything, go_on, told_otherwise


class TestWhatIsNotRestored:
    @pytest.fixture
    def made(self, house: House) -> Iterator[BackupResult]:
        """A backup whose restoring must leave everything as it is."""
        made = house.back_up()
        go_on(house.world)
        before = house.rows()
        yield made
        assert house.rows() == before

    def test_a_damaged_one(self, house: House, made: BackupResult) -> None:
        house.stop()
        damage(made.folder / made.manifest.members[0].file)
        with pytest.raises(BackupError, match="is damaged"):
            house.restore(made, replace=True)

    def test_one_without_a_file_or_a_manifest(self, house: House, made: BackupResult) -> None:
        (made.folder / made.manifest.members[0].file).unlink()
        with pytest.raises(BackupError, match="cannot be read"):
            house.restore(made, replace=True)
        (made.folder / "manifest.json").unlink()
        with pytest.raises(BackupError, match="is not a backup"):
            house.restore(made, replace=True)

    def test_one_whose_manifest_is_cut(self, house: House, made: BackupResult) -> None:
        file = made.folder / "manifest.json"
        file.write_bytes(file.read_bytes()[:200])
        with pytest.raises(BackupError, match=r"manifest\.json is invalid"):
            house.restore(made, replace=True)

    def test_one_whose_counts_are_others(self, house: House, made: BackupResult) -> None:
        told_otherwise(made, rows={**made.manifest.members[0].rows, "run": 3})
        with pytest.raises(BackupError, match=r"does not match manifest\.json"):
            house.restore(made, replace=True)

    def test_one_of_a_newer_schema(self, house: House, made: BackupResult) -> None:
        told_otherwise(made, versions={**made.manifest.members[0].versions, "marks": "9999"})
        with pytest.raises(BackupError, match=r"newer than this one\. Install that program"):
            house.restore(made, replace=True)

    def test_one_of_other_databases(self, house: House, made: BackupResult) -> None:
        with pytest.raises(BackupError, match="Set url and desk_url"):
            house.restore(made, [BackedUpDatabase("sqlite:///x.db", schema_version.PARTS)], replace=True)

    def test_any_over_existing_rows_unless_asked_to(self, house: House, made: BackupResult) -> None:
        with pytest.raises(BackupError, match=r"already has .* rows\. .*--replace"):
            house.restore(made)

    def test_any_while_a_run_is_under_way(self, house: House, made: BackupResult) -> None:
        state = tables.source_state
        held = {"lease_run": 1, "lease_owner": "a process", "lease_until": house.world.now + timedelta(minutes=1)}
        with house.world.engine.begin() as connection:
            connection.execute(update(state).where(state.c.source == "fees").values(**held))
        house.stop()
        with pytest.raises(BackupError, match="fees is being asked now, by run 1"):
            house.restore(made, replace=True)
        with house.world.engine.begin() as connection:
            connection.execute(update(state).where(state.c.source == "fees").values(dict.fromkeys(held, None)))


def test_a_run_whose_process_has_gone_hinders_no_one(house: House) -> None:
    made = house.back_up()
    held = {"lease_run": 1, "lease_owner": "a process", "lease_until": house.world.now + timedelta(minutes=1)}
    with house.world.engine.begin() as connection:
        connection.execute(update(tables.source_state).values(**held))
    house.stop()
    done = restoring.restore(
        made.folder, house.place, now=house.world.now, gone=lambda _: True, replace=True, tools_folder=house.tools
    )
    assert done.manifest == made.manifest


def test_an_older_schema_is_restored_and_reported(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    made = house.back_up()
    house.stop()
    known = {part: schema_version.known(part) for part in schema_version.PARTS}
    monkeypatch.setattr(schema_version, "newest", lambda part: "9999" if part == "marks" else max(known[part]))
    monkeypatch.setattr(schema_version, "known", lambda part: known[part] | {"9999"})
    assert house.restore(made, replace=True).older == ("marks",)


def test_tables_made_and_never_used_are_no_hindrance(house: House, elsewhere: list[BackedUpDatabase]) -> None:
    made = house.back_up()
    for database in elsewhere:
        for part in database.parts:
            upgrade(database.url, part)
    house.restore(made, elsewhere)
    assert everything(elsewhere) == house.rows()
