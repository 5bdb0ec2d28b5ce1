"""Jobs a second against the number of workers, and the model's prediction: `python -m benchmarks.scale.workers`.

Real processes: a schedule hands out one job for each of the sources and is stopped, then so many workers start. The
rate counts from the moment when all workers take jobs until the last run is applied; what was done before counts too,
so the rate of many workers is an upper bound for the first instant. The offices are a web server in this process that
answers after a given time. PostgreSQL is a server of its own on the same machine. The prediction is of the simulation
with the costs of `benchmarks/scale/costs.json` and the cost of one job as measured here with one worker.
"""

import argparse
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.scale.costs import Costs, Cpu, Server, seconds_of_tree
from benchmarks.scale.model import Day, Load, Machines
from tests.services import databases
from tests.services.cluster import Cluster, cluster

WORKERS = (1, 2, 4)
PULLS = 4

_POLL = 0.05


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


def measure(server: Server, workers: int, sources: int, answers_in: float) -> Rate:
    """Let so many workers do the jobs of so many sources."""
    names = [f"s{number}" for number in range(sources)]
    with (
        databases.fresh_database(server.url) as url,
        tempfile.TemporaryDirectory(prefix="workers-") as folder,
        cluster(Path(folder), url.render_as_string(hide_password=False), names) as made,
    ):
        made.offices.answers_in = answers_in
        schedule = made.schedule()
        _wait(made, "SELECT count(*) FROM clearance_queue.procrastinate_jobs WHERE status = 'todo'", sources)
        schedule.end()
        processes = [made.worker("--concurrency", str(PULLS)) for _ in range(workers)]
        done = made.ask(_APPLIED)[0][0]
        before = [seconds_of_tree(one.process.pid) for one in processes]
        on_server, began = server.seconds(), time.perf_counter()
        _wait(made, _APPLIED, sources)
        seconds, server_cpu = time.perf_counter() - began, server.seconds() - on_server
        program = sum(seconds_of_tree(one.process.pid) for one in processes) - sum(before)
        jobs = sources - done
        return Rate(workers, jobs, seconds, Cpu(program / jobs, server_cpu / jobs))


_APPLIED = "SELECT count(*) FROM run WHERE slot IS NOT NULL AND source <> 'roster' AND state = 'applied'"


def _wait(made: Cluster, query: str, count: int) -> None:
    deadline = time.monotonic() + 600
    while made.ask(query)[0][0] < count:
        if time.monotonic() > deadline:
            raise SystemExit(f"not reached within ten minutes: {query}")
        time.sleep(_POLL)


def predicted(costs: Costs, job: Cpu, workers: int, jobs: int, answers_in: float) -> float:
    """Return the simulated rate: all jobs of one slot, on as many processors as this machine has."""
    load = Load(1, graduates=0, sources=jobs, every=24 * 3600, opens=0, closes=24, flips=0, views=0, rechecks=0,
                answers_in=answers_in, exact=True)  # fmt: skip
    handing = Cpu(max(0.0, job.program - costs.run.program), max(0.0, job.server - costs.run.server))
    machines = Machines(workers * PULLS, os.cpu_count() or 1, 0, shared=True, handing=handing)
    return jobs / max(Day(load, machines, costs).run().delays)


def main() -> None:
    """Measure, and print beside the prediction."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, default=120)
    chosen = parser.parse_args()
    costs = Costs.read(Path(__file__).with_name("costs.json"))
    with databases.carried_postgres(databases.MEMORY) as carried:
        server = Server(carried.url)
        print(f"{'office answers in':<18}{'workers':>8}{'jobs/s':>9}{'predicted':>11}{'program ms':>12}{'PG ms':>7}")
        for answers_in in (1.0, 0.0):
            job: Cpu | None = None
            for workers in WORKERS:
                found = measure(server, workers, chosen.sources, answers_in)
                job = job or found.cpu
                rate = predicted(costs, job, workers, found.jobs, answers_in)
                print(
                    f"{f'{answers_in:g} s':<18}{workers:>8}{found.rate:>9.1f}{rate:>11.1f}"
                    f"{found.cpu.program * 1000:>12.1f}{found.cpu.server * 1000:>7.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
