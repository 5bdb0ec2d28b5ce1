"""Command `worker`: carries out the jobs that schedules hand out, on any number of machines."""

import os
import sys
from typing import Annotated

import typer

from clearance.context import chosen, ends_well, fail, stop_like_ctrl_c
from clearance.jobs.assembly import carry_of
from clearance.jobs.cluster import address_of
from clearance.jobs.signals import loaded_cohorts, reload_on_hangup
from clearance.monitoring.observed import ServiceMetrics
from config.processes import Process
from foundation.service_manager import ServiceManager
from foundation.translation import tr
from sync.service.reloading import Loaded, run_until_stopped


@ends_well
def worker(
    context: typer.Context,
    *,
    concurrency: Annotated[
        int | None,
        typer.Option(
            "--concurrency", min=1, max=64, help="Query so many sources at once (default: from the settings)."
        ),
    ] = None,
) -> None:
    """Carry out the jobs that schedules hand out, until stopped. SIGHUP loads the settings again."""
    stopped, reload = stop_like_ctrl_c(), reload_on_hangup()
    metrics, manager = ServiceMetrics(Process.WORKER), ServiceManager.of(os.environ)

    def running(loaded: Loaded) -> None:
        manager.ready()
        if manager.beat is not None:
            loaded.service.repeat(manager.alive, manager.beat)

    if not run_until_stopped(
        lambda: _loaded(context, metrics, concurrency), stopped, reload, metrics.started, running, manager.stopping
    ):
        # A run is under way. The database rolls its transaction back, and another worker takes the job over.
        sys.stderr.flush()
        os._exit(0)


def _loaded(context: typer.Context, metrics: ServiceMetrics, concurrency: int | None) -> Loaded:
    """Load the settings, and make a worker of them. Raises Refused."""
    here = chosen(context)
    served = loaded_cohorts(here, Process.WORKER)
    settings = served.first.settings
    if not settings.cluster.enabled:
        fail(
            tr(
                "There is no job queue, so a worker has nothing to do: `clearance schedule` alone does everything. "
                "For several machines, set enabled = true in [cluster]."
            )
        )
    # Imported where there is a queue: its library is an extra.
    from sync.jobs.cluster.worker import Worker, WorkerSizes  # noqa: PLC0415 - see above

    sizes = WorkerSizes(concurrency or settings.cluster.pulls, settings.cluster.requests, settings.schedule.stop_within)
    carry = carry_of({"": served}.get)
    loaded = Loaded(settings, Worker(address_of(settings), sizes, carry), served.first.close)
    metrics.of(loaded, served)
    return loaded
