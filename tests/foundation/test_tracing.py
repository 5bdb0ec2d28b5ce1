"""Traces: off unless configured; a run has its stages, and nothing in them names a student."""

import builtins
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from foundation import tracing
from foundation.tracing import TracingUnusable
from tests.cast import EVERYBODY
from tests.world import World


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    made = InMemorySpanExporter()
    tracing.configure("http://127.0.0.1:1/v1/traces", "test", made)
    yield made
    tracing.stop()


def test_a_run_is_traced_by_stage_and_names_no_student(sqlite_world: World, exporter: InMemorySpanExporter) -> None:
    for name in ("roster", "loans"):
        sqlite_world.run(name)
    tracing._stop[0]()
    spans = exporter.get_finished_spans()
    assert {span.name for span in spans} >= {"run", "pull", "gather", "decide", "apply"}
    (run, *_) = [span for span in spans if span.name == "run"]
    assert run.attributes is not None
    assert dict(run.attributes) == {"cohort": "2019", "source": "roster", "run": 1, "state": "applied"}
    (pull, *_) = [span for span in spans if span.name == "pull"]
    assert pull.parent is not None
    assert pull.parent.span_id == run.context.span_id
    everything = "".join(span.to_json() for span in spans)
    assert not [person.number for person in EVERYBODY if person.number in everything]


def test_without_an_endpoint_nothing_is_traced() -> None:
    tracing.configure("", "test")
    with tracing.span("run", source="loans") as add:
        add(state="applied")
    assert tracing._tracer == []


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    importing = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name)
        return importing(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(TracingUnusable, match=r"Install the extra: .*clearance-sync\[otel\]"):
        tracing.configure("http://127.0.0.1:1", "test")
