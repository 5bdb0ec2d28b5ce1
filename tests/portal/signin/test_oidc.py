"""Signing in by OpenID Connect, against a provider that is not ours, over real sockets."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from status_db.accounts.audit_log import AuditEvent
from tests.cast import LIN, SUN
from tests.portal.arriving import Open, fields_of, opened
from tests.services.providers import openid_provider

PEOPLE = {
    "lin": {"preferred_username": LIN.number},
    "sun": {"number": SUN.number},
    "domain": {"preferred_username": f"{SUN.number}@Stu.example.edu"},
    "elsewhere": {"preferred_username": f"{SUN.number}@example.edu"},
    "visitor": {"preferred_username": "visitor"},
}


def settings(issuer: str, more: str = "") -> str:
    """Return the tables of a university with that provider."""
    return f'[auth.oidc]\nissuer = "{issuer}"\nclient_id = "clearance"\nclient_secret = "env:SECRET"\n{more}'


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """An OpenID provider."""
    with openid_provider(PEOPLE) as address:
        yield address


@pytest.fixture
def portal(issuer: str, tmp_path: Path) -> Iterator[Open]:
    """The pages, with that provider beside passwords of our own."""
    with opened(tmp_path, settings(issuer), {"SECRET": "between us"}) as made:
        yield made


def enter(browser: httpx.Client, subject: str, path: str = "/sign-in/oidc?next=/") -> httpx.Response:
    """Leave for the provider, sign in there, and be sent back."""
    form = browser.get(path)
    assert "/oauth2/authorize" in str(form.url), form.text
    return browser.post(str(form.url), data={"sub": subject})


def test_a_student_of_the_roster_comes_in(portal: Open) -> None:
    with portal.browser() as browser:
        page = enter(browser, "lin")
        assert page.status_code == 200, page.text
        assert LIN.name in page.text
        assert "clearance-oidc" not in browser.cookies
    account = portal.world.accounts.find(LIN.number)
    assert account is not None
    assert account.password_hash is None
    (line,) = portal.lines(AuditEvent.SIGNED_IN)
    assert (line.account, line.detail) == (LIN.number, {"method": "oidc"})


def test_the_provider_is_asked_as_the_protocol_wants(portal: Open) -> None:
    with portal.browser() as browser:
        browser.follow_redirects = False
        asked = parse_qs(urlsplit(browser.get("/sign-in/oidc").headers["location"]).query)
    assert asked["redirect_uri"] == [f"{portal.address}/sign-in/oidc/back"]
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert asked["scope"] == ["openid profile"]
    assert all(len(asked[name][0]) >= 43 for name in ("state", "nonce", "code_challenge"))


def test_anybody_else_reads_whom_to_ask(portal: Open) -> None:
    with portal.browser() as browser:
        page = enter(browser, "visitor")
        assert page.status_code == 403
        assert "请联系本系统的管理员开通账号" in page.text
        assert "登录" in browser.get("/").text


def test_a_state_leads_back_once(portal: Open) -> None:
    with portal.browser() as browser:
        back = enter(browser, "lin").history[-1]
        assert "state=" in str(back.url)
        again = httpx.get(str(back.url), headers={"cookie": back.request.headers["cookie"]}, trust_env=False)
        assert again.status_code == 400
        assert "登录未完成" in again.text
        assert browser.get(str(back.url)).status_code == 400
    assert len(portal.lines(AuditEvent.SIGNED_IN)) == 1


def test_a_state_belongs_to_the_browser_that_left(portal: Open) -> None:
    with portal.browser() as theirs, portal.browser() as mine:
        form = theirs.get("/sign-in/oidc")
        theirs.follow_redirects = False
        back = theirs.post(str(form.url), data={"sub": "lin"}).headers["location"]
        mine.get("/sign-in/oidc")
        assert mine.get(back).status_code == 400
        assert "登录" in mine.get("/").text


@pytest.mark.parametrize(
    ("change", "status"),
    [({"state": "another"}, 400), ({"code": "another"}, 403), ({"iss": "https://other.example"}, 403)],
)
def test_an_answer_that_was_changed_lets_nobody_in(portal: Open, change: dict[str, str], status: int) -> None:
    with portal.browser() as browser:
        form = browser.get("/sign-in/oidc")
        browser.follow_redirects = False
        back = httpx.URL(browser.post(str(form.url), data={"sub": "lin"}).headers["location"])
        assert browser.get(back.copy_merge_params(change)).status_code == status
        assert browser.get("/").status_code == 303


def test_a_sealed_cookie_that_was_changed_lets_nobody_in(portal: Open) -> None:
    with portal.browser() as browser:
        form = browser.get("/sign-in/oidc")
        browser.follow_redirects = False
        back = browser.post(str(form.url), data={"sub": "lin"}).headers["location"]
        sealed = browser.cookies["clearance-oidc"]
        cookie = f"clearance-oidc={sealed[:-2]}{'AA' if sealed[-2:] != 'AA' else 'BB'}"
        assert httpx.get(back, headers={"cookie": cookie}, trust_env=False).status_code == 400


def test_who_declines_at_the_provider_reads_that_it_did_not_finish(portal: Open) -> None:
    with portal.browser() as browser:
        form = browser.get("/sign-in/oidc")
        state = parse_qs(urlsplit(str(form.url)).query)["state"][0]
        answer = browser.get("/sign-in/oidc/back", params={"error": "access_denied", "state": state})
        assert answer.status_code == 403
    (line,) = portal.lines(AuditEvent.SIGN_IN_REFUSED)
    assert line.detail["reason"] == "refused"


def test_signing_out_leads_on_to_the_provider_with_its_own_token(portal: Open, issuer: str) -> None:
    with portal.browser() as browser:
        token = fields_of(enter(browser, "lin"))["form_token"]
        page = browser.post("/sign-out", data={"form_token": token})
        assert urlsplit(str(page.url)).path == "/sign-out/oidc"
        leads = page.headers["refresh"].removeprefix("0; url=")
        asked = parse_qs(urlsplit(leads).query)
        assert leads.startswith(issuer)
        assert asked["post_logout_redirect_uri"] == [f"{portal.address}/sign-in"]
        assert asked["id_token_hint"][0].count(".") == 2
        assert browser.get(leads).status_code == 200
        assert "登录" in browser.get("/").text


def test_a_claim_that_only_the_user_info_has_is_asked_there(issuer: str, tmp_path: Path) -> None:
    with (
        opened(tmp_path, settings(issuer, 'claim = "number"'), {"SECRET": "x"}) as portal,
        portal.browser() as browser,
    ):
        assert SUN.name in enter(browser, "sun").text
        browser.cookies.clear()
        assert enter(browser, "lin").status_code == 403


def test_a_name_with_a_domain_comes_in_without_it(issuer: str, tmp_path: Path) -> None:
    own = settings(issuer, 'strip_domain = "stu.example.edu"')
    with opened(tmp_path, own, {"SECRET": "x"}) as portal:
        with portal.browser() as browser:
            assert SUN.name in enter(browser, "domain").text
        with portal.browser() as browser:
            assert enter(browser, "elsewhere").status_code == 403
        assert [account.account for account in portal.world.accounts.listed()] == [SUN.number]


def test_a_provider_that_is_down_is_a_kind_page_and_a_503(tmp_path: Path) -> None:
    with opened(tmp_path, settings("http://127.0.0.1:9"), {"SECRET": "x"}) as portal, portal.browser() as browser:
        answer = browser.get("/sign-in/oidc")
        assert answer.status_code == 503
        assert "没有响应" in answer.text
