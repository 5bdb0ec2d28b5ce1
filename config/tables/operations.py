"""Tables about running the program: the schedule's patience with failing sources, metrics, and traces."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, PlainSerializer

from config.tables.base import STRICT, Span
from config.tables.secrets import DatabaseUrl, FilePath, Text
from foundation.translation import tr

_QUIET_FORM = re.compile(r"(\d\d:\d\d)\s*-\s*(\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class QuietHours:
    """Hours of each day in which a source is not asked; after midnight if the end is earlier than the start."""

    start: time
    end: time

    def __contains__(self, wall: time) -> bool:
        """Return whether a wall time is inside; the end is outside."""
        if self.start < self.end:
            return self.start <= wall < self.end
        return wall >= self.start or wall < self.end

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    @property
    def length(self) -> timedelta:
        """How long they last."""
        start, end = (timedelta(hours=t.hour, minutes=t.minute) for t in (self.start, self.end))
        return end - start if start < end else end - start + timedelta(days=1)


def _parse_quiet(value: object) -> object:
    """Read "08:00-12:00", or several in a list."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    return tuple(_parse_hours(one) if isinstance(one, str) else one for one in value)


def _parse_hours(written: str) -> QuietHours:
    found = _QUIET_FORM.fullmatch(written.strip())
    try:
        start, end = (datetime.strptime(part, "%H:%M").time() for part in found.groups())  # type: ignore[union-attr]  # noqa: DTZ007 - wall times
    except (AttributeError, ValueError):
        raise ValueError(
            tr('"{written}" is not a time of day from and to: write "08:00-12:00"', written=written[:40])
        ) from None
    if start == end:
        raise ValueError(
            tr('"{written}" has no length: write two different times, such as "08:00-12:00"', written=written)
        )
    return QuietHours(start, end)


#: One or several quiet hours.
Quiet = Annotated[
    tuple[QuietHours, ...], BeforeValidator(_parse_quiet), PlainSerializer(lambda hours: [str(one) for one in hours])
]


class Schedule(BaseModel):
    """How the schedule treats a source that fails, and how it stops."""

    model_config = STRICT

    #: The wait after the first failed run of a source. It doubles with each further one, up to `longest_wait`; see
    #: [failing sources](observability.md#failing-sources).
    first_wait: Annotated[Span, Field(ge=timedelta(seconds=1))] = timedelta(minutes=5)
    #: The longest wait after a failed run.
    longest_wait: Annotated[Span, Field(ge=timedelta(seconds=1))] = timedelta(minutes=30)
    #: A source is quarantined when all of its runs have failed for this long, and at least `quarantine_failures` runs.
    quarantine_after: Span = timedelta(hours=24)
    #: See `quarantine_after`.
    quarantine_failures: Annotated[int, Field(ge=1)] = 5
    #: The shortest time between two attempts in quarantine.
    quarantine_every: Annotated[Span, Field(ge=timedelta(minutes=1))] = timedelta(hours=1)
    #: How long a stop waits for the runs under way.
    stop_within: Annotated[Span, Field(ge=timedelta(seconds=1), le=timedelta(hours=1))] = timedelta(minutes=1)


def _plain_host(host: str) -> str:
    if not host or "/" in host or " " in host:
        raise ValueError(tr('"{host}" is not a host: write an address or a name, such as "127.0.0.1"', host=host))
    return host


class Metrics(BaseModel):
    """The port of the metrics and of the schedule's health checks; off unless a port is set."""

    model_config = STRICT

    #: The schedule listens on this port, `serve` and `serve pages` on the next, `serve desk` on the one after, a worker
    #: on the one after that. Without it there are no [metrics](observability.md#metrics).
    port: Annotated[int, Field(ge=1, le=65532)] | None = None
    #: The network address on this machine at which they are served. Let only Prometheus reach it.
    host: Annotated[str, AfterValidator(_plain_host)] = "127.0.0.1"
    #: The folder with the backups: the age of the newest one is a metric.
    backups: FilePath | None = None


class Cluster(BaseModel):
    """Several machines that share the work. By default the schedule does all of it in its own process."""

    model_config = STRICT

    #: Whether the schedule hands out jobs, and each `clearance worker` carries them out; needs PostgreSQL and the extra
    #: `cluster`. See [more than one machine](scale.md).
    enabled: bool = False
    #: The PostgreSQL database of the job queue, by `env:` or `file:`. By default the one of the marks, with the same
    #: role.
    url: DatabaseUrl | None = None
    #: The PostgreSQL schema of the queue's tables. Every institution on this queue names the same one.
    queue_schema: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]{0,39}$")] = "clearance_queue"
    #: How many sources a worker asks at the same time.
    pulls: Annotated[int, Field(ge=1, le=64)] = 4
    #: How many jobs of people's requests a worker carries out at the same time, beside the pulls.
    requests: Annotated[int, Field(ge=1, le=64)] = 4
    #: A worker that has not reported for this long counts as dead, and another one takes its jobs over.
    dead_after: Annotated[Span, Field(ge=timedelta(seconds=3), le=timedelta(hours=1))] = timedelta(seconds=90)

    @property
    def lease_for(self) -> timedelta:
        """How long the lease of a run lasts: over before its job is taken over."""
        return self.dead_after * 2 / 3

    @property
    def report_every(self) -> timedelta:
        """How often a worker reports. With the lease, it is less than `dead_after`."""
        return self.dead_after / 6


class Tracing(BaseModel):
    """Traces by OpenTelemetry; off unless an endpoint is set."""

    model_config = STRICT

    #: Where [traces](observability.md#traces) are sent by OTLP over HTTP, such as `"http://127.0.0.1:4318/v1/traces"`;
    #: needs the extra `otel`. Without it there are no traces.
    endpoint: Text = ""
