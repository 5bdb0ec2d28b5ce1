"""After an act a line states what happened, with the way back and the next; and a decision answers the appeals."""

from collections.abc import Callable

import httpx
import pytest
from starlette.testclient import TestClient

from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.certificates import Issue
from status_db.decisions.writer import DecisionRequest
from status_db.inbox.appeal_rows import AppealOutcome
from status_db.inbox.appeals import Appeals
from status_db.model import Verdict
from tests.cast import LIN, SUN, ZHAO
from tests.portal.conftest import lin_objects
from tests.portal.desk.test_desk import (
    RETURNED,
    decided,
    hidden,
    newest,
    record,
    send,
    send_from,
    step_of,
    students_in,
    words_of,
)
from tests.portal.html_page import Page
from tests.world import COHORT, World

SignedIn = Callable[[str], TestClient]


class TestTheLine:
    def test_it_states_who_and_what_and_offers_the_way_back(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in("librarian")
        page = send(browser, LIN.number, "decide", **RETURNED)
        assert f"已办理：{LIN.name}（{LIN.number}），图书馆环节通过。" in words_of(page)
        (undo,) = (form for form in Page(page).forms(method="post") if form.fields.get("because", [""])[0])
        back = browser.post(f"/desk/students/{LIN.number}/withdraw?step=library", data=dict(undo.fields))
        assert f"已撤回：{LIN.name}（{LIN.number}），图书馆环节的办理。" in words_of(back)
        assert university.verdict(LIN.number, "library") is Verdict.HELD
        assert newest(university, AuditEvent.DECISION_WITHDRAWN).student == LIN.number

    def test_it_names_the_next_student_that_waits(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in("librarian")
        page = send(browser, LIN.number, "decide", **RETURNED)
        assert "没有下一名，返回待办" in words_of(page)
        university.decisions.enter(
            DecisionRequest(ZHAO.number, "library", Verdict.HELD, "赔书"), "wang", university.now
        )
        page = send(browser, LIN.number, "decide", **RETURNED)
        (link,) = (link for link in Page(page).links if link.text.startswith("下一名"))
        assert (ZHAO.name in link.text, f"/desk/students/{ZHAO.number}?" in link.href) == (True, True)

    def test_a_bookmark_of_it_repeats_nothing(self, university: World, signed_in: SignedIn) -> None:
        page = send(signed_in("librarian"), LIN.number, "decide", **RETURNED)
        kept = f"{page.url.path}?{page.url.query.decode()}"
        assert "已办理：" in words_of(signed_in("librarian").get(kept))
        university.later(hours=2)
        assert "已办理：" not in words_of(signed_in("librarian").get(kept))

    def test_a_colleague_cannot_take_it_back_by_its_address(self, university: World, signed_in: SignedIn) -> None:
        decided(university, LIN.number)
        number = step_of(university, LIN.number).decision
        assert number is not None
        page = signed_in("librarian").get(f"{record(LIN.number)}&done={number.id}")
        assert "已办理：" in words_of(page)
        assert "办理有误，随即撤回" not in page.text


def picks_of(page: httpx.Response, *numbers: str) -> list[str]:
    """Return what the ticks of these students send."""
    ticks = [one["value"] for one in Page(page).all("input", name="pick")]
    return [one for one in ticks if one.split()[0] in numbers]


class TestAppeals:
    def test_the_record_shows_a_waiting_appeal_before_the_evidence(
        self, university: World, signed_in: SignedIn
    ) -> None:
        lin_objects(university)
        page = words_of(signed_in("librarian").get(record(LIN.number)))
        assert page.index("书上周就还了。") < page.index("《构造地质学》 B0001")
        assert page.index("待答复的异议") < page.index("办理依据")

    def test_deciding_answers_it_in_the_same_act(self, university: World, signed_in: SignedIn) -> None:
        made = lin_objects(university)
        browser = signed_in("librarian")
        shown = browser.get(record(LIN.number))
        appeal = hidden(shown, "appeal")
        page = send_from(shown, browser, LIN.number, "decide", appeal=appeal, answer="书在还书箱里。", **RETURNED)
        assert "已答复异议 1 条。" in words_of(page)
        (one,) = Appeals(university.desk).of_student(COHORT, LIN.number)
        decision = step_of(university, LIN.number).decision
        assert decision is not None
        assert (one.appeal, one.outcome, one.answer, one.decision) == (
            made.appeal, AppealOutcome.DECIDED, "书在还书箱里。", decision.id
        )  # fmt: skip
        assert newest(university, AuditEvent.APPEAL_ANSWERED).student == LIN.number

    def test_one_that_the_clerk_has_not_seen_waits_on(self, university: World, signed_in: SignedIn) -> None:
        first = lin_objects(university)
        browser = signed_in("librarian")
        shown = browser.get(record(LIN.number))
        second = Appeals(university.desk).raise_(
            COHORT,
            LIN.number,
            "library",
            "",
            "还有一本也还了。",
            account=LIN.number,
            seen=first.seen,
            due=first.due,
            now=university.now,
            limit=5,
        )
        send_from(shown, browser, LIN.number, "decide", appeal=hidden(shown, "appeal"), **RETURNED)
        waits = {one.appeal: one.waits for one in Appeals(university.desk).of_student(COHORT, LIN.number)}
        assert waits == {first.appeal: False, second.appeal: True}

    def test_it_can_be_answered_alone_on_the_record(self, university: World, signed_in: SignedIn) -> None:
        made = lin_objects(university)
        browser = signed_in("librarian")
        shown = browser.get(record(LIN.number))
        (form,) = (one for one in Page(shown).forms(method="post") if one.fields.get("outcome") == ["explained"])
        page = browser.post(
            f"/desk/appeals/{made.appeal}/answer?step=library", data=dict(form.fields) | {"answer": "请带书来核对。"}
        )
        assert page.url.path == f"/desk/students/{LIN.number}"
        assert "已答复异议 1 条。" in words_of(page)
        assert university.verdict(LIN.number, "library") is Verdict.HELD

    def test_a_cleared_step_is_never_beside_an_overdue_answer(self, university: World, signed_in: SignedIn) -> None:
        lin_objects(university)
        decided(university, LIN.number)
        university.later(days=5)
        page = words_of(signed_in(LIN.number).get("/"))
        assert "本环节现已办结。" in page
        assert "现已逾期" not in page

    def test_an_appeal_at_a_step_that_is_not_clear_becomes_overdue(
        self, university: World, signed_in: SignedIn
    ) -> None:
        lin_objects(university)
        university.later(days=5)
        page = words_of(signed_in(LIN.number).get("/"))
        assert "现已逾期" in page
        assert "本环节现已办结。" not in page


class TestTicks:
    def test_several_are_decided_at_once_and_taken_back_at_once(self, university: World, signed_in: SignedIn) -> None:
        made = lin_objects(university)
        browser = signed_in("librarian")
        shown = browser.get("/desk?tab=all")
        picks = picks_of(shown, LIN.number, ZHAO.number)
        assert len(picks) == 2
        form = {"form_token": hidden(shown, "form_token"), "pick": picks, "verdict": "cleared", "reason": "现场归还"}
        page = browser.post("/desk/decide?step=library", data=form)
        assert "已办理 2 名学生。" in words_of(page)
        assert {university.verdict(one.number, "library") for one in (LIN, ZHAO)} == {Verdict.CLEARED}
        (answered,) = Appeals(university.desk).of_student(COHORT, LIN.number)
        assert (answered.appeal, answered.outcome) == (made.appeal, AppealOutcome.DECIDED)
        (batch,) = (link.href for link in Page(page).links if "整批撤回" in link.text)
        back = browser.get(batch)
        undo = Page(back).forms(method="post")[-1]
        done = browser.post(undo["action"], data=dict(undo.fields) | {"reason": "点错"})
        assert done.status_code == 200, words_of(done)
        assert university.verdict(LIN.number, "library") is Verdict.HELD

    def test_who_has_moved_since_is_left_as_they_are(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in("librarian")
        shown = browser.get("/desk?tab=all")
        picks = picks_of(shown, LIN.number, ZHAO.number)
        wish = DecisionRequest(LIN.number, "library", Verdict.HELD, "赔书")
        university.decisions.enter(wish, "wang", university.now)
        form = {"form_token": hidden(shown, "form_token"), "pick": picks, "verdict": "cleared", "reason": "现场归还"}
        page = browser.post("/desk/decide?step=library", data=form)
        assert "已办理 1 名学生。" in words_of(page)
        assert "1 名未办理" in words_of(page)
        assert university.verdict(LIN.number, "library") is Verdict.HELD

    @pytest.mark.parametrize(
        ("sent", "why"),
        [
            ({"verdict": "cleared", "reason": "现场归还"}, "未勾选学生"),
            ({"pick": f"{LIN.number} 0:0", "reason": "现场归还"}, "未选结论"),
            ({"pick": f"{LIN.number} 0:0", "verdict": "cleared"}, "请写明原因"),
            ({"pick": f"{LIN.number} 0:0", "verdict": "cleared", "reason": "现场归还"}, "请逐个核对"),
        ],
    )
    def test_what_is_missing_is_named(self, signed_in: SignedIn, sent: dict[str, str], why: str) -> None:
        browser = signed_in("librarian")
        page = browser.post(
            "/desk/decide?step=library", data=sent | {"form_token": hidden(browser.get("/desk?tab=all"), "form_token")}
        )
        assert page.status_code in (409, 422)
        assert why in words_of(page)


class TestReviewer:
    def test_they_land_on_what_can_be_reviewed(self, university: World, signed_in: SignedIn) -> None:
        decided(university, SUN.number, "college_items")
        page = Page(signed_in("reviewer").get("/desk"))
        assert students_in(page) == [SUN.number]
        assert "可终审 1 名" in page.text
        tabs = [link.text for link in page.links if link.text.startswith(("待终审", "未到此步", "已终审", "已发证"))]
        assert [tab.split()[0] for tab in tabs] == ["待终审", "未到此步", "已终审", "已发证"]

    def test_each_student_is_under_one_tab(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        tabs = ("state-open", "state-closed", "reviewed", "issued")

        def where(number: str) -> list[str]:
            return [tab for tab in tabs if number in students_in(Page(browser.get("/desk", params={"tab": tab})))]

        assert where(SUN.number) == ["state-closed"]
        decided(university, SUN.number, "college_items")
        assert where(SUN.number) == ["state-open"]
        wish = DecisionRequest(SUN.number, "final_review", Verdict.CLEARED, "齐备")
        university.reviews.review(wish, "reviewer", university.now)
        assert where(SUN.number) == ["reviewed"]
        university.register.issue(Issue(SUN.number, "C-1", "毕业证书", ""), "reviewer", university.now)
        assert where(SUN.number) == ["issued"]


def test_names_of_people_are_shown_on_the_record(university: World, signed_in: SignedIn) -> None:
    university.accounts.add("colleague", "王老师", "", now=university.now)
    decided(university, LIN.number)
    page = words_of(signed_in("librarian").get(record(LIN.number)))
    assert "办理人 王老师" in page
    assert "colleague" not in page
