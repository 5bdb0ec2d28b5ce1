"""Passkeys, by the library's own verification: whose answer counts, and every way in which one does not."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from portal.auth import passkeys
from portal.auth.passkeys import RelyingParty
from portal.web import own_script
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.sign_in.passkeys import Passkey, Passkeys
from status_db.sign_in.second_factor import SecondFactors
from tests.portal.conftest import enter
from tests.portal.factors import (
    ORIGIN,
    Worker,
    allowed,
    digits_of,
    has_app,
    options_in,
    recovery_in,
    secret_in,
    send,
    set_up_code,
    workers,
)
from tests.services.authenticator import Authenticator
from tests.world import World

PAGE = "/second-factor"
PARTY = RelyingParty("leave.example.edu.cn", ORIGIN)


@pytest.fixture
def worker(university: World) -> Iterator[Worker]:
    with workers(university) as opened:
        yield lambda **auth: opened(ORIGIN, **auth)


def owned(world: World, account: str = "admin") -> tuple[Passkey, ...]:
    return Passkeys(world.desk).of(account)


def set_up(browser: TestClient, world: World, account: str = "admin") -> Authenticator:
    """Set up a passkey as the first second factor."""
    page = allowed(browser, world, account)
    device = Authenticator(ORIGIN)
    done = send(browser, page, "add-passkey", credential=device.make(options_in(page)), name="办公室的电脑")
    assert len(recovery_in(done)) == 10
    return device


def show(browser: TestClient, page: httpx.Response, device: Authenticator, **lies: str) -> httpx.Response:
    return send(browser, page, "passkey", credential=device.sign(options_in(page), **lies))


class TestTheFirstOne:
    def test_it_is_set_up_with_a_code_and_opens_the_account(self, university: World, worker: Worker) -> None:
        set_up(browser := worker(), university)
        assert browser.get("/accounts").url.path == "/accounts"
        (one,) = owned(university)
        assert (one.name, one.transports) == ("办公室的电脑", ("internal",))
        assert Audit(university.desk).newest(event=AuditEvent.SECOND_FACTOR_SET)[0].detail == {
            "kind": "passkey",
            "name": "办公室的电脑",
        }

    def test_without_a_code_none_is(self, university: World, worker: Worker) -> None:
        browser = worker()
        page = enter(browser, "admin")
        assert "data-passkey" not in page.text
        made_for = allowed(worker(), university, "reviewer")
        credential = Authenticator(ORIGIN).make(options_in(made_for))
        send(browser, page, "add-passkey", credential=credential)
        assert owned(university) == ()


class TestShowing:
    def test_it_opens_the_account_and_is_noted(self, university: World, worker: Worker) -> None:
        device = set_up(worker(), university)
        browser = worker()
        page = enter(browser, "admin")
        assert secret_in(page) == ""
        university.later(minutes=1)
        assert show(browser, page, device).url.path == "/sources"
        (one,) = owned(university)
        assert (one.sign_count, one.used_at) == (1, university.now)

    @pytest.mark.parametrize(
        "lie",
        ["no verified user", "another page", "another key", "a stale count", "another challenge", "another session's"],
    )
    def test_it_opens_nothing_with(self, university: World, worker: Worker, lie: str) -> None:
        device = set_up(worker(), university)
        browser, other = worker(), worker()
        page = enter(browser, "admin")
        says: dict[str, str] = {}
        if lie == "no verified user":
            device.verifies = False
        elif lie == "another page":
            device.origin = "https://leave.example.edu.cn.evil.example"
        elif lie == "another key":
            device = replace(Authenticator(ORIGIN), id=device.id)
        elif lie == "a stale count":
            other_page = enter(other, "admin")
            assert show(other, other_page, device).url.path == "/sources"
            device.count = 0
        elif lie == "another challenge":
            says["challenge"] = "AAAA"
        elif lie == "another session's":
            says["challenge"] = options_in(enter(other, "admin"))["challenge"]
        answer = show(browser, page, device, **says)
        assert answer.status_code == 401
        assert "通行密钥验证未通过" in answer.text
        assert browser.get("/accounts").url.path == PAGE

    def test_an_answer_counts_once(self, university: World, worker: Worker) -> None:
        device = set_up(worker(), university)
        browser = worker()
        page = enter(browser, "admin")
        wrong = show(browser, page, Authenticator(ORIGIN))
        assert wrong.status_code == 401
        assert show(browser, page, device).status_code == 401, "the challenge went with the first answer"
        assert show(browser, browser.get(PAGE), device).status_code == 200

    def test_a_challenge_is_for_minutes(self, university: World, worker: Worker) -> None:
        device = set_up(worker(), university)
        browser = worker()
        page = enter(browser, "admin")
        university.later(minutes=5)
        assert show(browser, page, device).status_code == 401
        assert show(browser, browser.get(PAGE), device).status_code == 200

    def test_somebody_elses_opens_nothing(self, university: World, worker: Worker) -> None:
        theirs = set_up(worker(), university, "reviewer")
        set_up(worker(), university)
        browser = worker()
        assert show(browser, enter(browser, "admin"), theirs).status_code == 401


class TestChanging:
    @pytest.fixture
    def managing(self, university: World, worker: Worker) -> Callable[[], tuple[TestClient, httpx.Response]]:
        def opened() -> tuple[TestClient, httpx.Response]:
            secret = has_app(university, "admin")
            browser = worker()
            send(browser, enter(browser, "admin"), "app", digits=digits_of(secret, university))
            return browser, browser.get(PAGE)

        return opened

    def test_several_are_added_named_and_removed(
        self, university: World, managing: Callable[[], tuple[TestClient, httpx.Response]]
    ) -> None:
        browser, page = managing()
        devices = {name: Authenticator(ORIGIN) for name in ("red key", "my phone")}
        for name, device in devices.items():
            page = send(browser, page, "add-passkey", credential=device.make(options_in(page)), name=name)
            assert name in page.text
        known = {one["id"] for one in options_in(page)["excludeCredentials"]}
        assert len(known) == 2
        key, phone = owned(university)
        page = send(browser, page, "remove-passkey", passkey=str(key.id))
        assert "red key" not in page.text
        assert owned(university) == (phone,)
        line = Audit(university.desk).newest(event=AuditEvent.SECOND_FACTOR_REMOVED)[0]
        assert line.detail == {"kind": "passkey", "name": "red key"}
        page = send(browser, page, "remove-app")
        assert "未移除" in send(browser, page, "remove-passkey", passkey=str(phone.id)).text
        assert owned(university) == (phone,)

    def test_one_that_is_there_is_not_added_again(
        self, university: World, managing: Callable[[], tuple[TestClient, httpx.Response]]
    ) -> None:
        browser, page = managing()
        device = Authenticator(ORIGIN)
        page = send(browser, page, "add-passkey", credential=device.make(options_in(page)), name="a")
        assert "未添加" in send(browser, page, "add-passkey", credential=device.make(options_in(page)), name="b").text
        assert len(owned(university)) == 1

    @pytest.mark.parametrize("lie", ["no verified user", "another page", "another challenge"])
    def test_none_is_added_with(
        self, university: World, managing: Callable[[], tuple[TestClient, httpx.Response]], lie: str
    ) -> None:
        browser, page = managing()
        device = Authenticator(ORIGIN if lie != "another page" else "https://evil.example")
        device.verifies = lie != "no verified user"
        challenge = "AAAA" if lie == "another challenge" else ""
        credential = device.make(options_in(page), challenge=challenge)
        assert send(browser, page, "add-passkey", credential=credential).status_code == 401
        assert owned(university) == ()

    def test_nobody_removes_anothers(
        self, university: World, worker: Worker, managing: Callable[[], tuple[TestClient, httpx.Response]]
    ) -> None:
        set_up(worker(), university, "reviewer")
        browser, page = managing()
        (theirs,) = owned(university, "reviewer")
        for number in (str(theirs.id), "x", "9" * 30):
            send(browser, page, "remove-passkey", passkey=number)
        assert SecondFactors(university.desk).held("reviewer").passkeys == 1


class TestWherePasskeysWork:
    @pytest.mark.parametrize(
        ("public_url", "party"),
        [
            ("https://leave.example.edu.cn", PARTY),
            ("https://leave.example.edu.cn:443/", PARTY),
            ("https://Leave.example.edu.cn:8443", RelyingParty("leave.example.edu.cn", f"{ORIGIN}:8443")),
            ("http://localhost:8000", RelyingParty("localhost", "http://localhost:8000")),
            (
                "https://离校.example.edu.cn",
                RelyingParty("xn--8wvs50b.example.edu.cn", "https://xn--8wvs50b.example.edu.cn"),
            ),
            ("http://leave.example.edu.cn", None),
            ("https://10.1.2.3", None),
            ("http://127.0.0.1:8000", None),
            ("https://leave.example.edu.cn:99999", None),
            ("", None),
        ],
    )
    def test_it_follows_from_the_public_address(self, public_url: str, party: RelyingParty | None) -> None:
        assert RelyingParty.of(public_url) == party

    def test_elsewhere_they_are_not_offered(self, university: World) -> None:
        with workers(university) as opened:
            page = allowed(opened(), university, "admin")
            assert "data-passkey" not in page.text
            assert "<script" not in page.text
            assert secret_in(page)

    def test_the_script_may_run_on_one_page_alone_and_nothing_else_may(self, university: World, worker: Worker) -> None:
        browser = worker()
        page = allowed(browser, university, "admin")
        policy = page.headers["content-security-policy"]
        assert f"script-src {own_script.PASSKEYS.source}" in policy
        assert "unsafe" not in policy
        assert page.text.count("<script") == 1
        assert f"<script>{own_script.PASSKEYS.text}</script>" in page.text
        for path in ("/sign-in", "/first-password", "/healthz", "/static/passkeys.js"):
            assert "script-src" not in browser.get(path).headers["content-security-policy"], path


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.mark.parametrize("transports", [True, 7, "usb", {"usb": 1}, [["usb"], {}, None, "usb"]])
def test_how_a_passkey_is_reached_is_read_from_a_list_alone(transports: object) -> None:
    device, asked = Authenticator(ORIGIN), passkeys.to_sign(PARTY, ())
    made = json.loads(device.make({"rp": {"id": PARTY.id}, "challenge": json.loads(asked.options)["challenge"]}))
    made["response"]["transports"] = transports
    found = passkeys.registered(PARTY, json.dumps(made), asked.challenge)
    assert found is not None
    assert found.transports == (["usb"] if isinstance(transports, list) else [])


@given(st.data())
def test_no_answer_however_broken_is_an_error(data: st.DataObject) -> None:
    """Answers that hold are bent in one place: a part left out, of another kind, or with other bytes."""
    device = Authenticator(ORIGIN)
    registering = passkeys.to_sign(PARTY, ())
    options = {"rp": {"id": PARTY.id}, "rpId": PARTY.id, "challenge": json.loads(registering.options)["challenge"]}
    made = device.make(options)
    found = passkeys.registered(PARTY, made, registering.challenge)
    assert found is not None
    kept = Passkey(1, found.credential_id, found.public_key, 0, "x", (), None, None)  # type: ignore[arg-type]  # not asked for
    answer: dict[str, Any] = json.loads(data.draw(st.sampled_from([made, device.sign(options)])))
    place = data.draw(st.sampled_from([answer, answer["response"]]))
    name = data.draw(st.sampled_from(sorted(place)))
    bent = data.draw(_JSON | st.binary(max_size=200).map(lambda raw: raw.hex()))
    place[name] = bent if data.draw(st.booleans()) or not isinstance(place[name], str) else place[name][3:]
    text = json.dumps(answer)
    passkeys.registered(PARTY, text, registering.challenge)
    if passkeys.signed(PARTY, text, registering.challenge, [kept]) is not None:
        assert name in ("clientExtensionResults", "type", "rawId", "transports")


def test_a_code_of_before_the_first_factor_is_worth_nothing_after_it(university: World, worker: Worker) -> None:
    left = set_up_code(university, "admin")
    set_up(worker(), university)
    browser = worker()
    page = send(browser, enter(browser, "admin"), "code", code=left)
    assert "恢复码" in page.text
    assert browser.get("/accounts").url.path == PAGE
