"""An administrator at night, at a desk or with a phone: reading a run that waits, and deciding it without scripts."""

import pytest

from portal.student import recheck
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.inbox.announcements import Announcements
from status_db.model import RunState
from tests.browser.browsers import DESK, PHONE
from tests.browser.conftest import Visits
from tests.portal.waiting import held_back, serve
from tests.world import COHORT, World

NARROW = {"width": 320, "height": 640}


@pytest.fixture
def waiting(university: World) -> int:
    """A run that waits, among an announcement and lines of the log."""
    run = held_back(university)
    Announcements(university.desk).announce(
        "图书馆周末照常开放", "还书请到总馆一楼。", author="admin", now=university.now
    )
    Audit(university.desk).note(AuditEvent.EXPORTED, account="dean", now=university.now, what="audit")
    return run


@pytest.mark.parametrize(
    ("size", "scheme", "language"), [(NARROW, "dark", "zh"), (DESK, "light", "en"), (PHONE, "light", "zh")]
)
def test_nothing_keeps_anybody_out(
    waiting: int, visits: Visits, size: dict[str, int], scheme: str, language: str
) -> None:
    visit = visits(size, scheme=scheme, language=language)
    visit.sign_in("admin")
    for path in (
        "/sources", "/runs", f"/runs/{waiting}", "/unmatched", "/accounts", "/accounts/librarian",
        "/announcements", "/announcements/new", "/audit",
    ):  # fmt: skip
        visit.open(path)
        assert visit.barriers() == [], path
        assert not visit.wider_than_the_screen(), path


def test_a_run_is_understood_and_decided_without_scripts(waiting: int, university: World, visits: Visits) -> None:
    visit = visits(PHONE, scripts=False)
    page = visit.sign_in("admin")
    page.get_by_role("button", name=f"第 {waiting} 次同步待批准").click()
    assert "29 名将变为“通过”" in visit.text()
    page.get_by_label("已核对").check()
    page.get_by_role("button", name="批准本次变动").click()
    assert "正在执行" in visit.text()
    assert serve(university) == 1
    page.get_by_role("link", name="查看结果").click()
    assert "已执行" in visit.text()
    found = university.reader.run(COHORT, waiting)
    assert found is not None
    assert found.state is RunState.APPLIED


def test_a_sync_now_is_one_click(university: World, visits: Visits) -> None:
    page = visits(PHONE, scripts=False).sign_in("admin")
    row = page.locator("article.source", has_text="loans")
    row.get_by_role("button", name="立即同步").click()
    assert "等待执行" in row.inner_text()
    assert serve(university) == 1


def test_a_run_without_data_is_rejected_in_two_clicks(university: World, visits: Visits) -> None:
    university.sync.reject(held_back(university), by="admin", reason="x")
    university.says["loans"] = []
    university.later(minutes=1)
    run = university.run("loans").run
    assert run is not None
    visit = visits(DESK, scripts=False)
    page = visit.sign_in("admin")
    page.get_by_role("button", name=f"第 {run} 次同步待批准").click()
    first = page.locator("#decide button").first
    assert first.inner_text() == "否决本次变动"
    box = first.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= DESK["height"], "the decision is on the first screen"
    page.locator("#decide textarea").first.fill("视图是空的")
    first.click()
    assert serve(university) == 1
    found = university.reader.run(COHORT, run)
    assert found is not None
    assert found.state is RunState.REJECTED


def test_a_wrong_approval_is_taken_back_without_scripts(
    waiting: int, university: World, visits: Visits, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recheck, "PATIENCE", 0)
    assert university.sync.approve(waiting, "loans", by="admin").state is RunState.APPLIED
    university.later(minutes=1)
    visit = visits(PHONE, scripts=False)
    page = visit.sign_in("admin")
    visit.open(f"/runs/{waiting}")
    page.get_by_role("button", name="预览撤回").click()
    assert "已提交" in visit.text()
    assert serve(university) == 1
    page.get_by_role("link", name="查看结果").click()
    assert "共 29 名学生" in visit.text()
    for size, language in ((NARROW, "en"), (DESK, "zh")):
        other = visits(size, language=language)
        other.sign_in("admin")
        other.open(f"/runs/{waiting}/revert-preview")
        assert other.barriers() == []
        assert not other.wider_than_the_screen()
    page.get_by_label("原因").fill("视图漏了一半")
    page.get_by_role("button", name="撤回本次同步").click()
    assert serve(university) == 1
    page.get_by_role("link", name="查看结果").click()
    assert f"本次同步由第 {university.reader.runs(COHORT, 'loans', 1)[0].run} 次同步撤回" in visit.text()
    page.get_by_role("link", name="查看第").click()
    assert "视图漏了一半" in visit.text()


def test_a_grant_is_given_by_ticking(university: World, visits: Visits) -> None:
    visit = visits(DESK, scripts=False)
    page = visit.sign_in("admin")
    visit.open("/accounts/nobody")
    page.get_by_label("权限类型").select_option("review")
    page.get_by_text("学院", exact=True).first.click()
    page.get_by_label("资源学院").check()
    page.get_by_role("button", name="授予").click()
    assert "终审 · 所有环节 · 学院：资源学院" in visit.text()
