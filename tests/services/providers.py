"""Providers of an institution for tests, each by software that is not ours. One that cannot be had skips its tests.

With CLEARANCE_TEST_REQUIRE_PROVIDERS they fail instead.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Never

import pytest

from tests.patience import PATIENCE
from tests.services.university import ROOT, free_port

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


@contextmanager
def openid_provider(people: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Give the issuer of an OpenID provider that knows these people: subject → claims."""
    port = free_port()
    arguments = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce"]
    for subject, claims in people.items():
        arguments += ["--user-claims", json.dumps({"sub": subject, **claims})]
    with subprocess.Popen(arguments, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        try:
            issuer = f"http://127.0.0.1:{port}"
            _wait_for(f"{issuer}/.well-known/openid-configuration", process)
            yield issuer
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url):
                return
        except OSError:
            assert process.poll() is None, "it ended by itself"
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
