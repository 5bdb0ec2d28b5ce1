"""Metrics of the pages, as Prometheus collects them. Nothing is counted unless `enable` was called.

The label `institution` is empty where there is only one. No label names a person: a route is counted as the address of
its pattern, such as /students/{number:name}.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from prometheus_client import CollectorRegistry, Counter, Histogram, values

from foundation import acting

#: The workers of a web server write their numbers into files of this folder, and one process adds them up.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


@dataclass(frozen=True, slots=True)
class WebMetrics:
    """What one process of the pages counts."""

    requests: Counter
    seconds: Histogram
    sign_in_failures: Counter

    @classmethod
    def of(cls, registry: CollectorRegistry) -> "WebMetrics":
        """Return new metrics in a registry."""
        return cls(
            Counter(
                "clearance_requests", "Requests answered, by route and status.",
                ("institution", "route", "method", "status"),
                registry=registry,
            ),
            Histogram(
                "clearance_request_seconds", "Time to answer a request.", ("institution", "route"), buckets=_SECONDS,
                registry=registry,
            ),
            Counter(
                "clearance_sign_in_failures", "Sign-ins that were refused, by the way of signing in.",
                ("institution", "method"),
                registry=registry,
            ),
        )  # fmt: skip


#: A process counts in one place.
_enabled: list[WebMetrics] = []

#: Methods of HTTP; another word in a request is counted as "other".
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def enable(registry: CollectorRegistry | None = None) -> WebMetrics:
    """Count from now on, and return the metrics."""
    _enabled[:] = [WebMetrics.of(registry or CollectorRegistry())]
    return _enabled[0]


def disable() -> None:
    """Count nothing from now on."""
    _enabled.clear()


def enabled() -> bool:
    """Return whether this process counts."""
    return bool(_enabled)


def count_request(route: str, method: str, status: int, seconds: float) -> None:
    """Count an answered request."""
    for metrics in _enabled:
        metrics.requests.labels(
            acting.institution(), route, method if method in _METHODS else "other", str(status)
        ).inc()
        metrics.seconds.labels(acting.institution(), route).observe(seconds)


def count_sign_in_failure(method: str) -> None:
    """Count a refused sign-in."""
    for metrics in _enabled:
        metrics.sign_in_failures.labels(acting.institution(), method).inc()


def share_among_workers() -> Path:
    """Let the processes that this one starts write their numbers into one folder; return it. Nothing else may be in it.

    Call it before `prometheus_client` counts anything in this process.
    """
    folder = Path(mkdtemp(prefix="clearance-metrics-"))
    os.environ[FOLDER_VARIABLE] = str(folder)
    # The library chose where numbers are kept when it was imported, and a worker that is forked inherits that.
    values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]  # the library's own
    return folder


def of_workers(folder: Path) -> CollectorRegistry:
    """Return a registry with the numbers of all workers that write into a folder."""
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415 - it needs the folder

    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]  # the library's own
    return registry
