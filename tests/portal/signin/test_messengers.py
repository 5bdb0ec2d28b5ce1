"""Signing in by WeCom and DingTalk, against servers that behave as their documents say, over real sockets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from status_db.accounts.audit_log import AuditEvent
from tests.cast import LIN
from tests.portal.arriving import opened
from tests.services.messengers import Dingtalk, Wecom

SECRET = {"SECRET": "between us"}


def wecom_table(url: str, more: str = "") -> str:
    return (
        f'[auth.wecom]\ncorp_id = "corp"\nagent_id = "7"\nsecret = "env:SECRET"\napi = "{url}"\nlogin = "{url}"\n{more}'
    )


def dingtalk_table(url: str, more: str = "") -> str:
    return (
        f'[auth.dingtalk]\nclient_id = "clearance"\nclient_secret = "env:SECRET"\ncorp_id = "corp"\n'
        f'api = "{url}"\nolder_api = "{url}"\nlogin = "{url}"\n{more}'
    )


@pytest.fixture
def wecom() -> Iterator[Wecom]:
    with Wecom() as made:
        yield made


@pytest.fixture
def dingtalk() -> Iterator[Dingtalk]:
    with Dingtalk() as made:
        yield made


def leave(browser: httpx.Client, method: str, **headers: str) -> str:
    """Leave for the messenger, and return the address it is asked at."""
    response = browser.get(f"/sign-in/{method}", follow_redirects=False, headers=headers)
    assert response.status_code == 303
    return str(response.headers["location"])


def enter(browser: httpx.Client, method: str, code: dict[str, str]) -> httpx.Response:
    """Leave, and come back as the messenger sends a browser back."""
    params = parse_qs(urlsplit(leave(browser, method)).query)
    return browser.get(params["redirect_uri"][0], params={"state": params["state"][0], **code})


def test_wecom_is_asked_as_its_documents_have_it(wecom: Wecom, tmp_path: Path) -> None:
    with opened(tmp_path, wecom_table(wecom.url), SECRET) as portal, portal.browser() as browser:
        asked = urlsplit(leave(browser, "wecom"))
        params = parse_qs(asked.query)
        assert asked.path == "/wwlogin/sso/login"
        assert (params["login_type"], params["appid"], params["agentid"]) == (["CorpApp"], ["corp"], ["7"])
        assert params["state"][0].isalnum()
        inside = leave(browser, "wecom", **{"User-Agent": "Mozilla/5.0 wxwork/4.1"})
        assert inside.startswith("https://open.weixin.qq.com/connect/oauth2/authorize?")
        assert inside.endswith("#wechat_redirect")
        assert "企业微信登录" in browser.get("/sign-in").text


def test_a_member_of_the_enterprise_comes_in_by_wecom(wecom: Wecom, tmp_path: Path) -> None:
    wecom.codes["c1"] = {"userid": LIN.number}
    with opened(tmp_path, wecom_table(wecom.url), SECRET) as portal, portal.browser() as browser:
        page = enter(browser, "wecom", {"code": "c1"})
        assert page.status_code == 200, page.text
        assert LIN.name in page.text
        (line,) = portal.lines(AuditEvent.SIGNED_IN)
        assert (line.account, line.detail) == (LIN.number, {"method": "wecom"})


def test_an_extended_attribute_of_wecom_has_the_number(wecom: Wecom, tmp_path: Path) -> None:
    wecom.codes |= {"c1": {"userid": "lin"}, "c2": {"userid": "other"}}
    with opened(tmp_path, wecom_table(wecom.url, 'attribute = "学号"\n'), SECRET) as portal:
        with portal.browser() as browser:
            page = enter(browser, "wecom", {"code": "c1"})
            assert "20151001" in page.text
        with portal.browser() as browser:
            assert enter(browser, "wecom", {"code": "c2"}).status_code == 403


def test_an_outsider_with_wecom_is_refused(wecom: Wecom, tmp_path: Path) -> None:
    wecom.codes["c1"] = {"openid": "o-1"}
    with opened(tmp_path, wecom_table(wecom.url), SECRET) as portal, portal.browser() as browser:
        assert enter(browser, "wecom", {"code": "c1"}).status_code == 403
        assert not portal.lines(AuditEvent.SIGNED_IN)


def test_a_token_of_the_program_that_ended_early_is_requested_again_once(wecom: Wecom, tmp_path: Path) -> None:
    wecom.codes |= {"c1": {"userid": LIN.number}, "c2": {"userid": LIN.number}}
    with opened(tmp_path, wecom_table(wecom.url), SECRET) as portal:
        with portal.browser() as browser:
            enter(browser, "wecom", {"code": "c1"})
        assert wecom.asked.count("/cgi-bin/gettoken") == 1
        wecom.tokens.append("another program's")
        with portal.browser() as browser:
            assert enter(browser, "wecom", {"code": "c2"}).status_code == 200
        assert wecom.asked.count("/cgi-bin/gettoken") == 2


@pytest.mark.parametrize("code", [{}, {"code": "unknown"}, {"code": "x" * 2000}])
def test_a_code_that_is_missing_unknown_or_endless_is_refused(
    wecom: Wecom, tmp_path: Path, code: dict[str, str]
) -> None:
    with opened(tmp_path, wecom_table(wecom.url), SECRET) as portal, portal.browser() as browser:
        assert enter(browser, "wecom", code).status_code == 403


def test_a_state_of_another_browser_and_one_that_was_used_are_refused(wecom: Wecom, tmp_path: Path) -> None:
    wecom.codes |= {"c1": {"userid": LIN.number}, "c2": {"userid": LIN.number}}
    with opened(tmp_path, wecom_table(wecom.url), SECRET) as portal, portal.browser() as browser:
        params = parse_qs(urlsplit(leave(browser, "wecom")).query)
        back, state = params["redirect_uri"][0], params["state"][0]
        with portal.browser() as other:
            assert other.get(back, params={"state": state, "code": "c1"}).status_code == 400
        cookies = dict(browser.cookies)
        assert browser.get(back, params={"state": state, "code": "c1"}).status_code == 200
        with portal.browser() as again:
            again.cookies.update(cookies)
            assert again.get(back, params={"state": state, "code": "c2"}).status_code == 400


def test_a_wrong_secret_and_a_server_that_is_away_are_refused_and_never_shown(wecom: Wecom, tmp_path: Path) -> None:
    wecom.codes["c1"] = {"userid": LIN.number}
    with opened(tmp_path, wecom_table(wecom.url), {"SECRET": "a wrong one"}) as portal, portal.browser() as browser:
        page = enter(browser, "wecom", {"code": "c1"})
        assert page.status_code == 403
        assert "a wrong one" not in page.text
    with opened(tmp_path / "b", wecom_table("http://127.0.0.1:9"), SECRET) as portal, portal.browser() as browser:
        assert enter(browser, "wecom", {"code": "c1"}).status_code == 503


@pytest.mark.parametrize("more", ["", 'attribute = "job_number"\n'])
def test_a_member_of_the_organisation_comes_in_by_dingtalk(dingtalk: Dingtalk, tmp_path: Path, more: str) -> None:
    dingtalk.codes["c1"] = {"union": "u-lin", "corp": "corp"}
    with opened(tmp_path, dingtalk_table(dingtalk.url, more), SECRET) as portal, portal.browser() as browser:
        asked = parse_qs(urlsplit(leave(browser, "dingtalk")).query)
        assert (asked["client_id"], asked["response_type"], asked["prompt"]) == (["clearance"], ["code"], ["consent"])
        page = enter(browser, "dingtalk", {"authCode": "c1"})
        assert "20151001" in page.text, page.text


@pytest.mark.parametrize(
    "person",
    [
        {"union": "u-lin", "corp": "another"},
        {"union": "u-stranger", "corp": "corp"},
        {"union": "u-ext", "corp": "corp"},
    ],
)
def test_anybody_else_with_dingtalk_is_refused(dingtalk: Dingtalk, tmp_path: Path, person: dict[str, Any]) -> None:
    dingtalk.codes["c1"] = person
    with opened(tmp_path, dingtalk_table(dingtalk.url), SECRET) as portal, portal.browser() as browser:
        assert enter(browser, "dingtalk", {"authCode": "c1"}).status_code == 403
        assert not portal.lines(AuditEvent.SIGNED_IN)


def test_a_code_of_dingtalk_counts_once(dingtalk: Dingtalk, tmp_path: Path) -> None:
    dingtalk.codes["c1"] = {"union": "u-lin", "corp": "corp"}
    with opened(tmp_path, dingtalk_table(dingtalk.url), SECRET) as portal:
        with portal.browser() as browser:
            assert enter(browser, "dingtalk", {"authCode": "c1"}).status_code == 200
        with portal.browser() as browser:
            assert enter(browser, "dingtalk", {"authCode": "c1"}).status_code == 403
            assert enter(browser, "dingtalk", {"error": "access_denied"}).status_code == 403


def test_without_its_table_there_is_no_such_page(tmp_path: Path) -> None:
    with opened(tmp_path, "") as portal, portal.browser() as browser:
        assert browser.get("/sign-in/wecom").status_code == 404
        assert browser.get("/sign-in/dingtalk/back").status_code == 404
