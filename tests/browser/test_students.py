"""A student with a phone."""

import pytest

from status_db.decisions.writer import DecisionRequest
from status_db.model import Verdict
from tests.browser.browsers import DESK, PHONE
from tests.browser.conftest import Visits
from tests.cast import LIN, ZHAO
from tests.patience import PATIENCE
from tests.world import World, serving_of


@pytest.mark.parametrize("language", ["zh", "en"])
def test_one_screen_explains_what_to_do(visits: Visits, language: str) -> None:
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


def through(university: World) -> None:
    """Have the college pass Zhao, who owes nothing."""
    for step in ("college_items", "final_review"):
        wish, now = DecisionRequest(ZHAO.number, step, Verdict.CLEARED, ""), university.now
        if step == "final_review":
            university.reviews.review(wish, "reviewer", now)
        else:
            university.decisions.enter(wish, "college", now)


@pytest.mark.parametrize(("size", "scheme", "language"), [(PHONE, "dark", "zh"), (DESK, "light", "en")])
def test_whoever_is_through_finds_where_to_go_and_a_slip_that_anyone_can_check(
    visits: Visits, university: World, size: dict[str, int], scheme: str, language: str
) -> None:
    through(university)
    visit = visits(size, scheme=scheme, language=language)
    page = visit.sign_in(ZHAO.number)
    assert visit.barriers() == []
    visit.open("/slip")
    assert page.locator("svg").first.is_visible()
    assert visit.barriers() == []
    assert not visit.wider_than_the_screen()
    code = page.locator('a[href*="/verify/"]').first.get_attribute("href")
    assert code is not None
    unmatched_key = visits(size, language=language)
    unmatched_key.page.goto(unmatched_key.address + code[code.index("/verify/") :])
    assert ZHAO.name not in unmatched_key.text()
    assert ZHAO.number not in unmatched_key.text()
    assert ZHAO.number[-4:] in unmatched_key.text()
    assert unmatched_key.barriers() == []


def test_a_visitor_with_a_students_number_learns_nothing(visits: Visits) -> None:
    """What is answered about a student and about no one is the same to the letter, but for the number itself."""
    told = set()
    for number in (LIN.number, "20999999"):
        visit = visits(PHONE)
        page = visit.open("/sign-in")
        page.fill('input[name="account"]', number)
        page.fill('input[name="password"]', "a guess that is wrong")
        page.press('input[name="password"]', "Enter")
        page.wait_for_selector('[role="alert"]')
        told.add(page.inner_text("body").replace(number, "N"))
        assert visit.troubles.pop().startswith("Failed to load resource: the server responded with a status of 401")
    assert len(told) == 1


def test_asking_again_shows_the_answer(visits: Visits, university: World) -> None:
    """The book has come back; the scheduler serves the request while the student waits."""
    visit = visits(PHONE)
    page = visit.sign_in(LIN.number)
    assert "构造地质学" in visit.text()
    university.says["loans"] = []
    serving = serving_of(university)
    with page.expect_navigation():
        page.evaluate("document.querySelector('form[action=\"/recheck\"]').requestSubmit()")
        for _ in range(PATIENCE * 50):
            if serving.serve():
                break
            # The request is on its way.
            page.wait_for_timeout(20)
        else:
            pytest.fail("the page asked for nothing")
    page.wait_for_url("**/")
    assert "构造地质学" not in visit.text()
