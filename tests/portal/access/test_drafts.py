"""A form that is sent after the session ended comes back filled in, for its own account alone."""

import re
from collections.abc import Callable

import httpx
import pytest
from starlette.testclient import TestClient

from portal.access.drafts import filled
from status_db.inbox.drafts import Draft
from tests.cast import LIN, QIAN
from tests.portal.conftest import PASSWORD, token_in
from tests.portal.html_page import Page
from tests.world import World

SignedIn = Callable[[str], TestClient]

LONG = "书上周三就还了，柜台老师扫过码。\n请再核对。"
FORM = "/appeal?step=college_items"


def session_ends(world: World) -> None:
    """Have more time pass than a session may be idle."""
    world.later(minutes=40)


def send_late(world: World, browser: TestClient, **more: str) -> httpx.Response:
    """Fill in the appeal's form, and send it after the session ended."""
    page = browser.get(FORM)
    fields = {"form_token": token_in(page), "step": "college_items", "item": "", "text": LONG} | more
    session_ends(world)
    referer = {"referer": f"http://testserver{FORM}"}
    answer: httpx.Response = browser.post("/appeal", data=fields, headers=referer)
    return answer


def sign_in(browser: TestClient, page: httpx.Response, account: str) -> httpx.Response:
    """Sign in on the page of the redirect."""
    goal = next(part["value"] for part in Page(page).all("input") if part["name"] == "next")
    fields = {"form_token": token_in(page), "next": goal, "account": account, "password": PASSWORD}
    answer: httpx.Response = browser.post("/sign-in", data=fields)
    return answer


def test_what_was_filled_in_is_there_after_signing_in_again(university: World, signed_in: SignedIn) -> None:
    browser = signed_in(LIN.number)
    asked = send_late(university, browser)
    assert asked.url.path == "/sign-in"
    page = sign_in(browser, asked, LIN.number)
    assert page.url.path == "/appeal"
    assert "先前填写的内容都在" in page.text
    assert Page(page).one("textarea").written.strip() == LONG
    sent = {"form_token": token_in(page), "step": "college_items", "item": "", "text": LONG}
    assert browser.post("/appeal", data=sent).url.path == "/"
    assert "先前填写的内容都在" not in browser.get(FORM).text


def test_another_account_in_the_same_browser_sees_nothing_of_it(university: World, signed_in: SignedIn) -> None:
    browser = signed_in(LIN.number)
    page = sign_in(browser, send_late(university, browser), QIAN.number)
    # The same form, which the other student can open as well.
    assert page.url.path == "/appeal"
    assert "先前填写的内容都在" not in page.text
    assert "柜台老师" not in browser.get(FORM).text


def test_another_browser_of_the_same_account_sees_nothing_of_it(university: World, signed_in: SignedIn) -> None:
    send_late(university, signed_in(LIN.number))
    other = signed_in(LIN.number)
    # What the other browser does not have.
    other.cookies.delete("draft")
    assert "柜台老师" not in other.get(FORM).text


def test_it_is_over_after_half_an_hour(university: World, signed_in: SignedIn) -> None:
    browser = signed_in(LIN.number)
    asked = send_late(university, browser)
    university.later(minutes=31)
    assert "柜台老师" not in sign_in(browser, asked, LIN.number).text


def test_a_form_without_this_browsers_token_is_not_kept(university: World, signed_in: SignedIn) -> None:
    browser = signed_in(LIN.number)
    asked = send_late(university, browser, form_token="of another site")
    assert "柜台老师" not in sign_in(browser, asked, LIN.number).text


@pytest.mark.parametrize("path", ["/recheck", "/appeal/1/withdraw", "/own/end"])
def test_no_form_leads_to_a_page_that_is_none(university: World, signed_in: SignedIn, path: str) -> None:
    browser = signed_in(LIN.number)
    token = token_in(browser.get(FORM))
    session_ends(university)
    asked = browser.post(path, data={"form_token": token})
    assert asked.url.path == "/sign-in"
    assert sign_in(browser, asked, LIN.number).status_code == 200


def test_every_kind_of_field_is_filled_in_and_no_secret() -> None:
    fields = {"a": ["<x>"], "b": ["2"], "c": ["on", "3"], "d": ["y"], "e": ["text & more"], "h": ["forged"]}
    page = (
        '<!doctype html><main><form method="post" action="/else"><input name="a" value="1"></form>'
        '<form method="post" action="/here?x=1"><input type="hidden" name="h" value="own">'
        '<input name="a" value="old" required><input type="radio" name="b" value="1" checked>'
        '<input type="radio" name="b" value="2"><input type="checkbox" name="c" value="3">'
        '<input type="checkbox" name="z" value="1" checked><select name="d"><option value="x" selected>X</option>'
        '<option value="y">Y</option></select><textarea name="e">\nold</textarea></form>&nbsp;&#169;</main>'
    )
    made = filled(page, Draft("me", "/page", "/here", fields), "note")
    assert '<form method="post" action="/else"><input name="a" value="1"></form>' in made
    assert 'name="h" value="own"' in made
    assert 'value="&lt;x&gt;" required' in made
    assert re.findall(r'name="(\w)" value="(\w)" checked', made) == [("b", "2"), ("c", "3")]
    assert '<option value="y" selected>' in made
    assert '<option value="x">' in made
    assert ">\ntext &amp; more</textarea>" in made
    assert made.endswith("&nbsp;&#169;</main>")


def test_a_page_without_the_form_stays_as_it_is() -> None:
    page = "<!doctype html><p>a</p>"
    assert filled(page, Draft("me", "/page", "/here", {"a": ["b"]}), "note") == page
