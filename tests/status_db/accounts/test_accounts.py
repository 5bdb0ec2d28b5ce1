"""What the desk promises about accounts, codes and failed tries, on both databases."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest

from status_db import tables
from status_db.accounts.accounts import AccountRefused, Act, Grant
from status_db.desk.key import DeskKey
from status_db.sign_in.identity_numbers import Identities
from status_db.sign_in.login_attempts import Limit, LoginAttempts
from status_db.sign_in.one_time_codes import Codes
from status_db.sign_in.second_factor import SecondFactors
from tests.cast import LIN, QIAN, SUN
from tests.world import World

LIMIT = Limit(2, timedelta(seconds=10), timedelta(seconds=40), timedelta(minutes=30))


@pytest.fixture
def key(world: World) -> DeskKey:
    world.accounts.add("li", "李", None, now=world.now)
    world.accounts.add("wang", "王", None, now=world.now)
    world.accounts.add(LIN.number, LIN.name, None, student=LIN.number, now=world.now)
    return world.desk_key


def raced(do: Callable[[int], bool], times: int = 8) -> int:
    """Do the same thing from many threads at once; return how many it turned out well for."""
    gate = Barrier(times)

    def one(number: int) -> bool:
        gate.wait()
        return do(number)

    with ThreadPoolExecutor(times) as threads:
        return sum(threads.map(one, range(times)))


class TestCodes:
    def test_one_works_once_in_a_race_too(self, world: World, key: DeskKey) -> None:
        codes = Codes(world.desk, key)
        code = codes.make("li", made_by="admin", now=world.now, lasts=timedelta(days=1))
        assert raced(lambda _: codes.use("li", code, world.now)) == 1
        assert not codes.use("li", code, world.now)

    def test_one_is_stored_as_a_hash_that_needs_the_key(self, world: World, key: DeskKey) -> None:
        codes = Codes(world.desk, key)
        code = codes.make("li", made_by="admin", now=world.now, lasts=timedelta(days=1))
        with world.desk_engine.connect() as connection:
            assert code not in str(connection.execute(tables.code.select()).all())
        other = DeskKey(key.file.with_name("other.key"))
        assert not Codes(world.desk, other).use("li", code, world.now)

    def test_all_are_made_or_none(self, world: World, key: DeskKey) -> None:
        codes = Codes(world.desk, key)
        before = codes.make("li", made_by="admin", now=world.now, lasts=timedelta(days=1))
        with pytest.raises(AccountRefused):
            codes.make_all(["li", "nobody"], made_by="admin", now=world.now, lasts=timedelta(days=1))
        assert codes.use("li", before, world.now)

    def test_no_two_are_alike_and_all_have_sixty_bits(self, world: World, key: DeskKey) -> None:
        made = Codes(world.desk, key).make_all(
            ["li", "wang", LIN.number], made_by="x", now=world.now, lasts=timedelta(days=1)
        )
        assert len(set(made.values())) == 3
        for code in made.values():
            letters = code.replace("-", "")
            assert len(letters) * 5 >= 60
            assert not set(letters) & set("ILOU")


class TestAttempts:
    def test_a_thousand_at_once_are_a_thousand(self, world: World, key: DeskKey) -> None:
        attempts = LoginAttempts(world.desk_engine, key)
        let_in = raced(lambda _: not attempts.begin({"account li": LIMIT}, world.now))
        assert let_in == LIMIT.free + 1

    def test_waits_double_up_to_the_longest_and_are_forgotten(self, world: World, key: DeskKey) -> None:
        attempts = LoginAttempts(world.desk_engine, key)
        waits: list[float] = []
        for _ in range(7):
            assert not attempts.begin({"a": LIMIT}, world.now)
            wait = attempts.begin({"a": LIMIT}, world.now)
            waits.append(wait.total_seconds())
            if wait:
                world.now += wait
            else:
                attempts.succeeded([], ["a"])
        assert waits == [0, 0, 10, 20, 40, 40, 40]
        world.later(minutes=30)
        assert [bool(attempts.begin({"a": LIMIT}, world.now)) for _ in range(4)] == [False, False, False, True]

    def test_one_name_that_has_to_wait_counts_nothing_for_the_others(self, world: World, key: DeskKey) -> None:
        attempts = LoginAttempts(world.desk_engine, key)
        for _ in range(3):
            attempts.begin({"a": LIMIT}, world.now)
        for _ in range(9):
            assert attempts.begin({"a": LIMIT, "b": LIMIT}, world.now)
        assert not attempts.begin({"b": LIMIT}, world.now)

    def test_none_holds_a_name(self, world: World, key: DeskKey) -> None:
        attempts = LoginAttempts(world.desk_engine, key)
        attempts.begin({"account li": LIMIT}, world.now)
        with world.desk_engine.connect() as connection:
            assert "li" not in str(connection.execute(tables.attempt.select()).all()).replace("failures", "")


class TestGrants:
    def test_giving_taking_and_handing_over(self, world: World, key: DeskKey) -> None:
        both = [Grant(Act.READ), Grant(Act.REVIEW, "final_review", {"college": ["资源学院"]}, "2019")]
        given = world.accounts.grant("LI", both)
        assert [one.id is not None for one in given] == [True, True]
        assert world.accounts.grant("li", both) == ()
        world.accounts.grant("wang", [Grant(Act.READ)])
        assert world.accounts.hand_over("li", "wang") == given
        assert world.accounts.grants("li") == ()
        assert len(world.accounts.grants("wang")) == 2
        taken = world.accounts.grants("wang")[0]
        assert taken.id is not None
        assert world.accounts.take_grant(taken.id) == ("wang", taken)
        with pytest.raises(AccountRefused):
            world.accounts.take_grant(taken.id)

    def test_what_makes_no_sense_is_refused(self, world: World, key: DeskKey) -> None:
        for scope in ({"shoe": ("42",)}, {"college": ()}):
            with pytest.raises(AccountRefused):
                world.accounts.grant("li", [Grant(Act.READ, None, scope)])
        with pytest.raises(AccountRefused, match="no account"):
            world.accounts.grant("nobody", [Grant(Act.READ)])
        with pytest.raises(AccountRefused, match="two different accounts"):
            world.accounts.hand_over("li", "LI")

    def test_a_list_is_taken_in_whole_or_not_at_all(self, world: World, key: DeskKey) -> None:
        with pytest.raises(AccountRefused):
            world.accounts.take_in({"new": ("新", [Grant(Act.READ)]), "bad": ("", [])}, world.now)
        assert world.accounts.find("new") is None
        made, given = world.accounts.take_in({"new": ("新", [Grant(Act.READ)]), "li": ("李", [])}, world.now)
        assert made == ("new",)
        assert set(given) == {"new"}


class TestAccounts:
    def test_students_get_theirs_in_one_go_and_once(self, world: World, key: DeskKey) -> None:
        people = [(person.number, person.name) for person in (LIN, QIAN, SUN)]
        assert world.accounts.add_students(people, world.now) == (2, ())
        assert world.accounts.add_students([*people, ("WANG", "x")], world.now) == (0, ("WANG",))

    def test_a_password_states_since_when_and_ends_codes_and_sessions(self, world: World, key: DeskKey) -> None:
        codes, day = Codes(world.desk, key), timedelta(days=1)
        code = codes.make("li", made_by="x", now=world.now, lasts=day)
        world.accounts.open_session(b"token", "li", world.now, longest=day, method="code", narrowed="password")
        found = world.accounts.find_session(b"token", world.now, idle=day, longest=day)
        assert found is not None
        assert (found.method, found.narrowed) == ("code", "password")
        world.later(hours=1)
        world.accounts.set_password("li", "hash", now=world.now)
        account = world.accounts.find("li")
        assert account is not None
        assert account.password_at == world.now
        assert world.accounts.find_session(b"token", world.now, idle=day, longest=day) is None
        assert not codes.use("li", code, world.now)

    def test_a_newer_hash_replaces_only_the_one_it_was_made_of(self, world: World, key: DeskKey) -> None:
        world.accounts.set_password("li", "now", now=world.now)
        world.accounts.renew_hash("li", "before", "late")
        world.accounts.renew_hash("li", "now", "newer")
        account = world.accounts.find("li")
        assert account is not None
        assert account.password_hash == "newer"

    def test_a_shut_account_is_opened_again_with_its_grants(self, world: World, key: DeskKey) -> None:
        world.accounts.grant("li", [Grant(Act.READ)])
        world.accounts.deactivate("li")
        with pytest.raises(AccountRefused):
            Codes(world.desk, key).make("li", made_by="x", now=world.now, lasts=timedelta(days=1))
        world.accounts.activate("li")
        account = world.accounts.find("li")
        assert account is not None
        assert account.active
        assert account.grants == (Grant(Act.READ),)

    def test_a_time_step_opens_once_in_a_race_too_and_none_before_it(self, world: World, key: DeskKey) -> None:
        factors = SecondFactors(world.desk)
        assert raced(lambda number: factors.enrol("li", str(number).encode(), 7)) == 1
        assert not factors.use("li", 7)
        assert raced(lambda _: factors.use("li", 9)) == 1
        assert not factors.use("li", 8)
        assert factors.reset("li")
        assert not factors.reset("li")

    def test_a_document_fits_its_own_student_alone(self, world: World, key: DeskKey) -> None:
        world.accounts.add_students([(QIAN.number, QIAN.name)], world.now)
        identities = Identities(world.desk, key)
        assert identities.keep({LIN.number: "m-765 4321", "20990009": "X"}) == {"20990009"}
        assert identities.fits(LIN.number, "M7654321")
        assert not identities.fits(QIAN.number, "M7654321")
        assert not identities.fits("li", "")
        world.accounts.deactivate(LIN.number)
        assert not identities.fits(LIN.number, "M7654321")
