"""The rows of the sync and of `verify`: each piece of work is a process of its own, beside its floor in the round."""

import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from benchmarks.speed.rows import Measured, Row
from benchmarks.sync_cost import MORE_SETTINGS, Cost, Place, change, in_a_process, places, prepare
from status_db.store.migrate import upgrade
from tests.services import databases

_SYNC, _VERIFY = "Sync", "Verify"

#: Readers of the library that are on no roster, and the students beside them.
_UNMATCHED, _BESIDE = 30_000, 10_000


class _Round:
    """The costs of every round, by what was done."""

    def __init__(self) -> None:
        self._costs: dict[str, list[Cost]] = defaultdict(list)

    def add(self, name: str, work: str, place: Place) -> None:
        """Do a piece of work once more."""
        self._costs[name].append(in_a_process(work, place))

    def measured(self, name: str) -> Measured:
        """Return its costs."""
        found = self._costs[name]
        return Measured(tuple(c.cpu for c in found), tuple(c.seconds for c in found), tuple(c.grown_mb for c in found))

    def row(self, section: str, what: str, name: str, floor: str, target: float | None) -> Row:
        """Return a row; `name` and `floor` are what was added."""
        return Row(section, what, floor, target, self.measured(name), self.measured(floor))


@contextmanager
def _naming(place: Place, more: str = "") -> Iterator[None]:
    os.environ.update(BENCH_MARKS=place.marks, BENCH_LIBRARY=place.library)
    before, os.environ[MORE_SETTINGS] = os.environ.get(MORE_SETTINGS, ""), more
    try:
        yield
    finally:
        os.environ[MORE_SETTINGS] = before


def sync_rows(students: int, rounds: int, backend: str) -> list[Row]:
    """Measure a sync of a library in MariaDB over PyMySQL into marks on this backend, and `verify`."""
    costs, kept = _Round(), "COPY" if backend == "postgresql" else "executemany"
    with (
        databases.mariadb_server() as server,
        databases.fresh_database(server) as office,
        places(students, backend, office.render_as_string(hide_password=False)) as (place, empty),
        _naming(place),
    ):
        for _ in range(rounds):
            empty()
            upgrade(place.marks, "marks")
            costs.add(kept, "write", place)
            empty()
            prepare(place)
            costs.add("PyMySQL fetch", "fetch", place)
            costs.add("first", "sync", place)
            costs.add("unchanged", "sync", place)
            costs.add("PyMySQL fetch", "fetch", place)
            with _naming(place, "fingerprint = true\n"):
                in_a_process("sync", place)
                costs.add("fingerprint", "sync", place)
            in_a_process("sync", place)
            change(place)
            costs.add("changed", "sync", place)
            costs.add("one read of the same rows", "read", place)
            costs.add("verify", "verify", place)
    on = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[backend]
    least = {"sqlite": 1.8, "postgresql": 1.6}[backend]
    return [
        costs.row(_SYNC, f"nothing changed, {on}", "unchanged", "PyMySQL fetch", 1.4),
        costs.row(_SYNC, f"nothing changed, fingerprint, {on}", "fingerprint", "PyMySQL fetch", 0.3),
        costs.row(_SYNC, f"1 % changed, {on}", "changed", "PyMySQL fetch", 2.2),
        costs.row(_SYNC, f"first load, {on}", "first", kept, least),
        costs.row(_VERIFY, f"verify, {on}", "verify", "one read of the same rows", None),
    ]


def unmatched_row(rounds: int, unmatched: int = _UNMATCHED, students: int = _BESIDE) -> Row:
    """Measure one returned book beside many readers that are on no roster."""
    costs = _Round()
    with (
        databases.mariadb_server() as server,
        databases.fresh_database(server) as office,
        places(students, "sqlite", office.render_as_string(hide_password=False)) as (place, empty),
        _naming(place),
    ):
        empty()
        prepare(place)
        engine = create_engine(make_url(place.library), poolclass=NullPool)
        with engine.begin() as connection:
            rows = [{"card": f"19{index:09d}", "barcode": f"U{index}"} for index in range(unmatched)]
            connection.execute(text("INSERT INTO loans VALUES (:card, 'x', '2019-05-30', :barcode)"), rows)
        in_a_process("sync", place)
        for _ in range(rounds):
            with engine.begin() as connection:
                barcode = connection.execute(text("SELECT MIN(barcode) FROM loans WHERE card LIKE '2015%'")).scalar()
                connection.execute(text("DELETE FROM loans WHERE barcode = :barcode"), {"barcode": barcode})
            costs.add("PyMySQL fetch", "fetch", place)
            costs.add("returned", "sync", place)
    what = f"one book returned beside {unmatched:,} unmatched readers"
    return costs.row(_SYNC, what, "returned", "PyMySQL fetch", 2.5)
