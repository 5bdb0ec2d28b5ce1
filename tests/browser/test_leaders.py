"""A dean with a question, at a desk: which classes lag, who is it, and a list to take along. And a class teacher."""

import re
from pathlib import Path

import pytest
from openpyxl import load_workbook

from tests.browser.browsers import DESK, PHONE
from tests.browser.conftest import Visits
from tests.cast import GEOLOGY_LOAN, LIN, QIAN
from tests.world import World

PAGES = (
    "/overview",
    "/report",
    "/lists",
    f"/lists/reminder?college={LIN.college}&class={LIN.class_name}",
)


def test_a_dean_finds_the_class_that_lags_and_takes_its_list_along(visits: Visits, tmp_path: Path) -> None:
    visit = visits(DESK)
    page = visit.sign_in("dean")
    worst = page.locator("#classes tbody tr").first
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


def lag(university: World) -> None:
    """Put three classes on the roster whose students have books, and one of a single student."""
    for at, class_name in enumerate(["C1"] * 6 + ["C2"] * 7 + ["C3"] * 5 + ["C4"]):
        row = {**LIN.listed(), "学号": f"20159{at:03}", "姓名": f"某{at}", "班级": class_name, "一卡通": ""}
        university.says["roster"].append(row)
        university.says["loans"].append({**GEOLOGY_LOAN, "CARD": row["学号"], "BARCODE": f"B{at}"})
    university.run_all()


@pytest.mark.parametrize("scripts", [True, False])
def test_three_lagging_classes_are_found_without_a_click(university: World, visits: Visits, scripts: bool) -> None:
    lag(university)
    visit = visits(DESK, scripts=scripts)
    page = visit.sign_in("dean")
    names = page.locator("ol.look-at h3")
    assert names.all_inner_texts() == ["C2", "C1", "C3"]
    assert names.last.is_visible()
    assert "人还没办结" in page.locator(".answer").inner_text()


@pytest.mark.parametrize("size", [PHONE, DESK])
def test_the_answer_and_the_curve_are_on_the_first_screen(visits: Visits, size: dict[str, int]) -> None:
    page = visits(size).sign_in("dean")
    for part in (".answer .sentence", ".answer .windows", "figure.season svg"):
        box = page.locator(part).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= size["height"], part


def test_the_overview_prints_on_one_page(university: World, visits: Visits) -> None:
    for at in range(12):
        row = {**LIN.listed(), "学号": f"20158{at:03}", "姓名": f"某{at}", "学院": f"第{at}学院", "一卡通": ""}
        university.says["roster"].append(row)
    lag(university)
    page = visits(DESK).sign_in("dean")
    assert page.locator("table.heat tbody tr").count() == 14
    printed = page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type /Page\b(?!s)", printed)) == 1
    page.emulate_media(media="print")
    assert page.locator("table.heat tfoot").is_visible()
    assert not page.get_by_role("link", name="导出 Excel").is_visible()


def test_colleges_are_sorted_by_the_keyboard_alone(visits: Visits) -> None:
    page = visits(DESK).sign_in("dean")
    head = page.locator("table.heat thead th").first
    head.get_by_role("link").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**sort=name**")
    assert page.locator("table.heat thead th").first.get_attribute("aria-sort") == "ascending"


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
