"""The cost of a sync, compared with its lower bound: `python -m benchmarks.sync_cost`, or `make bench`.

A library with loans, a roster, and three runs: the first load, a run with 1 % of the students changed, a run without
changes. The floors are measured at the same time: fetching the same rows with the same driver and nothing else; writing
the rows that a first load must write, with COPY or executemany and nothing else. Each measurement is a process with
memory of its own, and begins when everything is imported and opened. The fastest of several rounds counts. Compare the
ratios: unlike seconds, they are the same on other machines.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from clearance.services import Program
from clearance.settings_file import load_settings
from config import logs
from config.settings import Log
from connectors.port import Connector, Progress, Proof, ProofKind, Sample, Snapshot, no_progress
from status_db import tables
from status_db.model import ROSTER
from status_db.store import bulk
from status_db.store.engine import open_writing, writing
from status_db.store.migrate import upgrade
from sync.run.run import Sync
from tests.services import databases

ROOT = Path(__file__).parent.parent
COHORT = "2019"

#: Of a hundred students, the number with books on loan, and the number that change from one run to the next.
LOANS_PERCENT = 25
CHANGED_PERCENT = 1

QUERY = "SELECT card, title, due, barcode FROM loans"

SETTINGS = """
institution = { name = "Bench" }
status_db = { url = "env:BENCH_MARKS" }
[[cohort]]
key = "2019"
name = "2019"
[roster]
connector = "memory"
cron = "0 6 * * *"
columns = { student = "number", name = "name", level = "level", college = "college" }
levels = { u = "undergraduate" }
[[step]]
key = "library"
title = "Library"
office = { name = "Library" }
[[flow]]
key = "undergraduate"
levels = ["undergraduate"]
entries = [{ step = "library" }]
[source.loans]
step = "library"
connector = "sql"
url = "env:BENCH_LIBRARY"
means = "items"
obligation = "loan"
every = "15 min"
first = "apply"
query = "SELECT card, title, due, barcode FROM loans"
one = "SELECT card, title, due, barcode FROM loans WHERE card = :student"
columns = { student = "card", title = "title", due = "due", reference = "barcode" }
guard = { clear_percent = 100, hold_percent = 100, sum_percent = 100 }
"""


@dataclass(frozen=True, slots=True)
class Place:
    """The folder and databases of one round."""

    folder: Path
    marks: str
    library: str
    students: int

    def program(self) -> Program:
        """Return the program on these databases, its roster in memory."""
        file = self.folder / "bench.toml"
        file.write_text(SETTINGS, encoding="utf-8")
        return Program(load_settings(file), COHORT)


class _Roster:
    """A registrar's list of this many students."""

    def __init__(self, students: int) -> None:
        self._students = students

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        """List all students."""
        now = datetime.now(UTC)
        rows = [(_number(i), f"Student {i}", "u", f"College {i % 12}") for i in range(self._students)]
        progress(len(rows), len(rows))
        proofs = (Proof(ProofKind.END_REACHED, "made up"), Proof(ProofKind.COLUMNS_PRESENT, "all"))
        return Snapshot(("student", "name", "level", "college"), rows, now, now, proofs)

    def pull_one(self, student: str) -> Snapshot:
        """List one."""
        raise NotImplementedError(student)

    def check(self) -> Sample:
        """Show nothing."""
        return Sample("here", (), None)


def _number(index: int) -> str:
    return f"2015{index:07d}"


def _loans(students: int) -> Iterator[dict[str, Any]]:
    for index in range(students):
        if index * LOANS_PERCENT % 100 < LOANS_PERCENT:
            for copy in range(1 + index // 4 % 2):
                title = f"地质学研究 {index % 997}"
                yield {"card": _number(index), "title": title, "due": "2019-05-30", "barcode": f"B{index}{copy}"}


def prepare(place: Place) -> None:
    """Fill the library and the roster."""
    engine = create_engine(place.library, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS loans"))
        connection.execute(
            text("CREATE TABLE loans (card VARCHAR(40), title VARCHAR(200), due VARCHAR(10), barcode VARCHAR(40))")
        )
        connection.execute(
            text("INSERT INTO loans VALUES (:card, :title, :due, :barcode)"), list(_loans(place.students))
        )
    engine.dispose()
    upgrade(place.marks, "marks")
    program = place.program()

    def connect(name: str) -> Connector:
        return _Roster(place.students) if name == ROSTER else program.connect(name)

    sync = Sync(program.settings, COHORT, program.writing, connect, program.clock, program.ledger)
    sync.open_cohort()
    sync.run(ROSTER, by="bench")


def change(place: Place) -> None:
    """Have half of the changing students return all books, and as many others borrow one."""
    half = place.students * CHANGED_PERCENT // 200
    engine = create_engine(place.library, poolclass=NullPool)
    with engine.begin() as connection:
        cards = connection.execute(text("SELECT DISTINCT card FROM loans ORDER BY card")).scalars().all()
        step = max(1, len(cards) // half)
        connection.execute(
            text("DELETE FROM loans WHERE card = :card"), [{"card": card} for card in cards[::step][:half]]
        )
        held = set(cards)
        fresh = [number for number in map(_number, range(place.students)) if number not in held][:half]
        connection.execute(
            text("INSERT INTO loans VALUES (:card, '新借', '2019-06-01', :barcode)"),
            [{"card": number, "barcode": f"N{number}"} for number in fresh],
        )
    engine.dispose()


@contextmanager
def fetching(place: Place) -> Iterator[Callable[[], int]]:
    """Return a function that only fetches the rows with the driver."""
    raw: Any = create_engine(place.library, poolclass=NullPool).raw_connection()
    with closing(raw) as connection:
        # On PostgreSQL the connector streams, with a named cursor.
        streams = connection.dbapi_connection.__class__.__module__.startswith("psycopg")

        def work() -> int:
            cursor = connection.cursor(name="floor") if streams else connection.cursor()
            cursor.execute(QUERY)
            rows: list[tuple[Any, ...]] = []
            while batch := cursor.fetchmany(5_000):
                rows += batch
            cursor.close()
            return len(rows)

        yield work


@contextmanager
def loading(place: Place) -> Iterator[Callable[[], int]]:
    """Return a function that only writes the rows of a first load into the marks' own tables with the driver."""
    held = {row["card"] for row in _loans(place.students)}
    now = datetime.now(UTC)
    evidence: tuple[Any, ...] = ()
    students = [_number(index) for index in range(place.students)]
    findings = [("2019", s, "library", "held" if s in held else "cleared", "owed", None, now, 1) for s in students]
    records = [("2019", "loans", s, "held", "owed", evidence, "", b"0" * 16, now, 1, b"0" * 16) for s in sorted(held)]
    flips = [("2019", s, "library", "unknown", "cleared", "owed", "run", 1, None, now, evidence, 1) for s in students]
    engine = open_writing(place.marks)

    def work() -> int:
        with writing(engine, COHORT) as connection:
            _insert_all(connection, records, findings, flips)
        return len(records) + len(findings) + len(flips)

    yield work


def _insert_all(connection: Connection, records: Sequence[Any], findings: Sequence[Any], flips: Sequence[Any]) -> None:
    bulk.insert(connection, tables.record, [c.name for c in tables.record.columns], records)
    bulk.insert(connection, tables.status, [c.name for c in tables.status.columns], findings)
    bulk.insert(connection, tables.flip, [c.name for c in tables.flip.columns][1:], flips)


@contextmanager
def syncing(place: Place) -> Iterator[Callable[[], int]]:
    """Return a function that runs the source."""
    runs = place.program().sync

    def work() -> int:
        outcome = runs.run("loans", by="bench")
        if outcome.fault:
            raise SystemExit(outcome.message)
        return len(outcome.flips)

    yield work


WORK = {"fetch": fetching, "write": loading, "sync": syncing}


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one process: seconds, and the growth of its memory after starting."""

    seconds: float
    grown_mb: float
    result: int


def _in_a_process(work: str, place: Place) -> Cost:
    arguments = [work, str(place.folder), place.marks, place.library, str(place.students)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.sync_cost", "--do", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def _do(work: str, folder: str, marks: str, library: str, students: str) -> None:
    os.environ["BENCH_MARKS"], os.environ["BENCH_LIBRARY"] = marks, library
    with WORK[work](Place(Path(folder), marks, library, int(students))) as do:
        before = _most_memory()
        began = time.perf_counter()
        result = do()
        seconds = time.perf_counter() - began
        grown = _most_memory() - before
    print(json.dumps({"seconds": seconds, "grown_mb": grown, "result": result}))


def _most_memory() -> float:
    """Return this process's peak in MB, from Linux's /proc, which does not include the parent's memory."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def measure(place: Place, rounds: int, empty: Callable[[], None]) -> None:
    """Measure every case, and print it with its floor."""
    costs: dict[str, list[Cost]] = {}

    def add(case: str, work: str) -> None:
        costs.setdefault(case, []).append(_in_a_process(work, place))

    for _ in range(rounds):
        empty()
        upgrade(place.marks, "marks")
        add("write floor", "write")
        empty()
        prepare(place)
        add("fetch floor", "fetch")
        add("first load", "sync")
        for _ in range(2):
            add("nothing changed", "sync")
            add("fetch floor", "fetch")
        change(place)
        add("1 % changed", "sync")
    best = {case: min(found, key=lambda c: c.seconds) for case, found in costs.items()}
    memory = {case: min(c.grown_mb for c in found) for case, found in costs.items()}
    backend, rows = make_url(place.marks).get_backend_name(), best["fetch floor"].result
    print(f"\n{backend}, {place.students:,} students, {rows:,} rows")
    print(f"{'case':<18}{'seconds':>9}{'floor':>9}{'ratio':>8}{'aim':>7}{'memory':>10}{'above floor':>13}")
    aims = (
        ("first load", "write floor", 1.6),
        ("1 % changed", "fetch floor", 2.5),
        ("nothing changed", "fetch floor", 1.6),
    )
    for case, floor, aim in aims:
        seconds, least = best[case].seconds, best[floor].seconds
        above = memory[case] - memory["fetch floor"]
        print(
            f"{case:<18}{seconds:>9.3f}{least:>9.3f}{seconds / least:>8.2f}{aim:>7.1f}"
            f"{memory[case]:>7.0f} MB{above:>+10.0f} MB"
        )


@contextmanager
def places(students: int, backend: str) -> Iterator[tuple[Place, Callable[[], None]]]:
    """Create a place on a backend; return it with a function that empties its marks."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        if backend == "sqlite":
            place = Place(folder, f"sqlite:///{folder / 'marks.db'}", f"sqlite:///{folder / 'library.db'}", students)

            def empty() -> None:
                for file in folder.glob("marks.db*"):
                    file.unlink()
        else:
            server = stack.enter_context(databases.postgres_server())
            marks = stack.enter_context(databases.fresh_database(server))
            library = stack.enter_context(databases.fresh_database(server))
            urls = [url.render_as_string(hide_password=False) for url in (marks, library)]
            place = Place(folder, urls[0], urls[1], students)

            def empty() -> None:
                engine = create_engine(place.marks, poolclass=NullPool)
                with engine.begin() as connection:
                    connection.execute(text("DROP SCHEMA public CASCADE"))
                    connection.execute(text("CREATE SCHEMA public"))

        yield place, empty


def main() -> None:
    """Measure on each backend."""
    if sys.argv[1:2] == ["--do"]:
        _do(*sys.argv[2:])
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--backend", choices=("sqlite", "postgresql"), action="append")
    chosen = parser.parse_args()
    logs.configure(Log(level="warning"))
    for backend in chosen.backend or ["sqlite", "postgresql"]:
        with places(chosen.students, backend) as (place, empty):
            os.environ["BENCH_MARKS"], os.environ["BENCH_LIBRARY"] = place.marks, place.library
            measure(place, chosen.rounds, empty)


if __name__ == "__main__":
    main()
