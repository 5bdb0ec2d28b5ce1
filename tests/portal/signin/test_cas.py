"""Signing in by CAS, against a CAS server that is not ours, over real sockets."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import AuditEvent
from tests.cast import LIN, SUN, ZHAO
from tests.patience import PATIENCE
from tests.portal.arriving import Open, fields_of, opened
from tests.portal.html_page import Page
from tests.services.providers import cas_server

PEOPLE = {
    name: {
        "password": "a word of the campus",
        "attributes": {"number": number, "mail": f"{number}@Stu.example.edu"},
    }
    for name, number in {
        LIN.number: LIN.number,
        ZHAO.number: ZHAO.number,
        "dean": "dean",
        "visitor": "visitor",
        "sun": SUN.number,
    }.items()
}


@pytest.fixture(scope="module")
def cas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A CAS server."""
    with cas_server(tmp_path_factory.mktemp("cas"), PEOPLE) as address:
        yield address


@pytest.fixture
def portal(cas: str, tmp_path: Path) -> Iterator[Open]:
    """The pages, with that server beside passwords of our own."""
    with opened(tmp_path, f'[auth.cas]\nurl = "{cas}"\n') as made:
        yield made


def at_the_server(browser: httpx.Client, path: str = "/sign-in/cas?next=/") -> httpx.Response:
    """Leave for the server; return its form."""
    page = browser.get(path)
    assert "id_username" in page.text, page.text
    return page


def enter(browser: httpx.Client, name: str, form: httpx.Response | None = None) -> httpx.Response:
    """Sign in at the server, and be sent back."""
    form = form or at_the_server(browser)
    sent = fields_of(form) | {"username": name, "password": "a word of the campus"}
    sent.pop("warn", None)
    return browser.post(str(form.url), data=sent, headers={"Referer": str(form.url)})


def test_a_student_of_the_roster_gets_an_account_without_a_password(portal: Open) -> None:
    with portal.browser() as browser:
        page = enter(browser, LIN.number)
        assert page.status_code == 200
        assert LIN.name in page.text
        assert urlsplit(str(page.url)).path == "/"
    account = portal.world.accounts.find(LIN.number)
    assert account is not None
    assert (account.password_hash, account.student, account.name) == (None, LIN.number, LIN.name)
    (line,) = portal.lines(AuditEvent.SIGNED_IN)
    assert (line.account, line.detail) == (LIN.number, {"method": "cas"})


def test_who_has_an_account_enters_as_that_account(portal: Open) -> None:
    portal.world.accounts.add("dean", "院长", None, grants=[Grant(Act.READ)], now=portal.world.now)
    with portal.browser() as browser:
        page = enter(browser, "dean", at_the_server(browser, "/sign-in/cas?next=/overview"))
        assert urlsplit(str(page.url)).path == "/overview"
        assert "院长" in page.text


def test_anybody_else_reads_whom_to_ask_and_nothing_is_made(portal: Open) -> None:
    with portal.browser() as browser:
        page = enter(browser, "visitor")
        assert page.status_code == 403
        assert "visitor" in page.text
        assert "请联系本系统的管理员开通账号" in page.text
        assert '"/sign-out/cas"' in page.text
        assert "clearance" not in browser.cookies or "登录" in browser.get("/").text
    assert portal.world.accounts.find("visitor") is None
    (line,) = portal.lines(AuditEvent.SIGN_IN_REFUSED)
    assert line.detail == {"method": "cas", "reason": "unknown", "name": "visitor"}


def test_a_shut_account_stays_shut(portal: Open) -> None:
    portal.world.accounts.add(LIN.number, LIN.name, None, student=LIN.number, now=portal.world.now)
    portal.world.accounts.deactivate(LIN.number)
    with portal.browser() as browser:
        page = enter(browser, LIN.number)
        assert page.status_code == 403
        assert "停用" in page.text
        assert "登录" in browser.get("/").text


def test_the_form_shows_both_ways(portal: Open) -> None:
    with portal.browser() as browser:
        page = browser.get("/sign-in?next=/students").text
        assert 'href="/sign-in/cas?next=%2Fstudents"' in page
        assert 'name="password"' in page
        assert "University sign-in" in browser.get("/sign-in?lang=en").text


def test_a_goal_elsewhere_is_dropped(portal: Open) -> None:
    with portal.browser() as browser:
        page = enter(browser, LIN.number, at_the_server(browser, "/sign-in/cas?next=https://elsewhere.example/"))
        assert str(page.url) == f"{portal.address}/"


def test_the_callback_is_the_public_address_whatever_the_request_states(portal: Open) -> None:
    with httpx.Client(trust_env=False) as browser:
        answer = browser.get(
            f"{portal.address}/sign-in/cas", headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
        )
    (service,) = parse_qs(urlsplit(answer.headers["location"]).query)["service"]
    assert service.startswith(f"{portal.address}/sign-in/cas/back?state=")


def test_the_token_changes_when_somebody_enters(portal: Open) -> None:
    with portal.browser() as browser:
        browser.get("/sign-in")
        before = browser.cookies["clearance"]
        enter(browser, LIN.number)
        assert browser.cookies["clearance"] != before


class TestTheTicket:
    def test_opens_once(self, portal: Open) -> None:
        with portal.browser() as browser:
            page = enter(browser, LIN.number)
            back = str(page.history[-1].url)
            assert "ticket=ST-" in back
            sign_in_state = page.history[0].request.headers["cookie"]
            browser.cookies.clear()
            again = httpx.get(back, headers={"cookie": sign_in_state}, trust_env=False)
        assert again.status_code == 403
        assert len(portal.lines(AuditEvent.SIGNED_IN)) == 1

    def test_opens_nothing_in_another_browser(self, portal: Open) -> None:
        with portal.browser() as theirs, portal.browser() as mine:
            form = at_the_server(theirs)
            theirs.follow_redirects = False
            sent = fields_of(form) | {"username": LIN.number, "password": "a word of the campus"}
            sent.pop("warn", None)
            back = theirs.post(str(form.url), data=sent, headers={"Referer": str(form.url)}).headers["location"]
            at_the_server(mine)
            answer = mine.get(back)
            assert answer.status_code == 400
            assert "登录未完成" in answer.text
            assert "登录" in mine.get("/").text
        assert portal.lines(AuditEvent.SIGNED_IN) == ()

    def test_is_not_taken_after_the_journey_has_grown_old(self, portal: Open) -> None:
        with portal.browser() as browser:
            form = at_the_server(browser)
            portal.world.later(minutes=16)
            assert enter(browser, LIN.number, form).status_code == 400

    @pytest.mark.parametrize(
        "ticket", ["", "ST-", "PT-1-abc", "ST-1 abc", "ST-1%0aabc", "ST-" + "a" * 300, "ST-unknown"]
    )
    def test_must_be_one_that_the_server_gave_out(self, portal: Open, ticket: str) -> None:
        with portal.browser() as browser:
            (service,) = parse_qs(urlsplit(str(at_the_server(browser).url)).query)["service"]
            answer = browser.get(f"{service}&ticket={ticket}")
            assert answer.status_code == 403
            assert "登录未完成" in answer.text


class TestSigningOut:
    def test_here_leads_on_to_the_server_by_a_page_of_its_own(self, portal: Open, cas: str) -> None:
        with portal.browser() as browser:
            token = fields_of(enter(browser, LIN.number))["form_token"]
            page = browser.post("/sign-out", data={"form_token": token})
            assert urlsplit(str(page.url)).path == "/sign-out/cas"
            leads = page.headers["refresh"].removeprefix("0; url=")
            assert leads.startswith(f"{cas}/logout?service=")
            assert "form-action 'self';" in page.headers["content-security-policy"]
            assert "登录" in browser.get("/").text
            browser.get(leads)
            at_the_server(browser)
        (line,) = portal.lines(AuditEvent.SIGNED_OUT)
        assert (line.account, line.detail) == (LIN.number, {"method": "cas"})

    def test_at_the_server_ends_the_session_here(self, portal: Open, cas: str) -> None:
        with portal.browser() as browser:
            enter(browser, LIN.number)
            assert LIN.name in browser.get("/").text
            browser.get(f"{cas}/logout")
            deadline = time.monotonic() + PATIENCE
            while not portal.lines(AuditEvent.SIGNED_OUT) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert LIN.name not in browser.get("/").text
        (line,) = portal.lines(AuditEvent.SIGNED_OUT)
        assert (line.account, line.detail) == (LIN.number, {"method": "cas", "by": "provider"})

    def test_of_another_ticket_ends_nothing(self, portal: Open) -> None:
        with portal.browser() as browser:
            enter(browser, LIN.number)
            word = (
                '<samlp:LogoutRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol">'
                "<samlp:SessionIndex>ST-another</samlp:SessionIndex></samlp:LogoutRequest>"
            )
            answer = httpx.post(f"{portal.address}/sign-in/cas/back", data={"logoutRequest": word}, trust_env=False)
            assert answer.status_code == 204
            assert LIN.name in browser.get("/").text

    @pytest.mark.parametrize(
        ("body", "status"), [("logoutRequest=x", 400), ("", 400), ("logoutRequest=" + "x" * 20_000, 413)]
    )
    def test_asked_for_in_other_words_is_refused(self, portal: Open, body: str, status: int) -> None:
        form = {"content-type": "application/x-www-form-urlencoded"}
        with capture_logs() as said:
            answer = httpx.post(f"{portal.address}/sign-in/cas/back", content=body, headers=form, trust_env=False)
        assert answer.status_code == status
        told = [entry["message"] for entry in said if entry["event"] == "sign-out refused"]
        assert ["it is" in message for message in told] == ([True] if status == 400 else [])


def test_an_attribute_may_hold_the_number(cas: str, tmp_path: Path) -> None:
    settings = f'[auth]\nlocal = false\n[auth.cas]\nurl = "{cas}"\nattribute = "number"\n'
    with opened(tmp_path, settings) as portal, portal.browser() as browser:
        form = Page(browser.get("/sign-in"))
        assert "password" not in form.fields
        assert any(link.href.startswith("/sign-in/cas?next=") for link in form.links)
        assert SUN.name in enter(browser, "sun").text
    mail = settings.replace('"number"', '"mail"\nstrip_domain = "stu.example.edu"')
    with opened(tmp_path / "mail", mail) as portal, portal.browser() as browser:
        assert SUN.name in enter(browser, "sun").text
    other = settings.replace('"number"', '"card"')
    with opened(tmp_path / "other", other) as portal, portal.browser() as browser, capture_logs() as said:
        assert enter(browser, "sun").status_code == 403
    (told,) = [entry["message"] for entry in said if entry["event"] == "sign-in refused"]
    assert 'no attribute "card" (it released: ' in told
    assert "mail, number" in told


def test_a_server_that_is_down_is_a_kind_page_and_a_503(tmp_path: Path) -> None:
    with opened(tmp_path, '[auth.cas]\nurl = "http://127.0.0.1:9/cas"\n') as portal, portal.browser() as browser:
        browser.follow_redirects = False
        (service,) = parse_qs(urlsplit(browser.get("/sign-in/cas").headers["location"]).query)["service"]
        answer = browser.get(f"{service}&ticket=ST-1")
        assert answer.status_code == 503
        assert "没有响应" in answer.text
