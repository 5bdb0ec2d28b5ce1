"""A command imports what it needs: looking at one student takes neither the sync nor what writes files."""

import subprocess
import sys

import pytest

from tests.services.university import ROOT

_HEAVY = (
    "alembic", "apscheduler", "cryptography", "fpdf", "openpyxl", "portal", "requests", "starlette",
    "status_db.accounts.accounts", "sync", "xlsxwriter",
)  # fmt: skip


@pytest.mark.parametrize("module", ["clearance.main", "clearance.commands.status"])
def test_a_command_that_only_reads_imports_nothing_heavy(module: str) -> None:
    """In a process of its own, because here everything is imported already."""
    code = f"import sys, {module}; print([name for name in {_HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert found.strip() == "[]"
