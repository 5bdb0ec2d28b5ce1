"""A connection that the settings let be weaker than usual is called so by every run and by what lists sources."""

import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from sync.rule_settings import source_rule
from tests.cases.databases_office import ASKS, Finance


def test_check_sources_the_run_and_the_log_say_that_a_connection_is_weaker(
    tmp_path: Path, mariadb_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STATUS_URL", "")
    monkeypatch.setenv("OFFICE_URL", "")
    finance = Finance(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, mariadb_url)
    finance.office("CREATE TABLE f (xh VARCHAR(30), xm VARCHAR(50), qf DECIMAL(10,2))")
    finance.sync()
    before = source_rule(finance.program().settings, "fees").question
    weak = "allows TLS 1.0 for this source"
    assert finance.source().weaker_connection == ()
    finance.says(ASKS + 'tls_minimum = "1.0"')
    # The question does not say how the office is reached: nobody has to approve the next answer.
    assert source_rule(finance.program().settings, "fees").question == before
    with capture_logs() as logs:
        finance.sync()
        outcome = finance.sync()
    assert [entry["source"] for entry in logs if entry["event"] == "weaker connection"] == ["fees", "fees"]
    assert weak in outcome.counts.warnings[0]
    assert outcome.counts.warnings[0].endswith("remove tls_minimum.")
    assert weak in finance.source().weaker_connection[0]
    # The pauses are in the desk's database.
    assert finance.command("db", "upgrade").exit_code == 0
    for command in (("check", "fees"), ("sources",), ("runs", "show", str(outcome.run))):
        assert weak in " ".join(finance.command(*command).output.split()), command
    (view,) = (
        each for each in json.loads(finance.command("sources", "--json").stdout) if each["source"]["source"] == "fees"
    )
    assert weak in view["source"]["weaker_connection"][0]
    # What does not answer is said to be weak all the same.
    finance.office("DROP TABLE f")
    failed = finance.command("check", "fees")
    assert weak in " ".join(failed.output.split())


def test_a_slip_in_them_is_reported_with_the_other_settings(tmp_path: Path) -> None:
    finance = Finance(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, "mysql+pymysql://reader@office/fees")
    finance.says(ASKS + 'tls_minimum = "1.7"\ntls_ciphers = "AES128-SHAA"')
    said = " ".join(finance.command("check").output.split())
    assert "2 mistakes" in said
    assert "[source.fees] tls_minimum:" in said
    assert '[source.fees] tls_ciphers: OpenSSL on this machine has no cipher "AES128-SHAA"' in said
    finance.office_url = "postgresql+psycopg://reader@office/fees"
    finance.says(ASKS + 'tls_minimum = "1.0"')
    assert "have the office turn on TLS 1.2" in " ".join(finance.command("check").output.split())
