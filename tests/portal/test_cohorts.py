"""Several cohorts on the pages: each page has the choice, and a run of any of them is seen and decided."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from status_db.ledger import Ledger
from status_db.model import RunState
from status_db.opinions import Opinions
from status_db.requests import Requests
from status_db.uploads import Uploads
from sync.run import Sync
from sync.serving import Serving
from tests.portal.conftest import settle
from tests.portal.waiting import say
from tests.world import SETTINGS, World

SignedIn = Callable[[str], TestClient]

ROSTER_TABLE = SETTINGS.split("[roster]\n")[1].split("[[step]]")[0]
#: The same list twice, and a finance office whose first answer waits.
ROSTERS = "".join(
    f"[roster.{key}]\n" + ROSTER_TABLE.replace("[roster.columns]", f"[roster.{key}.columns]")
    for key in ("summer", "winter")
)
WINTER = '\nroster = "summer"\n\n[[cohort]]\nkey = "2019w"\nname = "2019届冬季"\nroster = "winter"\n'
TWO = (
    SETTINGS.replace('name = "2019届"\n', f'name = "2019届"{WINTER}')
    .replace("[roster]\n" + ROSTER_TABLE, ROSTERS)
    .replace('first = "apply"\ncolumns = { student = "XH"', 'columns = { student = "XH"')
)


@pytest.fixture
def university(tmp_path: Path) -> Iterator[World]:
    """Two cohorts: the cast in summer, nobody in December but a run that waits."""
    with World(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, TWO) as made:
        yield settle(made)


def december(world: World) -> Sync:
    """Return what runs the sources of December."""
    ledger = Ledger(world.settings.status_db.ledger_key_file, "2019w")
    sync = Sync(world.settings.of_cohort("2019w"), "2019w", world.engine, world.connect, world.clock, ledger)
    sync.open_cohort()
    return sync


PAGES = ("/sources", "/runs", "/strangers", "/accounts", "/announcements", "/audit")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_has_the_choice_of_cohort(path: str, signed_in: SignedIn) -> None:
    page = signed_in("admin").get(path).text
    assert f'href="{path}?cohort=2019w"' in page
    assert "2019届冬季" in page


def test_the_pages_of_leaders_and_of_the_desk_have_it_too(signed_in: SignedIn) -> None:
    for path in ("/overview", "/lists", "/report", "/students"):
        assert f'href="{path}?cohort=2019w"' in signed_in("dean").get(path).text, path
    assert "cohort=2019w" in signed_in("librarian").get("/desk").text


def test_the_choice_stays_from_page_to_page(signed_in: SignedIn) -> None:
    page = signed_in("admin").get("/sources?cohort=2019w").text
    assert 'href="/runs?cohort=2019w"' in page
    assert 'href="/strangers?cohort=2019w"' in page


def test_a_run_of_any_cohort_is_seen_and_decided(university: World, signed_in: SignedIn) -> None:
    sync = december(university)
    sync.run("roster", by="test")
    university.later(minutes=1)
    outcome = sync.run("fees", by="test")
    assert outcome.state is RunState.SUSPENDED
    assert f"`clearance --cohort 2019w runs approve {outcome.run}`" in outcome.message
    browser, path = signed_in("admin"), f"/runs/{outcome.run}"
    page = browser.get(path).text
    assert 'href="/runs?cohort=2019w"' in page
    assert f'href="{path}"' in browser.get("/runs?cohort=2019w").text
    assert f'href="{path}"' not in browser.get("/runs").text
    assert say(browser, outcome.run or 0, "approve")[0] in (200, 303)
    desk = university.desk_engine
    Serving(
        university.settings.of_cohort("2019w"), "2019w", sync, university.reader,
        Opinions(university.engine, "2019w"), Requests(desk), Uploads(desk), university.clock,
    ).serve()  # fmt: skip
    ended = university.reader.run("2019w", outcome.run or 0)
    assert ended is not None
    assert ended.state is RunState.APPLIED
