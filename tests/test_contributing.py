"""The guide for contributors holds: its recipes are followed to the letter in a copy of the project, and pass there."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.services.university import ROOT
from tests.test_rooms import committed

GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    """Return a part of the guide."""
    return GUIDE.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def blocks(title: str, language: str) -> list[str]:
    """Return a part's examples in one language."""
    found = re.findall(rf"^ *```{language}\n(.*?)^ *```", section(title), re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(block) for block in found]


class Copy:
    """A copy of the project, in which somebody follows the guide."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for file in committed(pictures=True):
            target = folder / file.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)

    def run(self, commands: str) -> subprocess.CompletedProcess[str]:
        """Run the commands of a step with our environment in the place of `.venv`; the copy's code goes first."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "CLEARANCE_"))}
        return subprocess.run(
            ["bash", "-euc", commands.replace(".venv/bin/", f"{Path(sys.executable).parent}/")],
            cwd=self.folder,
            env=environ | {"PYTHONPATH": str(self.folder)},
            capture_output=True,
            text=True,
            encoding="utf-8",
        )

    def passes(self, commands: str) -> str:
        """Run them, see that they pass, and return what they print."""
        ended = self.run(commands)
        assert ended.returncode == 0, f"{commands}\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout

    def insert(self, file: str, line: str, text: str) -> None:
        """Insert a text below the one line of a file that begins with another."""
        path = self.folder / file
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        (at,) = (number for number, each in enumerate(lines, 1) if each.startswith(line))
        path.write_text("".join([*lines[:at], text, *lines[at:]]), encoding="utf-8")

    def add_to(self, file: str, name: str, word: str) -> None:
        """Add a word to the end of a set or tuple of a file."""
        path = self.folder / file
        before = path.read_text(encoding="utf-8")
        after = re.sub(rf"^({name} = [{{(].*?)(,?\s*[}})])", rf'\1, "{word}"\2', before, flags=re.MULTILINE | re.DOTALL)
        assert after != before
        path.write_text(after, encoding="utf-8")

    def is_in_style(self) -> None:
        """See that, once formatted, the copy passes ruff, and that its layers hold."""
        self.passes(".venv/bin/ruff format --no-cache . && .venv/bin/ruff check --no-cache .")
        self.passes(".venv/bin/lint-imports --no-cache")


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    return Copy(tmp_path / "copy")


@pytest.mark.slow
def test_a_connector_made_by_the_guide_keeps_the_contract(copy: Copy) -> None:
    title = "Add a connector"
    copying, trying, texts = blocks(title, "bash")
    (row,) = blocks(title, "markdown")
    copy.passes(copying)
    copy.insert("docs/connectors.md", "| `memory` |", row)
    printed = copy.passes(trying)
    assert int(re.findall(r"(\d+) passed", printed)[0]) > 500
    # Its Chinese is for a person to write; every text is marked for it.
    assert "tests/test_translated_connectors.py" in texts
    copy.passes(".venv/bin/python -m pytest -q tests/test_translated_connectors.py -k archive")
    copy.is_in_style()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("whole", "broken"),
    [
        ("in enumerate(self._ask(), 1)", "in enumerate(self._ask()[:1], 1)"),
        ("letters.look(rows, 0)", ""),
        ('Proof(ProofKind.TOTAL_AGREES, tr("{count} rows, the number on the last line", count=len(rows))),', ""),
        ("raise SourceUnavailable(", "raise SourceGarbled("),
    ],
)
def test_the_contract_finds_what_a_contributor_breaks(copy: Copy, whole: str, broken: str) -> None:
    copy.passes(blocks("Add a connector", "bash")[0])
    file = copy.folder / "connectors" / "archive.py"
    text = file.read_text(encoding="utf-8")
    assert whole in text
    file.write_text(text.replace(whole, broken), encoding="utf-8")
    assert copy.run(".venv/bin/python -m pytest -q -x tests/connectors/test_archive.py").returncode == 1


@pytest.mark.slow
def test_a_command_made_by_the_guide_works(copy: Copy) -> None:
    copying, trying = blocks("Add a command", "bash")
    (entry,) = blocks("Add a command", "python")
    copy.passes(copying)
    copy.insert("clearance/main.py", "_COMMANDS = {", textwrap.indent(entry, "    "))
    copy.add_to("tests/clearance/test_suggestions.py", "OF_NONE", "steps")
    copy.add_to("tests/trust/test_stale.py", "COMMANDS_SAY_NOTHING_OF_NOW", "steps")
    assert "图书馆" in copy.passes(trying)
    copy.is_in_style()


@pytest.mark.parametrize("title", re.findall(r"^## (Add .*)$", GUIDE, re.MULTILINE))
def test_a_recipe_names_files_that_are_there(title: str) -> None:
    rooms = "clearance|config|connectors|docs|portal|status_db|sync|tests"
    named = set(re.findall(rf"(?<![\w/.])(?:{rooms})/[\w./\-]*", section(title)))
    made = set(re.findall(r"> (\S+)", section(title)))
    # The link of step 2 of the first recipe.
    made.add("connectors/archive.md")
    assert len(named) > 5
    assert {path for path in named - made if not (ROOT / path).exists()} == set()


def test_every_recipe_ends_with_a_command_that_tests_it() -> None:
    recipes = re.findall(r"^## (Add .*)$", GUIDE, re.MULTILINE)
    assert recipes == ["Add a connector", "Add a command", "Add a page", "Add a migration"]
    for title in recipes:
        assert ".venv/bin/python -m pytest" in blocks(title, "bash")[-1], title
