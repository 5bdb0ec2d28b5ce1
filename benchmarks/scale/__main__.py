"""The plan for many institutions: `python -m benchmarks.scale`, from the costs in `benchmarks/scale/costs.json`.

For each size it prints the work of the busiest hour, the processors that it takes, and how late the slots end with
the fewest workers that keep 99 % of them within two minutes, while no processor is busy for more than 60 %.
"""

import math
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.scale.costs import Costs
from benchmarks.scale.model import DAY, HOURS, Day, Load, Machines, pages_share

COSTS = Path(__file__).with_name("costs.json")

#: No kind of processor may be busier than this over the busiest hour.
_BUSY = 0.6

#: Seconds within which 99 % of the slots must have ended.
_LATE = 120.0

SIZES = (1, 20, 50, 300, 3_000)


def busiest(load: Load, costs: Costs) -> dict[str, float]:
    """Return the processors that each kind of work takes in the busiest hour, by its CPU seconds for each second."""
    jobs = load.institutions * load.sources / load.every
    flips = load.flips * load.graduates / load.sources / load.slots
    job = costs.run + costs.row * (load.rows * load.graduates) + costs.flip * flips
    hour = max(range(24), key=HOURS.__getitem__)
    return {
        "jobs/s": jobs,
        "views/s": load.institutions * load.graduates * load.views * HOURS[hour] / sum(HOURS) / 3600,
        "pulls, programs": jobs * job.program,
        "pulls, PostgreSQL": jobs * job.server,
        "pages, programs": pages_share(load, costs, costs.page.program, 1, hour),
        "pages, PostgreSQL": pages_share(load, costs, costs.page.server, 1, hour),
    }


def machines_for(load: Load, costs: Costs) -> Machines:
    """Return the fewest processors by the busiest hour, and the workers by the time that a job takes."""
    work = busiest(load, costs)
    cores = math.ceil((work["pulls, programs"] + work["pages, programs"]) / _BUSY)
    database = math.ceil((work["pulls, PostgreSQL"] + work["pages, PostgreSQL"]) / _BUSY)
    each = load.answers_in + (work["pulls, programs"] + work["pulls, PostgreSQL"]) / work["jobs/s"]
    return Machines(max(2, math.ceil(work["jobs/s"] * each / _BUSY)), max(1, cores), max(1, database))


def enough(load: Load, costs: Costs, seconds: float) -> tuple[Machines, float]:
    """Return the machines with as many workers as it takes, and the delay of 99 % of the slots."""
    machines = machines_for(load, costs)
    while True:
        late = Day(load, machines, costs).run(seconds).delay(0.99)
        if late <= _LATE:
            return machines, late
        machines = replace(machines, workers=math.ceil(machines.workers * 1.25))


def main() -> None:
    """Print the plan."""
    costs = Costs.read(Path(sys.argv[1]) if len(sys.argv) > 1 else COSTS)
    heads = ("jobs/s", "views/s", "pulls, programs", "pulls, PostgreSQL", "pages, programs", "pages, PostgreSQL")
    print(f"{'institutions':>12}{'slots':>10}" + "".join(f"{head:>19}" for head in heads), end="")
    print(f"{'workers':>9}{'cores':>7}{'PG cores':>10}{'99 % within s':>15}")
    for institutions in SIZES:
        for spread in (True, False):
            load = Load(institutions, spread=spread)
            # The morning suffices: its ninth hour is the busiest.
            machines, late = enough(load, costs, DAY if institutions <= 50 else 9 * 3600 + 3600)
            work = busiest(load, costs)
            print(f"{institutions:>12,}{'spread' if spread else 'at once':>10}", end="")
            print("".join(f"{work[head]:>19.3f}" for head in heads), end="")
            print(f"{machines.workers:>9}{machines.cores:>7}{machines.database_cores:>10}{late:>15.0f}", flush=True)
    print("\nPulls and pages: processors kept busy in the busiest hour. Cores: so that none is busier than 60 %.")


if __name__ == "__main__":
    main()
