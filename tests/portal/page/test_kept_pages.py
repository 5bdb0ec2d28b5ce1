"""A student's page is read again as soon as anything has changed, and is never shown to somebody else."""

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, event
from starlette.testclient import TestClient

from portal.auth.sessions import hash_of
from status_db.decisions.writer import DecisionRequest
from status_db.inbox.announcements import Announcements
from status_db.model import Verdict
from tests.cast import LIN, QIAN, SUN
from tests.portal.conftest import PASSWORD, enter, lin_objects, settle
from tests.portal.whole import whole_app
from tests.world import COHORT, World

#: The statements of a student's page that is read, and of one that is sent again.
READ, AGAIN = 15, 0


@pytest.fixture
def university(world: World) -> World:
    """The cast's university, on each database."""
    return settle(world)


@pytest.fixture
def lin(client: TestClient, university: World) -> TestClient:
    """Lin's browser, whose page has just been shown."""
    enter(client, LIN.number)
    client.get("/")
    return client


def statements(browser: TestClient) -> list[str]:
    """Return the statements of the next page, without those that PostgreSQL needs to find the state."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert browser.get("/").status_code == 200
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return [one for one in asked if "pg_current_snapshot" not in one]


class TestWhatIsRead:
    def test_a_page_is_read_by_few_statements(self, lin: TestClient, university: World) -> None:
        university.later(seconds=1)
        asked = statements(lin)
        assert 0 < len(asked) <= READ, asked

    def test_a_page_that_is_asked_for_again_is_not_read(self, lin: TestClient) -> None:
        lin.get("/")
        assert len(statements(lin)) == AGAIN

    def test_it_is_the_same_page(self, lin: TestClient, university: World) -> None:
        first, again = lin.get("/"), lin.get("/")
        assert again.text == first.text
        different = ("x-request-id", "date")
        assert {k: v for k, v in again.headers.items() if k not in different} == {
            k: v for k, v in first.headers.items() if k not in different
        }
        assert len(again.headers.get_list("x-request-id")) == 1

    def test_it_is_read_again_in_the_next_second(self, lin: TestClient, university: World) -> None:
        lin.get("/")
        university.later(seconds=1)
        assert len(statements(lin)) > AGAIN


def decided(world: World) -> None:
    world.decisions.enter(DecisionRequest(LIN.number, "library", Verdict.CLEARED, "赔书"), "librarian", world.now)


def synced(world: World) -> None:
    world.says["loans"] = []
    world.says["fines"] = [{"CARD": LIN.number, "AMOUNT": "98.70"}]
    world.run_all()


def announced(world: World) -> None:
    Announcements(world.desk).announce("周三闭馆", "", author="admin", now=world.now, cohort=COHORT)


def appealed(world: World) -> None:
    lin_objects(world)


def stale(world: World) -> None:
    world.later(days=3)


def midnight(world: World) -> None:
    world.later(hours=17)


@pytest.mark.parametrize("change", [decided, synced, announced, appealed, stale, midnight])
def test_the_very_next_page_shows_a_change(lin: TestClient, university: World, change: Callable[[World], None]) -> None:
    before = lin.get("/").text
    change(university)
    after = lin.get("/")
    if change is stale:
        # The session has ended, too.
        enter(lin, LIN.number)
        after = lin.get("/")
    assert after.text != before, change.__name__


def test_a_decision_that_is_withdrawn_is_shown_no_longer(lin: TestClient, university: World) -> None:
    decided(university)
    during = lin.get("/").text
    university.decisions.withdraw(LIN.number, "library", "librarian", university.now)
    assert lin.get("/").text != during


class TestSessions:
    def test_a_session_that_was_closed_shows_nothing(self, lin: TestClient, university: World) -> None:
        assert LIN.name in lin.get("/").text
        university.accounts.close_session(hash_of(lin.cookies["clearance"]))
        assert LIN.name not in lin.get("/").text

    def test_an_account_that_was_deactivated_shows_nothing(self, lin: TestClient, university: World) -> None:
        assert LIN.name in lin.get("/").text
        university.accounts.deactivate(LIN.number)
        assert LIN.name not in lin.get("/").text

    def test_nobody_is_shown_the_page_of_another(self, university: World) -> None:
        with TestClient(whole_app(university), base_url="http://testserver") as one:
            names = {LIN: one, QIAN: TestClient(one.app, base_url="http://testserver")}
            names[SUN] = TestClient(one.app, base_url="http://testserver")
            for person, browser in names.items():
                enter(browser, person.number, PASSWORD)
            for _ in range(3):
                for person, browser in names.items():
                    shown = browser.get("/").text
                    assert person.name in shown
                    assert not [other.name for other in names if other is not person and other.name in shown]

    def test_a_browser_without_a_session_is_shown_none(self, lin: TestClient) -> None:
        stranger = TestClient(lin.app, base_url="http://testserver")
        assert LIN.name not in stranger.get("/").text

    def test_another_language_is_another_page(self, lin: TestClient) -> None:
        assert lin.get("/").text != lin.get("/", headers={"accept-language": "en"}).text
