"""One student rechecked at four sources on warm engines, beside four warm single-row reads."""

import os
import time
from collections.abc import Callable

from sqlalchemy import create_engine, text

from benchmarks.speed.rows import Measured, Row
from benchmarks.sync_cost import MORE_SETTINGS, places, prepare
from tests.services import databases

_SOURCES = ("loans", "loans_2", "loans_3", "loans_4")

_STUDENT = "20150000004"

#: The tables of the three other sources, after that of the first.
_OTHERS = "".join(
    f"""
[source.{name}]
step = "library"
connector = "sql"
url = "env:BENCH_LIBRARY"
means = "items"
obligation = "loan"
every = "15 min"
first = "apply"
query = "SELECT card, title, due, barcode FROM loans"
one = "SELECT card, title, due, barcode FROM loans WHERE card = :student"
columns = {{ student = "card", title = "title", due = "due", reference = "barcode" }}
guard = {{ clear_percent = 100, hold_percent = 100, sum_percent = 100 }}
"""
    for name in _SOURCES[1:]
)


def recheck_row(rounds: int, students: int = 2_000) -> Row:
    """Measure it in this process."""
    with (
        databases.mariadb_server() as server,
        databases.fresh_database(server) as office,
        places(students, "sqlite", office.render_as_string(hide_password=False)) as (place, empty),
    ):
        os.environ.update(BENCH_MARKS=place.marks, BENCH_LIBRARY=place.library)
        os.environ[MORE_SETTINGS] = _OTHERS
        try:
            empty()
            prepare(place)
            sync = place.program().sync
            for name in _SOURCES:
                sync.run(name, by="bench")
            engine = create_engine(place.library)
            one = text("SELECT card, title, due, barcode FROM loans WHERE card = :student")

            def rechecked() -> None:
                for name in _SOURCES:
                    if fault := sync.recheck(name, _STUDENT, by="bench").fault:
                        raise SystemExit(fault)

            def read() -> None:
                for _ in _SOURCES:
                    with engine.connect() as connection:
                        connection.execute(one, {"student": _STUDENT}).all()

            pairs = [(_timed(rechecked), _timed(read)) for _ in range(2 + 5 * rounds)][2:]
            engine.dispose()
        finally:
            del os.environ[MORE_SETTINGS]
    work, least = zip(*pairs, strict=True)
    return Row("Sync", "one student rechecked at four sources", "four warm reads of one row", None,
               _measured(work), _measured(least))  # fmt: skip


def _timed(work: Callable[[], None]) -> tuple[float, float]:
    began, cpu = time.perf_counter(), time.process_time()
    work()
    return time.process_time() - cpu, time.perf_counter() - began


def _measured(found: tuple[tuple[float, float], ...]) -> Measured:
    return Measured(tuple(cpu for cpu, _ in found), tuple(wall for _, wall in found))
