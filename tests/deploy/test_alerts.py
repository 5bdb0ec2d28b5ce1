"""What an alert watches is broken in earnest, measured, and given to Prometheus: the alert fires."""

import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from clearance.institutions.folder import InstitutionFolder
from clearance.settings_file import schema_of
from connectors.port import SourceUnavailable
from foundation import metrics
from status_db.inbox.pauses import Pauses
from status_db.inbox.requests import Requests
from status_db.model import ROSTER
from sync.service.metrics import SyncMetrics
from tests.deploy.test_monitoring import RULES, alerts, find_promtool
from tests.portal.waiting import held_back
from tests.services.institutions import Installation
from tests.sync.service.test_metrics import exposed
from tests.world import COHORT, World

#: A sample of a time; Prometheus' own clock begins at zero in its tests.
_MOMENT = re.compile(r"_timestamp_seconds(\{|$)")

_COUNTER = re.compile(r"_(total|bucket|count|sum)(\{|$)")


def lasting(alert: str) -> tuple[int, int]:
    """Return the minutes between two scrapes, and the number of scrapes that is more than the alert waits for."""
    waits = next(rule.get("for", "0m") for rule in alerts() if rule["alert"] == alert)
    minutes = int(waits[:-1]) * {"m": 1, "h": 60}[waits[-1]]
    every = 1 if minutes < 60 else 30
    return every, minutes // every + 30 // every + 2


def series(before: str, after: str, now: float, scrapes: int) -> list[dict[str, str]]:
    """Return the series of so many scrapes after these two, as Prometheus' tests write them.

    A gauge has the value of the second one. A counter grows each time by what it has grown between the two.
    """
    first = dict(_samples(before, now))
    found = []
    for name, value in _samples(after, now):
        step = value - first.get(name, 0.0) if _COUNTER.search(name) else 0.0
        found.append({"series": name, "values": f"{value:.3f}+{step:.3f}x{scrapes}"})
    return found


def _samples(text: str, now: float) -> list[tuple[str, float]]:
    rows = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return [(name, float(value) - (now if _MOMENT.search(name) else 0)) for name, _, value in rows]


def firing(before: str, after: str, now: float, alert: str, folder: Path) -> bool:
    """Return whether the alert fires in the end, by Prometheus itself."""
    every, scrapes = lasting(alert)
    shutil.copy(RULES, folder / RULES.name)
    asked = {
        "expr": f'count(ALERTS{{alertname="{alert}",alertstate="firing"}}) > bool 0',
        "eval_time": f"{every * scrapes}m",
        "exp_samples": [{"labels": "{}", "value": 1}],
    }
    given = series(before, after, now, scrapes)
    one = {"interval": f"{every}m", "input_series": given, "promql_expr_test": [asked]}
    case = {"rule_files": [RULES.name], "evaluation_interval": f"{every}m", "tests": [one]}
    (folder / "case.yml").write_text(yaml.safe_dump(case), encoding="utf-8")
    ended = subprocess.run([find_promtool(), "test", "rules", "case.yml"], cwd=folder, capture_output=True, text=True)
    # Whatever else is wrong must not pass for an alert that is silent.
    assert ended.returncode == 0 or "got: nil" in ended.stdout + ended.stderr, ended
    return ended.returncode == 0


class Broken(NamedTuple):
    """The scrapes before and after something was broken."""

    before: str
    after: str


def _failing(world: World) -> Broken:
    world.run_all()
    before = exposed(world)
    world.fails["loans"] = SourceUnavailable("nobody is there", "Wait.")
    for _ in range(6):
        world.later(hours=6)
        world.run("loans")
    return Broken(before, exposed(world))


def _paused(world: World) -> Broken:
    world.run_all()
    before = exposed(world)
    Pauses(world.desk).pause("loans", reason="x", account="admin", now=world.now)
    return Broken(before, exposed(world))


def _suspended(world: World) -> Broken:
    held_back(world)
    before = exposed(world)
    world.later(hours=5)
    return Broken(before, exposed(world))


def _no_desk(world: World) -> Broken:
    before = exposed(world)
    with world.desk_engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE request RENAME TO elsewhere")
    return Broken(before, exposed(world))


def _unserved(world: World) -> Broken:
    before = exposed(world)
    Requests(world.desk).ask_sync(COHORT, ROSTER, account="admin", now=world.now)
    world.later(minutes=20)
    return Broken(before, exposed(world))


def _counted(count: Callable[[], None]) -> Broken:
    registry = CollectorRegistry()
    metrics.enable(registry)
    try:
        metrics.count_request("/", "GET", 200, 0.01)
        metrics.count_sign_in_failure("local")
        before = generate_latest(registry).decode()
        for _ in range(200):
            count()
        return Broken(before, generate_latest(registry).decode())
    finally:
        metrics.disable()


def _refused(_world: World) -> Broken:
    return _counted(lambda: metrics.count_sign_in_failure("local"))


def _wrong(_world: World) -> Broken:
    return _counted(lambda: metrics.count_request("/", "GET", 500, 0.01))


def _slow(_world: World) -> Broken:
    return _counted(lambda: metrics.count_request("/", "GET", 200, 5.0))


def _old_backup(world: World) -> Broken:
    folder = world.file.parent / "backups"
    old, newest = (
        folder / f"clearance-{world.now - timedelta(hours=hours):%Y%m%dT%H%M%SZ}" / "manifest.json" for hours in (30, 1)
    )
    for manifest in (old, newest):
        manifest.parent.mkdir(parents=True)
        manifest.write_text("{}")
    before = exposed(world, folder)
    # The newest one is no longer complete, so the one before it counts.
    newest.unlink()
    return Broken(before, exposed(world, folder))


def _unusable(world: World) -> Broken:
    installation = Installation(world.file.parent / "institutions", "sqlite:///status.db")
    installation.write("pku")

    def scraped() -> str:
        found = InstitutionFolder(installation.folder, schema_of, installation.environ).read()
        return generate_latest(SyncMetrics(dict, found.usable).registry()).decode()

    before = scraped()
    installation.file("pku").write_text("[[[", encoding="utf-8")
    return Broken(before, scraped())


def _stopped(world: World) -> Broken:
    return Broken(exposed(world), "")


def _full(world: World, monkeypatch: pytest.MonkeyPatch) -> Broken:
    before = exposed(world)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1000, 950, 50))
    return Broken(before, exposed(world))


#: Alert → what breaks what it watches.
BREAKS: dict[str, Callable[[World], Broken]] = {
    "ClearanceSourceStale": _failing,
    "ClearanceSourceFailing": _failing,
    "ClearanceSourceQuarantined": _failing,
    "ClearanceSourcePausedForLong": _paused,
    "ClearanceSuspendedRunWaits": _suspended,
    "ClearanceNoScheduler": _stopped,
    "ClearanceDatabaseDown": _no_desk,
    "ClearanceQueueOld": _unserved,
    "ClearanceManySignInFailures": _refused,
    "ClearanceServerErrors": _wrong,
    "ClearanceInstitutionSettingsUnusable": _unusable,
    "ClearanceSlowPages": _slow,
    "ClearanceBackupTooOld": _old_backup,
}


def check(world: World, alert: str, broken: Broken, folder: Path) -> None:
    """The alert fires after it was broken, and not before."""
    now = world.now.timestamp()
    assert firing(broken.before, broken.after, now, alert, folder)
    if broken.before:
        assert not firing(broken.before, broken.before, now, alert, folder)


@pytest.mark.parametrize("alert", BREAKS)
def test_it_fires_when_what_it_watches_breaks(alert: str, sqlite_world: World, tmp_path: Path) -> None:
    check(sqlite_world, alert, BREAKS[alert](sqlite_world), tmp_path)


def test_it_fires_when_the_disk_is_full(sqlite_world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check(sqlite_world, "ClearanceDiskFull", _full(sqlite_world, monkeypatch), tmp_path)


def test_no_alert_is_left_out() -> None:
    assert {rule["alert"] for rule in alerts()} == {*BREAKS, "ClearanceDiskFull"}
