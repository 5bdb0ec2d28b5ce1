"""A student with a phone."""

import pytest

from tests.browser.browsers import PHONE
from tests.browser.conftest import Visits
from tests.cast import LIN


@pytest.mark.parametrize("language", ["zh", "en"])
def test_one_screen_says_what_to_do(visits: Visits, language: str) -> None:
    visit = visits(PHONE, language=language)
    page = visit.sign_in(LIN.number)
    headline = page.locator(".headline h1")
    assert headline.is_visible()
    box = headline.bounding_box()
    assert box is not None
    assert box["y"] < PHONE["height"]
    assert "构造地质学" in visit.text()
    assert not visit.wider_than_the_screen()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out(visits: Visits, scheme: str) -> None:
    visit = visits(PHONE, scheme=scheme)
    visit.open("/sign-in")
    assert visit.barriers() == []
    visit.sign_in(LIN.number)
    assert visit.barriers() == []


def test_it_works_without_scripts(visits: Visits) -> None:
    visit = visits(PHONE, scripts=False)
    page = visit.sign_in(LIN.number)
    assert "构造地质学" in visit.text()
    page.get_by_role("button", name="退出").click()
    page.wait_for_url("**/sign-in*")
