"""A class review, at a desk or with a phone: a class of forty passed in one go, without scripts."""

import re

import pytest

from status_db.decisions.certificates import Issue
from status_db.decisions.writer import DecisionRequest
from status_db.model import Verdict
from tests.browser.browsers import DESK, PHONE
from tests.browser.conftest import Visits
from tests.forty import CLASS, COLLEGE, FORTY, forty, name_of
from tests.portal.conftest import settle
from tests.world import COHORT, World

NARROW = {"width": 320, "height": 640}


@pytest.fixture
def university(sqlite_world: World) -> World:
    """The cast's university with a class of forty, two of whom owe a book; the pages stand at this moment."""
    settle(sqlite_world)
    forty(sqlite_world, owing=FORTY[:2])
    return sqlite_world


def test_a_class_is_reviewed_and_issued_in_one_go_with_three_left_out_by_name(
    university: World, visits: Visits
) -> None:
    visit = visits(DESK, scripts=False)
    page = visit.sign_in("reviewer")
    page.get_by_role("link", name="按班终审发证").click()
    page.get_by_role("link", name=CLASS, exact=True).click()
    assert "图书馆" in page.locator("section", has_text="有未办结").inner_text()
    page.get_by_label("除外的学号").fill(f"{FORTY[9]}，{FORTY[19]} {name_of(FORTY[29])}{FORTY[29]}")
    page.get_by_label("或从首号连续编号").fill("104911201905000099")
    page.get_by_role("button", name="预览").click()
    assert page.locator("dl.totals dd").all_inner_texts() == ["35", "35", "5"]
    for number in (FORTY[9], FORTY[19], FORTY[29]):
        assert re.search(rf"{number}\s+{name_of(number)}\s+在“除外”的学号中", visit.text()), number
    page.get_by_role("button", name="确认办理").click()
    assert "终审通过 35 名，发放证书 35 本" in visit.text()
    issued = {c.student: c.number for c in university.reader.certificates(COHORT)}
    assert len(issued) == 35
    assert issued[FORTY[3]] == "104911201905000100"
    assert not {FORTY[0], FORTY[1], FORTY[9], FORTY[19], FORTY[29]} & set(issued)
    page.get_by_role("link", name="打印签领表").click()
    assert name_of(FORTY[3]) in visit.text()
    assert page.locator("table tbody tr").count() == 35
    page.get_by_role("link", name="返回本班").click()
    assert page.locator('input[name="pick"]:checked').count() == 3


def test_what_is_wrong_is_reported_and_fixed_without_typing_anything_again(university: World, visits: Visits) -> None:
    visit = visits(PHONE, scripts=False)
    page = visit.sign_in("reviewer")
    visit.open(f"/desk/classes/review?college={COLLEGE}&class={CLASS}")
    page.locator(f'input[value="{FORTY[4]}"]').uncheck()
    page.get_by_label("内部备注").fill("上午场")
    page.get_by_label("除外的学号").fill("20159999")
    page.get_by_role("button", name="预览").click()
    assert "以下学号不在本班" in visit.text()
    assert visit.troubles.pop().startswith("Failed to load resource: the server responded with a status of 422")
    assert page.get_by_label("内部备注").input_value() == "上午场"
    page.get_by_label("除外的学号").fill("")
    page.get_by_role("button", name="预览").click()
    page.get_by_role("button", name="返回修改").click()
    assert not page.locator(f'input[value="{FORTY[4]}"]').is_checked()
    assert page.get_by_label("内部备注").input_value() == "上午场"


def test_one_is_handed_over_by_name_and_several_by_ticking(university: World, visits: Visits) -> None:
    for at, number in enumerate(FORTY[5:9]):
        university.reviews.review(
            DecisionRequest(number, "final_review", Verdict.CLEARED, "齐备"), "reviewer", university.now
        )
        university.register.issue(Issue(number, f"C00{at}", "毕业证书", ""), "reviewer", university.now)
    visit = visits(DESK, scripts=False)
    page = visit.sign_in("reviewer")
    page.get_by_role("link", name="证书", exact=True).click()
    page.get_by_role("checkbox", name="C000").check()
    page.get_by_role("checkbox", name="C001").check()
    page.get_by_role("button", name="勾选的已由本人领取").click()
    assert "已登记 2 本由本人领取" in visit.text()
    page.get_by_role("link", name="证书 C002").click()
    page.get_by_label("领取方式").select_option("agent")
    page.get_by_label("代领人和委托书，或邮寄单号").fill("王五，委托书")
    page.get_by_role("button", name="登记", exact=True).click()
    assert "王五，委托书" in visit.text()
    left = {c.number for c in university.reader.certificates(COHORT) if c.collected}
    assert left == {"C000", "C001", "C002"}


@pytest.mark.parametrize(
    ("size", "scheme", "language"), [(NARROW, "dark", "zh"), (DESK, "light", "en"), (PHONE, "light", "zh")]
)
def test_nothing_keeps_anybody_out(
    university: World, visits: Visits, size: dict[str, int], scheme: str, language: str
) -> None:
    for at, number in enumerate(FORTY[5:8]):
        university.reviews.review(
            DecisionRequest(number, "final_review", Verdict.CLEARED, "齐备"), "reviewer", university.now
        )
        if at:
            university.register.issue(Issue(number, f"C00{at}", "毕业证书", ""), "dean", university.now)
    visit = visits(size, scheme=scheme, language=language)
    page = visit.sign_in("reviewer")
    of_class = f"?college={COLLEGE}&class={CLASS}"
    for path in (
        "/desk/classes", f"/desk/classes/review{of_class}", "/desk/certificates", "/desk/certificates/1",
        f"/desk/certificates/issue?student={FORTY[5]}", f"/desk/certificates/sign-off{of_class}", "/desk/review-again",
    ):  # fmt: skip
        visit.open(path)
        assert visit.barriers() == [], path
        assert not visit.wider_than_the_screen(), path
    visit.open(f"/desk/classes/review{of_class}")
    page.locator('button[value="preview"]').click()
    assert visit.barriers() == []
    assert not visit.wider_than_the_screen()
