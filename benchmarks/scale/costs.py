"""The unit costs of a run, a recheck and a page on PostgreSQL: `python -m benchmarks.scale.costs [FILE]`.

CPU seconds of the program and of the PostgreSQL server, counted separately. The server is our own: its processor time
is that of its whole process tree. The source is a SQLite file, so that the server's time is the marks' alone. Each
cost is measured at two sizes of the roster; the difference gives the cost for each row, the rest is fixed. The smallest
of several rounds counts, because other work of the machine only adds. FILE receives the costs as JSON;
`benchmarks.scale` reads `benchmarks/scale/costs.json`.
"""

import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import URL, Connection, create_engine, text
from sqlalchemy.pool import NullPool

from benchmarks.load import serving
from benchmarks.sync_cost import LOANS_PERCENT, Place, change, prepare
from sync.run.run import Sync
from tests.services import databases

SMALL, LARGE = 2_000, 20_000
_ROUNDS, _RUNS, _PAGES = 3, 40, 200
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds of the program, and of the PostgreSQL server."""

    program: float
    server: float

    def __sub__(self, other: "Cpu") -> "Cpu":
        """Return the difference, never below zero: ticks of the clock can make it so."""
        return Cpu(max(0.0, self.program - other.program), max(0.0, self.server - other.server))

    def __add__(self, other: "Cpu") -> "Cpu":
        """Return the sum."""
        return Cpu(self.program + other.program, self.server + other.server)

    def __mul__(self, times: float) -> "Cpu":
        """Return the cost of so many."""
        return Cpu(self.program * times, self.server * times)

    @property
    def total(self) -> float:
        """Both together."""
        return self.program + self.server


@dataclass(frozen=True, slots=True)
class Costs:
    """What each piece of work costs."""

    #: A run whose answer is unchanged: fixed, and for each row of the answer.
    run: Cpu
    row: Cpu
    #: In addition, for each student whose finding changes.
    flip: Cpu
    #: For each student of a source's first answer.
    first: Cpu
    #: One student asked about again at one source.
    recheck: Cpu
    #: A student's own page.
    page: Cpu
    #: Bytes of the marks' database for each student of the roster after its first answer, and for each flip.
    student_bytes: float
    flip_bytes: float

    @classmethod
    def read(cls, file: Path) -> "Costs":
        """Read the costs that `write` has written."""
        found = json.loads(file.read_text(encoding="utf-8"))
        values: dict[str, Any] = {
            name: Cpu(**value) if isinstance(value, dict) else value for name, value in found.items()
        }
        return cls(**values)

    def write(self, file: Path) -> None:
        """Write the costs as JSON."""
        file.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


class Server:
    """A PostgreSQL server of our own, and the processor time of its process tree."""

    def __init__(self, url: URL) -> None:
        self.url = url
        with _connected(url) as connection:
            folder = Path(connection.execute(text("SHOW data_directory")).scalar_one())
        self._parent = int((folder / "postmaster.pid").read_text(encoding="utf-8").splitlines()[0])

    def seconds(self) -> float:
        """Return the CPU seconds of all its processes, with those that have ended."""
        children = Path(f"/proc/{self._parent}/task/{self._parent}/children").read_text(encoding="ascii").split()
        return seconds_of(self._parent, ended=True) + sum(seconds_of(int(child)) for child in children)

    def measured(self, work: Callable[[], object]) -> Cpu:
        """Do the work; return what it cost."""
        server, program = self.seconds(), time.process_time()
        work()
        return Cpu(time.process_time() - program, self.seconds() - server)


def seconds_of(pid: int, *, ended: bool = False) -> float:
    """Return the CPU seconds of a process, or 0 if it has gone; `ended` adds those of its children that ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    ticks = stat.rpartition(")")[2].split()[11:15]
    return sum(map(int, ticks if ended else ticks[:2])) / _TICK


@contextmanager
def _connected(url: URL) -> Iterator[Connection]:
    engine = create_engine(url, poolclass=NullPool)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


@dataclass(frozen=True, slots=True)
class _Sized:
    """The costs at one size of the roster."""

    rows: int
    flips: int
    first: Cpu
    unchanged: Cpu
    changed: Cpu
    recheck: Cpu
    loaded_bytes: int
    changed_bytes: int


def _sized(server: Server, students: int) -> _Sized:
    with databases.fresh_database(server.url) as url, tempfile.TemporaryDirectory(prefix="scale-") as name:
        folder = Path(name)
        marks = url.render_as_string(hide_password=False)
        place = Place(folder, marks, f"sqlite:///{folder / 'library.db'}", students)
        os.environ["BENCH_MARKS"], os.environ["BENCH_LIBRARY"] = place.marks, place.library
        prepare(place)
        sync = place.program().sync
        first = server.measured(lambda: _run(sync))
        loaded = _size(url)
        _run(sync)
        unchanged = server.measured(lambda: [_run(sync) for _ in range(_RUNS)]) * (1 / _RUNS)
        rows = _rows(place)
        asked = [f"2015{index:07d}" for index in range(0, 40, 4)]
        sync.recheck("loans", asked[0], by="bench")
        recheck = server.measured(lambda: [sync.recheck("loans", one, by="bench") for one in asked])
        before = _size(url)
        change(place)
        flips = 0

        def counted() -> None:
            nonlocal flips
            flips = _run(sync)

        changed = server.measured(counted)
        return _Sized(rows, flips, first, unchanged, changed, recheck * (1 / len(asked)), loaded, _size(url) - before)


def _run(sync: Sync) -> int:
    outcome = sync.run("loans", by="bench")
    if outcome.fault:
        raise SystemExit(outcome.message)
    return len(outcome.flips)


def _rows(place: Place) -> int:
    engine = create_engine(place.library, poolclass=NullPool)
    with engine.connect() as connection:
        count: int = connection.execute(text("SELECT COUNT(*) FROM loans")).scalar_one()
    engine.dispose()
    return count


def _size(url: URL) -> int:
    with _connected(url) as connection:
        size: int = connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one()
    return size


def _page(server: Server, students: int) -> Cpu:
    with databases.fresh_database(server.url) as url, tempfile.TemporaryDirectory(prefix="scale-") as name:
        marks = url.render_as_string(hide_password=False)
        with serving(marks, Path(name), students) as site:

            def ask() -> None:
                for _ in range(_PAGES):
                    status, _body = site.ask("/", site.student)
                    if status != 200:
                        raise SystemExit(f"the student's page returned {status}")

            ask()
            program, on_server = seconds_of_tree(site.pid), server.seconds()
            ask()
            return Cpu(seconds_of_tree(site.pid) - program, server.seconds() - on_server) * (1 / _PAGES)


def seconds_of_tree(pid: int) -> float:
    """Return the CPU seconds of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return seconds_of(pid, ended=True) + sum(seconds_of_tree(int(child)) for child in children)


def _least(found: list[Cpu]) -> Cpu:
    return min(found, key=lambda cpu: cpu.total)


def measure(server: Server) -> Costs:
    """Measure every cost."""
    small = [_sized(server, SMALL) for _ in range(_ROUNDS)]
    large = [_sized(server, LARGE) for _ in range(_ROUNDS)]
    little, much = _least([one.unchanged for one in small]), _least([one.unchanged for one in large])
    row = (much - little) * (1 / (large[0].rows - small[0].rows))
    one = large[0]
    return Costs(
        run=little - row * small[0].rows,
        row=row,
        flip=(_least([each.changed for each in large]) - much) * (1 / one.flips),
        first=_least([each.first for each in large]) * (1 / LARGE),
        recheck=_least([each.recheck for each in large]),
        page=_least([_page(server, SMALL) for _ in range(_ROUNDS)]),
        student_bytes=(one.loaded_bytes - small[0].loaded_bytes) / (LARGE - SMALL),
        flip_bytes=one.changed_bytes / one.flips,
    )


def main() -> None:
    """Measure, print, and write the file where one is named."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with databases.carried_postgres(databases.MEMORY) as carried:
        carried.hurry()
        costs = measure(Server(carried.url))
    print(f"{LOANS_PERCENT} % of the students have loans\n{'cost':<16}{'program':>14}{'PostgreSQL':>14}   CPU ms")
    for name, cost in asdict(costs).items():
        if isinstance(cost, dict):
            print(f"{name:<16}{cost['program'] * 1000:>14.4f}{cost['server'] * 1000:>14.4f}")
        else:
            print(f"{name:<16}{cost:>14.0f}")
    if len(sys.argv) > 1:
        costs.write(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
