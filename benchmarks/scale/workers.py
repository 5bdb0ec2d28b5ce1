"""Jobs a second against the number of workers, and the model's prediction: `python -m benchmarks.scale.workers`.

Real processes: a schedule hands out one job for each of the sources and is stopped, then so many workers start. The
rate counts from the moment when all workers take jobs until the last run is applied; what was done before counts too,
so the rate of many workers is too high for the first instant. The offices are a web server in this process that
answers after a given time. PostgreSQL is a server of its own on the same machine. The prediction is of the simulation
with the costs of `benchmarks/scale/costs.json` and the cost of one job as measured here with one worker.

The first table spreads the sources over institutions. In the second one, all are of one cohort and change at the same
moment, so their answers are applied one after the other: more workers help little.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from benchmarks.scale.costs import Costs, Cpu, Server, seconds_of_tree
from benchmarks.scale.model import Day, Load, Machines
from tests.services import databases
from tests.services.cluster import HeldOffices
from tests.services.institutions import Installation

WORKERS = (1, 2, 4)
PULLS = 4

#: What PostgreSQL must accept: a schedule listens, and hands out jobs, for each institution.
_CONNECTIONS = 600

_POLL = 0.05

_CLUSTER = """
[cluster]
enabled = true
queue_schema = "clearance_queue"
"""

_SOURCE = """
[source.s{number}]
step = "library"
connector = "rest"
url = "{root}/s{number}"
records = "rows"
total = "total"
means = "items"
obligation = "loan"
first = "apply"
every = "1 d"
columns = {{ student = "reader", title = "title", reference = "barcode" }}
"""

_WAITING = "SELECT count(*) FROM clearance_queue.procrastinate_jobs WHERE status = 'todo'"


@dataclass(frozen=True, slots=True)
class Rate:
    """What so many workers did."""

    workers: int
    jobs: int
    seconds: float
    cpu: Cpu

    @property
    def rate(self) -> float:
        """Jobs a second."""
        return self.jobs / self.seconds


class Place:
    """Institutions whose sources all have a slot, and nothing has been queried yet."""

    def __init__(self, installation: Installation, institutions: int, sources: int, offices: HeldOffices) -> None:
        self.installation = installation
        self.institutions = institutions
        self.sources = sources
        self._keys = [f"u{number}" for number in range(1, institutions + 1)]
        applied = (
            f"SELECT count(*) FROM {key}.run WHERE slot IS NOT NULL AND source LIKE 's%' AND state = 'applied'"
            for key in self._keys
        )
        self._applied = "SELECT " + " + ".join(f"({query})" for query in applied)
        # Several workers on one machine cannot have one port for their metrics.
        process = 'connections = 40\n[log]\nformat = "json"\n'
        (installation.folder / "_process.toml").write_text(process, encoding="utf-8")
        for key in self._keys:
            self._build(key, offices.root)

    def _build(self, key: str, root: str) -> None:
        self.installation.write(key)
        file = self.installation.file(key)
        before = file.read_text(encoding="utf-8").partition("[source.loans]")[0]
        own = "".join(_SOURCE.format(number=number, root=root) for number in range(self.sources))
        file.write_text(before + _CLUSTER + own, encoding="utf-8")
        self.installation.run("", "institutions", "add", key)
        self.installation.run(key, "db", "upgrade")
        self.installation.run(key, "sync", "roster")

    def count(self, query: str) -> int:
        """Return the number that a query counts."""
        engine = create_engine(self.installation.url, poolclass=NullPool)
        with engine.connect() as connection:
            return int(connection.execute(text(query)).scalar_one())

    def applied(self) -> int:
        """Return how many sources have been applied."""
        return self.count(self._applied)

    def hand_out(self) -> None:
        """Hand out a job for each source and each roster."""
        with self.installation.running("schedule"):
            _wait(lambda: self.count(_WAITING), self.institutions * (self.sources + 1))


@contextmanager
def place(server: Server, institutions: int, sources: int, answers_in: float) -> Iterator[Place]:
    """Build one, on a database of its own."""
    with ExitStack() as stack:
        url = stack.enter_context(databases.fresh_database(server.url))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="workers-"))
        offices = stack.enter_context(HeldOffices())
        offices.answers_in = answers_in
        address = url.render_as_string(hide_password=False)
        yield Place(Installation(Path(folder) / "institutions", address), institutions, sources, offices)


def measure(server: Server, workers: int, institutions: int, sources: int, answers_in: float) -> Rate:
    """Let so many workers do the jobs of so many sources of each institution."""
    with place(server, institutions, sources, answers_in) as made, ExitStack() as stack:
        made.hand_out()
        running = made.installation.running
        begun = [stack.enter_context(running("worker", "--concurrency", str(PULLS))) for _ in range(workers)]
        for one in begun:
            one.wait_for("worker started")
        done = made.applied()
        before = [seconds_of_tree(one.process.pid) for one in begun]
        on_server, began = server.seconds(), time.perf_counter()
        _wait(made.applied, institutions * sources)
        seconds, server_cpu = time.perf_counter() - began, server.seconds() - on_server
        program = sum(seconds_of_tree(one.process.pid) for one in begun) - sum(before)
        jobs = institutions * sources - done
        return Rate(workers, jobs, seconds, Cpu(program / jobs, server_cpu / jobs))


def _wait(count: Callable[[], int], wanted: int) -> None:
    deadline = time.monotonic() + 600
    while (found := count()) < wanted:
        if time.monotonic() > deadline:
            raise SystemExit(f"not reached within ten minutes: {found} of {wanted}")
        time.sleep(_POLL)


def predicted(costs: Costs, job: Cpu, workers: int, jobs: int, answers_in: float) -> float:
    """Return the simulated rate: all jobs of one slot, on as many processors as this machine has."""
    load = Load(1, graduates=0, sources=jobs, every=24 * 3600, opens=0, closes=24, flips=0, views=0, rechecks=0,
                answers_in=answers_in, exact=True)  # fmt: skip
    handing = Cpu(max(0.0, job.program - costs.run.program), max(0.0, job.server - costs.run.server))
    machines = Machines(workers * PULLS, os.cpu_count() or 1, 0, shared=True, handing=handing)
    return jobs / max(Day(load, machines, costs).run().delays)


def table(server: Server, costs: Costs, institutions: int, sources: int) -> None:
    """Measure with each number of workers, and print it beside the prediction."""
    print(f"institutions: {institutions}, sources of each: {sources}")
    print(f"{'office answers in':<18}{'workers':>8}{'jobs/s':>9}{'predicted':>11}{'program ms':>12}{'PG ms':>7}")
    for answers_in in (1.0, 0.0):
        job: Cpu | None = None
        for workers in WORKERS:
            found = measure(server, workers, institutions, sources, answers_in)
            job = job or found.cpu
            rate = predicted(costs, job, workers, found.jobs, answers_in)
            print(
                f"{f'{answers_in:g} s':<18}{workers:>8}{found.rate:>9.1f}{rate:>11.1f}"
                f"{found.cpu.program * 1000:>12.1f}{found.cpu.server * 1000:>7.1f}",
                flush=True,
            )


def main() -> None:
    """Measure, and print beside the prediction."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--institutions", type=int, default=24)
    parser.add_argument("--sources", type=int, default=5, help="of each institution")
    chosen = parser.parse_args()
    costs = Costs.read(Path(__file__).with_name("costs.json"))
    with databases.carried_postgres(databases.MEMORY) as carried:
        carried.accept(_CONNECTIONS)
        server = Server(carried.url)
        table(server, costs, chosen.institutions, chosen.sources)
        print()
        table(server, costs, 1, chosen.institutions * chosen.sources)


if __name__ == "__main__":
    main()
