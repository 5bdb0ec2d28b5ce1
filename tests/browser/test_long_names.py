"""A name of sixty letters without a blank breaks: no page is wider than the smallest phone."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from status_db.model import ROSTER
from tests.browser.conftest import Visits, visiting
from tests.cast import LIN, QIAN
from tests.portal.conftest import _HASHED, STAFF, settle
from tests.world import World

NAME = "Wolfeschlegelsteinhausenbergerdorffwelchevoralternwarengewis"
NO_PAGE = "/nosuch"
SMALLEST = {"width": 320, "height": 640}

PAGES = {
    LIN.number: ("/", "/appeal?step=library", "/own", "/slip"),
    "dean": ("/overview", "/lists", "/report", f"/students/{LIN.number}", "/sources"),
    "librarian": ("/desk", f"/desk/students/{LIN.number}?step=library", "/desk/import", "/desk/paper"),
    "reviewer": (
        "/desk",
        f"/desk/students/{QIAN.number}?step=final_review",
        f"/desk/send-back?student={QIAN.number}",
        "/desk/classes",
        "/desk/certificates",
        "/desk/review-again",
    ),
    "admin": (
        "/accounts",
        "/accounts/long",
        "/announcements",
        "/audit",
        "/retention",
        "/runs",
        "/unmatched",
        NO_PAGE,
    ),
}


def _long(world: World) -> None:
    assert len(NAME) == 60
    for row in world.says[ROSTER]:
        row["姓名"] = NAME
    world.run(ROSTER)
    world.accounts.add("long", NAME, _HASHED, grants=STAFF["dean"], now=world.now)


@pytest.fixture
def university(sqlite_world: World) -> World:
    """The cast's university, where everybody has a long name."""
    return settle(sqlite_world, _long)


@pytest.fixture
def visits(chromium: Browser, university: World) -> Iterator[Visits]:
    """Give browsers on the served pages."""
    with visiting(chromium, university) as opened:
        yield opened


@pytest.mark.parametrize("account", PAGES)
def test_no_page_is_wider_than_the_screen(visits: Visits, account: str) -> None:
    visit = visits(SMALLEST)
    visit.sign_in(account)
    wide = []
    for path in PAGES[account]:
        visit.open(path)
        if visit.wider_than_the_screen():
            wide.append(path)
        if path == NO_PAGE:
            assert visit.troubles.pop().startswith("Failed to load resource: the server responded with a status of 404")
    assert wide == []
