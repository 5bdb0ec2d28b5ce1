"""Metrics of the sync: read from the databases each time Prometheus asks, so that they are never older than the marks.

Labels are institutions, cohorts, sources, states and queues. No label names a person.
"""

import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from status_db.failing import AttemptState
from status_db.inbox.pauses import Pause
from status_db.queries.runs import RunReader
from status_db.queries.student import Reader
from status_db.store.engine import StoreError
from status_db.views import SourceView

#: The states of a source, as values of the label `state`: how often it is asked.
STATES = tuple(AttemptState)

#: The name of a backup, which has the time it was made.
_BACKUP = re.compile(r"clearance-(\d{8}T\d{6})Z")

_OF_SOURCE = ("cohort", "source")


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits for the schedule: how many, and for how long the oldest."""

    length: int
    oldest: timedelta


@dataclass(frozen=True, slots=True)
class Measured:
    """What the metrics are read from."""

    reader: Reader
    runs: RunReader
    cohorts: Sequence[str]
    paused: Callable[[], Mapping[str, Pause]]
    clock: Callable[[], datetime]
    started: datetime
    #: Name → what waits there at a time. Every queue that the schedule's process serves has an entry.
    queues: Mapping[str, Callable[[datetime], Queue]]
    #: The folder of the backups, and the folders whose disks are watched.
    backups: Path | None = None
    disks: Mapping[str, Path] | None = None
    #: What waits for a worker; None where one process does everything.
    jobs: Callable[[], Queue] | None = None


class SyncMetrics(Collector):
    """Collects the metrics."""

    def __init__(
        self,
        measured: Callable[[], Mapping[str, Measured]],
        usable: Callable[[], Mapping[str, bool]] = dict,
    ) -> None:
        """`measured` returns what is measured now, by institution; it changes when the settings are loaded again.

        An empty key is the only institution. `usable` returns, by key, whether the settings file can be used.
        """
        self._measured = measured
        self._usable = usable

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Return nothing, so that a registry does not read the databases before it is asked."""
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the metrics, with the label `institution` where there are several."""
        together: dict[str, GaugeMetricFamily] = {}
        for key, measured in self._measured().items():
            for family in _collected(measured):
                known = together.setdefault(
                    family.name, GaugeMetricFamily(family.name, family.documentation, unit=family.unit)
                )
                known.samples += [
                    sample._replace(labels={"institution": key, **sample.labels} if key else sample.labels)
                    for sample in family.samples
                ]
        if usable := self._usable():
            together["usable"] = GaugeMetricFamily(
                "clearance_institution_settings_usable",
                "1 if the settings file of an institution can be used as it is now, else 0.",
                labels=("institution",),
            )
            for key, good in usable.items():
                together["usable"].add_metric((key,), 1 if good else 0)
        yield from together.values()

    def registry(self) -> CollectorRegistry:
        """Return a registry with these metrics alone."""
        registry = CollectorRegistry()
        registry.register(self)
        return registry


def _collected(measured: Measured) -> Iterator[GaugeMetricFamily]:
    """Yield the metrics of one institution. Where a database does not respond, its metrics are left out."""
    now = measured.clock()
    yield _gauge("clearance_schedule_started_timestamp_seconds", "When the schedule started.", measured.started)
    up = GaugeMetricFamily("clearance_database_up", "1 if the database responds, else 0.", labels=("database",))
    for name, read in (("marks", _marks), ("desk", _queues)):
        try:
            found = list(read(measured, now))
        except StoreError:
            found = []
        up.add_metric((name,), 1 if found else 0)
        yield from found
    yield up
    yield from _machine(measured)
    if measured.jobs is not None:
        yield from _jobs(measured.jobs)


def _gauge(name: str, text: str, value: datetime | float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value.timestamp() if isinstance(value, datetime) else value)


def _marks(measured: Measured, now: datetime) -> Iterator[GaugeMetricFamily]:
    """Yield the metrics of the sources, the suspended runs and the ledger."""
    try:
        paused = measured.paused()
    except StoreError:
        # The desk's database has a metric of its own.
        paused = {}
    views = [(cohort, view) for cohort in measured.cohorts for view in measured.reader.sources(cohort)]
    for name, text, value in _SOURCE_GAUGES:
        family = GaugeMetricFamily(name, text, labels=_OF_SOURCE)
        for cohort, view in views:
            if (found := value(view, now)) is not None:
                family.add_metric((cohort, view.source), found)
        yield family
    states = GaugeMetricFamily(
        "clearance_source_state", "1 for the state of a source, else 0: how often it is asked.",
        labels=(*_OF_SOURCE, "state"),
    )  # fmt: skip
    for cohort, view in views:
        current = AttemptState.PAUSED if view.source in paused else view.attempts.state
        for state in STATES:
            states.add_metric((cohort, view.source, str(state)), 1 if state == current else 0)
    yield states
    links = GaugeMetricFamily("clearance_ledger_link", "The number of the ledger's newest link.", labels=("cohort",))
    for cohort in measured.cohorts:
        links.add_metric((cohort,), measured.runs.ledger_link(cohort))
    yield links


def _since(moment: datetime | None, now: datetime) -> float | None:
    return (now - moment).total_seconds() if moment is not None else None


def _run_seconds(view: SourceView, _now: datetime) -> float | None:
    run = view.last_run
    return (run.ended - run.began).total_seconds() if run is not None and run.ended is not None else None


def _fresh_for(view: SourceView, _now: datetime) -> float | None:
    if view.as_of is None or view.fresh_until is None:
        return None
    return (view.fresh_until - view.as_of).total_seconds()


#: Name, help text, and value of each metric of a source; None where there is no value.
_SOURCE_GAUGES: tuple[tuple[str, str, Callable[[SourceView, datetime], float | None]], ...] = (
    (
        "clearance_source_last_success_timestamp_seconds",
        "When the last good answer began, or the source's own time of it.",
        lambda view, _now: view.as_of.timestamp() if view.as_of else None,
    ),
    (
        "clearance_source_age_seconds",
        "The age of the last good answer.",
        lambda view, now: _since(view.as_of, now),
    ),
    ("clearance_source_fresh_for_seconds", "The age up to which an answer is fresh.", _fresh_for),
    (
        "clearance_source_stale",
        "1 if the last good answer is too old, or there is none; else 0.",
        lambda view, now: float(view.as_of is None or view.stale(now)),
    ),
    (
        "clearance_source_rows",
        "Rows about students on the roster in the last good answer.",
        lambda view, _now: view.recent_rows[-1] if view.recent_rows else None,
    ),
    (
        "clearance_source_unmatched_rows",
        "Rows that match no student on the roster.",
        lambda view, _now: view.unmatched_keys,
    ),
    ("clearance_source_run_seconds", "How long the last run took.", _run_seconds),
    (
        "clearance_source_failed_runs",
        "Runs that have failed since the last good answer.",
        lambda view, _now: view.attempts.failed.count if view.attempts.failed else 0,
    ),
    (
        "clearance_source_suspended_runs",
        "Runs that wait for approval.",
        lambda view, _now: float(view.suspended is not None),
    ),
    (
        "clearance_source_suspended_seconds",
        "How long the suspended run has waited for approval.",
        lambda view, now: _since(view.suspended.ended, now) if view.suspended else 0,
    ),
)


def _queues(measured: Measured, now: datetime) -> Iterator[GaugeMetricFamily]:
    """Yield the metrics of what waits."""
    lengths = GaugeMetricFamily("clearance_queue_length", "How many wait in a queue.", labels=("queue",))
    oldest = GaugeMetricFamily(
        "clearance_queue_oldest_seconds", "How long the oldest in a queue has waited.", labels=("queue",)
    )
    for name, read in measured.queues.items():
        queue = read(now)
        lengths.add_metric((name,), queue.length)
        oldest.add_metric((name,), queue.oldest.total_seconds())
    yield lengths
    yield oldest


def _jobs(waiting: Callable[[], Queue]) -> Iterator[GaugeMetricFamily]:
    """Yield the metrics of the job queue."""
    try:
        queue = waiting()
    except StoreError:
        yield _gauge("clearance_jobs_up", "1 if the job queue responds, else 0.", 0)
        return
    yield _gauge("clearance_jobs_up", "1 if the job queue responds, else 0.", 1)
    yield _gauge("clearance_jobs_waiting", "How many jobs wait for a worker.", queue.length)
    yield _gauge(
        "clearance_jobs_oldest_seconds",
        "How long the oldest job has waited for a worker.",
        queue.oldest.total_seconds(),
    )


def _machine(measured: Measured) -> Iterator[GaugeMetricFamily]:
    """Yield the age of the backups, and the space on the disks."""
    if measured.backups is not None:
        newest = newest_backup(measured.backups)
        yield _gauge(
            "clearance_backup_last_timestamp_seconds",
            "When the newest backup in the folder was made; 0 if there is none.",
            newest or datetime.fromtimestamp(0, UTC),
        )
    free = GaugeMetricFamily("clearance_disk_free_bytes", "Free space on the disk of a folder.", labels=("folder",))
    size = GaugeMetricFamily("clearance_disk_size_bytes", "Size of the disk of a folder.", labels=("folder",))
    for name, folder in (measured.disks or {}).items():
        try:
            usage = shutil.disk_usage(folder)
        except OSError:
            continue
        free.add_metric((name,), usage.free)
        size.add_metric((name,), usage.total)
    yield free
    yield size


def newest_backup(folder: Path) -> datetime | None:
    """Return when the newest complete backup in a folder was made; None if there is none."""
    try:
        names = [each.parent.name for each in folder.glob("clearance-*/manifest.json")]
    except OSError:
        return None
    made = [found[1] for name in names if (found := _BACKUP.fullmatch(name))]
    return datetime.strptime(max(made), "%Y%m%dT%H%M%S").replace(tzinfo=UTC) if made else None
