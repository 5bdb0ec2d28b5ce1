"""Metrics of a worker: what it carries out, and for how long. No label names a person."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from sync.jobs.job import Job, JobKind, Lane

#: They count while the process lives, whether or not the settings have a port for them.
_REGISTRY = CollectorRegistry()
_STARTED = Gauge("clearance_worker_started_timestamp_seconds", "When the worker started.", registry=_REGISTRY)
_JOBS = Counter("clearance_worker_jobs", "Jobs that the worker has carried out.", ("kind",), registry=_REGISTRY)
_AGAIN = Counter(
    "clearance_worker_taken_over", "Jobs among them that another worker had begun.", ("kind",), registry=_REGISTRY
)
_BUSY = Gauge("clearance_worker_busy", "Jobs that the worker carries out now.", ("lane",), registry=_REGISTRY)
_SECONDS = Histogram(
    "clearance_worker_job_seconds",
    "How long a job took.",
    ("kind",),
    buckets=(0.05, 0.25, 1, 5, 30, 120, 600, 3600),
    registry=_REGISTRY,
)


def job_registry() -> CollectorRegistry:
    """Return the metrics of this worker, from now on."""
    _STARTED.set_to_current_time()
    for kind in JobKind:
        _JOBS.labels(kind.value)
        _AGAIN.labels(kind.value)
    for lane in Lane:
        _BUSY.labels(lane.value)
    return _REGISTRY


@contextmanager
def measuring(job: Job, *, again: bool) -> Iterator[None]:
    """Count a job, and measure how long it takes."""
    began = time.monotonic()
    _BUSY.labels(job.lane.value).inc()
    try:
        yield
    finally:
        _BUSY.labels(job.lane.value).dec()
        _JOBS.labels(job.kind.value).inc()
        if again:
            _AGAIN.labels(job.kind.value).inc()
        _SECONDS.labels(job.kind.value).observe(time.monotonic() - began)
