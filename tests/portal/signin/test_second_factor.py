"""The second factor, by default, for whoever may manage, review or issue: set up with a code, shown, changed."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from config.tables.portal import Auth
from portal.auth import totp
from portal.auth.throttle import Throttle
from portal.signin import admission
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent, AuditLine
from status_db.sign_in.login_attempts import LoginAttempts
from status_db.sign_in.one_time_codes import Codes
from status_db.sign_in.passkeys import Passkeys
from status_db.sign_in.second_factor import SecondFactors
from tests.cast import LIN, SUN
from tests.portal.conftest import PASSWORD, enter, settle, token_in
from tests.portal.factors import (
    ORIGIN,
    Worker,
    allowed,
    digits_of,
    has_app,
    has_recovery_codes,
    options_in,
    recovery_in,
    sealed_in,
    secret_in,
    send,
    set_up_code,
    workers,
)
from tests.portal.signin.test_passwords import give_code, set_password
from tests.services.authenticator import Authenticator
from tests.world import World

PAGE = "/second-factor"


@pytest.fixture
def worker(university: World) -> Iterator[Worker]:
    with workers(university) as opened:
        yield opened


def lines(world: World, event: AuditEvent) -> tuple[AuditLine, ...]:
    return Audit(world.desk).newest(event=event)


def out(world: World, account: str = "admin") -> str:
    """Give an account the app, and let a minute pass; return its secret."""
    secret = has_app(world, account)
    world.later(minutes=1)
    return secret


class TestWhoIsAsked:
    @pytest.mark.parametrize(
        ("account", "privileged", "staff"),
        [
            ("admin", True, True),
            ("reviewer", True, True),
            ("librarian", False, True),
            ("dean", False, True),
            (LIN.number, False, False),
        ],
    )
    def test_it_follows_from_the_settings(self, worker: Worker, account: str, privileged: bool, staff: bool) -> None:
        assert (enter(worker(), account).url.path == PAGE) is privileged
        assert (enter(worker(profile="strict", second_factor="off"), account).url.path == PAGE) is staff
        assert enter(worker(second_factor="off"), account).url.path != PAGE

    def test_a_grant_that_comes_while_a_session_is_open_is_asked_for_one_at_once(
        self, university: World, worker: Worker
    ) -> None:
        browser = worker()
        enter(browser, "dean")
        assert browser.get("/overview").url.path == "/overview"
        university.accounts.grant("dean", [Grant(Act.MANAGE)])
        assert browser.get("/overview").url.path == PAGE
        assert browser.get("/accounts", follow_redirects=False).headers["location"] == PAGE

    def test_a_grant_that_has_ended_with_its_cohort_asks_for_none(self, university: World, worker: Worker) -> None:
        university.accounts.grant("dean", [Grant(Act.REVIEW, cohort="1999")])
        assert enter(worker(), "dean").url.path == "/overview"


class TestSettingUp:
    def test_a_password_alone_sets_nothing_up(self, university: World, worker: Worker) -> None:
        browser = worker()
        page = enter(browser, "admin", next="/sources")
        assert page.url.path == PAGE
        assert secret_in(page) == ""
        for path in ("/overview", "/accounts", "/new-password"):
            assert browser.get(path, follow_redirects=False).headers["location"] == PAGE
        secret = totp.new_secret()
        sealed = totp.seal(university.desk_key, "admin", secret, university.now).decode()
        send(browser, page, "add-app", sealed=sealed, digits=digits_of(secret, university))
        assert not SecondFactors(university.desk).held("admin").any

    def test_a_code_an_app_and_recovery_codes_open_the_account(self, university: World, worker: Worker) -> None:
        browser = worker()
        page = allowed(browser, university, "admin")
        assert "<svg" in page.text
        assert not any(inline in page.text for inline in ("style=", "<style", "<script"))
        wrong = send(browser, page, "add-app", sealed=sealed_in(page), digits="000000")
        assert wrong.status_code == 401
        assert secret_in(wrong) == secret_in(page), "what the app has scanned is still valid"
        digits = digits_of(secret_in(page), university)
        shown = send(browser, wrong, "add-app", sealed=sealed_in(wrong), digits=digits)
        codes = recovery_in(shown)
        assert len(codes) == 10
        assert browser.get("/accounts").url.path == "/accounts"
        again = browser.get(PAGE)
        assert not any(code in again.text for code in codes)
        assert lines(university, AuditEvent.SECOND_FACTOR_SET)[0].detail == {"kind": "app"}
        log = str(Audit(university.desk).newest())
        assert not any(code in log for code in (*codes, secret_in(page)))

    @pytest.mark.parametrize("kind", ["wrong", "another's", "for a password", "used"])
    def test_only_a_code_of_this_kind_and_account_will_do(self, university: World, worker: Worker, kind: str) -> None:
        codes = Codes(university.desk, university.desk_key)
        code = {
            "wrong": "0000-0000-0000",
            "another's": set_up_code(university, "reviewer"),
            "for a password": codes.make("admin", made_by="x", now=university.now, lasts=timedelta(days=1)),
            "used": set_up_code(university, "admin"),
        }[kind]
        if kind == "used":
            other = worker()
            send(other, enter(other, "admin"), "code", code=code)
        browser = worker()
        answer = send(browser, enter(browser, "admin"), "code", code=code)
        assert answer.status_code == 401
        assert "设置码不正确" in answer.text
        assert secret_in(answer) == ""

    def test_a_code_opens_one_session_for_a_while(self, university: World, worker: Worker) -> None:
        browser, other = worker(session_idle=timedelta(hours=2)), worker()
        allowed(browser, university, "admin")
        assert "设置码由管理员当面发放" in enter(other, "admin").text
        university.later(minutes=31)
        assert "设置码由管理员当面发放" in browser.get(PAGE).text

    def test_a_code_sets_up_no_second_one_beside_the_first(self, university: World, worker: Worker) -> None:
        browser = worker()
        page = allowed(browser, university, "admin")
        secret = out(university)
        answer = send(browser, page, "add-app", sealed=sealed_in(page), digits=digits_of(secret_in(page), university))
        assert "验证器现在显示的六位动态口令" in answer.text
        assert browser.get("/accounts").url.path == PAGE
        assert send(browser, answer, "app", digits=digits_of(secret, university)).url.path == "/sources"

    def test_somebody_elses_secret_sets_nothing_up(self, university: World, worker: Worker) -> None:
        one, other = worker(), worker()
        page, theirs = allowed(one, university, "admin"), allowed(other, university, "reviewer")
        answer = send(other, theirs, "add-app", sealed=sealed_in(page), digits=digits_of(secret_in(page), university))
        assert "页面打开过久" in answer.text
        assert not SecondFactors(university.desk).held("reviewer").any

    def test_a_secret_left_open_too_long_is_another(self, university: World, worker: Worker) -> None:
        browser = worker(session_idle=timedelta(hours=2))
        page = allowed(browser, university, "admin")
        university.later(minutes=31)
        send(browser, browser.get(PAGE), "code", code=set_up_code(university, "admin"))
        answer = send(browser, page, "add-app", sealed=sealed_in(page), digits=digits_of(secret_in(page), university))
        assert "页面打开过久" in answer.text
        assert secret_in(answer) not in ("", secret_in(page))

    def test_the_secret_is_nowhere_in_the_database(self, university: World, worker: Worker) -> None:
        browser = worker()
        page = allowed(browser, university, "admin")
        send(browser, page, "add-app", sealed=sealed_in(page), digits=digits_of(secret_in(page), university))
        account = university.accounts.find("admin")
        assert account is not None
        assert account.second_factor is not None
        assert secret_in(page).encode() not in account.second_factor
        assert secret_in(page) not in repr(account)


class TestShowing:
    def test_it_is_asked_for_and_works_once(self, university: World, worker: Worker) -> None:
        secret = out(university)
        browser, other = worker(), worker()
        page = enter(browser, "admin", next="/accounts")
        assert 'name="next" value="/accounts"' in page.text
        assert "<svg" not in page.text
        assert secret not in page.text
        digits = digits_of(secret, university)
        assert send(browser, page, "app", digits=digits, next="/accounts").url.path == "/accounts"
        assert send(other, enter(other, "admin"), "app", digits=digits).status_code == 401
        university.later(seconds=30)
        assert send(other, other.get(PAGE), "app", digits=digits_of(secret, university)).url.path == "/sources"

    def test_the_session_goes_on_under_another_token(self, university: World, worker: Worker) -> None:
        secret = out(university)
        browser = worker()
        page = enter(browser, "admin")
        stolen = worker()
        stolen.cookies.update(dict(browser.cookies))
        send(browser, page, "app", digits=digits_of(secret, university))
        assert stolen.get("/accounts").url.path == "/sign-in"
        assert browser.get("/accounts").url.path == "/accounts"

    def test_a_clock_may_be_half_a_minute_off(self, university: World, worker: Worker) -> None:
        secret = out(university)
        browser = worker()
        page = enter(browser, "admin")
        assert send(browser, page, "app", digits=digits_of(secret, university, seconds=-60)).status_code == 401
        assert send(browser, page, "app", digits=digits_of(secret, university, seconds=30)).url.path == "/sources"

    def test_guesses_of_every_kind_are_counted_together_and_a_right_password_wipes_none_out(
        self, university: World, worker: Worker
    ) -> None:
        secret, codes = out(university), has_recovery_codes(university, "admin")
        browser = worker("https://leave.example.edu.cn")
        wrong = [("app", {"digits": "000000"}), ("recovery", {"recovery": "X"}), ("passkey", {"credential": "{}"})]
        for do, fields in (*wrong, *wrong[:2]):
            assert send(browser, enter(browser, "admin"), do, **fields).status_code == 401
        right = [("app", {"digits": digits_of(secret, university)}), ("recovery", {"recovery": codes[0]})]
        for do, fields in right:
            assert send(browser, enter(browser, "admin"), do, **fields).status_code == 429
        assert SecondFactors(university.desk).held("admin").recovery == 10
        university.later(minutes=1)
        assert send(browser, enter(browser, "admin"), "recovery", recovery=codes[0]).url.path == PAGE

    def test_a_code_for_a_password_does_not_go_around_it(self, university: World, worker: Worker) -> None:
        out(university)
        codes = Codes(university.desk, university.desk_key)
        code = codes.make("admin", made_by="x", now=university.now, lasts=timedelta(days=1))
        browser = worker()
        give_code(browser, "admin", code)
        assert set_password(browser, "lampe-birne-treppe").url.path == PAGE

    def test_a_secret_that_the_desks_key_does_not_open_is_shown(self, university: World, worker: Worker) -> None:
        SecondFactors(university.desk).enrol("admin", b"sealed by another key", 0)
        browser = worker()
        answer = send(browser, enter(browser, "admin"), "app", digits="000000")
        assert "请管理员重置" in answer.text


class TestRecovery:
    def test_a_recovery_code_replaces_it_once_and_leads_to_a_new_factor(
        self, university: World, worker: Worker
    ) -> None:
        out(university)
        first, *_ = has_recovery_codes(university, "admin")
        browser = worker()
        page = send(
            browser, enter(browser, "admin", next="/sources"), "recovery", recovery=first.lower(), next="/sources"
        )
        assert page.url.path == PAGE
        assert "还有 9 个恢复码" in page.text
        assert 'href="/sources"' in page.text
        assert lines(university, AuditEvent.RECOVERY_CODE_USED)[0].detail == {"left": 9}
        other = worker()
        assert send(other, enter(other, "admin"), "recovery", recovery=first).status_code == 401

    def test_new_ones_are_made_by_their_owner_after_a_factor(self, university: World, worker: Worker) -> None:
        secret = out(university)
        old = has_recovery_codes(university, "admin")
        browser = worker()
        send(browser, enter(browser, "admin"), "app", digits=digits_of(secret, university))
        fresh = recovery_in(send(browser, browser.get(PAGE), "new-codes"))
        assert len(fresh) == 10
        assert not set(fresh) & set(old)
        assert lines(university, AuditEvent.RECOVERY_CODES_MADE)[0].detail == {"count": 10}
        other = worker()
        assert send(other, enter(other, "admin"), "recovery", recovery=old[0]).status_code == 401
        assert send(other, other.get(PAGE), "recovery", recovery=fresh[0]).status_code == 200


class TestChanging:
    def test_it_takes_a_factor_that_was_shown_lately(self, university: World, worker: Worker) -> None:
        secret = out(university)
        has_recovery_codes(university, "admin")
        browser = worker()
        send(browser, enter(browser, "admin"), "app", digits=digits_of(secret, university))
        page = browser.get(PAGE)
        assert "重新生成" in page.text
        university.later(minutes=10)
        asked = send(browser, page, "new-codes")
        assert recovery_in(asked) == []
        assert browser.get("/accounts").url.path == "/accounts", "the session itself goes on"
        shown = send(browser, asked, "app", digits=digits_of(secret, university))
        assert "重新生成" in shown.text

    def test_the_last_one_is_not_removed(self, university: World, worker: Worker) -> None:
        secret = out(university)
        browser = worker()
        send(browser, enter(browser, "admin"), "app", digits=digits_of(secret, university))
        assert "未移除" in send(browser, browser.get(PAGE), "remove-app").text
        assert SecondFactors(university.desk).held("admin").app

    def test_whoever_is_not_asked_has_no_such_page(self, worker: Worker) -> None:
        browser = worker()
        page = enter(browser, "dean")
        assert PAGE not in page.text
        assert browser.get(PAGE).url.path == "/overview"
        answer = browser.post(PAGE, data={"form_token": token_in(page), "do": "new-codes"})
        assert answer.url.path == "/overview"

    def test_a_form_of_another_stage_changes_nothing(self, university: World, worker: Worker) -> None:
        out(university)
        browser = worker()
        page = enter(browser, "admin")
        for do in ("new-codes", "remove-app", "add-passkey", "code", "", "nonsense"):
            send(browser, page, do, code=set_up_code(university, "admin"))
        assert SecondFactors(university.desk).held("admin").recovery == 0
        assert browser.get("/accounts").url.path == PAGE


def test_the_strict_profile_asks_for_it_after_a_password_that_is_too_old(university: World, worker: Worker) -> None:
    university.accounts.grant(SUN.number, [Grant(Act.READ)])
    assert enter(worker(profile="strict"), SUN.number).url.path == PAGE
    university.later(days=90)
    browser = worker(profile="strict")
    assert enter(browser, SUN.number, PASSWORD).url.path == "/new-password"
    assert set_password(browser, "lampe-birne-treppe").url.path == PAGE


@pytest.mark.parametrize("method", ["local", "ldap", "cas", "oidc"])
def test_whatever_way_somebody_comes_it_is_due_unless_the_provider_has_asked(university: World, method: str) -> None:
    boss = university.accounts.add("boss", "boss", None, grants=[Grant(Act.ISSUE)], now=university.now)
    assert admission.narrowing(Auth(), boss, university.now, method) == "factor"
    assert admission.narrowing(Auth(), boss, university.now, method, vouched=True) is None
    assert admission.narrowing(Auth(second_factor="off"), boss, university.now, method) is None


def test_the_whole_way_is_the_same_on_both_databases(world: World) -> None:
    settle(world)
    device = Authenticator(ORIGIN)
    with workers(world) as opened:
        browser = opened(ORIGIN)
        page = allowed(browser, world, "admin")
        page = send(browser, page, "add-passkey", credential=device.make(options_in(page)), name="phone")
        first, *_ = recovery_in(page)
        page = browser.get(PAGE)
        added = send(browser, page, "add-app", sealed=sealed_in(page), digits=digits_of(secret_in(page), world))
        assert "添加验证器" not in added.text
        browser = opened(ORIGIN)
        page = enter(browser, "admin")
        assert send(browser, page, "passkey", credential=device.sign(options_in(page))).url.path == "/sources"
        browser = opened(ORIGIN)
        page = send(browser, enter(browser, "admin"), "recovery", recovery=first)
        (passkey,) = Passkeys(world.desk).of("admin")
        assert "phone" not in send(browser, page, "remove-passkey", passkey=str(passkey.id)).text
    held = SecondFactors(world.desk).held("admin")
    assert (held.app, held.passkeys, held.recovery) == (True, 0, 9)


NONSENSE = (
    "",
    "\x1b[2J",
    "图" * 300,
    "²²²²²²",
    "００００００",
    "[" * 1_200,
    "{}",
    '{"id":1,"response":{}}',
    "-1",
    "9" * 25,
)


#: Stage of a session → the forms it takes there; those that need nothing to be typed are left out.
TAKEN = {
    "code": ("code",),
    "set_up": ("add-app", "add-passkey"),
    "ask": ("app", "passkey", "recovery"),
    "manage": ("add-app", "add-passkey", "remove-passkey"),
}


@pytest.mark.parametrize("stage", TAKEN)
def test_no_form_however_broken_is_an_error_or_changes_anything(university: World, worker: Worker, stage: str) -> None:
    browser = worker(ORIGIN)
    secret = out(university) if stage in ("ask", "manage") else ""
    page = allowed(browser, university, "admin") if stage == "set_up" else enter(browser, "admin")
    if stage == "manage":
        send(browser, page, "app", digits=digits_of(secret, university))
        page = browser.get(PAGE)
    before = SecondFactors(university.desk_engine).held("admin")
    fields = ("code", "digits", "sealed", "recovery", "credential", "name", "passkey", "next")
    for text in NONSENSE:
        for do in (*TAKEN[stage], "\x1b"):
            # A wait would be answered before anything is read.
            university.later(seconds=1)
            answer = send(browser, page, do, **dict.fromkeys(fields, text))
            assert answer.status_code in (200, 401), (do, text)
        Throttle(LoginAttempts(university.desk_engine, university.desk_key)).unlock("admin")
    assert SecondFactors(university.desk_engine).held("admin") == before
    assert send(browser, page, "app", credential="x" * 40_000).status_code == 413
