"""What a student and a class teacher come for, and how many clicks it takes after sign-in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator

from status_db.accounts.accounts import Act, Grant
from tests.browser.browsers import DESK, PHONE
from tests.browser.conftest import Visit, Visits
from tests.browser.test_students import through
from tests.cast import LIN, ZHAO
from tests.portal.conftest import settle
from tests.portal.student.test_card import TOLD
from tests.world import World


@pytest.fixture
def university(tmp_path: Path) -> Iterator[World]:
    """The cast's university with a window, opening hours, and places to collect."""
    with World(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, TOLD) as made:
        yield settle(made)


class Clicks:
    """Counts the clicks of one journey."""

    def __init__(self) -> None:
        self.made = 0

    def on(self, what: Locator) -> None:
        """Click, and count it."""
        what.click()
        self.made += 1


def bottom_of(visit: Visit, selector: str, text: str) -> float:
    """Return where the first such part that a person sees ends, in pixels from the top."""
    part = visit.page.locator(selector).filter(has_text=text).filter(visible=True).first
    box = part.bounding_box()
    assert box is not None, text
    return box["y"] + box["height"]


@pytest.mark.parametrize(
    ("language", "headline", "deadline", "steps"),
    [
        ("zh", "还有 2 项要办", "截止", ("图书馆", "宿管中心")),
        ("en", "2 steps to do", "Closes", ("Library", "Dormitory")),
    ],
)
def test_a_student_understands_without_scrolling(
    visits: Visits, language: str, headline: str, deadline: str, steps: tuple[str, ...]
) -> None:
    visit = visits(PHONE, language=language)
    visit.sign_in(LIN.number)
    height = PHONE["height"]
    assert bottom_of(visit, ".headline h1", headline) <= height
    assert bottom_of(visit, ".headline .deadline", deadline) <= height
    for step in steps:
        assert bottom_of(visit, ".headline a", step) <= height
    assert not visit.wider_than_the_screen()


def test_a_clear_student_shows_the_code_without_a_click(visits: Visits, university: World) -> None:
    through(university)
    visit = visits(PHONE, scripts=False)
    page = visit.sign_in(ZHAO.number)
    code = page.locator(".ready img")
    assert code.is_visible()
    assert "可领证" in visit.text()


def test_the_way_to_the_offices_is_kept_in_one_click(visits: Visits, tmp_path: Path) -> None:
    visit, clicks = visits(PHONE), Clicks()
    page = visit.sign_in(LIN.number)
    with page.expect_download() as started:
        clicks.on(page.get_by_role("link", name="存入日历"))
    file = tmp_path / "clearance.ics"
    started.value.save_as(file)
    assert file.read_bytes().startswith(b"BEGIN:VCALENDAR")
    assert clicks.made == 1


def test_an_appeal_takes_three_clicks_and_the_typing(visits: Visits) -> None:
    visit, clicks = visits(PHONE, scripts=False), Clicks()
    page = visit.sign_in(LIN.number)
    clicks.on(page.locator("#step-library").get_by_role("link", name="有异议"))
    clicks.on(page.locator('input[name="item"]').first)
    page.fill("textarea", "书上周就还了。")
    clicks.on(page.get_by_role("button", name="提交异议"))
    assert "异议已提交" in visit.text()
    assert clicks.made == 3


def test_a_class_teacher_reads_and_copies_the_reminder_in_one_click(visits: Visits, university: World) -> None:
    grant = Grant(Act.READ, None, {"class": (LIN.class_name,)})
    visit, clicks = visits(DESK), Clicks()
    made = university.accounts.find(LIN.number)
    assert made is not None
    university.accounts.add("teacher", "班主任", made.password_hash, grants=(grant,), now=university.now)
    page = visit.sign_in("teacher")
    # Nothing to find first: the class is open, with the students and their open steps beside the text.
    assert page.locator("table.list th", has_text=LIN.name).is_visible()
    button = page.get_by_role("button", name="复制")
    clicks.on(button)
    page.get_by_role("button", name="已复制").wait_for()
    assert clicks.made == 1
    assert visit.barriers() == []


@pytest.mark.parametrize(("size", "scheme"), [(PHONE, "dark"), (DESK, "light")])
def test_the_page_that_waits_for_a_recheck_keeps_nobody_out(visits: Visits, size: dict[str, int], scheme: str) -> None:
    visit = visits(size, scheme=scheme)
    page = visit.sign_in(LIN.number)
    page.get_by_role("button", name="重新查询").click()
    page.wait_for_url("**/recheck")
    assert visit.barriers() == []
    page.get_by_role("link", name="返回，不再等待").click()
    assert "还有 2 项要办" in visit.text()
