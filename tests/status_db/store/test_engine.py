"""The handle of the pages: whatever is tried, nothing is written or opened beside, and nothing goes on for ever."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from status_db import tables
from status_db.store.engine import StoreError, open_reading, open_writing, reading, writing
from status_db.store.turns import DESK
from tests.world import World


def files_in(folder: Path) -> set[str]:
    """Return the names of the files there, without those that SQLite keeps while somebody has the database open."""
    return {file.name for file in folder.iterdir()} - {"clearance.db-wal", "clearance.db-shm"}


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH DATABASE '{folder}/other.db' AS other",
        "ATTACH DATABASE ':memory:' AS other",
        "VACUUM INTO '{folder}/copy.db'",
        "VACUUM",
        "PRAGMA writable_schema = ON",
        "PRAGMA query_only = OFF",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA user_version = 7",
        "PRAGMA temp_store_directory = '{folder}'",
        "CREATE TEMP TABLE mine (a)",
        "CREATE TEMP TABLE status AS SELECT * FROM status",
        "CREATE TEMP VIEW student AS SELECT 1",
        "CREATE TEMP TRIGGER mine AFTER INSERT ON status BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE mine USING fts5(a)",
        "CREATE TABLE mine (a)",
        "DROP TABLE status",
        "ALTER TABLE status ADD COLUMN more",
        "REINDEX",
        "ANALYZE",
        "SELECT load_extension('mine')",
        *(f"INSERT INTO {table.name} DEFAULT VALUES" for table in tables.marks.sorted_tables),
        *(f"UPDATE {table.name} SET rowid = 1" for table in (tables.run, tables.flip)),
        *(f"DELETE FROM {table.name}" for table in tables.marks.sorted_tables),
    ],
)
def test_the_reading_handle_refuses_it(sqlite_world: World, tmp_path: Path, statement: str) -> None:
    engine = open_reading(sqlite_world.url)
    files = files_in(tmp_path)
    with engine.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(text(statement.replace("{folder}", str(tmp_path)).replace(":memory:", r"\:memory\:")))
    said = str(caught.value.orig)
    assert any(
        word in said for word in ("not authorized", "authorization denied", "prohibited", "readonly", "read-only")
    ), said
    assert files_in(tmp_path) == files
    with engine.connect() as connection:
        connection.execute(text("SELECT count(*) FROM cohort")).all()
    engine.dispose()


def test_a_question_that_takes_too_long_is_broken_off_on_postgresql(postgres_url: str) -> None:
    engine = open_reading(postgres_url, at_most=timedelta(seconds=1))
    for_ever = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(StoreError, match=r"exceeded its time limit .* Run ANALYZE"), reading(engine) as connection:
        connection.execute(text(for_ever)).all()
    engine.dispose()


def test_an_error_of_the_database_names_no_value_of_its_statement(world: World) -> None:
    """A traceback ends in a log: neither a name nor a hash is to come along."""
    person = {"account": "canary-account", "name": "canary-name", "active": True, "created_at": world.now}
    twice = [{**person, "password_hash": "canary-hash"}] * 2
    with (
        pytest.raises(IntegrityError) as refused,
        writing(world.desk_engine, DESK, "desk") as connection,
    ):
        connection.execute(insert(tables.account), twice)
    said = str(refused.value)
    assert "canary-name" not in said
    assert "canary-hash" not in said


@pytest.mark.parametrize("opening", [open_reading, open_writing])
@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://db/marks", "cannot be http"),
        ("mysql+pymysql://db/marks", "cannot be mysql"),
        ("postgresql+nothing://db/marks", r"no driver postgresql\+nothing"),
        ("sqlite+nothing:///marks.db", r"no driver sqlite\+nothing"),
    ],
)
def test_another_kind_of_database_or_driver_is_refused_with_the_fix(opening: Any, url: str, why: str) -> None:
    with pytest.raises(StoreError, match=rf"{why}.*Write postgresql\+psycopg://"):
        opening(url)
