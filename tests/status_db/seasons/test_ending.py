"""A cohort that is closed: nothing is asked or written any more, until it is opened again."""

import pytest
from sqlalchemy import text

from status_db.decisions.refusals import DecisionCode, DecisionRefused
from status_db.decisions.writer import DecisionRequest
from status_db.ledger.ended import SeasonState
from status_db.model import ROSTER, RunState, Verdict
from status_db.seasons.ending import EndingCode, EndingRefused, SeasonEnding
from tests.cast import GEOLOGY_LOANS, LIN
from tests.status_db.ledger.test_chain import decided, links, verified
from tests.world import COHORT, World


def ending(world: World) -> SeasonEnding:
    return SeasonEnding(world.engine, COHORT, world.ledger)


def test_nothing_is_asked_or_decided_and_the_end_is_a_link(world: World) -> None:
    world.run_all()
    before = len(links(world))
    end, fresh = ending(world).close(world.now, "registrar", "over")
    assert fresh
    assert (end.state, end.by) == (SeasonState.CLOSED, "registrar")
    assert links(world)[before:] == [(before + 1, "season")]
    world.says["loans"] = list(GEOLOGY_LOANS)
    outcome = world.run("loans")
    assert (outcome.state, outcome.fault) == (RunState.SKIPPED, "ended")
    with pytest.raises(DecisionRefused, match="was closed on") as refused:
        decided(world, LIN.number)
    assert refused.value.code is DecisionCode.ENDED
    assert world.sync.open_cohort() is None
    assert verified(world).sound
    assert len(links(world)) == before + 1


def test_closing_twice_is_one_end_and_opening_undoes_it(world: World) -> None:
    world.run_all()
    first, _ = ending(world).close(world.now, "registrar", "over")
    world.later(days=1)
    assert ending(world).close(world.now, "someone", "again") == (first, False)
    assert ending(world).reopen(world.now, "registrar", "one more week")
    assert not ending(world).reopen(world.now, "registrar", "one more week")
    decided(world, LIN.number)
    assert world.run("loans").fault is None
    assert verified(world).sound


def test_decisions_that_end_later_are_left_as_they_were(sqlite_world: World) -> None:
    sqlite_world.run_all()
    until = sqlite_world.clock().replace(hour=23)
    request = DecisionRequest(LIN.number, "library", Verdict.CLEARED, "现场归还", until=until)
    sqlite_world.decisions.enter(request, "librarian", sqlite_world.now)
    ending(sqlite_world).close(sqlite_world.now, "registrar", "over")
    sqlite_world.later(days=3)
    assert sqlite_world.writer.sweep(sqlite_world.now) == 0
    assert verified(sqlite_world).sound


def test_a_run_that_waits_for_approval_must_be_decided_first(sqlite_world: World) -> None:
    sqlite_world.says["loans"] = list(GEOLOGY_LOANS)
    sqlite_world.run_all()
    sqlite_world.says["loans"] = []
    assert sqlite_world.run("loans").state is RunState.SUSPENDED
    with pytest.raises(EndingRefused, match="waits for approval") as refused:
        ending(sqlite_world).close(sqlite_world.now, "registrar", "over")
    assert refused.value.code is EndingCode.RUN_WAITS
    assert ending(sqlite_world).current() is None


def test_an_archived_cohort_is_not_opened_again_and_only_the_last_archive_is_verified(sqlite_world: World) -> None:
    sqlite_world.run(ROSTER)
    ended = ending(sqlite_world)
    ended.close(sqlite_world.now, "registrar", "over")
    ended.archived(sqlite_world.now, "registrar", {"sha256": "aa"})
    ended.archived(sqlite_world.now, "registrar", {"sha256": "bb"})
    with pytest.raises(EndingRefused, match="not the archive that was made last"):
        ended.verified(sqlite_world.now, "dean", "aa")
    archive = ended.verified(sqlite_world.now, "dean", "bb").archive
    assert archive is not None
    assert archive["verified_by"] == "dean"
    with pytest.raises(EndingRefused, match="is archived"):
        ended.reopen(sqlite_world.now, "registrar", "late")
    assert verified(sqlite_world).sound


@pytest.mark.parametrize("change", ["UPDATE season SET state = 'open'", "DELETE FROM season"])
def test_an_end_that_was_altered_in_the_database_is_found(world: World, change: str) -> None:
    world.run(ROSTER)
    ending(world).close(world.now, "registrar", "over")
    with world.engine.begin() as connection:
        connection.execute(text(change))
    report = verified(world)
    assert [found.table for found in report.disagreements] == ["season"]


def test_rows_that_are_removed_by_hand_are_no_erasure(world: World) -> None:
    world.run_all()
    ending(world).close(world.now, "registrar", "over")
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE season SET state = 'erased'"))
        connection.execute(text("DELETE FROM record"))
        connection.execute(text("DELETE FROM status"))
    assert not verified(world).sound
