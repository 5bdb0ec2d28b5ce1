"""Erasing a cohort: all of its rows, none of another's, and the rest of it after an interruption."""

import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, LargeBinary, Table, delete, insert, select

from status_db import tables
from status_db.desk.store import DeskStore
from status_db.ledger.raw_rows import ABOUT_STUDENTS, of_cohort
from status_db.seasons.erasing import Erasing
from status_db.tables.types import Instant, Json, Obligations
from tests.world import World

NOW = datetime(2020, 7, 1, tzinfo=UTC)
ERASED, KEPT = "2019", "2020"
DESK = (tables.appeal, tables.upload, tables.request, tables.desk_outbox)
_ROOT = Path(__file__).parents[3]


def a_row(table: Table, cohort: str, student: str, number: int) -> dict[str, Any]:
    """Return a row with a value for every column that needs one."""
    row: dict[str, Any] = {}
    for column in table.columns:
        if column.key in ("cohort", "student"):
            row[column.key] = cohort if column.key == "cohort" else student
        elif column.foreign_keys or (column.key == "run" and table in (tables.record, tables.unmatched_key)):
            row[column.key] = number
        elif column.nullable or column.server_default is not None:
            continue
        elif column.primary_key and column.type.python_type is int:
            row[column.key] = number
        else:
            row[column.key] = _value(column.type, column.key, number)
    if "verdict" in row or "towards" in row:
        row["verdict" if "verdict" in row else "towards"] = "held"
    return row


def _value(kind: Any, key: str, number: int) -> Any:
    if isinstance(kind, Instant):
        return NOW
    if isinstance(kind, Json):
        return {}
    if isinstance(kind, Obligations):
        return ()
    if isinstance(kind, LargeBinary):
        return str(number).encode()
    if kind.python_type is bool:
        return True
    return number if kind.python_type is int else f"{key}{number}"[:40]


def fill(marks: Engine, desk: Engine, rows: Mapping[str, list[str]]) -> None:
    """Write a row of every table for each student of each cohort."""
    numbers = count(1)
    with marks.begin() as connection:
        for cohort, students in rows.items():
            for at, student in enumerate(students):
                number = next(numbers)
                for table in reversed(ABOUT_STUDENTS):
                    if at and table is tables.applied_settings:
                        # One row for each cohort.
                        continue
                    values = a_row(table, cohort, student, number)
                    values |= {"step": f"s{number}"} if "step" in table.c and "step" in values else {}
                    connection.execute(insert(table).values(**values))
    with desk.begin() as connection:
        for cohort, students in rows.items():
            for student in students:
                number = next(numbers)
                for table in DESK:
                    connection.execute(insert(table).values(**a_row(table, cohort, student, number)))
        for student in sorted({student for students in rows.values() for student in students}):
            values = a_row(tables.account, "", student, 0) | {"account": student, "identity": student.encode()}
            connection.execute(insert(tables.account).values(**values))


def contents(engine: Engine, every: tuple[Table, ...], cohort: str) -> dict[str, list[Any]]:
    """Return table → its rows of a cohort."""
    with engine.connect() as connection:
        return {
            table.name: [
                tuple(row)
                for row in connection.execute(
                    select(table).where(of_cohort(table, cohort)).order_by(*table.primary_key)
                )
            ]
            for table in every
        }


def emptied(world: World) -> None:
    """Remove every row about students."""
    for engine, every in ((world.engine, ABOUT_STUDENTS), (world.desk_engine, (*DESK, tables.account))):
        with engine.begin() as connection:
            for table in every:
                connection.execute(delete(table))


numbers_of_students = st.lists(st.sampled_from([f"2015{n:04}" for n in range(12)]), max_size=6, unique=True)


@given(mine=numbers_of_students, theirs=numbers_of_students, at_once=st.integers(1, 4))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_every_row_of_one_cohort_goes_and_none_of_another_changes(
    world: World, mine: list[str], theirs: list[str], at_once: int
) -> None:
    emptied(world)
    fill(world.engine, world.desk_engine, {ERASED: mine, KEPT: theirs})
    before = contents(world.engine, ABOUT_STUDENTS, KEPT), contents(world.desk_engine, DESK, KEPT)
    erasing = Erasing(world.engine, DeskStore(world.desk_engine), ERASED, at_once)
    counts = erasing.counts()
    assert counts.get("student", 0) == len(mine)
    erasing.erase(NOW)
    assert erasing.counts() == {}
    assert (contents(world.engine, ABOUT_STUDENTS, KEPT), contents(world.desk_engine, DESK, KEPT)) == before
    with world.desk_engine.connect() as connection:
        found = {row.account: (row.identity, row.active) for row in connection.execute(select(tables.account))}
    for student in {*mine, *theirs}:
        gone = student in mine and student not in theirs
        assert found[student] == ((None, False) if gone else (student.encode(), True))


_CHILD = """
import os, signal, sys
from datetime import UTC, datetime
from sqlalchemy import event
from status_db.desk.store import DeskStore
from status_db.seasons.erasing import Erasing
marks, desk = open_writing(sys.argv[1]), open_writing(sys.argv[2])
left = [int(sys.argv[3])]
def count(*_):
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
for engine in (marks, desk):
    event.listen(engine, "after_cursor_execute", count)
Erasing(marks, DeskStore(desk), "2019", 2).erase(datetime(2020, 7, 1, tzinfo=UTC))
"""


@pytest.mark.slow
def test_killed_at_any_statement_it_is_finished_by_the_next_run(world: World) -> None:
    mine, theirs = [f"2015{n:04}" for n in range(5)], [f"2015{n:04}" for n in range(3, 8)]
    urls = [engine.url.render_as_string(hide_password=False) for engine in (world.engine, world.desk_engine)]
    for at in (5, 30, 60, 90, 130):
        emptied(world)
        fill(world.engine, world.desk_engine, {ERASED: mine, KEPT: theirs})
        before = contents(world.engine, ABOUT_STUDENTS, KEPT), contents(world.desk_engine, DESK, KEPT)
        killed = subprocess.run([sys.executable, "-c", _CHILD, *urls, str(at)], cwd=_ROOT, check=False)
        assert killed.returncode == -signal.SIGKILL
        erasing = Erasing(world.engine, DeskStore(world.desk_engine), ERASED, 2)
        assert erasing.counts() != {}
        erasing.erase(NOW)
        assert erasing.counts() == {}
        assert (contents(world.engine, ABOUT_STUDENTS, KEPT), contents(world.desk_engine, DESK, KEPT)) == before
