"""The alert rules and the dashboard ask only for metrics that there are, and every alert fires."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from foundation.metrics import WebMetrics
from sync.service.metrics import SyncMetrics
from tests.sync.service.test_metrics import measured
from tests.world import World

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "clearance.rules.yml"
CASES = DEPLOY / "prometheus" / "clearance.rules.test.yml"
DASHBOARD = DEPLOY / "grafana" / "clearance.json"
_METRIC = re.compile(r"\bclearance_[a-z_]+")


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]
    return found


def queries() -> Iterator[tuple[str, str]]:
    for rule in alerts():
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def samples(world: World) -> set[str]:
    """Return the name of every sample, also of metrics that have none yet."""
    registry = CollectorRegistry()
    web = WebMetrics.of(registry)
    web.requests.labels("", "/", "GET", "200").inc()
    web.seconds.labels("", "/").observe(1)
    web.sign_in_failures.labels("", "local").inc()
    everything = SyncMetrics(lambda: {"": measured(world)}, lambda: {"pku": True})
    everything.registry()
    found = {sample.name for family in registry.collect() for sample in family.samples}
    return found | {family.name for family in everything.collect()}


def test_every_metric_of_the_rules_and_the_dashboard_is_there(sqlite_world: World) -> None:
    there = samples(sqlite_world)
    missing = {(where, name) for where, query in queries() for name in _METRIC.findall(query) if name not in there}
    assert missing == set()


def test_every_metric_is_on_the_dashboard_or_in_a_rule(sqlite_world: World) -> None:
    asked = {name for _, query in queries() for name in _METRIC.findall(query)}
    counted = re.compile(r"_(created|sum|count)$")
    unused = {name for name in samples(sqlite_world) if name not in asked and not counted.search(name)}
    assert unused == set()


def test_every_alert_has_a_case_that_fires_it_and_one_that_does_not() -> None:
    cases = yaml.safe_load(CASES.read_text(encoding="utf-8"))["tests"]
    fired = {(t["alertname"], bool(t["exp_alerts"])) for case in cases for t in case["alert_rule_test"]}
    assert fired == {(rule["alert"], fires) for rule in alerts() for fires in (True, False)}


def test_every_alert_states_what_to_do() -> None:
    for rule in alerts():
        assert rule["labels"]["severity"] in ("warning", "critical")
        assert rule["annotations"].keys() == {"summary", "description"}


@pytest.mark.parametrize("words", [("check", "rules", RULES.name), ("test", "rules", CASES.name)])
def test_prometheus_accepts_the_rules_and_every_alert_fires(words: tuple[str, ...]) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        why = "promtool is not installed (Debian: apt-get install prometheus)"
        if os.environ.get("CLEARANCE_TEST_REQUIRE_PROMTOOL"):
            pytest.fail(why)
        pytest.skip(why)
    ended = subprocess.run([promtool, *words], cwd=RULES.parent, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr
