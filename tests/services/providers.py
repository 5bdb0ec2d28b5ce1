"""Providers of an institution for tests, each by software that is not ours. One that cannot be had skips its tests.

With CLEARANCE_TEST_REQUIRE_PROVIDERS they fail instead.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Never

import pytest

from tests.services.university import ROOT

REQUIRE_VARIABLE = "CLEARANCE_TEST_REQUIRE_PROVIDERS"

_CAS_PYTHON = ROOT / ".venv-cas" / "bin" / "python"


def cannot_be_had(why: str) -> Never:
    """Skip the test, or fail it where providers are required."""
    if os.environ.get(REQUIRE_VARIABLE):
        pytest.fail(f"a provider is required here, and cannot be had: {why}")
    pytest.skip(why)


@contextmanager
def cas_server(folder: Path, people: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Give the address of a CAS server that knows these people: name → password and attributes."""
    if not _CAS_PYTHON.exists():
        cannot_be_had("django-cas-server is not installed in .venv-cas: run make install")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "people.json").write_text(json.dumps(people), encoding="utf-8")
    site = Path(__file__).with_name("cas_site.py")
    with (
        (folder / "cas.log").open("wb") as log,
        subprocess.Popen([_CAS_PYTHON, site, folder], stdout=subprocess.PIPE, stderr=log, cwd=folder) as process,
    ):
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip().decode()
            assert port, (folder / "cas.log").read_text(encoding="utf-8")
            yield f"http://127.0.0.1:{port}/cas"
        finally:
            process.terminate()
            process.wait(10)
