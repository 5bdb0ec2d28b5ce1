"""Two administrators, at a desk and with a phone: one asks for a grant and a code, the other confirms; no scripts."""

import re

import pytest

from status_db.accounts.accounts import Act, Grant
from tests.browser.browsers import DESK, PHONE
from tests.browser.conftest import Visits
from tests.portal.conftest import _HASHED
from tests.world import World

NARROW = {"width": 320, "height": 640}


@pytest.fixture(autouse=True)
def two(university: World) -> None:
    """Have there be a second administrator."""
    university.accounts.add("second", "第二管理员", _HASHED, grants=[Grant(Act.MANAGE)], now=university.now)


def test_one_asks_and_the_other_confirms_without_scripts(university: World, visits: Visits) -> None:
    first, second = visits(DESK, scripts=False), visits(PHONE, scripts=False)
    page = first.sign_in("admin")
    first.open("/accounts/nobody")
    page.get_by_label("权限类型").select_option("review")
    page.get_by_role("button", name="授予").click()
    assert "由本账号提交，须由另一位管理员确认" in first.text()
    first.open("/accounts/librarian")
    page.get_by_role("button", name="生成一次性密码").click()
    assert university.accounts.grants("nobody") == ()
    page = second.sign_in("second")
    second.open("/accounts")
    page.get_by_role("button", name="确认：nobody · 增加权限 · 终审").click()
    assert "终审 · 所有环节 · 全体学生" in second.text()
    second.open("/accounts")
    page.get_by_role("button", name="确认：librarian · 生成一次性密码").click()
    assert re.search("[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}", second.text())
    assert [one.act for one in university.accounts.grants("nobody")] == [Act.REVIEW]
    owner = visits(PHONE, scripts=False)
    owner.sign_in("librarian").get_by_role("link", name="我的账号").click()
    assert "生成一次性密码 · 第二管理员" in owner.text()


def test_other_sessions_are_ended_without_scripts(visits: Visits) -> None:
    here, there = visits(PHONE, scripts=False), visits(DESK, scripts=False)
    there.sign_in("dean")
    page = here.sign_in("dean")
    page.get_by_role("link", name="我的账号").click()
    page.get_by_role("button", name="结束其他所有登录").click()
    assert "没有其他登录" in here.text()
    there.open("/overview")
    assert "/sign-in" in there.page.url


@pytest.mark.parametrize(
    ("size", "scheme", "language"), [(NARROW, "dark", "zh"), (DESK, "light", "en"), (PHONE, "light", "zh")]
)
def test_nothing_keeps_anybody_out(
    university: World, visits: Visits, size: dict[str, int], scheme: str, language: str
) -> None:
    asking = visits(DESK)
    page = asking.sign_in("admin")
    asking.open("/accounts/nobody")
    page.get_by_label("权限类型").select_option("manage")
    page.get_by_role("button", name="授予").click()
    visit, elsewhere = visits(size, scheme=scheme, language=language), visits(DESK)
    elsewhere.sign_in("second")
    visit.sign_in("second")
    for path in ("/accounts", "/accounts/nobody", "/accounts/second", "/own"):
        visit.open(path)
        assert visit.barriers() == [], path
        assert not visit.wider_than_the_screen(), path
