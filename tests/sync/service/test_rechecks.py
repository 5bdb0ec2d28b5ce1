"""Rechecks have a poll of their own: they are asked while a long pull is under way."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from connectors.port import Connector
from status_db.inbox.requests import Requests
from status_db.model import Verdict
from sync.service.inbox import OTHERS, RECHECKS
from sync.service.polling import RECHECKS_EVERY, Polling
from sync.service.schedule import Schedule
from tests.cast import GEOLOGY_LOAN, LIN
from tests.world import COHORT, World, season_of, serving_of

#: A test that waits this long, in seconds, has failed.
_LONG = 30


@dataclass
class Running:
    """A schedule over a world where every source has been asked, and what serves its requests."""

    schedule: Schedule
    others: Callable[[], int]
    rechecks: Callable[[], int]


@pytest.fixture
def running(world: World) -> Iterator[Running]:
    world.says["loans"] = [GEOLOGY_LOAN]
    world.run_all()
    serving = serving_of(world)
    served: list[Running] = []
    made = Schedule(
        world.settings,
        season_of(world),
        world.clock,
        lambda _at: 0,
        lambda: served[0].others(),  # noqa: PLW0108 - a test replaces it
        beside=lambda: [Polling(lambda: served[0].rechecks(), RECHECKS_EVERY, _LONG)],  # noqa: PLW0108 - likewise
    )
    served.append(Running(made, lambda: serving.serve(OTHERS), lambda: serving.serve(RECHECKS)))
    yield served[0]
    made.stop()


def ask_about_lin(world: World) -> None:
    Requests(world.desk).ask_source_about(
        COHORT, LIN.number, "loans", account="librarian", now=world.now, pause=timedelta(seconds=10)
    )


def test_one_is_carried_out_while_every_worker_waits_for_an_office(
    world: World, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, goes_on, served = threading.Event(), threading.Event(), threading.Event()

    def slow() -> int:
        stuck.set()
        goes_on.wait(_LONG)
        return 0

    # The other requests hang at an office.
    monkeypatch.setattr(running, "others", slow)
    rechecking = running.rechecks

    def noting() -> int:
        if count := rechecking():
            served.set()
            return count
        return 0

    monkeypatch.setattr(running, "rechecks", noting)
    running.schedule.start()
    try:
        assert stuck.wait(_LONG)
        world.says["loans"] = []
        ask_about_lin(world)
        assert served.wait(_LONG)
        assert world.verdict(LIN.number, "library") is Verdict.CLEARED
    finally:
        goes_on.set()


def test_the_poll_finds_one_within_a_second() -> None:
    assert RECHECKS_EVERY <= 0.5


def test_the_poll_outlives_a_fault(world: World, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = threading.Semaphore(0)

    def breaks() -> int:
        tries.release()
        raise RuntimeError("broken")

    monkeypatch.setattr(running, "rechecks", breaks)
    running.schedule.start()
    assert tries.acquire(timeout=_LONG)
    assert tries.acquire(timeout=_LONG)


def test_stopping_waits_for_the_recheck_under_way(
    world: World, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answers = threading.Event(), threading.Event()
    connect = world.connect

    def slowly(name: str) -> Connector:
        if name == "loans" and not answers.is_set():
            asked.set()
            answers.wait(_LONG)
        return connect(name)

    running.schedule.start()
    monkeypatch.setattr(world.sync, "_connect", slowly)
    world.says["loans"] = []
    ask_about_lin(world)
    assert asked.wait(_LONG)
    stopping = threading.Thread(target=running.schedule.stop)
    stopping.start()
    answers.set()
    stopping.join(_LONG)
    assert not stopping.is_alive()
    assert Requests(world.desk).waiting(COHORT) == ()
