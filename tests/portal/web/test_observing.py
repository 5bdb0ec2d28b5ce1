"""Each request is observed by its route and not by what it names; its identifier is in each line of the log."""

import re
from collections.abc import Callable, Iterator

import httpx
import pytest
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from config.log_names import nameless
from foundation import metrics
from foundation.metrics_server import MetricsServer, MetricsUnusable
from tests.cast import EVERYBODY, LIN, QIAN
from tests.world import World

SignedIn = Callable[[str], TestClient]


@pytest.fixture
def registry() -> Iterator[CollectorRegistry]:
    made = CollectorRegistry()
    metrics.enable(made)
    yield made
    metrics.disable()


def text_of(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode()


def test_requests_are_counted_by_route_and_status(
    university: World, signed_in: SignedIn, registry: CollectorRegistry
) -> None:
    browser = signed_in("admin")
    browser.get("/sources")
    browser.get("/sources")
    browser.get("/nowhere")
    browser.get("/static/nothing.css")
    browser.get("/api/v1/cohorts")
    assert registry.get_sample_value(
        "clearance_requests_total", {"institution": "", "route": "/sources", "method": "GET", "status": "200"}
    ) == 2  # fmt: skip
    for route, status in (("unmatched", "404"), ("/static", "404"), ("/api/v1/cohorts", "401")):
        labels = {"institution": "", "route": route, "method": "GET", "status": status}
        assert registry.get_sample_value("clearance_requests_total", labels) == 1, text_of(registry)
    assert registry.get_sample_value("clearance_request_seconds_count", {"institution": "", "route": "/sources"}) == 2


def test_no_label_names_a_student_whatever_is_requested(
    university: World, signed_in: SignedIn, registry: CollectorRegistry
) -> None:
    browser = signed_in("dean")
    for number in (LIN.number, QIAN.number):
        browser.get(f"/students/{number}")
        browser.get(f"/students/{number}/more")
        browser.get(f"/{number}?student={number}")
        browser.get(f"/api/v1/students/{number}")
        browser.request(number.replace("0", "A"), f"/students/{number}")
    text = text_of(registry)
    assert not [p.number for p in EVERYBODY if p.number in text or p.number.replace("0", "A") in text]
    assert 'method="other"' in text
    assert '/students/{number:name}"' in text


def test_a_refused_sign_in_is_counted(university: World, signed_in: SignedIn, registry: CollectorRegistry) -> None:
    browser = signed_in("admin")
    page = browser.get("/sign-in").text
    found = re.search(r'name="form_token" value="([^"]+)"', page)
    token = found[1] if found else ""
    browser.post("/sign-in", data={"form_token": token, "account": LIN.number, "password": "wrong"})
    assert "clearance_sign_in_failures_total" in text_of(registry)
    assert registry.get_sample_value("clearance_sign_in_failures_total", {"institution": "", "method": "local"}) == 1
    assert LIN.number not in text_of(registry)


def test_each_answer_has_an_identifier_that_its_log_lines_have_too(university: World, signed_in: SignedIn) -> None:
    browser = signed_in("admin")
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        answer = browser.get("/sources", headers={"X-Request-Id": LIN.number})
        university.engine.dispose()
        other = browser.get("/sources")
    assert re.fullmatch(r"[0-9a-f]{16}", answer.headers["x-request-id"])
    assert answer.headers["x-request-id"] != other.headers["x-request-id"]
    assert all(
        line.get("request_id") in (answer.headers["x-request-id"], other.headers["x-request-id"]) for line in lines
    )
    # It is written as it is: only this program makes it.
    assert nameless("1234567890123456", "request_id") == "1234567890123456"


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
def test_the_health_checks_need_no_sign_in(university: World, signed_in: SignedIn, path: str) -> None:
    browser = signed_in("admin")
    browser.cookies.clear()
    assert browser.get(path).status_code == 200


def test_the_server_of_the_metrics_states_what_it_is_given(registry: CollectorRegistry) -> None:
    answers = {"alive": True, "ready": False}
    server = MetricsServer(
        "127.0.0.1", 0, lambda: registry, alive=lambda: answers["alive"], ready=lambda: answers["ready"]
    )
    try:
        at = f"http://127.0.0.1:{server.port}"
        assert httpx.get(f"{at}/livez").status_code == 200
        assert httpx.get(f"{at}/readyz").status_code == 503
        assert httpx.get(f"{at}/metrics").headers["content-type"].startswith("text/plain")
        assert httpx.get(f"{at}/").status_code == 404
        with pytest.raises(MetricsUnusable, match="Choose another port"):
            MetricsServer("127.0.0.1", server.port, lambda: registry)
    finally:
        server.close()
