"""What sets up editors, commit hooks and issues parses, and the commands that it names are there."""

import configparser
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from clearance.main import app
from supply.locks import locked
from tests.services.university import ROOT

FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
HOOKS: list[dict[str, Any]] = [
    hook
    for repository in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    for hook in repository["hooks"]
]

#: The package that brings each command of a hook.
BRINGS = {"ruff": "ruff", "mypy": "mypy", "lint-imports": "import-linter"}


def form(name: str) -> dict[str, Any]:
    """Return the fields of a form for issues by their id."""
    parsed = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text(encoding="utf-8"))
    return {field["id"]: field for field in parsed["body"] if "id" in field}


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: hook["id"])
def test_a_hook_runs_a_locked_command_of_the_environment(hook: dict[str, Any]) -> None:
    assert hook["language"] == "system"
    command = Path(shlex.split(hook["entry"])[0])
    assert command.parent == Path(".venv/bin")
    assert Path(sys.executable).with_name(command.name).is_file()
    assert BRINGS[command.name] in dict(locked("dev"))


def test_the_hooks_run_all_that_make_lint_runs() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (target,) = re.findall(r"^lint: .*\n((?:\t.*\n)+)", makefile, re.MULTILINE)
    linted = re.findall(r"\$\(BIN\)/([\w-]+(?: (?:check|format))?)", target)
    assert sorted(linted) == sorted(hook["name"] for hook in HOOKS)


def test_the_hooks_download_nothing() -> None:
    assert "://" not in (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("file", FORMS, ids=lambda file: file.stem)
def test_a_form_has_what_a_form_needs_in_both_languages(file: Path) -> None:
    parsed = yaml.safe_load(file.read_text(encoding="utf-8"))
    if file.stem == "config":
        assert parsed == {"blank_issues_enabled": False}
        return
    ids = [field["id"] for field in parsed["body"] if field["type"] != "markdown"]
    assert len(ids) == len(set(ids))
    texts = [parsed["name"], parsed["description"]]
    texts += [value for field in parsed["body"] for key, value in field["attributes"].items() if key in _SHOWN]
    for text in texts:
        assert re.search(r"[A-Za-z]{3}", text), text
        assert re.search(r"[\u4e00-\u9fff]", text), text


_SHOWN = ("label", "description", "value")


def test_there_is_a_form_for_bugs_connectors_and_questions() -> None:
    assert {file.stem for file in FORMS} == {"bug", "connector", "question", "config"}


def test_who_reports_a_bug_is_asked_for_version_check_and_log_without_numbers() -> None:
    fields = form("bug")
    assert "clearance --version" in fields["version"]["attributes"]["description"]
    assert "clearance check" in fields["check"]["attributes"]["label"]
    assert "log" in fields
    (box,) = fields["clean"]["attributes"]["options"]
    assert "no student number" in box["label"]
    assert box["required"] is True


@pytest.mark.parametrize("file", sorted((ROOT / ".github").rglob("*.*")), ids=lambda file: file.name)
def test_the_commands_that_are_named_there_exist(file: Path) -> None:
    whole: Any = get_command(app)
    text = file.read_text(encoding="utf-8")
    for word in re.findall(r"`clearance ([^`\s]+)", text):
        assert word in whole.commands or word in {option for p in whole.params for option in p.opts}, word
    for target in re.findall(r"`make (\w+)", text):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE), target


@pytest.mark.parametrize(
    ("environ", "chinese"),
    [
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LC_MESSAGES": "zh_CN", "LANG": "en_US.UTF-8"}, True),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, False),
        ({"LANG": "zh_CN.UTF-8", "CLEARANCE_LANG": "en"}, False),
        ({"LANG": "C", "CLEARANCE_LANG": "zh"}, True),
        ({"LANG": "zha"}, False),
        ({}, False),
    ],
)
def test_make_help_lists_every_target_in_the_language_of_the_reader(environ: dict[str, str], *, chinese: bool) -> None:
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        check=True,
    ).stdout.decode("utf-8")
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^\.PHONY: ([\w-]+)$", makefile, re.MULTILINE)
    lines = dict(re.findall(r"^  make ([\w-]+) +(\S.*)$", shown, re.MULTILINE))
    assert sorted(lines) == sorted(targets)
    assert {bool(re.search(r"[\u4e00-\u9fff]", text)) for text in lines.values()} == {chinese}


def test_editors_write_lines_as_long_as_ruff_allows() -> None:
    parsed = configparser.ConfigParser()
    parsed.read_string("[top]\n" + (ROOT / ".editorconfig").read_text(encoding="utf-8"))
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]
    assert parsed["top"]["root"] == "true"
    assert parsed["*.py"]["max_line_length"] == str(ruff["line-length"])
    assert (parsed["*"]["charset"], parsed["Makefile"]["indent_style"]) == ("utf-8", "tab")
