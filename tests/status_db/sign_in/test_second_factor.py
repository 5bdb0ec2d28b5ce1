"""What the desk promises about second factors, on both databases: who is asked, what is used up, what a session may."""

from datetime import UTC, datetime, timedelta

import pytest

from config.tables.portal import Auth
from status_db import tables
from status_db.accounts.accounts import Account, Act, Grant
from status_db.desk.key import DeskKey
from status_db.sign_in.one_time_codes import CodeKind, Codes
from status_db.sign_in.passkeys import CHALLENGE, MOST, Passkeys, Purpose
from status_db.sign_in.recovery_codes import COUNT, RecoveryCodes
from status_db.sign_in.second_factor import RECENT, SET_UP, STEP, AccountFactors, SecondFactors, asked_of
from tests.status_db.accounts.test_accounts import raced
from tests.world import World

LONGEST = timedelta(hours=12)
DAY = timedelta(days=1)


@pytest.fixture
def key(world: World) -> DeskKey:
    for name in ("li", "wang"):
        world.accounts.add(name, name, None, grants=[Grant(Act.MANAGE)], now=world.now)
    return world.desk_key


def add(world: World, account: str, credential: bytes, *, count: int = 0) -> bool:
    return Passkeys(world.desk).add(
        account, credential, b"public", count, name="phone", transports=["internal"], now=world.now
    )


def opened(world: World, token: bytes, account: str = "li") -> None:
    world.accounts.open_session(token, account, world.now, longest=LONGEST, method="cas", narrowed="factor")


def narrowed(world: World, token: bytes) -> tuple[str, str | None] | None:
    found = world.accounts.find_session(token, world.now, idle=LONGEST, longest=LONGEST)
    return (found.method, found.narrowed) if found is not None else None


class TestWhoIsAsked:
    @pytest.mark.parametrize(
        ("act", "student", "privileged", "staff"),
        [
            (Act.MANAGE, None, True, True),
            (Act.REVIEW, None, True, True),
            (Act.ISSUE, "20151001", True, True),
            (Act.DECIDE, None, False, True),
            (Act.READ, "20151001", False, True),
            (Act.AUDIT, None, False, True),
            (None, None, False, True),
            (None, "20151001", False, False),
        ],
    )
    def test_it_follows_from_the_grants(
        self, act: Act | None, student: str | None, privileged: bool, staff: bool
    ) -> None:
        grants = (Grant(act),) if act else ()
        account = Account("li", "li", None, student, True, datetime(2019, 5, 25, tzinfo=UTC), grants)
        assert asked_of(Auth(), account) is privileged
        assert asked_of(Auth(second_factor="staff"), account) is staff
        assert asked_of(Auth(profile="strict", second_factor="off"), account) is staff
        assert asked_of(Auth(second_factor="off"), account) is False

    def test_the_demos_accounts_are_let_off(self) -> None:
        grants = (Grant(Act.MANAGE),)
        account = Account("admin", "x", None, None, True, datetime(2019, 5, 25, tzinfo=UTC), grants, demo=True)
        assert not asked_of(Auth(profile="strict"), account)


class TestSetUpCodes:
    def test_a_code_of_one_kind_is_none_of_the_other(self, world: World, key: DeskKey) -> None:
        codes = Codes(world.desk, key)
        factor = codes.make("li", made_by="x", now=world.now, lasts=DAY, kind=CodeKind.FACTOR)
        password = codes.make("li", made_by="x", now=world.now, lasts=DAY)
        assert not codes.use("li", factor, world.now)
        assert not codes.use("li", password, world.now, CodeKind.FACTOR)
        assert codes.use("li", factor, world.now, CodeKind.FACTOR)
        assert codes.use("li", password, world.now)

    def test_it_outlives_a_password_that_is_set_and_no_account_that_is_shut(self, world: World, key: DeskKey) -> None:
        codes = Codes(world.desk, key)
        for account in ("li", "wang"):
            codes.make(account, made_by="x", now=world.now, lasts=DAY, kind=CodeKind.FACTOR)
        made = {a: codes.make(a, made_by="x", now=world.now, lasts=DAY, kind=CodeKind.FACTOR) for a in ("li", "wang")}
        world.accounts.set_password("li", "hash", now=world.now)
        assert codes.use("li", made["li"], world.now, CodeKind.FACTOR)
        world.accounts.deactivate("wang")
        world.accounts.activate("wang")
        assert not codes.use("wang", made["wang"], world.now, CodeKind.FACTOR)


class TestRecoveryCodes:
    def test_each_works_once_in_a_race_too(self, world: World, key: DeskKey) -> None:
        codes = RecoveryCodes(world.desk, key)
        made = codes.make("li", world.now)
        assert len(set(made)) == COUNT
        assert raced(lambda _: codes.use("li", made[0].lower(), world.now)) == 1
        assert SecondFactors(world.desk).held("li").recovery == COUNT - 1
        assert not codes.use("wang", made[1], world.now)

    def test_new_ones_end_the_old_ones(self, world: World, key: DeskKey) -> None:
        codes = RecoveryCodes(world.desk, key)
        old, new = codes.make("li", world.now), codes.make("li", world.now)
        assert not codes.use("li", old[0], world.now)
        assert codes.use("li", new[0], world.now)

    def test_they_are_stored_as_hashes_that_need_the_key(self, world: World, key: DeskKey) -> None:
        made = RecoveryCodes(world.desk, key).make("li", world.now)
        with world.desk_engine.connect() as connection:
            stored = str(connection.execute(tables.recovery_code.select()).all())
        assert not any(code in stored for code in made)
        other = DeskKey(key.file.with_name("other.key"))
        assert not RecoveryCodes(world.desk, other).use("li", made[0], world.now)


class TestPasskeys:
    def test_a_count_that_does_not_grow_is_refused_in_a_race_too(self, world: World, key: DeskKey) -> None:
        passkeys = Passkeys(world.desk)
        assert add(world, "li", b"one", count=3)
        (one,) = passkeys.of("li")
        assert not passkeys.use(one.id, 3, world.now)
        assert not passkeys.use(one.id, 0, world.now)
        assert raced(lambda _: passkeys.use(one.id, 4, world.now)) == 1
        assert passkeys.of("li")[0].used_at == world.now

    def test_one_that_never_counts_may_be_used_again(self, world: World, key: DeskKey) -> None:
        passkeys = Passkeys(world.desk)
        add(world, "li", b"one")
        (one,) = passkeys.of("li")
        assert passkeys.use(one.id, 0, world.now)
        assert passkeys.use(one.id, 0, world.now)

    def test_no_one_gets_anothers_or_too_many(self, world: World, key: DeskKey) -> None:
        assert add(world, "li", b"0")
        assert not add(world, "wang", b"0")
        assert [add(world, "li", bytes([number])) for number in range(MOST)] == [True] * (MOST - 1) + [False]
        world.accounts.deactivate("wang")
        assert not add(world, "wang", b"new")

    def test_the_last_factor_stays(self, world: World, key: DeskKey) -> None:
        passkeys, factors = Passkeys(world.desk), SecondFactors(world.desk)
        add(world, "li", b"one")
        add(world, "wang", b"other")
        (one,), (other,) = passkeys.of("li"), passkeys.of("wang")
        assert passkeys.remove("li", one.id) is None
        assert factors.enrol("li", b"sealed", 1)
        assert passkeys.remove("li", other.id) is None, "it is somebody else's"
        assert passkeys.remove("li", one.id) == "phone"
        assert not factors.remove_app("li")
        add(world, "li", b"two")
        assert factors.remove_app("li")
        assert factors.held("li") == AccountFactors(passkeys=1)

    def test_a_challenge_is_its_sessions_own_and_is_taken_once(self, world: World, key: DeskKey) -> None:
        passkeys = Passkeys(world.desk)
        passkeys.challenge(b"token", "li", Purpose.SIGN, b"challenge", world.now)

        def take(token: bytes = b"token", account: str = "li", purpose: Purpose = Purpose.SIGN) -> bool:
            return passkeys.take_challenge(token, account, purpose, world.now) == b"challenge"

        assert not take(b"another")
        assert not take(account="wang")
        assert not take(purpose=Purpose.REGISTER)
        assert raced(lambda _: take()) == 1

    def test_a_challenge_ends_by_itself_and_by_the_next_one(self, world: World, key: DeskKey) -> None:
        passkeys = Passkeys(world.desk)
        passkeys.challenge(b"token", "li", Purpose.SIGN, b"first", world.now)
        passkeys.challenge(b"token", "li", Purpose.SIGN, b"second", world.now)
        assert passkeys.take_challenge(b"token", "li", Purpose.SIGN, world.now) == b"second"
        passkeys.challenge(b"token", "li", Purpose.SIGN, b"third", world.now)
        assert passkeys.take_challenge(b"token", "li", Purpose.SIGN, world.now + CHALLENGE) is None


class TestSessions:
    def test_one_that_has_shown_a_factor_opens_wholly_under_another_token(self, world: World, key: DeskKey) -> None:
        factors = SecondFactors(world.desk)
        opened(world, b"before")
        assert factors.shown_at(b"before") is None
        assert factors.pass_on(b"before", b"after", "li", world.now, longest=LONGEST)
        assert narrowed(world, b"before") is None
        assert narrowed(world, b"after") == ("cas", None)
        assert factors.shown_at(b"after") == world.now
        assert not factors.pass_on(b"after", b"stolen", "wang", world.now, longest=LONGEST)
        assert not factors.pass_on(b"before", b"again", "li", world.now, longest=LONGEST)

    def test_setting_up_is_allowed_for_one_session_and_a_while(self, world: World, key: DeskKey) -> None:
        factors = SecondFactors(world.desk)
        factors.allow_set_up(b"token", "li", world.now)
        assert factors.may_set_up(b"token", world.now)
        assert not factors.may_set_up(b"other", world.now)
        assert not factors.may_set_up(b"token", world.now + SET_UP)
        assert RECENT < SET_UP < LONGEST

    def test_what_old_sessions_have_shown_is_forgotten(self, world: World, key: DeskKey) -> None:
        factors = SecondFactors(world.desk)
        factors.show(b"old", "li", world.now, longest=LONGEST)
        factors.show(b"new", "li", world.now + LONGEST + DAY, longest=LONGEST)
        assert factors.shown_at(b"old") is None

    def test_a_reset_takes_everything_and_ends_the_sessions(self, world: World, key: DeskKey) -> None:
        factors = SecondFactors(world.desk)
        opened(world, b"token")
        factors.show(b"token", "li", world.now, longest=LONGEST)
        factors.enrol("li", b"sealed", 100)
        add(world, "li", b"one")
        RecoveryCodes(world.desk, key).make("li", world.now)
        RecoveryCodes(world.desk, key).make("wang", world.now)
        assert factors.held("li") == AccountFactors(True, datetime.fromtimestamp(100 * STEP, UTC), 1, COUNT)
        assert factors.reset("li")
        assert factors.held_by(["li", "wang"]) == {"wang": AccountFactors(recovery=COUNT)}
        assert narrowed(world, b"token") is None
        assert factors.shown_at(b"token") is None
        assert not factors.reset("li")
