"""Somebody who sets up a second factor and shows it: the app without scripts, and passkeys of the browser's own."""

from collections.abc import Iterator
from pathlib import Path

import pyotp
import pytest
from playwright.sync_api import Browser, Page

from status_db.sign_in.one_time_codes import CodeKind, Codes
from status_db.sign_in.passkeys import Passkeys
from tests.browser.browsers import DESK, PHONE
from tests.browser.conftest import Visit, Visits, visiting
from tests.portal.conftest import settle
from tests.portal.factors import has_app, has_recovery_codes, one_administrator_suffices, set_up_code
from tests.world import SETTINGS, World

SMALL = {"width": 320, "height": 640}


@pytest.fixture
def university(tmp_path: Path) -> Iterator[World]:
    """The cast's university as it is set up by default."""
    settings = SETTINGS + '\n[auth]\nsecond_factor = "privileged"\n'
    with World(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, settings) as world:
        yield settle(world)


@pytest.fixture
def visits(chromium: Browser, university: World) -> Iterator[Visits]:
    """Browsers on the pages at localhost: the one name without https that passkeys are for."""
    with visiting(chromium, university, "localhost") as opened:
        yield opened


def fingerprint_reader(page: Page, *, verifies: bool = True) -> None:
    """Give the browser an authenticator of its own, as the devices of its maker are."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable", {"enableUI": False})
    session.send(
        "WebAuthn.addVirtualAuthenticator",
        {
            "options": {
                "protocol": "ctap2",
                "transport": "internal",
                "hasResidentKey": True,
                "hasUserVerification": True,
                "isUserVerified": verifies,
                "automaticPresenceSimulation": True,
            }
        },
    )


def nothing_keeps_out(visit: Visit) -> None:
    assert visit.barriers() == []
    assert not visit.wider_than_the_screen()


@pytest.mark.parametrize(("size", "scheme", "language"), [(SMALL, "dark", "en"), (DESK, "light", "zh")])
def test_a_passkey_is_set_up_and_opens_the_account(
    visits: Visits, university: World, size: dict[str, int], scheme: str, language: str
) -> None:
    visit = visits(size, scheme=scheme, language=language)
    fingerprint_reader(visit.page)
    page = visit.sign_in("admin")
    nothing_keeps_out(visit)
    page.fill('input[name="code"]', set_up_code(university, "admin"))
    page.press('input[name="code"]', "Enter")
    page.wait_for_selector("form[data-passkey] button")
    nothing_keeps_out(visit)
    page.fill('input[name="name"]', "my phone")
    page.click("form[data-passkey] button")
    page.wait_for_selector(".recovery")
    assert page.locator(".recovery li").count() == 10
    nothing_keeps_out(visit)
    page.click('main a[role="button"]')
    page.wait_for_url("**/sources")
    (one,) = Passkeys(university.desk).of("admin")
    assert (one.name, one.transports, one.used_at) == ("my phone", ("internal",), None)
    page.click("header form button")
    visit.sign_in("admin")
    nothing_keeps_out(visit)
    page.click("form[data-passkey] button")
    page.wait_for_url("**/sources")
    (one,) = Passkeys(university.desk).of("admin")
    assert one.used_at == university.now
    assert one.sign_count > 0
    visit.open("/second-factor")
    assert "my phone" in visit.text()
    nothing_keeps_out(visit)


def test_a_device_that_does_not_know_its_user_opens_nothing(visits: Visits, university: World) -> None:
    visit = visits(PHONE)
    fingerprint_reader(visit.page, verifies=False)
    page = visit.sign_in("admin")
    page.fill('input[name="code"]', set_up_code(university, "admin"))
    page.press('input[name="code"]', "Enter")
    page.click("form[data-passkey] button")
    page.wait_for_selector("form[data-passkey] [role=alert]:visible")
    assert "未收到通行密钥的响应" in visit.text()
    assert Passkeys(university.desk).of("admin") == ()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_app_is_set_up_without_scripts(visits: Visits, university: World, scheme: str) -> None:
    visit = visits(SMALL, scripts=False, scheme=scheme)
    page = visit.sign_in("admin")
    page.fill('input[name="code"]', set_up_code(university, "admin").lower())
    page.press('input[name="code"]', "Enter")
    assert not page.locator("form[data-passkey]").is_visible()
    assert "通行密钥须启用浏览器脚本" in visit.text()
    picture = page.locator(".qr svg").bounding_box()
    assert picture is not None
    assert picture["width"] == picture["height"] > 180
    page.fill('input[name="digits"]', pyotp.TOTP(page.inner_text(".secret").replace(" ", "")).at(university.now))
    page.press('input[name="digits"]', "Enter")
    assert page.locator(".recovery li").count() == 10
    page.click('main a[role="button"]')
    page.wait_for_url("**/sources")


def test_a_lost_phone_is_replaced_with_a_recovery_code_without_scripts(visits: Visits, university: World) -> None:
    has_app(university, "reviewer")
    first, *_ = has_recovery_codes(university, "reviewer")
    visit = visits(PHONE, scripts=False)
    page = visit.sign_in("reviewer")
    page.click("details summary")
    page.fill('input[name="recovery"]', first)
    page.press('input[name="recovery"]', "Enter")
    assert "还有 9 个恢复码" in visit.text()
    page.get_by_role("button", name="重新生成").click()
    assert page.locator(".recovery li").count() == 10


@pytest.fixture
def alone(university: World) -> World:
    """A small place, where one administrator suffices; asked for before its pages are served."""
    return one_administrator_suffices(university)


@pytest.mark.parametrize(("size", "scheme", "language"), [(SMALL, "light", "en"), (DESK, "dark", "zh")])
def test_an_administrator_makes_a_set_up_code_without_scripts(
    alone: World, visits: Visits, size: dict[str, int], scheme: str, language: str
) -> None:
    university = alone
    secret = has_app(university, "admin")
    visit = visits(size, scheme=scheme, language=language, scripts=False)
    page = visit.sign_in("admin")
    page.fill('input[name="digits"]', pyotp.TOTP(secret).at(university.now))
    page.press('input[name="digits"]', "Enter")
    page.wait_for_url("**/sources")
    visit.open("/accounts")
    assert not visit.wider_than_the_screen()
    visit.open("/accounts/reviewer")
    page.click('form[action="/accounts/reviewer/factor-code"] button')
    assert not visit.wider_than_the_screen()
    code = page.inner_text("p.code")
    assert Codes(university.desk, university.desk_key).use("reviewer", code, university.now, CodeKind.FACTOR)
