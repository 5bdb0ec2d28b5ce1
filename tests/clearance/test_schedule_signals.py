"""A schedule that runs for months: SIGHUP loads its settings again, whole or not at all, and SIGTERM ends it."""

import json
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.services.university import University, free_port

pytestmark = pytest.mark.slow


class Running:
    """A schedule that runs, and the lines of its log."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def until(self, event: str) -> dict[str, Any]:
        """Read the log up to an event."""
        assert self.process.stderr is not None
        seen = []
        for line in self.process.stderr:
            seen.append(line)
            found: dict[str, Any] = json.loads(line) if line.startswith("{") else {}
            if found.get("event") == event:
                return found
        pytest.fail(f"it ended without {event}: {''.join(seen)}")

    def hang_up(self) -> None:
        self.process.send_signal(signal.SIGHUP)


@contextmanager
def scheduled(university: University, **environ: str) -> Iterator[Running]:
    process = university.start("schedule", CLEARANCE__LOG__FORMAT="json", **environ)
    try:
        yield Running(process)
        process.send_signal(signal.SIGTERM)
        process.communicate()
        assert process.returncode == 0
    finally:
        process.kill()
        process.communicate()


def add(university: University, text: str) -> None:
    written = university.config.read_text(encoding="utf-8")
    university.config.write_text(f"{written}\n{text}\n", encoding="utf-8")


def fetch(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, ""


def test_broken_settings_are_refused_with_the_fix_and_the_old_go_on(university: University) -> None:
    good = university.config.read_text(encoding="utf-8")
    with scheduled(university) as running:
        running.until("schedule started")
        add(university, '[schedule]\nfirst_wait = "soon"\n[portal]')
        running.hang_up()
        line = running.until("settings not reloaded")
        assert line["level"] == "error"
        assert str(university.config) in line["message"]
        university.config.write_text(good, encoding="utf-8")
        add(university, '[schedule]\nfirst_wait = "soon"')
        running.hang_up()
        assert "write a whole number" in running.until("settings not reloaded")["message"]
        university.config.write_text(good, encoding="utf-8")
        add(university, '[schedule]\nfirst_wait = "7 min"')
        running.hang_up()
        assert running.until("settings reloaded")["changed"] == ["schedule"]


def test_the_metrics_and_the_health_checks_have_a_port_of_their_own(university: University) -> None:
    port = free_port()
    with scheduled(university, CLEARANCE__METRICS__PORT=str(port)) as running:
        running.until("schedule started")
        assert fetch(port, "/livez") == (200, "ok\n")
        assert fetch(port, "/readyz") == (200, "ok\n")
        assert fetch(port, "/other")[0] == 404
        status, text = fetch(port, "/metrics")
        assert status == 200
        assert 'state="regular"} 1.0' in text
        assert 'clearance_database_up{database="marks"} 1.0' in text
        # The settings are loaded again with another port: the metrics move.
        other = free_port()
        add(university, f"[metrics]\nport = {other}")
        running.hang_up()
        running.until("settings reloaded")
        # The variable of the environment stands above the file.
        assert fetch(port, "/livez") == (200, "ok\n")


def test_a_port_in_use_ends_the_start_with_the_fix(university: University) -> None:
    taken = free_port()
    with scheduled(university, CLEARANCE__METRICS__PORT=str(taken)) as running:
        running.until("schedule started")
        said = university.run_apart("schedule", code=1, CLEARANCE__METRICS__PORT=str(taken))
        assert "Choose another port in [metrics]." in said
