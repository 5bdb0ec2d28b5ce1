"""A schedule holds as much after many runs as after few: objects, and the pages that SQLite has cached."""

import ctypes
import ctypes.util
import gc
import sys
from collections import Counter
from datetime import timedelta

import pytest

from connectors.port import SourceUnavailable
from status_db.inbox.requests import Requests
from sync.service.schedule import Schedule
from tests.cast import LIN
from tests.world import COHORT, World, season_of, serving_of

_EVERY = timedelta(minutes=15)

#: What one run may leave behind, in a hundred runs, for caches of their own that fill.
_FEW = 60


class Served:
    """A schedule on SQLite, with answers that change, failed runs and requests."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._requests = Requests(world.desk)
        self._schedule = Schedule(
            world.settings, season_of(world), world.clock, world.writer.sweep, serving_of(world).serve
        )
        self._slots = 0

    def slots(self, count: int) -> None:
        """Serve this many slots of all sources."""
        world = self._world
        for _ in range(count):
            self._slots += 1
            world.now += _EVERY
            if self._slots % 10 == 3:
                world.fails["fees"] = SourceUnavailable("nobody is there", "Wait.")
            elif self._slots % 10 == 6:
                world.fails.clear()
            book = f"B{self._slots - self._slots % 3}"
            world.says["loans"] = [{"CARD": LIN.number, "TITLE": "唐诗选", "DUE": "2019-06-01", "BARCODE": book}]
            for name in world.sync.names():
                self._schedule.serve(name)
            self._requests.ask_sources(COHORT, account="admin", now=world.now, pause=timedelta(0))
            self._schedule.answer()
            self._schedule.sweep()


@pytest.fixture
def served(sqlite_world: World) -> Served:
    made = Served(sqlite_world)
    # Until every cache of the program and its libraries is filled.
    made.slots(20)
    return made


def held() -> tuple[Counter[str], int]:
    """Return how many objects of each kind there are, and the blocks of memory of all."""
    gc.collect()
    return Counter(type(each).__qualname__ for each in gc.get_objects()), sys.getallocatedblocks()


def test_a_run_leaves_no_object_behind(served: Served) -> None:
    before, blocks_before = held()
    served.slots(40)
    after, blocks_after = held()
    more = {kind: count for kind, count in (after - before).items() if count >= _FEW}
    # 240 runs: an object kept in each would be that many.
    assert more == {}
    assert blocks_after - blocks_before < 1500


def test_the_pages_of_the_database_are_not_kept_between_transactions(served: Served) -> None:
    named = ctypes.util.find_library("sqlite3")
    library = ctypes.CDLL(named) if named else None
    used = library.sqlite3_memory_used if library is not None else None
    if used is None or not used():
        pytest.skip("Python has an SQLite of its own, which cannot be asked how much memory it uses")
    used.restype = ctypes.c_int64
    before = used()
    served.slots(40)
    # The file grows by more than that; the rest is the cache of the connection that only reads, which has a limit.
    assert used() - before < 200_000
