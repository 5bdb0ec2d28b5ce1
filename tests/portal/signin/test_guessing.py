"""Guessing is slowed down over all workers, and locks nobody out of their own device; the strict profile does more."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from clearance.web import application
from config.tables.portal import Auth, Portal
from portal.auth.throttle import Throttle
from status_db.accounts.audit_log import Audit
from status_db.sign_in.login_attempts import LoginAttempts
from status_db.sign_in.one_time_codes import Codes
from tests.cast import LIN, QIAN, SUN
from tests.portal.conftest import PASSWORD, enter, settle, token_in
from tests.portal.signin.test_passwords import give_code, set_password
from tests.world import World

STRICT: dict[str, Any] = {"profile": "strict", "lock_after": 6}

Worker = Callable[..., TestClient]


@pytest.fixture
def worker() -> Iterator[Worker]:
    """Open a browser at an address, on a worker of its own."""
    apps: list[Starlette] = []

    def browser(world: World, address: str = "203.0.113.7", **auth: Any) -> TestClient:
        settings = world.settings.model_copy(update={"auth": Auth(**auth)})
        apps.append(application(settings, clock=world.clock))
        return TestClient(apps[-1], base_url="http://testserver", follow_redirects=True, client=(address, 50000))

    yield browser
    for app in apps:
        app.state.services.close()


def guesses(browser: TestClient, count: int, account: str = LIN.number) -> list[int]:
    """Return the answers to so many wrong passwords."""
    return [enter(browser, account, f"guess-{i}").status_code for i in range(count)]


class TestSlowingDown:
    def test_two_workers_count_together(self, world: World, worker: Worker) -> None:
        settle(world)
        one, other = worker(world), worker(world, "198.51.100.9")
        assert guesses(one, 3) == [401] * 3
        assert guesses(other, 3) == [401, 401, 429]
        assert guesses(one, 1) == [429]

    def test_waiting_helps_and_each_wait_is_longer(self, university: World, worker: Worker) -> None:
        browser = worker(university)
        guesses(browser, 5)
        university.later(seconds=6)
        assert guesses(browser, 2) == [401, 429]
        university.later(seconds=6)
        assert guesses(browser, 1) == [429]
        university.later(seconds=6)
        assert enter(browser, LIN.number).status_code == 200
        assert enter(worker(university), LIN.number).status_code == 200

    def test_who_guesses_elsewhere_locks_nobody_out_of_their_device(self, university: World, worker: Worker) -> None:
        own = worker(university)
        enter(own, LIN.number)
        own.post("/sign-out", data={"form_token": token_in(own.get("/"))})
        assert guesses(worker(university, "198.51.100.9"), 7)[-1] == 429
        assert enter(own, LIN.number).status_code == 200
        assert enter(worker(university), LIN.number).status_code == 429

    def test_a_device_is_slowed_down_by_itself(self, university: World, worker: Worker) -> None:
        own = worker(university)
        enter(own, LIN.number)
        assert guesses(own, 7)[-1] == 429
        assert enter(worker(university, "198.51.100.9"), LIN.number).status_code == 200

    def test_a_device_known_to_one_account_is_new_to_another(self, university: World, worker: Worker) -> None:
        own = worker(university)
        enter(own, LIN.number)
        assert guesses(own, 6, QIAN.number)[-1] == 429
        forged = worker(university)
        forged.cookies.update(dict(own.cookies))
        assert guesses(forged, 1, QIAN.number) == [429]

    def test_nobody_can_make_a_devices_cookie(self, university: World, worker: Worker) -> None:
        assert guesses(worker(university), 6)[-1] == 429
        forger = worker(university)
        forger.cookies.set("clearance-device", "A" * 22 + "." + "B" * 22)
        assert guesses(forger, 1) == [429]

    def test_a_dormitory_may_fail_often_and_not_without_end(self, university: World, worker: Worker) -> None:
        key = university.desk_key
        throttle = Throttle(LoginAttempts(university.desk_engine, key))
        for i in range(100):
            assert not throttle.password(f"student-{i}", "203.0.113.7", "", university.now).wait
        assert enter(worker(university), QIAN.number, "wrong").status_code == 401
        assert enter(worker(university), SUN.number).status_code == 429
        assert enter(worker(university, "198.51.100.9"), SUN.number).status_code == 200
        university.later(minutes=31)
        assert enter(worker(university), QIAN.number).status_code == 200

    def test_honest_sign_ins_use_up_nothing(self, university: World) -> None:
        key = university.desk_key
        throttle = Throttle(LoginAttempts(university.desk_engine, key))
        for i in range(150):
            tried = throttle.password(f"student-{i}", "203.0.113.7", "", university.now)
            assert not tried.wait
            throttle.succeeded(tried)

    def test_the_machines_own_address_counts_where_the_proxies_are_named(self, university: World) -> None:
        key = university.desk_key
        for proxies, waits in (([], False), (["127.0.0.1"], True)):
            counting = Throttle.of(LoginAttempts(university.desk_engine, key), Auth(), Portal(proxies=proxies))
            for i in range(101):
                counting.password(f"{waits} {i}", "127.0.0.1", "", university.now)
            assert bool(counting.password("another", "127.0.0.1", "", university.now).wait) is waits

    def test_only_a_proxy_of_the_settings_is_believed(self, university: World, worker: Worker) -> None:
        portal = university.settings.portal.model_copy(update={"proxies": ["127.0.0.1"]})
        app = application(university.settings.model_copy(update={"portal": portal}), clock=university.clock)
        with TestClient(app, base_url="http://testserver", client=("127.0.0.1", 50000)) as browser:
            browser.headers["x-forwarded-for"] = "203.0.113.7"
            enter(browser, LIN.number, "wrong-password")
        assert Audit(university.desk).newest()[0].address == "203.0.113.7"
        unmatched_key = worker(university, "198.51.100.9")
        unmatched_key.headers["x-forwarded-for"] = "203.0.113.8"
        enter(unmatched_key, LIN.number, "wrong-password")
        assert Audit(university.desk).newest()[0].address == "198.51.100.9"

    def test_a_code_is_guessed_by_nobody_so_nobody_is_locked_out(self, university: World, worker: Worker) -> None:
        codes = Codes(university.desk, university.desk_key)
        code = codes.make(LIN.number, made_by="x", now=university.now, lasts=timedelta(days=1))
        guesses(worker(university), 7)
        browser = worker(university)
        for _ in range(7):
            assert give_code(browser, LIN.number, "XXXX").status_code == 401
        assert give_code(browser, LIN.number, code).status_code == 200


class TestTheStrictProfile:
    def test_an_account_is_locked_wherever_the_failures_came_from(self, university: World, worker: Worker) -> None:
        own = worker(university, **STRICT)
        enter(own, LIN.number)
        for i in range(6):
            university.later(minutes=5)
            enter(worker(university, f"203.0.113.{i}", **STRICT), LIN.number, "guess")
        university.later(minutes=5)
        locked = enter(own, LIN.number)
        assert locked.status_code == 429
        assert "25 分钟后再试" in locked.text
        university.later(minutes=25)
        assert enter(own, LIN.number).status_code == 200

    def test_an_administrator_unlocks_it(self, university: World, worker: Worker) -> None:
        for _ in range(6):
            university.later(minutes=5)
            enter(worker(university, **STRICT), LIN.number, "guess")
        assert enter(worker(university, **STRICT), LIN.number).status_code == 429
        key = university.desk_key
        Throttle.of(LoginAttempts(university.desk_engine, key), Auth(**STRICT), Portal()).unlock(LIN.number)
        assert enter(worker(university, **STRICT), LIN.number).status_code == 200

    def test_an_old_password_must_be_changed(self, university: World, worker: Worker) -> None:
        university.later(days=90)
        browser = worker(university, **STRICT)
        page = enter(browser, LIN.number)
        assert "密码使用时间过长" in page.text
        assert browser.get("/", follow_redirects=False).headers["location"] == "/new-password"
        assert "相同" in set_password(browser, PASSWORD).text
        assert set_password(browser, "lampe-birne-treppe").url.path == "/"
        assert enter(worker(university), QIAN.number).url.path == "/", "an ordinary profile asks for none of this"
