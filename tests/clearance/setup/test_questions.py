"""The questions to a person, by a terminal: a wrong answer is asked again with its reason, and none is lost."""

import stat
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clearance.main import app
from clearance.settings_file import load_settings
from tests.clearance.commands.test_init import DORM, FEES, ROSTER


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("clearance.commands.init.has_terminal", lambda: True)
    monkeypatch.setattr("clearance.commands.source.has_terminal", lambda: True)
    (tmp_path / "roster.csv").write_text(ROSTER, encoding="utf-8")
    (tmp_path / "dorm.csv").write_text(DORM, encoding="utf-8")
    (tmp_path / "fees.csv").write_text(FEES, encoding="utf-8")
    return tmp_path


def answer(*lines: str, words: tuple[str, ...] = ("init", "new")) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words), input="".join(f"{line}\n" for line in lines))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, " ".join(result.output.split())


DORM_SOURCE = ("dorm", "sheet", "dorm.csv", "", "")
BEGIN = ("示例大学", "", "2026届", "", "2026年12月1日", "2026/12/20", "", "sqlite", "local")


def test_wrong_answers_are_asked_again_with_the_reason(folder: Path) -> None:
    code, output = answer(
        "", "示例大学", "", "20 26", "2026届", "", "soon", "2026-12-01", "2026-11-30", "2026年12月20日", "nowhere", "",
        "9", "2", "kerberos", "1", "x", "2", "none.csv", "", "2", "roster.csv", "", *DORM_SOURCE, "maybe", "n",
    )  # fmt: skip
    assert code == 0, output
    for reason in (
        "This answer is needed", '"20 26" is not a year', '"soon" is not a day', "not before 2026-12-01",
        '"nowhere" is not an address', '"9" is not a choice', '"kerberos" is not a choice', "is not a file",
        "Enter y or n", "column names in row 1, 2 rows were read, columns: 学号",
    ):  # fmt: skip
        assert reason in output
    cohort = load_settings(folder / "new/clearance.toml").cohort[0]
    assert (cohort.key, str(cohort.windows["undergraduate"].closes)) == ("2026", "2026-12-20")


def test_answers_that_are_refused_late_or_ended_are_kept_for_their_owner_and_can_be_used(folder: Path) -> None:
    code, output = answer(*BEGIN, "2", "roster.csv", "", "finance", "2", "fees.csv", "", "缴费")
    assert code == 1
    assert "clearance init new --answers answers.toml" in output
    kept = folder / "answers.toml"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert tomllib.loads(kept.read_text(encoding="utf-8"))["cohort"]["key"] == "2026"
    assert answer(words=("init", "new", "--answers", "answers.toml"))[0] == 0
    source = load_settings(folder / "new/clearance.toml").source["fees"]
    assert source.title == "缴费"


def test_source_add_without_options_asks_the_same_questions(folder: Path) -> None:
    assert answer(*BEGIN, "2", "roster.csv", "", *DORM_SOURCE, "n")[0] == 0
    file = folder / "new/clearance.toml"
    file.write_text(
        file.read_text(encoding="utf-8").replace('{ step = "finance", kind = "manual" }', '{ step = "finance" }')
    )
    code, output = answer("3", "2", "fees.csv", "", "", words=("--config", str(file), "source", "add"))
    assert code == 0, output
    assert load_settings(file).source["fees"].title == "欠费"


def test_the_next_steps_name_only_what_is_written(folder: Path) -> None:
    assert answer(*BEGIN, "2", "roster.csv", "", *DORM_SOURCE, "n")[0] == 0
    text = (folder / "new/NEXT.md").read_text(encoding="utf-8")
    assert "roles" not in text
    for command in ("db upgrade", "check", "sync roster", "runs spot-check 1", "runs approve 1", "accounts add", "up"):
        assert f"clearance {command}" in text
    assert "ledger.key and desk.key" in text


def test_mistakes_in_a_file_of_answers_are_in_the_language_of_the_process(folder: Path) -> None:
    lines = ("[institution]", 'name = "x"', "[cohort]", 'key = "1"', 'name = "1"', "[roster]", 'sheet = "a"')
    (folder / "a.toml").write_text("\n".join((*lines, "[[source]]", 'step = "gym"')))
    (folder / "b.toml").write_text("[institution]\nname = 山海\n")
    for name, why in (("a.toml", "[[source]] 1 step：应为"), ("b.toml", "第 2 行")):
        result = CliRunner().invoke(app, ["init", "new", "--answers", name], env={"CLEARANCE_LANG": "zh"})
        assert result.exit_code == 1
        assert why in result.output
        assert "Input should" not in result.output
        assert "Invalid value" not in result.output
