"""The language of a process: chosen by CLEARANCE_LANG, else by the locale; texts and values in it."""

import os
import subprocess
import sys
from collections.abc import Mapping

import pytest

from foundation.translation import language_of, tr, tr_n


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh-Hans"}, "zh"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "zha_CN"}, "en"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_CN", "LANG": "C"}, "zh"),
        ({"CLEARANCE_LANG": "en", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"CLEARANCE_LANG": "zh", "LC_ALL": "C"}, "zh"),
        ({"CLEARANCE_LANG": "", "LANG": "zh_CN.UTF-8"}, "zh"),
    ],
)
def test_the_first_variable_that_is_set_chooses_the_language(environment: Mapping[str, str], code: str) -> None:
    assert language_of(environment) == code


def test_values_are_filled_in_and_braces_without_values_stay() -> None:
    assert tr("no {thing} here", thing="source") == "no source here"
    assert tr("write {name}") == "write {name}"
    assert tr("{thing}", thing="{other}") == "{other}"


def test_a_number_chooses_the_form() -> None:
    assert tr_n("{number} row of {of}", "{number} rows of {of}", 1, of=3) == "1 row of 3"
    assert tr_n("{number} row of {of}", "{number} rows of {of}", 2, of=3) == "2 rows of 3"


def test_an_empty_text_stays_empty() -> None:
    assert tr("") == ""


def _clearance(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "clearance", *words],
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.parametrize(("variable", "value"), [("CLEARANCE_LANG", "zh"), ("LC_ALL", "zh_CN.UTF-8")])
def test_the_help_is_chinese_where_the_process_is(variable: str, value: str) -> None:
    answer = _clearance("sync", "--help", **{"CLEARANCE_LANG": "", variable: value})
    assert answer.returncode == 0
    assert "选项" in answer.stdout
    assert "Options" not in answer.stdout


def test_a_language_that_is_not_there_is_refused_with_the_fix() -> None:
    answer = _clearance("--version", CLEARANCE_LANG="fr")
    assert answer.returncode == 2
    assert answer.stderr.strip().endswith("Set it to: en, zh")
