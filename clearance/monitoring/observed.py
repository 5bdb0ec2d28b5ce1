"""Metrics and traces of the processes: on ports of their own, and off unless the settings name them."""

from __future__ import annotations

import atexit
import shutil
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from config.processes import Process

if TYPE_CHECKING:
    # Without metrics their library is not imported.
    from collections.abc import Sequence

    from prometheus_client import CollectorRegistry

    from clearance.context import ServedCohorts
    from config.settings import Settings
    from foundation.metrics_server import MetricsServer
    from sync.service.metrics import Measured, Queue
    from sync.service.reloading import Loaded

#: Each process has its own port, so that all can run on one machine: this much above the port of the settings.
_PORTS = {Process.SCHEDULE: 0, Process.ALL: 1, Process.PAGES: 1, Process.DESK: 2, Process.WORKER: 3}


def trace(settings: Settings, process: Process) -> None:
    """Send the traces of this process where the settings name an endpoint. Raises TracingUnusable."""
    if settings.tracing.endpoint:
        from foundation import tracing

        tracing.configure(settings.tracing.endpoint, f"clearance {process.value}")


def serve_workers_metrics(settings: Settings, process: Process) -> None:
    """Serve what the workers count that this process will start. Raises MetricsUnusable."""
    if settings.metrics.port is None:
        return
    from foundation import metrics
    from foundation.metrics_server import MetricsServer

    folder = metrics.share_among_workers()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    port = settings.metrics.port + _PORTS[process]
    MetricsServer(settings.metrics.host, port, lambda: metrics.of_workers(folder))


class ServiceMetrics:
    """The metrics and the health checks of the schedule or a worker. They stay while the settings are loaded again."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._began: datetime | None = None
        self._server: MetricsServer | None = None
        self._where: tuple[str, int | None] | None = None
        self._loaded: Loaded | None = None
        self._measured: Measured | None = None
        self._served: list[tuple[Settings, ServedCohorts]] = []

    def of(self, loaded: Loaded, served: ServedCohorts) -> None:
        """Remember the cohorts of a service that was loaded."""
        self._served = [(loaded.settings, served), *self._served[:1]]

    def started(self, loaded: Loaded) -> None:
        """Measure this service from now on, on the port of its settings. Raises MetricsUnusable, TracingUnusable."""
        settings = loaded.settings
        served = next(served for of, served in self._served if of is settings)
        trace(settings, self._process)
        self._loaded, self._began = loaded, self._began or served.first.clock()
        where = (settings.metrics.host, settings.metrics.port)
        if settings.metrics.port is not None:
            self._measured = measured(served, self._began)
        if where == self._where:
            return
        self.close()
        self._where = where
        if settings.metrics.port is not None:
            from foundation.metrics_server import MetricsServer

            registry = self._registry()
            self._server = MetricsServer(
                *(settings.metrics.host, settings.metrics.port), lambda: registry, alive=self._alive, ready=self._ready
            )

    def _registry(self) -> CollectorRegistry:
        """Return what this process measures: a worker its jobs, the schedule what all processes store."""
        if self._process is Process.WORKER:
            from sync.service.job_metrics import job_registry

            return job_registry()
        from sync.service.metrics import SyncMetrics

        return SyncMetrics(self._current).registry()

    def _current(self) -> Measured:
        assert self._measured is not None  # noqa: S101 - it is set before the server starts
        return self._measured

    def _alive(self) -> bool:
        return self._loaded is not None and self._loaded.service.alive

    def _ready(self) -> bool:
        from status_db.store.engine import StoreError

        with suppress(StoreError):
            self._current().reader.check()
            return self._alive()
        return False

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.close()
        self._server, self._where = None, None


def measured(served: ServedCohorts, started: datetime) -> Measured:
    """Return what the metrics of the schedule are read from."""
    from clearance.jobs.cluster import queue_of
    from status_db.queries.runs import RunReader
    from status_db.store.engine import sqlite_file
    from sync.service.metrics import Measured, Queue

    program = served.first
    settings, requests, outboxes = program.settings, program.requests, program.outboxes

    jobs = queue_of(settings)
    file = sqlite_file(settings.status_db.url.reveal())
    disks = {"status_db": file.parent} if file is not None else {"working": Path.cwd()}
    if settings.metrics.backups is not None:
        disks["backups"] = settings.metrics.backups
    return Measured(
        program.reader,
        RunReader(program.reading),
        tuple(each.cohort for each in served.programs),
        program.pauses.current,
        program.clock,
        started,
        # What waits for the schedule's process, and for the workers.
        {
            "requests": lambda now: Queue(*requests.queue(now)),
            "notifications": lambda now: _together([Queue(*box.queue(now)) for box in outboxes]),
        },
        settings.metrics.backups,
        disks,
        (lambda: Queue(*jobs.waiting())) if jobs is not None else None,
    )


def _together(queues: Sequence[Queue]) -> Queue:
    """Return two queues as one."""
    from sync.service.metrics import Queue

    return Queue(sum(each.length for each in queues), max(each.oldest for each in queues))
