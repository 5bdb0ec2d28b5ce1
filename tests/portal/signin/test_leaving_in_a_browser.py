"""Leaving for a provider and signing out of it in a real browser: it holds redirects after a form to our policy."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.cast import LIN
from tests.portal.arriving import Open, opened
from tests.services.providers import cas_server

PEOPLE = {LIN.number: {"password": "a word of the campus", "attributes": {}}}


@pytest.fixture(scope="module")
def cas(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A CAS server."""
    with cas_server(tmp_path_factory.mktemp("cas"), PEOPLE) as address:
        yield address


@pytest.fixture
def portal(cas: str, tmp_path: Path) -> Iterator[Open]:
    """The pages, with that server."""
    with opened(tmp_path, f'[auth.cas]\nurl = "{cas}"\n') as made:
        yield made


@pytest.fixture
def browser(chromium: Browser) -> Iterator[BrowserContext]:
    """Somebody's window, with scripts off."""
    context = chromium.new_context(java_script_enabled=False, locale="zh-CN")
    # Its pages ask for styles from elsewhere, which no test waits for.
    context.route(lambda url: "127.0.0.1" not in url, lambda route: route.abort())
    yield context
    context.close()


def test_a_browser_comes_in_and_is_led_out_to_the_server(portal: Open, cas: str, browser: BrowserContext) -> None:
    page = browser.new_page()
    page.goto(f"{portal.address}/sign-in")
    page.get_by_role("button", name="统一身份认证").click()
    page.fill("#id_username", LIN.number)
    page.fill("#id_password", "a word of the campus")
    page.locator("#login_form button[type=submit], #login_form input[type=submit]").first.click()
    expect(page.locator(".who")).to_have_text(LIN.name)
    page.get_by_role("button", name="退出").click()
    # The server says goodbye by sending people back; it asks for a password again, for its own session has ended, too.
    page.wait_for_url(f"{portal.address}/sign-in")
    page.get_by_role("button", name="统一身份认证").click()
    expect(page.locator("#id_password")).to_be_visible()
    assert page.url.startswith(cas)
