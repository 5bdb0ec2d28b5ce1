"""A model of many institutions on one installation: slots become jobs, workers run them, PostgreSQL serves them.

Every job is an event of the simulation. Requests of pages are not: they are so many that they only take a share of the
processors, hour by hour. The processors of a kind (the programs', PostgreSQL's) serve one piece of work each; a job
first waits for a worker, then asks its source, then computes, then waits for PostgreSQL. The same seed gives the same
run.
"""

import math
import random
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import simpy

from benchmarks.scale.costs import Costs, Cpu

DAY = 24 * 3600

NOTHING = Cpu(0.0, 0.0)

#: The share of a day's page views in each hour from midnight: an assumption, a day with two peaks.
HOURS = (1, 0, 0, 0, 0, 1, 2, 5, 9, 10, 9, 7, 6, 6, 8, 9, 9, 7, 4, 2, 2, 2, 1, 0)


@dataclass(frozen=True, slots=True)
class Load:
    """What the institutions bring on the busiest day."""

    institutions: int
    #: Graduates of an institution, on average. The sizes are spread: most are smaller, a few ten times as large.
    graduates: int = 4_000
    sources: int = 5
    #: Seconds between the slots of a source, and the hours in which there are slots.
    every: int = 900
    opens: int = 6
    closes: int = 22
    #: Rows of a source for each graduate.
    rows: float = 0.25
    #: Changes of findings for each graduate on that day, over all sources.
    flips: float = 0.5
    #: Page views and rechecks for each graduate on that day.
    views: float = 4
    rechecks: float = 0.2
    #: How long a source takes to answer, in seconds, on average (exponential).
    answers_in: float = 2.0
    #: Whether each answer takes exactly so long.
    exact: bool = False
    #: Whether the slots of the institutions are spread over the interval. If not, all begin at the same second.
    spread: bool = True

    @property
    def slots(self) -> int:
        """The slots of one source on that day."""
        return (self.closes - self.opens) * 3600 // self.every


@dataclass(frozen=True, slots=True)
class Machines:
    """What the installation has: jobs at the same time, and processors of the programs and of PostgreSQL."""

    workers: int
    cores: int
    database_cores: int
    #: Whether the programs and PostgreSQL share `cores`, as on one machine.
    shared: bool = False
    #: The seconds of both kinds that handing out one job costs: entering, taking and finishing it.
    handing: Cpu = NOTHING


@dataclass(slots=True)
class Result:
    """How the day went."""

    jobs: int = 0
    #: Seconds from each job's slot to its end.
    delays: list[float] = field(default_factory=list)
    program_busy: float = 0.0
    database_busy: float = 0.0
    workers_busy: float = 0.0
    ended: float = 0.0

    def delay(self, share: float) -> float:
        """Return the delay that this share of the jobs does not exceed, in seconds."""
        ordered = sorted(self.delays)
        return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


class Day:
    """One simulated day."""

    def __init__(self, load: Load, machines: Machines, costs: Costs, *, seed: int = 1) -> None:
        self._load = load
        self._machines = machines
        self._costs = costs
        self._chance = random.Random(seed)
        self._world = simpy.Environment()
        self._workers = simpy.Resource(self._world, machines.workers)
        self._cores = simpy.Resource(self._world, machines.cores)
        self._database = self._cores if machines.shared else simpy.Resource(self._world, machines.database_cores)
        self._database_cores = machines.cores if machines.shared else machines.database_cores
        self._result = Result()

    def run(self, until: float = DAY) -> Result:
        """Simulate the day, and return how it went."""
        for institution in range(self._load.institutions):
            graduates = self._size()
            offset = self._load.every * institution / self._load.institutions if self._load.spread else 0.0
            self._world.process(self._slots(graduates, offset))
        self._world.run(until=until)
        self._result.ended = self._world.now
        return self._result

    def _size(self) -> float:
        """Return the graduates of an institution: log-normal, with the average of the load."""
        spread = 0.9
        return self._load.graduates * self._chance.lognormvariate(-spread * spread / 2, spread)

    def _slots(self, graduates: float, offset: float) -> Generator[simpy.Event, Any, None]:
        yield self._world.timeout(self._load.opens * 3600 + offset)
        for _ in range(self._load.slots):
            for _source in range(self._load.sources):
                self._world.process(self._job(graduates))
            yield self._world.timeout(self._load.every)

    def _job(self, graduates: float) -> Generator[simpy.Event, Any, None]:
        due, costs, load = self._world.now, self._costs, self._load
        flips = load.flips * graduates / load.sources / load.slots
        cost = costs.run + costs.row * (load.rows * graduates) + costs.flip * flips + self._machines.handing
        with self._workers.request() as worker:
            yield worker
            began = self._world.now
            yield self._world.timeout(self._answer_time())
            yield from self._computes(self._cores, cost.program, costs.page.program, self._machines.cores)
            self._result.program_busy += cost.program
            yield from self._computes(self._database, cost.server, costs.page.server, self._database_cores)
            self._result.database_busy += cost.server
            self._result.workers_busy += self._world.now - began
        self._result.jobs += 1
        self._result.delays.append(self._world.now - due)

    def _answer_time(self) -> float:
        mean = self._load.answers_in
        return self._chance.expovariate(1 / mean) if mean and not self._load.exact else mean

    def _computes(
        self, processors: simpy.Resource, seconds: float, page: float, cores: int
    ) -> Generator[simpy.Event, Any, None]:
        """Take a processor for so long; longer by the share that the pages take in this hour."""
        with processors.request() as one:
            yield one
            yield self._world.timeout(seconds / max(0.05, 1 - self.pages_share(page, cores)))

    def pages_share(self, seconds_each: float, cores: int) -> float:
        """Return the share of the processors that the pages and rechecks take in this hour of the day."""
        hour = int(self._world.now // 3600) % 24
        return pages_share(self._load, self._costs, seconds_each, cores, hour)


def pages_share(load: Load, costs: Costs, seconds_each: float, cores: int, hour: int) -> float:
    """Return the share of so many processors that the pages and rechecks take in an hour of the day."""
    graduates = load.institutions * load.graduates
    recheck = costs.recheck.program if seconds_each == costs.page.program else costs.recheck.server
    seconds = graduates * (load.views * seconds_each + load.rechecks * recheck) * HOURS[hour] / sum(HOURS)
    return seconds / 3600 / cores
