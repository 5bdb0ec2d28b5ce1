"""A dean with a question, at a desk: which classes lag, who is it, and a list to take along. And a class teacher."""

from pathlib import Path

import pytest
from openpyxl import load_workbook

from tests.browser.browsers import DESK, PHONE
from tests.browser.conftest import Visits
from tests.cast import LIN, QIAN

PAGES = (
    "/overview",
    "/overview/days",
    "/report",
    "/lists",
    f"/lists/reminder?college={LIN.college}&class={LIN.class_name}",
)


def test_a_dean_finds_the_class_that_lags_and_takes_its_list_along(visits: Visits, tmp_path: Path) -> None:
    visit = visits(DESK)
    page = visit.sign_in("dean")
    classes = page.locator("#classes ~ div table").last
    worst = classes.locator("tbody tr").first
    assert LIN.class_name in worst.inner_text()
    worst.get_by_role("link").last.click()
    assert LIN.name in visit.text()
    assert QIAN.name not in visit.text()
    with page.expect_download() as started:
        page.get_by_role("link", name="导出 Excel").click()
    file = tmp_path / "list.xlsx"
    started.value.save_as(file)
    cells = [str(c.value) for row in load_workbook(file).worksheets[0].iter_rows() for c in row if c.value is not None]
    assert {LIN.number, LIN.name} <= set(cells)
    assert QIAN.number not in cells


def test_a_reminder_names_steps_and_no_titles(visits: Visits) -> None:
    visit = visits(DESK)
    page = visit.sign_in("dean")
    visit.open(f"/lists?college={LIN.college}&class={LIN.class_name}")
    page.get_by_role("link", name="本班提醒文字").click()
    said = page.locator("textarea").first.input_value()
    assert LIN.name in said
    assert "图书馆" in said
    assert "构造地质学" not in said


def test_a_class_seen_by_its_own_college_alone(visits: Visits) -> None:
    visit = visits(DESK)
    visit.sign_in("counsellor")
    for path in ("/overview", "/lists"):
        visit.open(path)
        assert LIN.college not in visit.text()
        assert LIN.name not in visit.text()


@pytest.mark.parametrize(("size", "scheme", "language"), [(PHONE, "dark", "zh"), (DESK, "light", "en")])
def test_nothing_keeps_anybody_out(visits: Visits, size: dict[str, int], scheme: str, language: str) -> None:
    visit = visits(size, scheme=scheme, language=language)
    visit.sign_in("dean")
    for path in PAGES:
        visit.open(path)
        assert visit.barriers() == [], path
        assert not visit.wider_than_the_screen(), path


def test_the_questions_are_answered_without_scripts(visits: Visits) -> None:
    visit = visits(DESK, scripts=False)
    page = visit.sign_in("dean")
    visit.open("/lists")
    page.select_option('select[name="wanted"]', "all")
    page.get_by_role("button", name="筛选").click()
    assert QIAN.name in visit.text()
