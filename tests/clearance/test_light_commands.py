"""A command imports what it needs: looking at one student takes neither the sync nor what writes files."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from clearance.settings_file import KEYS_ALONE, connector_module, schema_of
from tests.services.university import ROOT

_HEAVY = (
    "alembic", "apscheduler", "cryptography", "fpdf", "openpyxl", "portal", "requests", "starlette",
    "status_db.accounts.accounts", "sync", "urllib3", "xlsxwriter",
)  # fmt: skip


@pytest.mark.parametrize("module", ["clearance.main", "clearance.commands.status"])
def test_a_command_that_only_reads_imports_nothing_heavy(module: str) -> None:
    """In a process of its own, because here everything is imported already."""
    code = f"import sys, {module}; print([name for name in {_HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"


_SETTINGS = """
institution = { name = "Small" }
status_db = { url = "sqlite:///status.db", ledger_key_file = "ledger.key" }
[[cohort]]
key = "2019"
name = "2019"
[roster]
connector = "sql"
url = "sqlite:///roster.db"
query = "SELECT * FROM roster"
every = "1 d"
columns = { student = "number", name = "name", level = "level" }
levels = { u = "undergraduate" }
[[step]]
key = "finance"
title = "Finance"
office = { name = "Finance" }
[[flow]]
key = "undergraduate"
levels = ["undergraduate"]
entries = [{ step = "finance" }]
[source.finance]
step = "finance"
connector = "rest"
url = "https://finance.example.edu/debts"
total = "total"
records = "debts"
means = "balance"
every = "1 h"
columns = { student = "number", amount = "amount", reference = "id" }
"""

#: The command's words → the most modules it imports, Python's own included, on a status database in SQLite.
_MOST = {("status", "1"): 800, ("sources",): 850, ("runs", "list"): 800, ("unmatched",): 800}

_RUN = """
import json, sys
from clearance.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    print("modules", json.dumps(sorted(sys.modules)))
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Settings with a source in each of the two kinds of system, and an empty status database."""
    file = tmp_path_factory.mktemp("light") / "clearance.toml"
    file.write_text(_SETTINGS, encoding="utf-8")
    _modules_of(file, "db", "upgrade")
    return file


def _modules_of(file: Path, *words: str) -> list[str]:
    command = [sys.executable, "-c", _RUN, "--config", str(file), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout.rpartition("modules ")[2])
    return found


@pytest.mark.parametrize("words", _MOST, ids=" ".join)
def test_a_quick_command_imports_no_client_of_an_office_and_few_modules(settings: Path, words: tuple[str, ...]) -> None:
    """The settings are read whole, with the keys of each connector."""
    modules = _modules_of(settings, *words)
    assert "connectors.http.rest_settings" in modules
    assert [name for name in _HEAVY if name in modules] == []
    assert len(modules) <= _MOST[words]


@pytest.mark.parametrize("connector", KEYS_ALONE)
def test_keys_in_a_module_of_their_own_are_those_of_the_connector(connector: str) -> None:
    module = connector_module(connector)
    assert module is not None
    assert schema_of(connector) is module.Settings is import_module(KEYS_ALONE[connector]).Settings
