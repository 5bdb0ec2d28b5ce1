"""A clock that was ahead: what was stored under it is stale, and the next run under the right clock replaces it."""

from datetime import timedelta

import pytest
from typer.testing import CliRunner

from clearance.main import app
from status_db.ledger import key as ledger_key
from status_db.marks.current import CurrentState
from status_db.model import ROSTER, RunState, Verdict
from status_db.store.engine import reading
from sync.verify.report import verify
from tests.cast import GEOLOGY_LOAN, LIN, SUN
from tests.world import COHORT, World

AHEAD = timedelta(days=3)


def stale(world: World, number: str, step: str) -> bool:
    return next(s for s in world.student(number).steps if s.step == step).at(world.now).stale


def agrees(world: World) -> bool:
    seals = ledger_key.read(world.settings.status_db.ledger_key_file)
    assert seals is not None
    with reading(world.reading) as connection:
        return verify(connection, world.settings, COHORT, seals, world.now, {}).sound


def test_an_answer_from_ahead_is_stale_until_the_next_run_replaces_it(world: World) -> None:
    world.says["loans"] = [GEOLOGY_LOAN]
    world.run_all()
    world.now += AHEAD
    world.run("loans")
    world.now -= AHEAD
    assert stale(world, LIN.number, "library")
    library = next(s for s in world.student(SUN.number).steps if s.step == "library")
    assert not library.counts_as_clear(world.now)
    assert not stale(world, LIN.number, "finance")
    view = next(v for v in world.reader.sources(COHORT) if v.source == "loans")
    assert view.stale(world.now)
    assert world.run("loans").state is RunState.UNCHANGED
    assert not stale(world, LIN.number, "library")
    assert agrees(world)


def test_a_recheck_from_ahead_does_not_keep_later_answers_from_its_student(world: World) -> None:
    world.run_all()
    world.now += AHEAD
    world.says["loans"] = [GEOLOGY_LOAN]
    assert world.sync.recheck("loans", LIN.number, by="test").state is RunState.APPLIED
    world.now -= AHEAD
    assert world.verdict(LIN.number, "library") is Verdict.HELD
    world.says["loans"] = []
    world.run("loans")
    assert world.verdict(LIN.number, "library") is Verdict.CLEARED
    world.says["loans"] = [GEOLOGY_LOAN]
    world.later(minutes=5)
    assert world.sync.recheck("loans", LIN.number, by="test").state is RunState.APPLIED
    assert world.verdict(LIN.number, "library") is Verdict.HELD


def test_a_roster_from_ahead_is_healed_by_its_next_run(world: World) -> None:
    world.now += AHEAD
    world.run(ROSTER)
    world.now -= AHEAD
    for name in world.settings.source:
        world.run(name)
    assert world.verdict(SUN.number, "library") is Verdict.UNKNOWN
    world.run(ROSTER)
    for name in world.settings.source:
        world.run(name)
    assert world.verdict(SUN.number, "library") is Verdict.CLEARED
    assert agrees(world)


def test_releases_counted_ahead_do_not_fill_the_days_sum_for_ever(world: World) -> None:
    world.says["loans"] = [GEOLOGY_LOAN]
    world.run_all()
    world.now += AHEAD
    world.says["loans"] = [{**GEOLOGY_LOAN, "CARD": SUN.number}]
    assert world.run("loans").state is RunState.APPLIED
    world.now -= AHEAD
    with reading(world.engine) as connection:
        counted = CurrentState(connection, COHORT).runs.counted_since(
            "loans", world.now - timedelta(hours=24), world.now
        )
    assert not any(counted.values())


@pytest.mark.parametrize("source", ["loans", ROSTER])
def test_check_names_what_was_stored_ahead(source: str, sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = sqlite_world
    world.run_all()
    monkeypatch.setenv("STATUS_URL", world.url)
    monkeypatch.setattr("clearance.context.clock_of", lambda _settings: world.clock)
    world.now += AHEAD
    world.says[ROSTER] = world.says[ROSTER][:-1]
    world.run(source)
    world.now -= AHEAD
    said = " ".join(CliRunner().invoke(app, ["--config", str(world.file), "check"]).output.split())
    assert f"{source} was stored as of 2019-05-28" in said
    assert f"then run: clearance sync {source}." in said
