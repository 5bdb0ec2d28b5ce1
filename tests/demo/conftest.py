"""The demo university, built and synced once, and put back to that for each test.

It stays where it was built, and its finance office on its port: where a source is asked is a setting, and the first
answer from another place would wait for somebody.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.university import University


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[University]:
    """A demo as `clearance demo --once` leaves it."""
    with University(tmp_path_factory.mktemp("built")) as university:
        university.run_apart("demo", "--once", "--finance-port", str(university.port))
        yield university


@pytest.fixture(scope="session")
def synced(built: University, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of it, to be read."""
    folder = tmp_path_factory.mktemp("synced")
    shutil.copytree(built.folder / ".demo", folder / ".demo")
    return folder


@pytest.fixture
def university(built: University, synced: Path) -> University:
    """The demo as it was built, its finance office open."""
    built.put_back(synced / ".demo")
    return built
