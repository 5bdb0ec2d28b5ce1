"""Serving: a vote on the pages is carried out as that, once, and its outcome is reported."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.port import SourceUnavailable
from status_db.inbox.requests import Request, RequestOutcome, RequestRefused, Requests
from status_db.model import RunState, Verdict, VoteKind
from status_db.queries.runs import RunReader
from sync.run.outcome import Outcome
from tests.cast import LIN, POETRY_LOAN, QIAN, SUN
from tests.sync.run.test_approvals import STRICT, suspended
from tests.world import COHORT, World, serving_of

PAUSE = timedelta(minutes=2)


@pytest.fixture
def strict(status_url: str, tmp_path: Path) -> Iterator[World]:
    """A library whose runs need the office's word and two people."""
    with World(status_url, tmp_path, STRICT) as made:
        yield made


def said(world: World, run: int, says: VoteKind, account: str = "admin", digest: bytes | None = None) -> Request:
    """Say something of a run and have it served; return how it ended."""
    found = world.reader.run(COHORT, run)
    assert found is not None
    requests = Requests(world.desk)
    of = digest or found.digest
    assert of is not None
    requests.ask_vote(COHORT, run, says, of, account=account, reason="seen", now=world.now)
    serving = serving_of(world)
    assert serving.serve() == 1
    assert serving.serve() == 0
    return requests.about_run(COHORT, run)[-1]


def state_of(world: World, run: int) -> RunState:
    found = world.reader.run(COHORT, run)
    assert found is not None
    return found.state


def test_an_approval_applies_the_change_that_it_was_given_for(world: World) -> None:
    run = suspended(world)
    assert said(world, run, VoteKind.APPROVE).outcome is RequestOutcome.DONE
    assert state_of(world, run) is RunState.APPLIED
    assert world.verdict("20150007", "library") is Verdict.CLEARED
    assert world.verdict("20150000", "library") is Verdict.HELD


def test_an_approval_of_another_change_applies_nothing(world: World) -> None:
    run = suspended(world)
    before = world.verdicts()
    ended = said(world, run, VoteKind.APPROVE, digest=b"another")
    assert ended.outcome is RequestOutcome.REFUSED
    assert "differs from the one you checked" in ended.message
    assert state_of(world, run) is RunState.SUSPENDED
    assert world.verdicts() == before


def test_a_rejection_applies_nothing_and_keeps_its_reason(world: World) -> None:
    run = suspended(world)
    before = world.verdicts()
    assert said(world, run, VoteKind.REJECT).outcome is RequestOutcome.DONE
    assert state_of(world, run) is RunState.REJECTED
    found = world.reader.run(COHORT, run)
    assert found is not None
    assert (found.decided_by, found.message) == ("admin", "rejected: seen")
    assert world.verdicts() == before
    assert said(world, run, VoteKind.APPROVE).outcome is RequestOutcome.REFUSED


def test_where_the_office_and_two_people_must_speak_the_last_word_carries_it_out(strict: World) -> None:
    run = suspended(strict)
    for says, account in ((VoteKind.APPROVE, "admin"), (VoteKind.CONFIRM, "librarian"), (VoteKind.APPROVE, "admin")):
        assert said(strict, run, says, account).outcome is RequestOutcome.DONE
        assert state_of(strict, run) is RunState.SUSPENDED, "the same person twice is one person"
    assert said(strict, run, VoteKind.APPROVE, "second").outcome is RequestOutcome.DONE
    assert state_of(strict, run) is RunState.APPLIED


def test_a_vote_that_was_recorded_at_a_command_line_is_carried_out_by_the_same_inbox(strict: World) -> None:
    run = suspended(strict)
    for says, author in ((VoteKind.APPROVE, "admin"), (VoteKind.APPROVE, "second"), (VoteKind.CONFIRM, "librarian")):
        assert serving_of(strict).serve() == 0
        assert state_of(strict, run) is RunState.SUSPENDED
        strict.votes.record(run, says, author=author, now=strict.now)
    assert serving_of(strict).serve() == 0
    assert state_of(strict, run) is RunState.APPLIED


def test_what_is_kept_to_be_shown_is_what_the_run_would_do(world: World) -> None:
    run = suspended(world)
    kept = RunReader(world.reading).look(COHORT, run)
    assert kept is not None
    assert kept == world.sync.look(run, "loans")
    assert len(kept.spot_check) == 10


def test_it_is_kept_again_when_the_run_comes_to_another_change(world: World) -> None:
    run = suspended(world)
    before = RunReader(world.reading).look(COHORT, run)
    world.says["loans"] = [
        {"CARD": f"2015{i:04}", "TITLE": "唐诗选", "DUE": "2019-06-01", "BARCODE": f"B{i}"} for i in range(30)
    ]
    world.says["loans"].append({"CARD": SUN.number, "TITLE": "a", "DUE": "2019-06-01", "BARCODE": "B77"})
    world.later(minutes=1)
    world.sync.recheck("loans", SUN.number, by="test")
    said(world, run, VoteKind.APPROVE)
    after = RunReader(world.reading).look(COHORT, run)
    assert state_of(world, run) is RunState.SUSPENDED
    assert after != before
    assert after == world.sync.look(run, "loans")


def test_it_goes_with_the_run_and_the_objections_stay(world: World) -> None:
    run = suspended(world)
    said(world, run, VoteKind.APPROVE)
    found = world.reader.run(COHORT, run)
    assert found is not None
    assert RunReader(world.reading).look(COHORT, run) is None
    said_of_it = [str(guard_reason) for guard_reason in found.reasons]
    assert "29 of 30 held students would be cleared at once (limit 10 % and 20)" in said_of_it
    assert found.counts.reasons == (), "they are read with the run itself"


def test_one_student_is_asked_about_again(world: World) -> None:
    world.run_all()
    world.says["loans"] = [POETRY_LOAN]
    requests = Requests(world.desk)
    world.later(minutes=1)
    serving = serving_of(world)
    for student in (QIAN.number, "20990001"):
        requests.ask_recheck(
            COHORT, student, account=student, now=world.now, pause=world.settings.portal.recheck_pause, day_limit=9
        )
    assert serving.serve() == 2
    assert world.verdict(QIAN.number, "library") is Verdict.HELD
    assert world.verdict(LIN.number, "library") is Verdict.CLEARED
    last = requests.last_recheck(COHORT, "20990001")
    assert last is not None
    assert last.outcome is RequestOutcome.REFUSED


def test_a_student_whom_the_schedule_asks_about_meanwhile_has_been_asked_about(world: World) -> None:
    world.run_all()
    world.later(minutes=1)
    requests = Requests(world.desk)
    requests.ask_recheck(COHORT, QIAN.number, account=QIAN.number, now=world.now, pause=PAUSE, day_limit=9)
    serving, asked = serving_of(world), world.sync.recheck

    def overtaken(name: str, student: str, *, by: str) -> Outcome:
        if name != "loans":
            return asked(name, student, by=by)
        with pytest.MonkeyPatch.context() as patch:
            propose = world.sync._applying.propose

            def everybody_is_asked_about_meanwhile(*args: Any) -> Any:
                patch.undo()
                proposal = propose(*args)
                world.later(minutes=1)
                world.says["loans"] = [POETRY_LOAN]
                world.run("loans")
                return proposal

            patch.setattr(world.sync._applying, "propose", everybody_is_asked_about_meanwhile)
            return asked(name, student, by=by)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.sync, "recheck", overtaken)
        assert serving.serve() == 1
    assert world.verdict(QIAN.number, "library") is Verdict.HELD
    last = requests.last_recheck(COHORT, QIAN.number)
    assert last is not None
    assert last.outcome is RequestOutcome.DONE


class TestAskingAnew:
    def test_every_source_is_asked_once(self, world: World) -> None:
        world.run_all()
        world.says["loans"] = [{**POETRY_LOAN, "CARD": LIN.number}]
        requests = Requests(world.desk)
        requests.ask_sources(COHORT, account="secretary", now=world.now, pause=PAUSE)
        assert serving_of(world).serve() == 1
        last = requests.last_ask(COHORT)
        assert last is not None
        assert last.outcome is RequestOutcome.DONE
        assert world.verdict(LIN.number, "library") is Verdict.HELD

    def test_it_rests_between_two(self, world: World) -> None:
        world.run_all()
        requests = Requests(world.desk)
        requests.ask_sources(COHORT, account="secretary", now=world.now, pause=PAUSE)
        with pytest.raises(RequestRefused, match="already"):
            requests.ask_sources(COHORT, account="dean", now=world.now + 2 * PAUSE, pause=PAUSE)
        serving_of(world).serve()
        with pytest.raises(RequestRefused, match="a moment ago"):
            requests.ask_sources(COHORT, account="dean", now=world.now + PAUSE / 2, pause=PAUSE)
        requests.ask_sources(COHORT, account="dean", now=world.now + PAUSE, pause=PAUSE)

    def test_a_source_that_does_not_answer_is_reported(self, world: World) -> None:
        world.run_all()
        world.fails["fees"] = SourceUnavailable("fees does not answer", "Try again later.")
        requests = Requests(world.desk)
        requests.ask_sources(COHORT, account="secretary", now=world.now, pause=PAUSE)
        serving_of(world).serve()
        last = requests.last_ask(COHORT)
        assert last is not None
        assert last.outcome is RequestOutcome.FAILED
        assert "fees does not answer" in last.message
