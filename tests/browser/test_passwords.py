"""Somebody who sets a first password on a small phone."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from status_db.sign_in.one_time_codes import Codes
from tests.browser.conftest import Visits
from tests.cast import LIN
from tests.portal.conftest import settle
from tests.world import SETTINGS, World

SMALL = {"width": 320, "height": 640}


@pytest.fixture
def university(tmp_path: Path) -> Iterator[World]:
    """The cast's university in the strict profile, where a number of an identity document will do for students."""
    settings = SETTINGS + '\n[auth]\nprofile = "strict"\nidentity = "first"\n'
    with World(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, settings) as world:
        yield settle(world)


@pytest.mark.parametrize(("language", "scheme"), [("zh", "light"), ("en", "dark")])
def test_a_first_password_is_set_on_a_small_phone(
    visits: Visits, university: World, language: str, scheme: str
) -> None:
    codes = Codes(university.desk, university.desk_key)
    code = codes.make(LIN.number, made_by="admin", now=university.now, lasts=timedelta(days=14))
    visit = visits(SMALL, language=language, scheme=scheme, scripts=True)
    page = visit.open("/sign-in")
    page.click('a[href="/first-password"]')
    assert visit.barriers() == []
    assert not visit.wider_than_the_screen()
    page.fill('form[action="/first-password"] input[name="account"]', LIN.number)
    page.fill('input[name="code"]', code.lower())
    page.press('input[name="code"]', "Enter")
    page.wait_for_url("**/new-password")
    assert visit.barriers() == []
    assert not visit.wider_than_the_screen()
    for word in ("password123", "lampe-birne-treppe"):
        page.fill('input[name="password"]', word)
        page.fill('input[name="again"]', word)
        page.press('input[name="again"]', "Enter")
        if word == "password123":
            page.wait_for_selector('[role="alert"]')
            assert visit.barriers() == []
            visit.troubles.clear()
    page.wait_for_url(visit.address + "/")
    assert "构造地质学" in visit.text()
