"""The page of retention: each rule, when it was last carried out, what it removed, and the oldest row that stayed."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from clearance.main import app as command_line
from config.tables.retention import RULES
from portal.admin.retention import RULES as TITLES
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.desk.retention import RetentionRunner
from tests.world import COHORT, World


def test_every_rule_of_the_settings_has_its_line(university: World, signed_in: Callable[[str], TestClient]) -> None:
    assert tuple(TITLES) == RULES
    page = signed_in("admin").get("/retention").text
    assert all(f'<tr id="{rule}">' in page for rule in RULES)
    assert "1095 天" in page


def test_it_shows_what_was_removed_and_what_stays(university: World, signed_in: Callable[[str], TestClient]) -> None:
    log = Audit(university.desk)
    log.note(AuditEvent.SIGNED_IN, account="dean", now=university.now - timedelta(days=3))
    kept = RetentionRunner(university.desk, university.engine, [COHORT], {"audit": timedelta(days=1)})
    kept.carry_out("audit", university.now, "schedule")
    row = signed_in("auditor").get("/retention").text.split('<tr id="audit">')[1].split("</tr>")[0]
    assert "<td>1</td>" in row
    assert "5月25日" in row


def test_the_command_counts_then_removes_and_its_json_is_the_proof(
    university: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATUS_URL", university.url)
    monkeypatch.setattr("clearance.context.clock_of", lambda _settings: university.clock)
    log = Audit(university.desk)
    log.note(AuditEvent.SIGNED_IN, account="dean", now=university.now - timedelta(days=1096))

    def said(*words: str) -> dict[str, int]:
        result = CliRunner().invoke(
            command_line, ["--config", str(university.file), "retention", *words, "--json"], catch_exceptions=False
        )
        assert result.exit_code == 0, result.output
        return {run["rule"]: run["removed"] for run in json.loads(result.output)["runs"]}

    assert said("--history") == {}
    assert said("--dry-run")["audit"] == 1
    assert said("--history") == {}
    assert said()["audit"] == 1
    assert said("--history")["audit"] == 1
