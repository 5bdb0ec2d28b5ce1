"""The memory of a schedule over many slots: `python -m benchmarks.schedule_memory [SLOTS]`.

One process serves a university's sources slot by slot on a clock of its own, as months of a schedule do: applied
answers, unchanged ones, failed runs, requests and metrics. It prints the resident memory every tenth of the way.
"""

import gc
import logging
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import structlog
from prometheus_client.exposition import generate_latest

from connectors.port import SourceUnavailable
from status_db.inbox.pauses import Pauses
from status_db.inbox.requests import Requests
from status_db.queries.runs import RunReader
from sync.service.gate import SourceGate
from sync.service.metrics import Measured, Queue, SyncMetrics
from sync.service.schedule import Schedule
from tests.cast import LIN
from tests.world import COHORT, World, season_of, serving_of

_SLOTS = 2000
_EVERY = timedelta(minutes=15)


def resident() -> float:
    """Return the resident memory of this process, in MiB."""
    with Path("/proc/self/status").open(encoding="ascii") as lines:
        kibibytes = next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return kibibytes / 1024


def main(slots: int) -> None:
    """Serve the slots, and print the memory."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    with tempfile.TemporaryDirectory() as folder, World(f"sqlite:///{folder}/marks.db", Path(folder)) as world:
        requests, pauses = Requests(world.desk), Pauses(world.desk)
        gate = SourceGate(world.settings.schedule, RunReader(world.reading), pauses.current)
        schedule = Schedule(
            world.settings,
            season_of(world),
            world.clock,
            world.writer.sweep,
            serving_of(world).serve,
            wait=gate.wait,
        )
        measured = Measured(
            world.reader, RunReader(world.reading), (COHORT,), pauses.current, world.clock, world.now,
            {"requests": lambda now: Queue(*requests.queue(now))},
        )  # fmt: skip
        registry = SyncMetrics(lambda: {"": measured}).registry()
        print(f"{'slots':>6} {'RSS MiB':>9}")
        for slot in range(slots + 1):
            if slot % (slots // 10) == 0:
                gc.collect()
                print(f"{slot:>6} {resident():>9.1f}", flush=True)
            world.now += _EVERY
            if slot % 20 == 7:
                world.fails["fees"] = SourceUnavailable("nobody is there", "Wait.")
            elif slot % 20 == 12:
                world.fails.clear()
            world.says["loans"] = [_loan(slot - slot % 3)]
            for name in world.sync.names():
                schedule.serve(name)
            if slot % 10 == 0:
                requests.ask_sources(COHORT, account="admin", now=world.now, pause=timedelta(0))
            schedule.answer()
            schedule.sweep()
            generate_latest(registry)


def _loan(slot: int) -> dict[str, str]:
    return {"CARD": LIN.number, "TITLE": "唐诗选", "DUE": "2019-06-01", "BARCODE": f"B{slot}"}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else _SLOTS)
