"""The demo university, built and synced once, and a fresh copy of it for each test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.university import University


@pytest.fixture(scope="session")
def synced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo as `clearance demo --once` leaves it."""
    folder = tmp_path_factory.mktemp("university")
    with University(folder) as university:
        university.run_apart("demo", "--once", "--finance-port", str(university.port))
    return folder


@pytest.fixture
def university(synced: Path, tmp_path: Path) -> Iterator[University]:
    """A copy of the synced demo, its finance office open."""
    folder = tmp_path / "university"
    shutil.copytree(synced / ".demo", folder / ".demo")
    with University(folder) as copy:
        copy.open_finance()
        yield copy
