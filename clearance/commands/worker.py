"""Command `worker`: carries out the jobs that schedules hand out, on any number of machines."""

import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from clearance.context import GlobalOptions, ServedCohorts, chosen, ends_well, fail, stop_like_ctrl_c
from clearance.institution_programs import institution_folder_of, programs_of
from clearance.institutions.folder import log_faults
from clearance.jobs.assembly import carry_of
from clearance.jobs.cluster import address_of, refuse_unusable_queue
from clearance.jobs.signals import loaded_cohorts, open_all, reload_on_hangup
from clearance.monitoring.observed import ServiceMetrics
from config import logs
from config.load import SettingsError
from config.processes import Process
from config.settings import Settings
from foundation.service_manager import ServiceManager
from foundation.translation import tr
from status_db.store import pools
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
    if here.several:
        return _loaded_for_several(here, metrics, concurrency)
    served = loaded_cohorts(here, Process.WORKER)
    _refuse_without_queue(served.first.settings)
    loaded = _worker(served.first.settings, {"": served}.get, concurrency, served.first.close)
    metrics.of(loaded, served)
    return loaded


def _loaded_for_several(here: GlobalOptions, metrics: ServiceMetrics, concurrency: int | None) -> Loaded:
    """Make a worker for the institutions of a folder that use the queue; each is opened at its first job."""
    here.refuse_cohort()
    found = institution_folder_of(here).read()
    log_faults(found)
    logs.configure(found.process.log)
    sharing = {key: settings for key, settings in found.settings.items() if settings.cluster.enabled}
    pools.share(len(sharing), found.process.connections)
    if not sharing:
        _refuse_without_queue(None)
    first = next(iter(sharing.values()))
    for key, settings in sharing.items():
        refuse_unusable_queue(settings, here.of(key).file)
        if address_of(settings).place != address_of(first).place:
            raise SettingsError(
                here.of(key).file,
                [
                    tr(
                        "[cluster] url: is another queue than that of {other}. All institutions that one worker serves "
                        "have the same: change it, or start a worker for each with --institution",
                        other=first.key,
                    )
                ],
            )
    opened: list[ServedCohorts] = []

    def served_of(key: str) -> ServedCohorts | None:
        if key not in sharing:
            return None
        served = programs_of(here, sharing[key], Process.WORKER)
        opened.append(served)
        open_all(served)
        return served

    def close() -> None:
        for served in opened:
            served.first.close()

    metrics.share(found.process, found.usable())
    return _worker(first, served_of, concurrency, close)


def _refuse_without_queue(settings: Settings | None) -> None:
    if settings is None or not settings.cluster.enabled:
        fail(
            tr(
                "There is no job queue, so a worker has nothing to do: `clearance schedule` alone does everything. "
                "For several machines, set enabled = true in [cluster]."
            )
        )


def _worker(
    settings: Settings,
    served_of: Callable[[str], ServedCohorts | None],
    concurrency: int | None,
    close: Callable[[], None],
) -> Loaded:
    # Imported where there is a queue: its library is an extra.
    from sync.jobs.cluster.worker import Worker, WorkerSizes  # noqa: PLC0415 - see above

    cluster = settings.cluster
    sizes = WorkerSizes(concurrency or cluster.pulls, cluster.requests, settings.schedule.stop_within)
    return Loaded(settings, Worker(address_of(settings), sizes, carry_of(served_of)), close)
