"""cx_Oracle, built as the documents say, without Oracle's client: how far it gets, and what it reports then.

The driver is built into a folder of its own, which only the processes started here see. Where it cannot be built, for
want of a compiler or of a package index, these tests are skipped.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.university import ROOT

pytestmark = pytest.mark.slow

#: What pip says when it is the way to the packages that is missing, not the build.
_NO_INDEX = (
    "No matching distribution",
    "Could not find a version",
    "ConnectionError",
    "Connection refused",
    "timed out",
)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cx_Oracle in it."""
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("cx_Oracle must be compiled, and there is no C compiler")
    folder = tmp_path_factory.mktemp("cx_oracle")
    constraint = str(ROOT / "requirements" / "cx-oracle-build.txt")
    told = ["--build-constraint", constraint, "--no-deps", "--target", str(folder)]
    built = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--retries", "0", *told, "cx-Oracle==8.3.0"],
        capture_output=True,
        text=True,
    )
    if built.returncode and any(words in built.stderr for words in _NO_INDEX):
        pytest.skip("cx_Oracle cannot be fetched: no package index is within reach")
    assert built.returncode == 0, built.stderr
    return folder


def said_by(driver: Path, code: str) -> str:
    """Run this code where cx_Oracle can be imported; return what it prints."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join((str(driver), str(ROOT)))}
    ran = subprocess.run([sys.executable, "-c", code], env=environ, cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


ASK = """
from connectors.port import SourceRefused
from tests.connectors.database_office import ask
try:
    ask("oracle+cx_oracle://reader:hidden-word@127.0.0.1:1/?service_name=LIBSYS", "SELECT 1 FROM DUAL", {"student": "A"}
    %s).pull()
except SourceRefused as error:
    print(error)
"""


@pytest.mark.parametrize("own", ["", ', oracle_client="/no/such/client"'], ids=["none is named", "a wrong folder"])
def test_without_oracles_client_it_is_refused_with_the_fix(driver: Path, own: str) -> None:
    said = said_by(driver, ASK % own)
    assert "DPI-1047" in said
    assert "Install Oracle's client here and set oracle_client to its folder" in said
    assert "hidden-word" not in said


HANDLE = """
from datetime import timedelta
from types import SimpleNamespace
import cx_Oracle
from connectors.databases.base import DatabaseTimeouts, Options
from connectors.databases.oracle import Oracle

class Cursor:
    arraysize = 5000
    def var(self, kind, **more):
        return kind.__name__ if isinstance(kind, type) else kind.name, more.get("bypass_decode", False)

office = Oracle("loans", "somewhere", DatabaseTimeouts(timedelta(seconds=1), timedelta(seconds=1)), Options("gbk"))
raw = SimpleNamespace()
office._read_text_as_bytes(cx_Oracle)(raw, None)
for kind in ("VARCHAR", "CHAR", "LONG", "CLOB", "NUMBER", "DATE"):
    print(kind, raw.outputtypehandler(Cursor(), "A", getattr(cx_Oracle, "DB_TYPE_" + kind), 10, 0, 0))
for name in ("call_timeout", "cancel", "outputtypehandler"):
    print(name, hasattr(cx_Oracle.Connection, name))
"""


def test_text_is_taken_as_bytes_by_its_own_types(driver: Path) -> None:
    """As far as it can be seen without a connection: its types are sorted, and it has what we set on a connection."""
    assert said_by(driver, HANDLE).splitlines() == [
        "VARCHAR ('str', True)",
        "CHAR ('str', True)",
        "LONG ('str', True)",
        "CLOB ('DB_TYPE_LONG', False)",
        "NUMBER ('Decimal', False)",
        "DATE None",
        "call_timeout True",
        "cancel True",
        "outputtypehandler True",
    ]
