"""Previews show whose state would change, and whose step is decided already, before anything is entered."""

from collections.abc import Callable

from starlette.testclient import TestClient

from status_db.decisions.writer import DecisionRequest
from status_db.inbox.appeal_rows import AppealOutcome
from status_db.inbox.appeals import Appeals
from status_db.model import Verdict
from tests.cast import LIN, QIAN, SUN, ZHAO
from tests.portal.conftest import lin_objects
from tests.portal.desk import test_full_list, test_imports
from tests.portal.desk.test_full_list import at_the_desk, dormitory
from tests.portal.desk.test_imports import brought, clerk, row, section, words
from tests.portal.html_page import Page
from tests.sync.run.test_uploaded_lists import HEAD
from tests.world import COHORT, World

__all__ = ["at_the_desk", "clerk", "dormitory"]


class TestASheet:
    def test_it_counts_and_marks_whose_state_changes(self, clerk: TestClient) -> None:
        page = brought(clerk, row(LIN), row(ZHAO, "不通过"), row(QIAN))
        assert "1 名将变为办结" in words(page)
        assert "1 名将变为未办结" in words(page)
        new = Page(page).table("new")
        assert [("→" in cells[-1]) for cells in new[1:]] == [True, True, False]
        assert "不通过 → 通过" in new[1][-1]

    def test_a_decided_row_names_who_decided(self, university: World, clerk: TestClient) -> None:
        wish = DecisionRequest(LIN.number, "library", Verdict.HELD, "赔书")
        university.decisions.enter(wish, "wang", university.now)
        page = brought(clerk, row(LIN))
        assert "已有人工办理的行，勾选“替换”才会改变" in words(page)
        assert "wang" in section(page, "conflict")

    def test_a_sheet_that_changes_no_state_announces_none(self, clerk: TestClient) -> None:
        assert "名将变为" not in words(brought(clerk, row(ZHAO)))

    def test_an_import_answers_the_appeals_of_its_students(
        self,
        university: World,
        clerk: TestClient,
    ) -> None:
        raised = lin_objects(university)
        test_imports.confirm(clerk, brought(clerk, row(LIN)))
        (one,) = Appeals(university.desk).of_student(COHORT, LIN.number)
        assert (one.appeal, one.outcome) == (raised.appeal, AppealOutcome.DECIDED)


class TestAFullList:
    def test_it_names_who_would_change_and_who_is_decided(
        self,
        dormitory: World,
        at_the_desk: Callable[[str], TestClient],
    ) -> None:
        wish = DecisionRequest(QIAN.number, "dorm", Verdict.CLEARED, "现场验收")
        dormitory.decisions.enter(wish, "deputy", dormitory.now)
        warden = at_the_desk("warden")
        content = f"{HEAD}{SUN.number},未清退,305\n{LIN.number},已清退,412\n{QIAN.number},未清退,2\n"
        page = Page(test_full_list.bring(warden, content)).text
        assert f"将变为“不通过” 1 名 {SUN.name} {SUN.number}" in page
        assert f"将变为“通过” 1 名 {LIN.name} {LIN.number}" in page
        assert f"已有人工办理，名单不改变办理结果 1 名 {QIAN.name} {QIAN.number}" in page

    def test_the_same_list_again_changes_nobody(
        self,
        dormitory: World,
        at_the_desk: Callable[[str], TestClient],
    ) -> None:
        page = Page(test_full_list.bring(at_the_desk("warden"), f"{HEAD}{SUN.number},已清退,305\n")).text
        assert "将变为" not in page
