"""What somebody writes past the program moves no mark, and no decision follows from it."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import Table, insert, update

from status_db import tables
from status_db.accounts.accounts import Accounts, Act, Grant
from status_db.accounts.authority import Authority
from status_db.decisions.overrides import Overrides
from status_db.decisions.refusals import DecisionCode, DecisionRefused
from status_db.decisions.reviews import Reviews
from status_db.decisions.writer import DecisionRequest, DecisionWriter
from status_db.inbox.requests import RequestOutcome, Requests
from status_db.ledger.chain import Ledger
from status_db.model import RunState, Verdict, VoteKind
from status_db.store.engine import reading
from status_db.views import EVERYBODY, Scope
from sync.verify.report import verify
from tests.cast import GEOLOGY_LOAN, LIN
from tests.sync.run.test_approvals import say, suspended
from tests.world import COHORT, World, serving_of


def digest_of(world: World, run: int) -> bytes:
    """Return what a suspended run would change, by its digest."""
    found = world.reader.run(COHORT, run)
    assert found is not None
    assert found.digest is not None
    return found.digest


def forge(world: World, table: Table, **values: object) -> None:
    """Write a row past the program."""
    engine = world.engine if table.metadata is tables.marks else world.desk_engine
    with engine.begin() as connection:
        connection.execute(insert(table).values(**values))


class TestAForgedApproval:
    def test_is_not_carried_out(self, world: World) -> None:
        run = suspended(world)
        said = {"run": run, "says": VoteKind.APPROVE, "author": "admin", "reason": "", "at": world.now}
        forge(world, tables.approval_vote, **said, digest=digest_of(world, run))
        assert world.approvals.carry_out() == []
        assert world.verdict("20150007", "library") is Verdict.HELD
        say(world, run, VoteKind.APPROVE, "dean")
        assert [outcome.state for outcome in world.approvals.carry_out()] == [RunState.APPLIED]

    def test_asked_for_at_the_desk_is_refused_by_the_schedule(self, world: World) -> None:
        run = suspended(world)
        world.accounts.add("admin", "x", None, grants=[Grant(Act.MANAGE)], now=world.now)
        asked = {"cohort": COHORT, "kind": "opinion", "run": run, "says": "approve", "account": "admin"}
        forge(world, tables.request, **asked, digest=digest_of(world, run), at=world.now)
        assert serving_of(world).serve() == 1
        (ended,) = Requests(world.desk).about_run(COHORT, run)
        assert ended.outcome is RequestOutcome.REFUSED
        assert ended.message.endswith("Run: clearance verify")
        assert world.votes.of_run(run) == ()


def test_a_forged_announcement_of_a_change_raises_no_limit(world: World) -> None:
    run = suspended(world)
    assert world.sync.reject(run, by="admin", reason="looked at")
    ends = {"until": world.now + timedelta(days=1), "author": "x", "note": "", "at": world.now}
    forge(world, tables.expected_change, cohort=COHORT, source="loans", towards="cleared", most=1000, **ends)
    world.later(minutes=5)
    outcome = world.run("loans")
    assert outcome.state is RunState.SUSPENDED
    # Other limits hold it back as well, so the one that the announcement would raise is named.
    assert "29 of 30 held students would be cleared at once" in outcome.message


def test_an_altered_announcement_is_withdrawn_and_stays_found(world: World) -> None:
    world.run_all()
    announced = world.expected_changes.announce(
        "loans", Verdict.CLEARED, 9, world.now + timedelta(days=1), author="x", note="", now=world.now
    )
    with world.engine.begin() as connection:
        connection.execute(update(tables.expected_change).values(most=900))
    world.expected_changes.withdraw(announced.id, author="x", now=world.now)
    with reading(world.engine) as connection:
        report = verify(connection, world.settings, COHORT, world.ledger.seals(connection), world.now, {})
    assert [found.table for found in report.disagreements] == ["wave"]


class TestAnAuthor:
    """Whoever decides at the desk may do so by sealed grants, at the moment that the decision is written."""

    def writer(self, world: World) -> DecisionWriter:
        """Return the writer as the desk has it."""
        may = Authority(Accounts(world.desk), COHORT)
        ledger = Ledger(world.settings.status_db.ledger_key_file, COHORT)
        return DecisionWriter(world.engine, world.settings, COHORT, ledger, may)

    def decide(self, world: World, scopes: Sequence[Scope] = EVERYBODY) -> None:
        """Have the librarian clear Lin."""
        wish = DecisionRequest(LIN.number, "library", Verdict.CLEARED, "现场归还")
        Overrides(self.writer(world)).enter(wish, "librarian", world.now, scopes)

    @pytest.fixture
    def librarian(self, world: World) -> Grant:
        """A librarian who may decide for the library."""
        world.says["loans"] = [GEOLOGY_LOAN]
        world.run_all()
        made = world.accounts.add("librarian", "x", None, grants=[Grant(Act.DECIDE, "library")], now=world.now)
        return made.grants[0]

    def test_decides_with_a_grant(self, world: World, librarian: Grant) -> None:
        assert librarian.act is Act.DECIDE
        self.decide(world)
        (status,) = (step for step in world.student(LIN.number).steps if step.step == "library")
        assert status.decision is not None
        assert status.decision.author == "librarian"

    def test_whose_grant_was_taken_meanwhile_decides_nothing(self, world: World, librarian: Grant) -> None:
        assert librarian.id is not None
        world.accounts.take_grant(librarian.id)
        with pytest.raises(DecisionRefused, match="is no longer allowed to do this") as refused:
            self.decide(world)
        assert refused.value.code is DecisionCode.NOT_ALLOWED

    def test_whose_account_was_shut_meanwhile_decides_nothing(self, world: World, librarian: Grant) -> None:
        world.accounts.add("boss", "x", None, grants=[Grant(Act.MANAGE)], now=world.now)
        world.accounts.deactivate("librarian")
        with pytest.raises(DecisionRefused, match="is no longer allowed to do this"):
            self.decide(world)

    def test_decides_for_no_one_beyond_the_grants_scope(self, world: World, librarian: Grant) -> None:
        with pytest.raises(DecisionRefused, match="is no longer allowed to do this"):
            self.decide(world, ({"college": ("地学院",)},))

    def test_with_a_forged_grant_issues_and_reviews_nothing(self, world: World, librarian: Grant) -> None:
        forge(world, tables.grant, account="librarian", act="review", step=None, scope={})
        wish = DecisionRequest(LIN.number, "final_review", Verdict.CLEARED, "通过")
        with pytest.raises(DecisionRefused, match="is no longer allowed to do this"):
            Reviews(self.writer(world)).review(wish, "librarian", world.now)

    def test_with_a_grant_that_was_widened_past_the_program_decides_nothing(
        self, world: World, librarian: Grant
    ) -> None:
        with world.desk_engine.begin() as connection:
            connection.execute(update(tables.grant).values(step=None))
        with pytest.raises(DecisionRefused, match="is no longer allowed to do this"):
            self.decide(world)
