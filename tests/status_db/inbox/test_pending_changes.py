"""Four eyes in the store: what takes two administrators waits for a second one, and is made only as it was asked."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import select, update

from config.tables.portal import Auth
from status_db import tables
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.inbox.pending_changes import (
    WAITS,
    AccountChange,
    ChangeCode,
    ChangeKind,
    ChangeRefused,
    PendingChange,
    PendingChanges,
)
from status_db.sign_in.one_time_codes import CodeKind, Codes
from status_db.sign_in.second_factor import SecondFactors
from status_db.store.engine import StoreError, reading
from tests.status_db.accounts.test_accounts import raced
from tests.world import COHORT, World

DECIDE = Grant(Act.DECIDE, "library", {"college": ("资源学院", "地学院")})
MANAGE = Grant(Act.MANAGE)


@pytest.fixture
def world(world: World) -> World:
    """Three administrators, one for this cohort alone, a librarian, a reader, and somebody without a grant."""
    accounts = world.accounts
    for name in ("first", "second"):
        accounts.add(name, name, "hash", grants=[MANAGE], now=world.now)
    accounts.add("third", "third", "hash", grants=[replace(MANAGE, cohort=COHORT)], now=world.now)
    accounts.add("librarian", "馆员", "hash", grants=[DECIDE], now=world.now)
    accounts.add("reader", "读者", "hash", grants=[Grant(Act.READ)], now=world.now)
    accounts.add("nobody", "无", "hash", now=world.now)
    return world


def codes_of(world: World) -> Codes:
    """Return the one-time codes."""
    return Codes(world.desk, world.desk_key)


def changes_of(world: World, *, two: bool = True) -> PendingChanges:
    """Return what is tried."""
    auth = Auth(second_administrator=two)
    return PendingChanges(world.desk, codes_of(world), auth, [COHORT])


def granting(grant: Grant, account: str = "nobody") -> AccountChange:
    """Return the change that gives a grant."""
    return AccountChange(ChangeKind.GRANT, account, grant)


def asked(world: World, change: AccountChange, by: str = "first") -> PendingChange:
    """Have a change wait, and return it."""
    assert changes_of(world).carry_out(change, by, world.now).waits
    return changes_of(world).waiting(world.now)[-1]


def why(act: Callable[[], object]) -> ChangeCode:
    """Return why something is refused."""
    with pytest.raises(ChangeRefused) as refused:
        act()
    return refused.value.code


def confirmed(world: World, one: PendingChange, by: str = "second") -> str:
    """Confirm a change; return the code that was made."""
    return changes_of(world).confirm(one.id, one.change.account, by, world.now).code


class TestWhatTakesTwo:
    @pytest.mark.parametrize("act", [Act.DECIDE, Act.REVIEW, Act.ISSUE, Act.MANAGE])
    def test_a_grant_to_act_is_not_given_before_the_second_confirms_it(self, world: World, act: Act) -> None:
        one = asked(world, granting(Grant(act)))
        assert world.accounts.grants("nobody") == ()
        confirmed(world, one)
        assert world.accounts.grants("nobody") == (Grant(act),)
        assert changes_of(world).waiting(world.now) == ()

    @pytest.mark.parametrize("act", [Act.READ, Act.AUDIT])
    def test_a_grant_to_read_takes_one(self, world: World, act: Act) -> None:
        assert not changes_of(world).carry_out(granting(Grant(act)), "first", world.now).waits
        assert world.accounts.grants("nobody") == (Grant(act),)

    def test_a_code_for_whoever_acts_is_made_at_the_confirmation(self, world: World) -> None:
        code = confirmed(world, asked(world, AccountChange(ChangeKind.CODE, "librarian")))
        assert codes_of(world).use("librarian", code, world.now)
        alone = changes_of(world).carry_out(AccountChange(ChangeKind.CODE, "reader"), "first", world.now)
        assert codes_of(world).use("reader", alone.code, world.now)

    def test_second_factors_of_whoever_acts_take_two(self, world: World) -> None:
        code = confirmed(world, asked(world, AccountChange(ChangeKind.FACTOR_CODE, "third")))
        assert codes_of(world).use("third", code, world.now, CodeKind.FACTOR)
        SecondFactors(world.desk).enrol("third", b"sealed", 1)
        no_more = AccountChange(ChangeKind.FACTOR_CODE, "third")
        assert why(lambda: changes_of(world).carry_out(no_more, "first", world.now)) is ChangeCode.NO_FACTOR
        reset = asked(world, AccountChange(ChangeKind.RESET_FACTOR, "third"))
        assert SecondFactors(world.desk).held("third").any
        confirmed(world, reset)
        assert not SecondFactors(world.desk).held("third").any

    def test_opening_and_handing_over_the_account_of_whoever_acts_take_two(self, world: World) -> None:
        world.accounts.deactivate("librarian")
        one = asked(world, AccountChange(ChangeKind.OPEN, "librarian"))
        found = world.accounts.find("librarian")
        assert found is not None
        assert not found.active
        confirmed(world, one)
        over = AccountChange(ChangeKind.HAND_OVER, "librarian", target="nobody")
        one = asked(world, over)
        assert changes_of(world).waiting(world.now, "nobody") == (one,)
        assert why(lambda: confirmed(world, one, "nobody")) is ChangeCode.SAME_PERSON
        confirmed(world, one)
        assert world.accounts.grants("nobody") == (DECIDE,)
        small = AccountChange(ChangeKind.HAND_OVER, "reader", target="librarian")
        assert not changes_of(world).carry_out(small, "first", world.now).waits

    def test_with_the_setting_off_one_suffices(self, world: World) -> None:
        assert not changes_of(world, two=False).carry_out(granting(MANAGE), "first", world.now).waits
        assert world.accounts.grants("nobody") == (MANAGE,)


class TestWhoConfirms:
    @pytest.mark.parametrize("by", ["first", "third"])
    def test_neither_who_asked_nor_the_accounts_owner(self, world: World, by: str) -> None:
        one = asked(world, granting(MANAGE, "third"))
        assert why(lambda: confirmed(world, one, by)) is ChangeCode.SAME_PERSON
        assert len(world.accounts.grants("third")) == 1

    @pytest.mark.parametrize("by", ["librarian", "reader", "unknown"])
    def test_no_one_who_does_not_manage(self, world: World, by: str) -> None:
        one = asked(world, granting(MANAGE))
        assert why(lambda: confirmed(world, one, by)) is ChangeCode.NOT_AS_ASKED

    def test_no_one_whose_account_was_shut_and_nothing_that_one_asked_who_manages_no_more(self, world: World) -> None:
        one = asked(world, granting(MANAGE))
        world.accounts.deactivate("second")
        assert why(lambda: confirmed(world, one, "second")) is ChangeCode.NOT_AS_ASKED
        world.accounts.activate("second")
        world.accounts.deactivate("first")
        assert why(lambda: confirmed(world, one, "second")) is ChangeCode.NOT_AS_ASKED
        assert world.accounts.grants("nobody") == ()

    @pytest.mark.parametrize("two", [True, False])
    def test_no_one_gives_anything_to_themself(self, world: World, *, two: bool) -> None:
        changes = changes_of(world, two=two)
        for grant in (Grant(Act.READ), DECIDE):
            give = partial(changes.carry_out, granting(grant, "first"), "first", world.now)
            assert why(give) is ChangeCode.OWN
        over = AccountChange(ChangeKind.HAND_OVER, "reader", target="first")
        assert why(lambda: changes.carry_out(over, "first", world.now)) is ChangeCode.OWN
        assert world.accounts.grants("first") == (MANAGE,)


class TestOnlyWhatWasAsked:
    def test_it_ends_after_three_days(self, world: World) -> None:
        one = asked(world, granting(DECIDE))
        world.later(hours=WAITS.total_seconds() / 3600)
        assert changes_of(world).waiting(world.now) == ()
        assert why(lambda: confirmed(world, one)) is ChangeCode.OVER

    def test_a_code_asked_for_is_not_made_once_the_account_may_do_something_else(self, world: World) -> None:
        one = asked(world, AccountChange(ChangeKind.CODE, "librarian"))
        world.accounts.grant("librarian", [MANAGE])
        assert why(lambda: confirmed(world, one)) is ChangeCode.NOT_AS_ASKED

    def test_what_was_given_meanwhile_is_not_given_again(self, world: World) -> None:
        one = asked(world, granting(DECIDE))
        world.accounts.grant("nobody", [DECIDE])
        assert why(lambda: confirmed(world, one)) is ChangeCode.HAS_IT
        assert len(world.accounts.grants("nobody")) == 1

    def test_the_same_is_not_asked_for_twice(self, world: World) -> None:
        asked(world, granting(DECIDE))
        again = granting(DECIDE)
        assert why(lambda: changes_of(world).carry_out(again, "second", world.now)) is ChangeCode.WAITS
        asked(world, granting(Grant(Act.REVIEW)))

    def test_what_was_refused_or_given_up_cannot_be_confirmed(self, world: World) -> None:
        for by, outcome in (("second", "refused"), ("first", "withdrawn")):
            one = asked(world, granting(DECIDE))
            changes_of(world).refuse(one.id, "nobody", by, world.now)
            assert why(partial(confirmed, world, one)) is ChangeCode.OVER
            with reading(world.desk_engine) as connection:
                table = tables.pending_change
                query = select(table.c.outcome).where(table.c.pending_change == one.id)
                assert connection.execute(query).scalar_one() == outcome

    def test_one_asked_about_another_account_is_not_confirmed_on_this_one(self, world: World) -> None:
        one = asked(world, granting(DECIDE))
        changes = changes_of(world)
        assert why(lambda: changes.confirm(one.id, "reader", "second", world.now)) is ChangeCode.OVER

    def test_two_that_confirm_at_once_give_it_once(self, world: World) -> None:
        one = asked(world, AccountChange(ChangeKind.CODE, "librarian"))

        def confirm(_: int) -> bool:
            try:
                return bool(confirmed(world, one))
            except ChangeRefused:
                return False

        assert raced(confirm) == 1

    @pytest.mark.parametrize("column", ["content", "asked_by", "account", "kind"])
    def test_one_that_was_altered_past_this_program_is_worth_nothing(self, world: World, column: str) -> None:
        one = asked(world, granting(DECIDE))
        other = {
            "content": {
                "grant": {"act": "manage", "step": None, "scope": {}, "cohort": None},
                "target": "",
                "held": [],
            },
            "asked_by": "third",
            "account": "reader",
            "kind": "code",
        }
        with world.desk_engine.begin() as connection:
            connection.execute(update(tables.pending_change).values({column: other[column]}))
        assert changes_of(world).waiting(world.now) == ()
        assert why(lambda: confirmed(world, one)) is ChangeCode.OVER

    def test_a_confirmation_that_fails_leaves_nothing_behind(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        one = asked(world, granting(DECIDE))

        def fails(*_: object, **__: object) -> None:
            raise StoreError("the disk is full")

        monkeypatch.setattr("status_db.inbox.pending_changes._decide", fails)
        with pytest.raises(StoreError):
            confirmed(world, one)
        assert world.accounts.grants("nobody") == ()
        assert changes_of(world).waiting(world.now) == (one,)


def test_the_log_names_who_asked_and_who_confirmed(world: World) -> None:
    confirmed(world, asked(world, granting(DECIDE)))
    given, was_asked = Audit(world.desk).newest(2)
    assert (was_asked.event, was_asked.account, was_asked.detail["to"]) == (AuditEvent.SECOND_ASKED, "first", "nobody")
    assert (given.event, given.account) == (AuditEvent.GRANTED, "second")
    assert (given.detail["to"], given.detail["act"], given.detail["asked_by"]) == ("nobody", "decide", "first")


def test_an_administrator_counts_while_active_and_for_longer_than_a_cohort(world: World) -> None:
    assert changes_of(world).administrators() == 2
    world.accounts.deactivate("second")
    assert changes_of(world).administrators() == 1
