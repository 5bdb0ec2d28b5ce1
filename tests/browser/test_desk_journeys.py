"""The desk's journeys, without scripts, with every click counted: deciding, answering, and issuing a class.

Typing, and keys such as Enter in a search field, are no clicks. docs/journeys.md has the figures.
"""

import re
import unicodedata

import pytest
from playwright.sync_api import Locator, Page

from status_db.inbox.appeal_rows import AppealOutcome
from status_db.inbox.appeals import Appeals
from status_db.model import Verdict
from tests.browser.browsers import DESK, PHONE
from tests.browser.conftest import Visits
from tests.cast import LIN, SUN
from tests.forty import CLASS, FORTY, forty
from tests.portal.conftest import lin_objects, settle
from tests.portal.desk.test_desk import decided
from tests.world import COHORT, World

NARROW = {"width": 320, "height": 640}


class Clicks:
    """Clicks of one person, counted."""

    def __init__(self) -> None:
        self.made = 0

    def on(self, thing: Locator) -> None:
        """Click something."""
        self.made += 1
        thing.click()


@pytest.fixture
def clicks() -> Clicks:
    """Nothing is clicked yet."""
    return Clicks()


def _two_owe(world: World) -> None:
    forty(world, owing=FORTY[:2])


def scan(page: Page, typed: str) -> None:
    """Type a number as a scanner does: into the field that has the focus, ended by Enter."""
    number = unicodedata.normalize("NFKC", typed).replace(" ", "")
    page.locator("input:focus").fill(typed)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"/desk/students/{number}\?step=library$"))


def test_one_student_is_decided_with_two_clicks(university: World, visits: Visits, clicks: Clicks) -> None:
    visit = visits(DESK, scripts=False)
    page = visit.sign_in("librarian")
    scan(page, "２０１５ １００１")
    clicks.on(page.get_by_label("现场归还"))
    clicks.on(page.get_by_role("button", name="通过", exact=True))
    assert f"已办理：{LIN.name}" in visit.text()
    assert clicks.made <= 2
    assert university.verdict(LIN.number, "library") is Verdict.CLEARED
    # The field has the focus again, for the next card.
    scan(page, SUN.number)
    assert SUN.name in visit.text()


def test_one_student_is_decided_with_the_keyboard_alone(university: World, visits: Visits) -> None:
    visit = visits(DESK, scripts=False)
    page = visit.sign_in("librarian")
    scan(page, LIN.number)
    page.get_by_label("现场归还").focus()
    page.keyboard.press("Enter")
    assert university.verdict(LIN.number, "library") is Verdict.HELD, "Enter in a field decides nothing"
    page.keyboard.press("Space")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.value") == "cleared":
            break
    page.keyboard.press("Enter")
    page.wait_for_url("**done=*")
    assert university.verdict(LIN.number, "library") is Verdict.CLEARED


def test_an_appeal_is_answered_by_deciding_with_two_clicks(university: World, visits: Visits, clicks: Clicks) -> None:
    lin_objects(university)
    visit = visits(PHONE, scripts=False)
    page = visit.sign_in("librarian")
    scan(page, LIN.number)
    assert "书上周就还了。" in visit.text()
    clicks.on(page.get_by_label("现场归还"))
    clicks.on(page.get_by_role("button", name="通过", exact=True))
    assert "已答复异议 1 条。" in visit.text()
    assert clicks.made <= 2
    (one,) = Appeals(university.desk).of_student(COHORT, LIN.number)
    assert one.outcome is AppealOutcome.DECIDED
    student = visits(PHONE, scripts=False)
    student.sign_in(LIN.number)
    assert "逾期未答复" not in student.text()


def test_the_queue_leads_to_an_appeal_which_words_alone_answer(
    university: World, visits: Visits, clicks: Clicks
) -> None:
    lin_objects(university)
    visit = visits(DESK)
    page = visit.sign_in("librarian")
    clicks.on(page.locator(".owed-first").get_by_role("link", name=LIN.name))
    clicks.on(page.get_by_text("只答复，状态不变"))
    page.get_by_label("答复内容").fill("总台没有归还记录，请带书来核对。")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**answered=*")
    assert clicks.made <= 2
    (one,) = Appeals(university.desk).of_student(COHORT, LIN.number)
    assert one.outcome is AppealOutcome.EXPLAINED


class TestAClass:
    @pytest.fixture
    def university(self, sqlite_world: World) -> World:
        """A class of forty, two of whom owe a book, at a university that prints two certificates."""
        made = settle(sqlite_world, _two_owe)
        made.settings.desk.certificates[:] = ["毕业证书", "学位证书"]
        return made

    def test_both_certificates_of_a_class_take_four_clicks_with_the_sign_sheet(
        self, university: World, visits: Visits, clicks: Clicks
    ) -> None:
        visit = visits(DESK, scripts=False)
        page = visit.sign_in("reviewer")
        assert re.search(r"可终审 \d+ 名", visit.text())
        clicks.on(page.locator(".ready").get_by_role("link", name=CLASS))
        page.get_by_label("或从首号连续编号：毕业证书").fill("B0001")
        page.get_by_label("或从首号连续编号：学位证书").fill("X0001")
        clicks.on(page.get_by_role("button", name="预览"))
        clicks.on(page.get_by_role("button", name="确认办理"))
        assert "终审通过 38 名，发放证书 76 本" in visit.text()
        clicks.on(page.get_by_role("link", name="打印签领表"))
        assert clicks.made <= 4
        assert page.locator("table tbody tr").count() == 76


@pytest.mark.parametrize(
    ("size", "scheme", "language"), [(NARROW, "dark", "zh"), (DESK, "light", "en"), (PHONE, "dark", "en")]
)
def test_nothing_keeps_anybody_out(
    university: World, visits: Visits, size: dict[str, int], scheme: str, language: str
) -> None:
    lin_objects(university)
    decided(university, SUN.number, "college_items")
    visit = visits(size, scheme=scheme, language=language)
    page = visit.sign_in("librarian")
    for path in ("/desk", "/desk?text=2015", f"/desk/students/{LIN.number}", "/desk/appeals", "/desk?text=x9"):
        visit.open(path)
        assert visit.barriers() == [], path
        assert not visit.wider_than_the_screen(), path
    visit.open(f"/desk/students/{LIN.number}?step=library")
    page.locator("input[name=reason]").first.check()
    page.locator("button.verdict.cleared").click()
    page.wait_for_url("**done=*")
    assert visit.barriers() == []
    assert not visit.wider_than_the_screen()
    visit = visits(size, scheme=scheme, language=language)
    visit.sign_in("reviewer")
    for path in ("/desk", "/desk?tab=state-closed", "/desk/classes", f"/desk/students/{SUN.number}"):
        visit.open(path)
        assert visit.barriers() == [], path
        assert not visit.wider_than_the_screen(), path
    visit = visits(size, scheme=scheme, language=language)
    visit.sign_in("admin")
    visit.open("/new-account")
    assert visit.barriers() == []
    assert not visit.wider_than_the_screen()
