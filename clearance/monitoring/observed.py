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
    from collections.abc import Mapping, Sequence

    from prometheus_client import CollectorRegistry

    from clearance.context import ServedCohorts
    from config.settings import ProcessSettings, Settings
    from config.tables.operations import Metrics, Tracing
    from foundation.metrics_server import MetricsServer
    from sync.service.metrics import Measured, Queue
    from sync.service.reloading import Loaded

#: Each process has its own port, so that all can run on one machine: this much above the port of the settings.
_PORTS = {Process.SCHEDULE: 0, Process.ALL: 1, Process.PAGES: 1, Process.DESK: 2, Process.WORKER: 3}


def trace(tracing: Tracing, process: Process) -> None:
    """Send the traces of this process where the settings name an endpoint. Raises TracingUnusable."""
    if tracing.endpoint:
        from foundation.tracing import configure

        configure(tracing.endpoint, f"clearance {process.value}")


def serve_workers_metrics(where: Metrics, process: Process) -> None:
    """Serve what the workers count that this process will start. Raises MetricsUnusable."""
    if where.port is None:
        return
    from foundation import metrics
    from foundation.metrics_server import MetricsServer

    folder = metrics.share_among_workers()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    port = where.port + _PORTS[process]
    MetricsServer(where.host, port, lambda: metrics.of_workers(folder))


class ServiceMetrics:
    """The metrics and the health checks of the schedules or a worker. They stay while the settings are loaded again."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._began: datetime | None = None
        self._server: MetricsServer | None = None
        self._where: tuple[str, int | None] | None = None
        #: By the institution's key, which is empty where there is only one.
        self._loaded: dict[str, Loaded] = {}
        self._measured: dict[str, Measured] = {}
        self._served: dict[str, list[tuple[Settings, ServedCohorts]]] = {}
        #: Where several institutions are served: the process's own settings, and whose files can be used.
        self._shared: ProcessSettings | None = None
        self._usable: Mapping[str, bool] = {}

    def of(self, loaded: Loaded, served: ServedCohorts) -> None:
        """Remember the cohorts of a service that was loaded."""
        key = loaded.settings.key
        self._served[key] = [(loaded.settings, served), *self._served.get(key, ())[:1]]

    def share(self, shared: ProcessSettings, usable: Mapping[str, bool]) -> None:
        """Serve the metrics of several institutions, as these settings name the port. Raises as `started` does."""
        self._shared, self._usable = shared, dict(usable)
        trace(shared.tracing, self._process)
        self._serve_at(shared.metrics)

    def started(self, loaded: Loaded) -> None:
        """Measure this service from now on, on the port of its settings. Raises MetricsUnusable, TracingUnusable."""
        settings = loaded.settings
        if settings.key not in self._served:
            # A worker of several institutions.
            self._loaded = {"": loaded}
            return
        served = next(served for of, served in self._served[settings.key] if of is settings)
        where = settings.metrics if self._shared is None else self._shared.metrics
        if self._shared is None:
            trace(settings.tracing, self._process)
        self._loaded[settings.key] = loaded
        self._began = self._began or served.first.clock()
        if where.port is not None:
            self._measured[settings.key] = measured(served, self._began)
        if self._shared is None:
            self._serve_at(where)

    def removed(self, key: str) -> None:
        """Measure an institution no more."""
        for known in (self._loaded, self._measured, self._served):
            known.pop(key, None)

    def _serve_at(self, table: Metrics) -> None:
        # Each process has its own port, so that all can run on one machine.
        port = table.port + _PORTS[self._process] if table.port is not None else None
        where = (table.host, port)
        if where == self._where:
            return
        self.close()
        self._where = where
        if port is not None:
            from foundation.metrics_server import MetricsServer

            registry = self._registry()
            self._server = MetricsServer(
                table.host, port, lambda: registry, alive=self._alive, ready=self._ready, detail=self._detail
            )

    def _registry(self) -> CollectorRegistry:
        """Return what this process measures: a worker its jobs, the schedule what all processes store."""
        if self._process is Process.WORKER:
            from sync.service.job_metrics import job_registry

            return job_registry()
        from sync.service.metrics import SyncMetrics

        return SyncMetrics(lambda: dict(self._measured), lambda: self._usable).registry()

    def _alive(self) -> bool:
        # An institution that cannot be served does not stop the others.
        return any(loaded.service.alive for loaded in list(self._loaded.values()))

    def _ready(self) -> bool:
        if self._process is Process.WORKER:
            # It is alive while it reports to the queue.
            return self._alive()
        return self._alive() and any(_responds(one) for one in list(self._measured.values()))

    def _detail(self) -> str:
        """Return how many institutions cannot be served; empty where there is only one."""
        if self._shared is None:
            return ""
        unusable = sum(not usable for usable in self._usable.values())
        return f"institutions={len(self._usable)} unusable_settings={unusable}\n"

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            self._server.close()
        self._server, self._where = None, None


def _responds(measured: Measured) -> bool:
    from status_db.store.engine import StoreError

    with suppress(StoreError):
        measured.reader.check()
        return True
    return False


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
