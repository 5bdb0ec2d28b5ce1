"""The look of the pages: every component can be read by everybody, and paper has no navigation."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from config.settings import Demo
from tests.browser.browsers import DESK, PHONE
from tests.browser.conftest import Visits, visiting
from tests.cast import LIN
from tests.portal.conftest import settle
from tests.world import World


@pytest.fixture
def demo_visits(chromium: Browser, sqlite_world: World) -> Iterator[Visits]:
    """Give browsers on the pages of a demo, which has the style guide."""
    world = settle(sqlite_world)
    demo = Demo.model_construct(clock_file=world.file.with_name("clock"))
    world.settings = world.settings.model_copy(update={"demo": demo})
    with visiting(chromium, world) as opened:
        yield opened


@pytest.mark.parametrize(("scheme", "language"), [("light", "zh"), ("dark", "en")])
def test_every_component_of_the_style_guide_is_accessible(demo_visits: Visits, scheme: str, language: str) -> None:
    visit = demo_visits(PHONE, scheme=scheme, language=language)
    page = visit.open("/styleguide")
    assert page.locator(".note.good.done").count() == 1
    assert visit.barriers() == []
    assert not visit.wider_than_the_screen()


@pytest.mark.parametrize("path", ["/lists", f"/students/{LIN.number}", "/sources"])
def test_paper_has_no_navigation(visits: Visits, path: str) -> None:
    visit = visits(DESK)
    visit.sign_in("dean")
    page = visit.open(path)
    page.emulate_media(media="print")
    assert [one.is_visible() for one in page.locator("header.top nav").all()] == [False] * 2
