"""Addresses that were renamed: each former one redirects to the current one, with its query and its form."""

from collections.abc import Iterator
from functools import reduce

import pytest
from starlette.routing import Route

from portal.auth.sessions import form_token
from portal.web import links
from portal.web.former_addresses import RENAMED, FormerAddress, former_addresses
from tests.portal.conftest import settle
from tests.portal.test_matrix import OBJECTS, Door, Visits, everything_there_is, parameter_of
from tests.services.university import ROOT
from tests.world import World


@pytest.fixture
def visits(sqlite_world: World) -> Iterator[Visits]:
    """Return the application, with something behind each address."""
    made = Visits(settle(sqlite_world, everything_there_is))
    yield made
    made.close()


def filled(path: str) -> str:
    """Return an address about the first thing that it can name."""
    named = parameter_of(path)
    return path if named is None else path.replace(named, OBJECTS[named][0][0])


@pytest.mark.parametrize("former", RENAMED)
def test_a_former_address_redirects_with_its_query_for_every_method_of_the_current_one(
    visits: Visits, former: str
) -> None:
    current = RENAMED[former]
    methods = {m for r in visits.app.routes if isinstance(r, Route) and r.path == current for m in r.methods or ()}
    assert methods
    browser = visits.browser(None, Door.OPEN)
    for method in methods:
        answer = browser.request(method, f"{filled(former)}?cohort=2019&class=%E4%B8%80")
        assert answer.status_code == 308
        assert answer.headers["location"] == f"{filled(current)}?cohort=2019&class=%E4%B8%80"
    assert browser.get(filled(former)).headers.get("location", "") in ("", filled(current)), "no ? without a query"


def test_every_current_address_is_a_page_and_no_former_one_is(visits: Visits) -> None:
    pages = {r.path for r in visits.app.routes if isinstance(r, Route) and not isinstance(r, FormerAddress)}
    assert (set(RENAMED.values()) - pages, set(RENAMED) & pages) == (set(), set())


def test_a_form_sent_to_a_former_address_is_saved(visits: Visits) -> None:
    browser = visits.browser("other student", Door.SESSION)
    form = {"step": "finance", "item": "", "text": "已经缴清。", "form_token": form_token(browser.cookies["clearance"])}
    answer = browser.post("/objection", data=form, follow_redirects=True)
    assert answer.status_code == 200
    assert "已经缴清。" in answer.text


def test_names_and_the_prefix_are_kept_in_the_address(visits: Visits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "PREFIX", "/graduation")
    answer = visits.browser(None, Door.OPEN).post("/accounts/%E6%9D%8E%3F%23/take")
    assert answer.headers["location"] == "/graduation/accounts/%E6%9D%8E%3F%23/revoke-grant"


def test_a_process_redirects_only_to_pages_that_it_serves(visits: Visits) -> None:
    routes = [r for r in visits.app.routes if isinstance(r, Route) and r.path.startswith("/appeal")]
    assert {r.path for r in former_addresses(routes)} == {p for p in RENAMED if p.startswith("/objection")}


@pytest.mark.parametrize("former", RENAMED)
def test_the_changelog_names_every_former_address(former: str) -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    places = {"{run:id}": "NUMBER", "{account:name}": "NAME", "{number:name}": "NUMBER"}
    old, new = (reduce(lambda path, place: path.replace(*place), places.items(), a) for a in (former, RENAMED[former]))
    # One line is about an address and what is below it.
    old, new = (path.partition("/{")[0] for path in (old, new))
    assert f"`{new}` instead of `{old}`" in " ".join(text.split())
