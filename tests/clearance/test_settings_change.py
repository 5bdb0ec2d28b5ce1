"""Settings that change in the season, by the command: planned, approved once, and no one is cleared by them."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from clearance.main import app

OWES, CLEAR = "2015150002", "2015150003"

SETTINGS = """
[institution]
name = "山海大学"
[status_db]
url = "env:STATUS_URL"
[[cohort]]
key = "2019"
name = "2019届"
[roster]
connector = "memory"
every = "1 h"
rows = [
  { xh = "2015150001", xm = "张一", cc = "本科生", xy = "文学院" },
  { xh = "2015150002", xm = "李二", cc = "本科生", xy = "文学院" },
  { xh = "2015150003", xm = "王三", cc = "本科生", xy = "文学院" },
]
columns = { student = "xh", name = "xm", level = "cc", college = "xy" }
levels = { "本科生" = "undergraduate" }
[[step]]
key = "library"
title = "图书馆"
office = { name = "图书馆" }
[[step]]
key = "finance"
title = "计财处"
office = { name = "计财处" }
[[step]]
key = "final_review"
title = "终审"
office = { name = "学院" }
[[flow]]
key = "u"
levels = ["undergraduate"]
entries = [{ step = "library" }, { step = "finance" }, { step = "final_review", kind = "review" }]
[source.loans]
step = "library"
connector = "memory"
means = "items"
every = "1 h"
first = "apply"
rows = [{ xh = "2015150001", t = "构造地质学", b = "B1" }]
columns = { student = "xh", title = "t", reference = "b" }
[source.fees]
step = "finance"
connector = "memory"
means = "balance"
every = "1 h"
first = "apply"
rows = [{ xh = "2015150002", m = "学费", q = 5200 }]
columns = { student = "xh", title = "m", amount = "q" }
"""
MANUAL = '[[step]]\nkey = "medals"\ntitle = "奖章"\noffice = { name = "团委" }\n[[flow]]'
MEDALS = '{ step = "medals", kind = "manual" }, '
REVIEW = '{ step = "final_review", kind = "review" }'

#: What an administrator writes in the season.
CHANGES = {
    "a renamed step": SETTINGS.replace('key = "finance"', 'key = "money"').replace(
        'step = "finance"', 'step = "money"'
    ),
    "a new manual step": SETTINGS.replace("[[flow]]", MANUAL).replace(
        REVIEW, '{ step = "medals", kind = "manual" }, ' + REVIEW
    ),
    "a source with a step of its own": SETTINGS.replace("[[flow]]", MANUAL)
    .replace('{ step = "finance" }', '{ step = "finance", kind = "manual" }, { step = "medals" }')
    .replace('[source.fees]\nstep = "finance"', '[source.fees]\nstep = "medals"'),
    "a review before a step": SETTINGS.replace('{ step = "finance" }, ' + REVIEW, REVIEW + ', { step = "finance" }'),
}

Command = Callable[..., Result]


@pytest.fixture
def season(tmp_path: Path, status_url: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return what runs a command on a season in which one student owes 5,200 yuan."""
    monkeypatch.setenv("STATUS_URL", status_url)
    file = tmp_path / "clearance.toml"
    file.write_text(SETTINGS, encoding="utf-8")

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["--config", str(file), *words], catch_exceptions=False)

    assert run("db", "upgrade").exit_code == 0
    assert run("sync").exit_code == 0
    assert run("accounts", "add", "dean", "--name", "Dean", "--grant", "review:*", "--grant", "issue:*").exit_code == 0
    return run


def waiting(run: Command) -> int:
    (number,) = (one["run"] for one in json.loads(run("runs", "list", "--json").stdout) if one["state"] == "suspended")
    return int(number)


def reviewed(run: Command, student: str) -> Result:
    return run("reviews", "give", student, "final_review", "cleared", "--as", "dean", "--reason", "齐备")


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_waits_and_opens_no_review_over_a_debt(season: Command, tmp_path: Path, change: str) -> None:
    assert reviewed(season, CLEAR).exit_code == 0
    (tmp_path / "clearance.toml").write_text(CHANGES[change], encoding="utf-8")
    planned = season("plan")
    assert planned.exit_code == 3
    assert "would be suspended" in planned.output
    synced = season("sync")
    assert synced.exit_code == 4
    run = waiting(season)
    assert f"clearance runs approve {run}" in synced.output
    for student, number in ((OWES, "N1"), (CLEAR, "N2")):
        assert reviewed(season, student).exit_code == 1
        issued = season("certificates", "issue", student, number, "--as", "dean")
        assert issued.exit_code == 1, issued.output
    agreed = season("verify")
    assert agreed.exit_code == 0
    assert "the settings file differs from the settings that are applied" in agreed.output

    assert season("runs", "approve", str(run)).exit_code == 0
    assert season("sync").exit_code == 0
    again = season("verify")
    assert again.exit_code == 0
    assert "differs" not in again.output
    if change != "a review before a step":
        assert reviewed(season, OWES).exit_code == 1
        assert season("certificates", "issue", OWES, "N1", "--as", "dean").exit_code == 1


def test_a_renamed_step_with_was_keeps_the_review(season: Command, tmp_path: Path) -> None:
    assert reviewed(season, CLEAR).exit_code == 0
    renamed = CHANGES["a renamed step"].replace('key = "money"', 'key = "money"\nwas = "finance"')
    (tmp_path / "clearance.toml").write_text(renamed, encoding="utf-8")
    assert season("plan").exit_code == 0
    assert season("sync", "fees").exit_code == 0
    assert season("certificates", "issue", CLEAR, "N2", "--as", "dean").exit_code == 0
    assert reviewed(season, OWES).exit_code == 1


def test_check_names_what_is_not_applied(season: Command, tmp_path: Path) -> None:
    (tmp_path / "clearance.toml").write_text(CHANGES["a renamed step"], encoding="utf-8")
    said = re.sub(r"\s+", " ", season("check").output)
    assert "[source] fees step: was finance; is money" in said
