"""Traces by OpenTelemetry: the stages of a run, and requests. Without an endpoint, a span costs nothing.

No attribute names a student.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

from foundation.refusals import Refused
from foundation.translation import tr


class TracingCode(StrEnum):
    """Why there are no traces."""

    #: The extra `otel` is not installed.
    EXTRA = "extra"


class TracingUnusable(Refused[TracingCode]):
    """Traces are set up, and cannot be sent; the text ends with the fix."""


#: The tracer of this process, where traces are configured, and how it is stopped.
_tracer: list[Any] = []
_stop: list[Callable[[], None]] = []


def configure(endpoint: str, service: str, exporter: Any = None) -> None:  # noqa: ANN401 - an extra's own type
    """Send traces to an endpoint from now on; with an empty one, none. Raises TracingUnusable without the extra.

    `exporter` replaces the one of OTLP over HTTP.
    """
    stop()
    if not endpoint:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - likewise
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - likewise
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - likewise
    except ImportError as error:
        text = tr(
            "[tracing] endpoint is set, but OpenTelemetry is not installed. Install the extra: "
            'pip install "clearance-sync[otel]", or remove the key.'
        )
        raise TracingUnusable(TracingCode.EXTRA, text) from error
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter(endpoint=endpoint)))
    _tracer[:] = [provider.get_tracer("clearance")]
    _stop[:] = [provider.shutdown]


def stop() -> None:
    """Send what is left, and trace nothing from now on."""
    _tracer.clear()
    while _stop:
        _stop.pop()()


@contextmanager
def span(name: str, **attributes: str | float | bool) -> Iterator[Callable[..., None]]:
    """Trace this block, where traces are configured. The value it yields adds attributes."""
    if not _tracer:
        yield _nothing
        return
    with _tracer[0].start_as_current_span(name, attributes=attributes) as made:
        yield lambda **more: made.set_attributes(more)


def _nothing(**_attributes: object) -> None:
    """Add no attributes."""
