"""Migrations make exactly the tables that the program speaks of, on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.pool import NullPool

from status_db import tables
from status_db.store.engine import StoreError, open_reading, open_writing
from status_db.store.migrate import check, upgrade

PARTS = (("marks", tables.marks), ("desk", tables.desk))


@pytest.fixture
def engine(status_url: str) -> Iterator[Engine]:
    made = create_engine(status_url, poolclass=NullPool)
    yield made
    made.dispose()


def test_migrations_lead_to_the_tables_of_the_code(status_url: str, engine: Engine) -> None:
    for part, _ in PARTS:
        upgrade(status_url, part)  # type: ignore[arg-type]  # a tuple of literals is read as text
    for part, metadata in PARTS:
        with engine.connect() as connection:
            own = set(metadata.tables) | {f"version_{part}"}
            context = MigrationContext.configure(
                connection,
                opts={
                    "version_table": f"version_{part}",
                    "compare_type": False,
                    "include_name": lambda name, kind, _, own=own: kind != "table" or name in own,
                },
            )
            assert compare_metadata(context, metadata) == []


def test_upgrading_again_changes_nothing(status_url: str) -> None:
    before, after = upgrade(status_url, "marks")
    assert before is None
    assert upgrade(status_url, "marks") == (after, after)


def test_a_database_without_tables_explains_how_to_make_them(status_url: str, engine: Engine) -> None:
    with pytest.raises(StoreError, match="clearance db upgrade"):
        check(engine, "marks")


def test_a_newer_database_is_refused_by_an_older_program(status_url: str, engine: Engine) -> None:
    upgrade(status_url, "marks")
    with engine.begin() as connection:
        connection.execute(text("UPDATE version_marks SET version_num = '9999'"))
    for refuse in (lambda: check(engine, "marks"), lambda: upgrade(status_url, "marks")):
        with pytest.raises(StoreError, match="a newer program wrote it"):
            refuse()


def test_marks_and_desk_may_share_one_database(status_url: str, engine: Engine) -> None:
    for part, _ in PARTS:
        upgrade(status_url, part)  # type: ignore[arg-type]  # a tuple of literals is read as text
    names = set(inspect(engine).get_table_names())
    assert {"student", "account", "version_marks", "version_desk"} <= names


class TestTheReadingHandle:
    STATEMENTS = (
        "INSERT INTO cohort (cohort, name) VALUES ('x', 'x')",
        "UPDATE cohort SET name = 'x'",
        "DELETE FROM cohort",
        "DROP TABLE cohort",
        "CREATE TABLE other (a INTEGER)",
    )

    @pytest.mark.parametrize("statement", STATEMENTS)
    def test_it_cannot_write(self, status_url: str, statement: str) -> None:
        upgrade(status_url, "marks")
        reading = open_reading(status_url)
        with pytest.raises(Exception, match=r"(?i)read-?only|prohibited|not authorized"), reading.begin() as connection:
            connection.execute(text(statement))
        reading.dispose()

    @pytest.mark.parametrize(
        "statement", ["ATTACH ':memory:' AS other", "VACUUM INTO 'copy.db'", "PRAGMA query_only = OFF"]
    )
    def test_on_sqlite_it_cannot_go_elsewhere_either(self, tmp_path: Path, statement: str) -> None:
        url = f"sqlite:///{tmp_path / 'clearance.db'}"
        upgrade(url, "marks")
        reading = open_reading(url)
        with reading.connect() as connection, pytest.raises(Exception, match=r"not authorized|authorization denied"):
            connection.exec_driver_sql(statement)
        reading.dispose()


def test_sqlite_writes_are_durable_by_setting(tmp_path: Path) -> None:
    engine = open_writing(f"sqlite:///{tmp_path / 'a' / 'clearance.db'}", create=True)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
    engine.dispose()
