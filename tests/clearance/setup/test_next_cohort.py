"""`cohort open --like`: what is printed is a cohort that can be added as it is, and nothing of its people."""

import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clearance.main import app
from clearance.settings_file import load_settings
from clearance.setup.next_cohort import next_cohort_text
from clearance.setup.proposal import SetupRefused
from config.settings import Settings
from tests.services.small import SETTINGS

COHORT = """key = "2019"
name = "2019届"
closed = true
cadres = { "15001" = ["2015001"] }
contacts = { "文学院" = { name = "王老师", phone = "027-1" } }
windows.undergraduate = { opens = 2019-05-25, closes = 2019-06-06 }
windows.postgraduate = { opens = 2020-02-29, closes = 2020-03-01 }
[cohort.collect."*"]
where = "学工办"
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOANS_URL", "http://127.0.0.1:9/loans")
    return tmp_path


def settings(folder: Path, more: str = "") -> Settings:
    file = folder / "clearance.toml"
    text = SETTINGS.replace('key = "2019"\nname = "2019届"\n', COHORT) + more
    file.write_text(text, encoding="utf-8")
    return load_settings(file)


def test_what_is_printed_is_a_cohort_that_can_be_added(folder: Path) -> None:
    text = next_cohort_text(settings(folder), "2019")
    added = settings(folder, f"\n{text}")
    cohort = added.cohort_named("2020")
    assert (cohort.name, cohort.rehearsal, cohort.closed) == ("2020届", True, False)
    assert str(cohort.windows["undergraduate"].opens) == "2020-05-25"
    assert str(cohort.windows["postgraduate"].opens) == "2021-02-28"
    assert cohort.collect["*"].where == "学工办"
    assert cohort.contacts["文学院"].phone == "027-1"


def test_no_student_is_copied(folder: Path) -> None:
    text = next_cohort_text(settings(folder), "2019")
    assert "2015001" not in text
    assert "cadres" not in text


def test_windows_move_by_the_years_between_the_keys(folder: Path) -> None:
    assert "opens = 2022-05-25" in next_cohort_text(settings(folder), "2019", "2022")


def test_a_cohort_that_is_not_there_or_is_there_already_is_refused(folder: Path) -> None:
    with pytest.raises(SetupRefused, match="There are: 2019"):
        next_cohort_text(settings(folder), "2018")
    with pytest.raises(SetupRefused, match="already"):
        next_cohort_text(settings(folder), "2019", "2019")


def test_the_command_prints_toml_with_its_line_breaks(folder: Path) -> None:
    settings(folder)
    words = ["--config", str(folder / "clearance.toml"), "cohort", "open", "--like", "2019"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert tomllib.loads(result.stdout)["cohort"][0]["key"] == "2020"
