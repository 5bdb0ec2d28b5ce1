"""The rooms keep to themselves: what imports what, what a package's door holds, what must not be committed."""

import ast
import importlib.metadata
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from clearance.settings_file import schema_of
from tests.services.university import ROOT

ROOMS = ("clearance", "config", "connectors", "foundation", "status_db", "sync", "portal", "demo")


@pytest.mark.parametrize(
    "module", ["sync.rule.reconcile", "sync.rule.guard", "sync.rule.records", "sync.rule.roster", "status_db.model"]
)
def test_the_rule_brings_no_library_with_it(module: str) -> None:
    """A subprocess, because here everything is imported already."""
    heavy = ["sqlalchemy", "requests", "apscheduler", "structlog", "pydantic", "starlette", "alembic", "openpyxl"]
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"


@pytest.mark.parametrize("room", ROOMS)
def test_a_rooms_door_holds_a_docstring_and_nothing_else(room: str) -> None:
    for door in (ROOT / room).rglob("__init__.py"):
        if door.parent == ROOT / "status_db" / "tables":
            # Tables are named `tables.student`, whichever module of that folder defines them.
            continue
        body = ast.parse(door.read_text(encoding="utf-8")).body
        assert len(body) == 1, door
        assert isinstance(body[0], ast.Expr), door


@pytest.mark.parametrize("room", ROOMS)
def test_no_foreign_package_has_a_rooms_name(room: str) -> None:
    owners = {
        dist for name, dists in importlib.metadata.packages_distributions().items() if name == room for dist in dists
    }
    assert owners <= {"clearance-sync"}
    assert Path(__import__(room).__file__ or "").is_relative_to(ROOT)


def test_a_module_at_the_top_of_connectors_is_a_connector() -> None:
    modules = {file.stem for file in (ROOT / "connectors").glob("*.py")}
    # What a connector is; and what ready-made connectors to a library's own tables build on, above `sql`.
    assert {name for name in modules if schema_of(name) is None} == {"__init__", "port", "presets"}


#: Why a folder has more files than one takes in at a glance.
MORE_FILES = {
    "clearance/commands": "one module for each command, named like it",
    "connectors": "one module for each office system, named as a settings file names it",
}


@pytest.mark.parametrize("room", ROOMS)
def test_no_folder_has_more_than_fifteen_modules(room: str) -> None:
    counts = Counter(
        file.parent.relative_to(ROOT).as_posix() for file in (ROOT / room).rglob("*.py") if file.name != "__init__.py"
    )
    assert {folder for folder, count in counts.items() if count > 15} <= MORE_FILES.keys()


def test_the_layers_are_kept() -> None:
    said = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert said.returncode == 0, said.stdout
    assert "0 broken" in said.stdout


def committed(*, pictures: bool = False) -> list[Path]:
    """Return every file that is, or would be, committed; pictures, styles and fonts when asked for."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    left_out = () if pictures else (".png", ".css", ".ttf")
    return [ROOT / name for name in listed if (ROOT / name).is_file() and not name.endswith(left_out)]


def test_no_lock_names_a_registry() -> None:
    names = [path.name for path in committed()]
    assert "uv.lock" not in names
    for path in (ROOT / "requirements").glob("*.lock"):
        text = path.read_text(encoding="utf-8")
        assert "://" not in text
        assert "--index" not in text
        assert all(
            "--hash=sha256:" in block for block in re.split(r"\n(?=[a-z])", text) if "==" in block.split("\n")[0]
        )


def test_nothing_names_a_place_on_somebodys_machine() -> None:
    homes = re.compile(rb"(?<![\w.])/(?:home|Users|root|work)/\w")
    for path in committed():
        if path != Path(__file__):
            assert not homes.search(path.read_bytes()), path
