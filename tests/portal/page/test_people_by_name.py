"""Pages show people by name: no account stands alone where it has a name."""

from collections.abc import Iterator

import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from portal.web.former_addresses import FormerAddress
from status_db.accounts.accounts import Act, Grant
from status_db.decisions.batch_rows import ImportRow
from status_db.decisions.batches import Batches, BatchKind
from status_db.decisions.writer import DecisionRequest
from status_db.inbox.announcements import Announcements
from status_db.inbox.pauses import Pauses
from status_db.model import Verdict
from tests.cast import LIN, QIAN, SUN
from tests.portal.conftest import _HASHED
from tests.portal.html_page import Page
from tests.portal.waiting import browser
from tests.portal.whole import whole_app
from tests.world import COHORT, World

ACCOUNT, NAME = "g20071", "王建国"

#: Of the pages about one thing, those that show who did something.
ABOUT_ONE = (
    f"/students/{LIN.number}",
    f"/desk/students/{LIN.number}?step=library",
    "/desk/import/batches/1",
    "/desk/paper/entered/2",
    f"/accounts/{ACCOUNT}",
    "/runs/2",
)


@pytest.fixture
def lived_in(university: World) -> World:
    """Have one person do what pages show with its author."""
    grants = (Grant(Act.MANAGE), Grant(Act.AUDIT), Grant(Act.READ), Grant(Act.DECIDE, "library"))
    university.accounts.add(ACCOUNT, NAME, _HASHED, grants=grants, now=university.now)
    university.decisions.enter(DecisionRequest(LIN.number, "library", Verdict.HELD, "赔书"), ACCOUNT, university.now)
    for kind, student in ((BatchKind.IMPORT, SUN.number), (BatchKind.PAPER, QIAN.number)):
        rows = [ImportRow(2, student, None, Verdict.HELD, "赔书", sheet="结果.xlsx" if kind is BatchKind.PAPER else "")]
        batches = Batches(university.writer)
        digest = batches.preview("library", rows, university.now).digest
        batches.enter_all(kind, "library", rows, digest, ACCOUNT, university.now, title="结果.xlsx")
    Pauses(university.desk).pause("loans", reason="搬家", account=ACCOUNT, now=university.now)
    Announcements(university.desk).announce("开放", "", author=ACCOUNT, now=university.now, cohort=COHORT)
    return university


def pages(world: World) -> Iterator[str]:
    """Return the address of every page without a number in it."""
    for route in whole_app(world).routes:
        if isinstance(route, FormerAddress) or not isinstance(route, Route) or "{" in route.path:
            continue
        if "GET" in (route.methods or ()) and "." not in route.path and route.path not in ("/metrics", "/healthz"):
            yield route.path
    yield from ABOUT_ONE


def alone(shown: TestClient, address: str) -> list[str]:
    """Return the smallest parts of a page that have the account and not its name."""
    parts = Page(shown.get(address).text).all("tr", "li", "p", "h1", "dd", "legend", "summary")
    return [part.text for part in parts if ACCOUNT in part.text and NAME not in part.text]


def test_no_page_of_staff_shows_an_account_without_its_name(lived_in: World) -> None:
    with browser(lived_in, ACCOUNT) as shown:
        found = {address: bare for address in pages(lived_in) if (bare := alone(shown, address))}
    # The head of an own page has the person's name at the top of the page.
    assert found == {"/own": [f"我的账号 {ACCOUNT}"]}


def test_the_name_is_where_the_account_was(lived_in: World) -> None:
    with browser(lived_in, ACCOUNT) as shown:
        for address in ("/announcements", "/sources", "/desk/import/batches", "/desk/paper", *ABOUT_ONE[:4]):
            assert NAME in Page(shown.get(address).text).one("main").text, address
