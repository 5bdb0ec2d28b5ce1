"""Rechecks have a poll of their own: they are asked while a long pull is under way."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest

from connectors.port import Connector
from status_db.inbox.requests import Requests
from status_db.model import Verdict
from sync.service import schedule
from sync.service.inbox import OTHERS, RECHECKS
from sync.service.schedule import Schedule
from tests.cast import GEOLOGY_LOAN, LIN
from tests.world import COHORT, World, season_of, serving_of

#: A test that waits this long, in seconds, has failed.
_LONG = 30


@pytest.fixture
def running(world: World) -> Iterator[Schedule]:
    """A schedule over a world where every source has been asked."""
    world.says["loans"] = [GEOLOGY_LOAN]
    world.run_all()
    serving = serving_of(world)
    made = Schedule(
        world.settings,
        season_of(world),
        world.clock,
        lambda _at: 0,
        lambda: serving.serve(OTHERS),
        rechecking=lambda: serving.serve(RECHECKS),
    )
    yield made
    made.stop()


def ask_about_lin(world: World) -> None:
    Requests(world.desk).ask_source_about(
        COHORT, LIN.number, "loans", account="librarian", now=world.now, pause=timedelta(seconds=10)
    )


def test_one_is_carried_out_while_every_worker_waits_for_an_office(
    world: World, running: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, goes_on, served = threading.Event(), threading.Event(), threading.Event()

    def slow() -> int:
        stuck.set()
        goes_on.wait(_LONG)
        return 0

    # The other requests hang at an office.
    monkeypatch.setattr(running, "_serving", slow)
    rechecking = running._rechecking
    assert rechecking is not None

    def noting() -> int:
        if count := rechecking():
            served.set()
            return count
        return 0

    monkeypatch.setattr(running, "_rechecking", noting)
    running.start()
    try:
        assert stuck.wait(_LONG)
        world.says["loans"] = []
        ask_about_lin(world)
        assert served.wait(_LONG)
        assert world.verdict(LIN.number, "library") is Verdict.CLEARED
    finally:
        goes_on.set()


def test_the_poll_finds_one_within_a_second() -> None:
    assert schedule._RECHECKS <= 0.5


def test_the_poll_outlives_a_fault(world: World, running: Schedule, monkeypatch: pytest.MonkeyPatch) -> None:
    tries = threading.Semaphore(0)

    def breaks() -> int:
        tries.release()
        raise RuntimeError("broken")

    monkeypatch.setattr(running, "_rechecking", breaks)
    running.start()
    assert tries.acquire(timeout=_LONG)
    assert tries.acquire(timeout=_LONG)


def test_stopping_waits_for_the_recheck_under_way(
    world: World, running: Schedule, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answers = threading.Event(), threading.Event()
    connect = world.connect

    def slowly(name: str) -> Connector:
        if name == "loans" and not answers.is_set():
            asked.set()
            answers.wait(_LONG)
        return connect(name)

    running.start()
    monkeypatch.setattr(world.sync, "_connect", slowly)
    world.says["loans"] = []
    ask_about_lin(world)
    assert asked.wait(_LONG)
    stopping = threading.Thread(target=running.stop)
    stopping.start()
    answers.set()
    stopping.join(_LONG)
    assert not stopping.is_alive()
    assert Requests(world.desk).waiting(COHORT) == ()
