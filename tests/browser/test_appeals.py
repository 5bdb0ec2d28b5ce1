"""An appeal in both directions, without scripts: from the student to the office and back, and from the college."""

import pytest

from status_db.inbox.appeals import Appeals
from status_db.model import State
from tests.browser.browsers import DESK, PHONE
from tests.browser.conftest import Visit, Visits
from tests.cast import LIN, QIAN
from tests.world import COHORT, World


def fits(visit: Visit) -> bool:
    """Return whether everybody can read a page, on a screen of this width."""
    return visit.barriers() == [] and not visit.wider_than_the_screen()


NARROW = {"width": 320, "height": 640}


def test_a_student_objects_and_reads_the_answer(visits: Visits, university: World) -> None:
    student = visits(NARROW, scripts=False)
    page = student.sign_in(LIN.number)
    page.get_by_role("link", name="对“图书馆”有异议").click()
    page.get_by_label("构造地质学").check()
    page.get_by_label("异议理由").fill("书上周五还到总台了。")
    page.get_by_role("button", name="提交异议").click()
    page.wait_for_url("**/")
    assert "图书馆最迟 5月28日 15:00 答复" in student.text()

    clerk = visits(DESK, scripts=False)
    desk = clerk.sign_in("librarian")
    desk.get_by_role("link", name="待答复异议 1").click()
    assert "书上周五还到总台了。" in clerk.text()
    desk.get_by_role("link", name="林小满").click()
    desk.locator(".case summary").click()
    desk.get_by_label("答复内容").fill("总台没有归还记录，请带借书证来核对。")
    desk.get_by_role("button", name="答复", exact=True).click()
    desk.wait_for_url("**answered=*")
    assert "已答复异议 1 条" in clerk.text()
    clerk.open("/desk/appeals")
    assert "没有待答复的异议" in clerk.text()

    student.open("/")
    assert "图书馆（librarian）答复" in student.text()
    assert "总台没有归还记录，请带借书证来核对。" in student.text()
    page.get_by_role("link", name="异议核对记录").click()
    assert "部门经办人签字" in student.text()
    (made,) = Appeals(university.desk).of_student(COHORT, LIN.number)
    assert made.seen.state is State.HELD


def test_a_reviewer_sends_a_student_back_and_reads_the_answer(visits: Visits) -> None:
    reviewer = visits(DESK, scripts=False)
    page = reviewer.sign_in("reviewer")
    page.get_by_role("link", name="已退回各部门").click()
    page.get_by_role("button", name="退回部门核对").click()
    page.get_by_label("学号").fill(QIAN.number)
    page.get_by_role("button", name="查找").click()
    page.get_by_label("图书馆").check()
    page.get_by_label("请部门核对的内容").fill("他说借过馆际互借的书。")
    page.get_by_role("button", name="退回", exact=True).click()
    page.wait_for_url("**/desk/sent-back*")
    assert "待答复" in reviewer.text()

    clerk = visits(PHONE, scripts=False)
    desk = clerk.sign_in("librarian")
    desk.get_by_role("link", name="待答复异议 1").click()
    desk.get_by_role("link", name="钱程").click()
    assert "终审退回 · reviewer" in clerk.text()
    desk.locator(".case summary").click()
    desk.get_by_text("重新查询，或打印异议核对记录").click()
    desk.get_by_label("已说明情况").check()
    desk.get_by_label("答复内容").fill("馆际互借已还清。")
    desk.get_by_role("button", name="答复", exact=True).click()
    desk.wait_for_url("**/desk/appeals*")
    assert "已答复：钱程" in clerk.text()

    reviewer.open("/desk/sent-back")
    assert "馆际互借已还清。" in reviewer.text()
    student = visits(PHONE, scripts=False)
    student.sign_in(QIAN.number)
    # What is clear is folded into one line.
    student.page.locator("details.folded > summary").click()
    assert "学院已退回图书馆核对" in student.text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_keeps_anybody_out(visits: Visits, university: World, scheme: str) -> None:
    student = visits(NARROW, scheme=scheme)
    student.sign_in(LIN.number)
    page = student.open("/appeal?step=library")
    assert fits(student)
    page.get_by_label("构造地质学").check()
    page.get_by_label("异议理由").fill("书上周五还到总台了。")
    page.get_by_role("button", name="提交异议").click()
    page.wait_for_url("**/")
    assert fits(student)
    (made,) = Appeals(university.desk).of_student(COHORT, LIN.number)
    student.open(f"/appeal/{made.appeal}/record")
    assert fits(student)
    clerk = visits(NARROW, scheme=scheme)
    clerk.sign_in("librarian")
    for path in ("/desk/appeals", f"/desk/appeals/{made.appeal}"):
        clerk.open(path)
        assert fits(clerk), path
    reviewer = visits(NARROW, scheme=scheme)
    reviewer.sign_in("reviewer")
    for path in ("/desk/send-back", f"/desk/send-back?student={QIAN.number}", "/desk/sent-back"):
        reviewer.open(path)
        assert fits(reviewer), path
