"""A clerk at the desk, without scripts: finding a decision that the source no longer agrees with, and settling it."""

import pytest

from status_db.decisions.writer import DecisionRequest
from status_db.model import Verdict
from tests.browser.browsers import DESK, PHONE
from tests.browser.conftest import Visits
from tests.cast import LIN, POETRY_LOAN, SUN
from tests.world import World

NARROW = {"width": 320, "height": 640}


@pytest.fixture
def disputed(university: World) -> World:
    """Lin was let go by a colleague; since then a second book has turned up."""
    wish = DecisionRequest(
        LIN.number, "library", Verdict.CLEARED, "赔书", words="已按原价赔偿", note="收据在柜台", condition="月底前补齐"
    )
    university.decisions.enter(wish, "wang", university.now)
    university.says["loans"].append({**POETRY_LOAN, "CARD": LIN.number})
    university.run("loans")
    return university


@pytest.mark.parametrize(
    ("size", "scheme", "language"), [(NARROW, "dark", "zh"), (DESK, "light", "en"), (PHONE, "light", "zh")]
)
def test_nothing_keeps_anybody_out(
    disputed: World, visits: Visits, size: dict[str, int], scheme: str, language: str
) -> None:
    disputed.decisions.enter(
        DecisionRequest(SUN.number, "college_items", Verdict.CLEARED, "无借阅"), "college", disputed.now
    )
    visit = visits(size, scheme=scheme, language=language)
    visit.sign_in("librarian")
    for path in ("/desk", "/desk?tab=disputed&order=since", f"/desk/students/{LIN.number}"):
        visit.open(path)
        assert visit.barriers() == [], path
        assert not visit.wider_than_the_screen(), path
    visit = visits(size, scheme=scheme, language=language)
    visit.sign_in("reviewer")
    for path in ("/desk", f"/desk/students/{SUN.number}"):
        visit.open(path)
        assert visit.barriers() == [], path
        assert not visit.wider_than_the_screen(), path


def test_a_disputed_override_is_found_and_settled(disputed: World, visits: Visits) -> None:
    visit = visits(PHONE, scripts=False)
    page = visit.sign_in("librarian")
    page.get_by_role("link", name="人工办理后数据有变动").click()
    page.get_by_role("link", name=LIN.number).click()
    assert "部门数据与人工办理不一致" in visit.text()
    assert "《唐诗选》 B0002 （新）" in visit.text()
    page.locator("#decide").get_by_label("现场归还").check()
    page.locator("details.more summary").click()
    page.get_by_label("告知学生").fill("两本都已还清")
    page.get_by_label("内部备注").fill("柜台点过")
    page.get_by_role("button", name="通过", exact=True).click()
    assert "部门数据与人工办理不一致" not in visit.text()
    assert "以前的办理" in visit.text()
    page.get_by_role("link", name="2019届 · 图书馆").click()
    page.get_by_role("link", name="已办结").wait_for()
    assert "人工办理后数据有变动" not in page.locator("nav.tabs").inner_text()
    own = visits(PHONE, scripts=False)
    own.sign_in(LIN.number)
    # What is clear is folded into one line.
    own.page.locator("details.folded > summary").click()
    assert "两本都已还清" in own.text()
    assert "柜台点过" not in own.text()
