"""Promise 3, tried on anything that can happen, in any order, on SQLite and a little on PostgreSQL.

It lives some 50 seasons of 30 steps, and 3,000 under CLEARANCE_TEST_SOAK. A failure prints the steps that lead
to it, the shortest that Hypothesis finds.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import URL

from tests import sizes
from tests.services import databases
from tests.trust.offices import NARROW
from tests.trust.season import Season
from tests.world import SETTINGS, World

#: What is durable is tried elsewhere: here a store in memory, where the system has such a place, spares the disk.
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

Make = Callable[[], AbstractContextManager[World]]


def live(make: Make, number: int, *, daily: int, soak: int, backs_up: bool = True) -> None:
    """Live so many seasons, others for each number."""
    made = type("Season", (Season,), {"make": staticmethod(make), "backs_up": backs_up})
    many = settings(
        max_examples=soak if sizes.SOAK else daily,
        stateful_step_count=30,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(seed(20190525 + number + 1000 * sizes.round_)(made), settings=many)


@pytest.fixture(scope="module")
def empty() -> Iterator[Path]:
    """A folder with a world's files before anything was asked."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        with World(f"sqlite:///{folder}/clearance.db", Path(folder), SETTINGS + NARROW):
            pass
        yield Path(folder)


@pytest.mark.slow
@pytest.mark.property
@pytest.mark.parametrize("number", range(4))
def test_nothing_that_happens_loses_a_decision_or_a_truth(empty: Path, number: int) -> None:
    @contextmanager
    def make() -> Iterator[World]:
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            shutil.copytree(empty, folder, dirs_exist_ok=True)
            with World(f"sqlite:///{folder}/clearance.db", Path(folder), SETTINGS + NARROW) as world:
                yield world

    live(make, number, daily=12, soak=720)


@pytest.mark.slow
@pytest.mark.property
def test_nor_does_it_on_postgresql(postgres_server: URL) -> None:
    @contextmanager
    def make() -> Iterator[World]:
        with (
            databases.fresh_database(postgres_server) as url,
            tempfile.TemporaryDirectory() as folder,
            World(url.render_as_string(hide_password=False), Path(folder), SETTINGS + NARROW) as world,
        ):
            yield world

    live(make, 0, daily=5, soak=120, backs_up=False)
