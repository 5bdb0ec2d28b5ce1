"""An appeal from end to end: submitted on the student's page, answered at the desk, shown on the page, printed."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from connectors.port import SourceUnavailable
from portal.auth.sessions import form_token, hash_of, new_token
from portal.student import recheck
from status_db import tables
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.decisions.writer import DecisionRequest
from status_db.inbox.appeal_rows import Appeal, AppealKind, AppealOutcome
from status_db.inbox.appeals import Appeals
from status_db.model import State, Verdict
from tests.cast import LI, LIN, QIAN, SUN, ZHAO, ZHOU
from tests.portal.conftest import _HASHED, lin_objects
from tests.portal.html_page import Page
from tests.portal.waiting import serve
from tests.portal.whole import whole_app
from tests.world import COHORT, World

#: Besides the staff of the other pages' tests.
MORE_STAFF: dict[str, tuple[Grant, ...]] = {
    "branch": (Grant(Act.DECIDE, "library", {"college": ("资源学院",)}),),
    "cashier": (Grant(Act.DECIDE, "finance"),),
    "second": (Grant(Act.DECIDE, "library"),),
    "college": (Grant(Act.DECIDE, "college_items"),),
}
BOOK = "loan:B0001"


class Place:
    """Somebody's browser."""

    def __init__(self, browser: TestClient) -> None:
        self._browser = browser

    def get(self, path: str, **params: str) -> httpx.Response:
        answer: httpx.Response = self._browser.get(path, params=params or None)
        return answer

    def text(self, path: str) -> str:
        """Return a page's words."""
        answer = self.get(path)
        assert answer.status_code == 200, answer.text
        return Page(answer).text

    def post(self, path: str, **form: str) -> httpx.Response:
        form["form_token"] = form_token(self._browser.cookies["clearance"])
        answer: httpx.Response = self._browser.post(path, data=form)
        return answer


class Visits:
    """Browsers on one application; whoever visits has signed in."""

    def __init__(self, world: World, stack: ExitStack) -> None:
        self.world = world
        self._app = whole_app(world)
        self._stack = stack
        self._stack.enter_context(TestClient(self._app, base_url="http://testserver"))

    def of(self, account: str) -> Place:
        """Return the browser of somebody who has just signed in."""
        browser, cookie = TestClient(self._app, base_url="http://testserver", follow_redirects=True), new_token()
        browser.cookies.set("clearance", cookie)
        self.world.accounts.open_session(hash_of(cookie), account, self.world.now, longest=timedelta(hours=12))
        return Place(browser)


@pytest.fixture
def visits(university: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Visits]:
    """Nobody serves what is asked for, so nobody waits for it."""
    monkeypatch.setattr(recheck, "PATIENCE", 0)
    for account, grants in MORE_STAFF.items():
        university.accounts.add(account, f"{account}老师", _HASHED, grants=grants, now=university.now)
    with ExitStack() as stack:
        yield Visits(university, stack)


def raised(world: World, student: str = LIN.number) -> tuple[Appeal, ...]:
    return Appeals(world.desk).of_student(COHORT, student)


def book_comes_back(world: World) -> None:
    """Have the library take Lin's book back, and say so when it is asked about her."""
    world.says["loans"] = []
    world.later(minutes=1)
    world.sync.recheck("loans", LIN.number, by="test")


def object_to(student: Place, step: str = "library", item: str = BOOK, text: str = "书上周就还了。") -> httpx.Response:
    return student.post("/appeal", step=step, item=item, text=text)


def events(world: World) -> list[AuditEvent]:
    told = (AuditEvent.SIGNED_IN, AuditEvent.SAW_STUDENT)
    return [line.event for line in Audit(world.desk).newest(20) if line.event not in told]


class TestTheStudentsPage:
    def test_what_stood_at_the_appeal_is_judged_by_its_day(self, university: World, visits: Visits) -> None:
        lin = visits.of(LIN.number)
        object_to(lin)
        (one,) = raised(university)
        # The book was due on 30 May: five days after the appeal, two days before the record is read.
        university.later(days=7)
        lin = visits.of(LIN.number)
        assert "已逾期，5月30日" in lin.get("/").text
        then = lin.get(f"/appeal/{one.appeal}/record").text.split("现在的状态")[0]
        assert "5月30日" in then
        assert "已逾期，" not in then

    def test_only_what_is_not_clear_may_be_objected_to(self, university: World, visits: Visits) -> None:
        lin = visits.of(LIN.number)
        links = [link.href for link in Page(lin.get("/")).links]
        offered = [link.removeprefix("/appeal?step=") for link in links if link.startswith("/appeal?step=")]
        # The library and the dormitory hold, the college has not spoken; nothing is owed to the finance office, and
        # the review is not open.
        assert sorted(offered) == ["college_items", "dorm", "library"]
        for step in ("finance", "final_review"):
            assert lin.get("/appeal", step=step).url.path == "/"
            object_to(lin, step, "")
        for step in ("nothing", ""):
            assert lin.get("/appeal", step=step).status_code == 404
            assert object_to(lin, step, "").status_code == 404
        assert raised(university) == ()

    def test_each_thing_owed_is_offered_as_the_card_shows_it_and_the_step_as_a_whole(self, visits: Visits) -> None:
        page = visits.of(LIN.number).get("/appeal", step="library")
        assert [field["value"] for field in Page(page).all("input", name="item")] == [BOOK, "fine:滞纳金:", ""]
        assert "checked" not in page.text
        for words in ("《构造地质学》", "B0001", "5月30日", "3.20 元", "“图书馆”整个环节", "最迟 5月28日"):
            assert words in page.text
        alone = Page(visits.of(LIN.number).get("/appeal", step="college_items"))
        assert alone.fields["item"] == [""]
        assert "required" in alone.one("input", name="item")

    def test_what_is_sent_is_on_the_card_with_its_due_time(self, university: World, visits: Visits) -> None:
        lin = visits.of(LIN.number)
        page = object_to(lin)
        assert page.url.path == "/"
        (made,) = raised(university)
        assert (made.kind, made.step, made.item, made.text) == (AppealKind.APPEAL, "library", BOOK, "书上周就还了。")
        assert made.seen.state is State.HELD
        assert [thing.key for thing in made.seen.obligations] == [BOOK, "fine:滞纳金:"]
        library = next(step for step in university.student(LIN.number).steps if step.step == "library")
        assert (made.seen.as_of, made.seen.run) == (library.as_of, library.run)
        # A Saturday morning; the library tells its hours in words alone: 16 hours from Monday at eight.
        assert "图书馆最迟 5月28日 15:00 答复" in page.text
        assert "异议已提交（5月25日" in page.text
        assert "《构造地质学》、5月30日" in page.text
        assert "书上周就还了。" in page.text
        assert events(university)[0] is AuditEvent.APPEAL_RAISED

    @pytest.mark.parametrize(
        ("item", "text", "says"),
        [
            (BOOK, " ", "请写明情况"),
            (BOOK, "长" * 501, "最多 500 字"),
            ("loan:B9", "不是我的", "请选择要提出异议的项"),
        ],
    )
    def test_what_is_not_taken_comes_back_with_what_was_typed(
        self, university: World, visits: Visits, item: str, text: str, says: str
    ) -> None:
        page = object_to(visits.of(LIN.number), item=item, text=text)
        assert page.status_code == 422
        assert says in page.text
        assert text.strip() in page.text
        assert raised(university) == ()

    def test_the_same_thing_twice_is_shown_and_so_is_one_too_many(self, university: World, visits: Visits) -> None:
        lin = visits.of(LIN.number)
        object_to(lin)
        again = object_to(lin, text="第二次写的话")
        assert again.status_code == 409
        assert "该项已提出异议" in again.text
        assert "第二次写的话" in again.text
        for step, item in (("library", ""), ("library", "fine:滞纳金:"), ("dorm", ""), ("college_items", "")):
            assert object_to(lin, step, item).status_code == 200
        more = object_to(lin, "dorm", "room:东区12栋412:")
        assert more.status_code == 429
        assert "已达上限" in more.text
        assert len(raised(university)) == university.settings.desk.appeals_waiting == 5

    def test_it_is_taken_back_once_and_then_may_be_raised_again(self, university: World, visits: Visits) -> None:
        lin = visits.of(LIN.number)
        object_to(lin)
        (made,) = raised(university)
        page = lin.post(f"/appeal/{made.appeal}/withdraw")
        assert page.url.path == "/"
        assert "异议已提交" not in page.text
        assert raised(university)[0].outcome is AppealOutcome.WITHDRAWN
        assert lin.post(f"/appeal/{made.appeal}/withdraw").url.path == "/"
        assert events(university)[:2] == [AuditEvent.APPEAL_WITHDRAWN, AuditEvent.APPEAL_RAISED]
        assert "异议已提交" in object_to(lin).text

    def test_anothers_is_like_one_that_is_not_there(self, university: World, visits: Visits) -> None:
        object_to(visits.of(LIN.number))
        (made,) = raised(university)
        for who in (QIAN.number, "librarian", "20990001", ZHOU.number):
            other = visits.of(who)
            for number in (made.appeal, 999):
                assert other.get(f"/appeal/{number}/record").status_code == 404
                assert other.post(f"/appeal/{number}/withdraw").status_code == 404
        assert raised(university)[0].waits

    def test_an_answer_that_is_late_is_shown_to_be(self, university: World, visits: Visits) -> None:
        lin = visits.of(LIN.number)
        object_to(lin)
        (made,) = raised(university)
        university.now = made.due
        assert "现已逾期" not in visits.of(LIN.number).get("/").text
        university.later(minutes=1)
        assert "应于 5月28日 15:00 前答复，现已逾期。请直接联系图书馆。" in visits.of(LIN.number).get("/").text

    def test_where_there_is_no_desk_nobody_appeals(self, university: World) -> None:
        off = university.settings.desk.model_copy(update={"enabled": False})
        university.settings = university.settings.model_copy(update={"desk": off})
        with ExitStack() as stack:
            lin = Visits(university, stack).of(LIN.number)
            assert "/appeal" not in lin.get("/").text
            assert lin.get("/appeal", step="library").status_code == 404
            assert object_to(lin).status_code == 404

    def test_a_step_that_is_no_more_breaks_no_page(self, university: World, visits: Visits) -> None:
        lin_objects(university)
        with university.desk_engine.begin() as connection:
            connection.execute(update(tables.appeal).values(step="gone"))
        lin = visits.of(LIN.number)
        assert lin.get("/").status_code == 200
        assert lin.get("/appeal/1/record").status_code == 404

    def test_staff_are_offered_nothing_on_a_students_page(self, visits: Visits) -> None:
        assert "/appeal" not in visits.of("dean").get(f"/students/{LIN.number}").text


@pytest.fixture
def waiting(university: World, visits: Visits) -> Appeal:
    """Lin says that the book is back."""
    object_to(visits.of(LIN.number))
    return raised(university)[0]


def address(one: Appeal, more: str = "") -> str:
    return f"/desk/appeals/{one.appeal}{more}"


class TestTheQueue:
    def test_it_shows_what_was_seen_then_against_what_counts_now(
        self, university: World, visits: Visits, waiting: Appeal
    ) -> None:
        book_comes_back(university)
        university.later(hours=3)
        page = visits.of("librarian").text("/desk/appeals?step=library")
        for words in ("林小满 20151001", "书上周就还了。", "待答复", "最迟 5月28日 15:00 答复，已等待 3 小时"):
            assert words in page
        then, now = re.search(r"提出时的状态 (.*?) 现在的状态 (.*)", page).groups()  # type: ignore[union-attr]
        assert "《构造地质学》" in then
        assert "《构造地质学》" not in now
        assert "异议所指的未结事项已不存在" in now

    def test_what_a_person_let_off_is_not_reported_as_gone(
        self, university: World, visits: Visits, waiting: Appeal
    ) -> None:
        """The library's system still has the book on loan."""
        university.decisions.enter(
            DecisionRequest(LIN.number, "library", Verdict.CLEARED, "赔书"), "librarian", university.now
        )
        page = visits.of("librarian").text("/desk/appeals?step=library")
        assert "现在的状态 ✓ 通过·人工办理" in page
        assert "赔书" in page
        assert "已不存在" not in page

    def test_whichever_is_due_first_comes_first_and_what_is_overdue_is_named_so(
        self, university: World, visits: Visits, waiting: Appeal
    ) -> None:
        university.later(days=2)
        store = Appeals(university.desk)
        store.send_back(
            COHORT, QIAN.number, "library", "请核对。", account="reviewer", seen=waiting.seen,
            due=university.now - timedelta(minutes=1), now=university.now - timedelta(days=1),
        )  # fmt: skip
        page = visits.of("librarian").text("/desk/appeals?step=library")
        assert page.index("钱程") < page.index("林小满")
        assert page.count("已逾期") == 1
        assert "终审退回 · reviewer" in page
        university.later(days=3)
        assert visits.of("librarian").text("/desk/appeals?step=library").count("已逾期") == 2

    def test_the_head_of_the_desk_counts_those_who_may_be_answered(self, visits: Visits, waiting: Appeal) -> None:
        for who, number in (("librarian", 1), ("branch", 0), ("second", 1)):
            assert f"待答复异议 {number}" in visits.of(who).text("/desk")
        assert "待答复异议 0" in visits.of("reviewer").text("/desk")
        assert "没有待答复的异议" in visits.of("branch").text("/desk/appeals")

    def test_answered_ones_are_gone_from_it(self, visits: Visits, waiting: Appeal) -> None:
        librarian = visits.of("librarian")
        page = librarian.post(address(waiting, "/answer"), outcome="explained", answer="系统里还没有归还记录。")
        assert page.url.path == "/desk/appeals"
        assert "已答复：林小满（20151001），已说明情况。" in page.text
        assert "林小满" not in librarian.text("/desk/appeals")


class TestAnswering:
    def test_explained_shows_the_student_who_answered_what_and_when(
        self, university: World, visits: Visits, waiting: Appeal
    ) -> None:
        university.later(hours=1)
        visits.of("second").post(address(waiting, "/answer"), outcome="explained", answer="请到总台出示借书证。")
        page = visits.of(LIN.number).text("/")
        assert re.search(r"5月25日 \d\d:\d\d 图书馆（second老师）答复：经核对，说明如下。 请到总台出示借书证。", page)
        assert "最迟" not in page
        (told,) = raised(university)
        assert (told.outcome, told.answered_by) == (AppealOutcome.EXPLAINED, "second")
        line = Audit(university.desk).newest(20, event=AuditEvent.APPEAL_ANSWERED)[0]
        assert (line.account, line.student, line.detail["outcome"]) == ("second", LIN.number, "explained")

    def test_explained_needs_words_and_loses_none(self, university: World, visits: Visits, waiting: Appeal) -> None:
        librarian = visits.of("librarian")
        page = librarian.post(address(waiting, "/answer"), outcome="explained", answer=" ")
        assert page.status_code == 422
        assert "请写明情况" in page.text
        for outcome in ("", "withdrawn", "nonsense"):
            page = librarian.post(address(waiting, "/answer"), outcome=outcome, answer="写好的话")
            assert page.status_code == 422
            assert "请选择处理结果" in page.text
            assert "写好的话" in page.text
        assert raised(university)[0].waits

    def test_rechecked_is_an_answer_once_the_sources_have_answered(
        self, university: World, visits: Visits, waiting: Appeal
    ) -> None:
        librarian = visits.of("librarian")
        university.later(minutes=1)
        early = librarian.post(address(waiting, "/answer"), outcome="rechecked", answer="已核对")
        assert early.status_code == 422
        assert "异议提出后尚未重新查询成功" in early.text
        assert "已核对" in early.text
        page = librarian.post(address(waiting, "/recheck"))
        assert "正在重新查询" in page.text
        assert librarian.post(address(waiting, "/answer"), outcome="rechecked").status_code == 422
        university.says["loans"] = []
        assert serve(university) == 1
        assert "已重新查询，以下为查询后的状态" in librarian.get(address(waiting)).text
        assert librarian.post(address(waiting, "/answer"), outcome="rechecked", answer="").status_code == 200
        told = visits.of(LIN.number).text("/")
        assert "图书馆（librarian）答复：已重新查询部门系统，结果以本页为准。" in told
        assert "1 册未还" not in told

    def test_a_source_that_did_not_answer_has_rechecked_nothing(
        self, university: World, visits: Visits, waiting: Appeal
    ) -> None:
        librarian = visits.of("librarian")
        librarian.post(address(waiting, "/recheck"))
        university.fails["loans"] = SourceUnavailable("the library does not answer", "Wait.")
        serve(university)
        assert "重新查询未成功" in librarian.get(address(waiting)).text
        assert librarian.post(address(waiting, "/answer"), outcome="rechecked").status_code == 422

    def test_what_was_checked_before_it_was_raised_answers_nothing(self, university: World, visits: Visits) -> None:
        visits.of(LIN.number).post("/recheck")
        serve(university)
        university.later(minutes=1)
        object_to(visits.of(LIN.number))
        (made,) = raised(university)
        page = visits.of("librarian").post(address(made, "/answer"), outcome="rechecked")
        assert page.status_code == 422

    def test_decided_names_the_decision_that_was_entered_since(self, university: World, visits: Visits) -> None:
        wish = DecisionRequest(LIN.number, "library", Verdict.HELD, "数据有误")
        university.decisions.enter(wish, "librarian", university.now)
        university.later(minutes=1)
        object_to(visits.of(LIN.number), item="")
        (made,) = raised(university)
        librarian = visits.of("librarian")
        early = librarian.post(address(made, "/answer"), outcome="decided", answer="已核销")
        assert early.status_code == 422
        assert "异议提出后，本环节尚未人工办理" in early.text
        assert f'href="/desk/students/{LIN.number}?step=library"' in early.text
        first = university.student(LIN.number).steps[0].decision
        assert first is not None
        university.decisions.withdraw(LIN.number, "library", "librarian", university.now)
        university.later(minutes=1)
        university.decisions.enter(
            DecisionRequest(LIN.number, "library", Verdict.CLEARED, "现场归还"), "second", university.now
        )
        now = university.student(LIN.number).steps[0].decision
        assert now is not None
        assert f"引用异议提出后的办理 {now.id}" in librarian.get(address(made)).text
        assert librarian.post(address(made, "/answer"), outcome="decided").status_code == 200
        (told,) = raised(university)
        assert (told.outcome, told.decision) == (AppealOutcome.DECIDED, now.id)
        page = visits.of(LIN.number).text("/")
        assert "通过·人工办理" in page
        assert "答复：已人工办理，结果以本页为准。" in page

    def test_an_answer_decides_nothing(self, university: World, visits: Visits, waiting: Appeal) -> None:
        before = university.student(LIN.number).steps
        visits.of("librarian").post(address(waiting, "/answer"), outcome="explained", answer="已核对。")
        assert university.student(LIN.number).steps == before
        assert university.reader.decisions(COHORT) == ()

    def test_the_second_reads_who_was_first(self, university: World, visits: Visits, waiting: Appeal) -> None:
        visits.of("librarian").post(address(waiting, "/answer"), outcome="explained", answer="先到的话。")
        late = visits.of("second").post(address(waiting, "/answer"), outcome="explained", answer="后到的话。")
        assert late.status_code == 409
        assert "已答复或撤回" in late.text
        assert "先到的话。" in late.text
        assert "librarian" in late.text
        assert raised(university)[0].answer == "先到的话。"

    def test_one_that_was_taken_back_is_not_answered(self, visits: Visits, waiting: Appeal) -> None:
        visits.of(LIN.number).post(f"/appeal/{waiting.appeal}/withdraw")
        librarian = visits.of("librarian")
        assert librarian.post(address(waiting, "/answer"), outcome="explained", answer="好。").status_code == 409
        page = librarian.get(address(waiting)).text
        assert "已撤回" in page
        assert 'name="outcome"' not in page

    def test_a_step_without_sources_is_not_rechecked(self, university: World, visits: Visits) -> None:
        object_to(visits.of(LIN.number), "college_items", "")
        (made,) = raised(university)
        college = visits.of("college")
        assert 'value="rechecked"' not in college.get(address(made)).text
        assert college.post(address(made, "/recheck")).status_code == 404
        assert college.post(address(made, "/answer"), outcome="rechecked").status_code == 422

    @pytest.mark.parametrize("who", ["branch", "cashier", "reviewer"])
    def test_who_may_not_decide_the_step_of_this_student_finds_nothing(
        self, university: World, visits: Visits, waiting: Appeal, who: str
    ) -> None:
        """Foreign looks like missing, to the letter."""
        other = visits.of(who)
        for more in ("", "/record"):
            foreign, missing = other.get(address(waiting, more)), other.get(f"/desk/appeals/999{more}")
            assert (foreign.status_code, missing.status_code) == (404, 404)
            there = f"/desk/appeals/{waiting.appeal}"
            assert foreign.text.replace(there, "X") == missing.text.replace("/desk/appeals/999", "X")
        for more in ("/answer", "/recheck"):
            assert other.post(address(waiting, more), outcome="explained", answer="好").status_code == 404
        assert raised(university)[0].waits

    @pytest.mark.parametrize("who", ["dean", "admin", "auditor", LIN.number])
    def test_who_decides_nothing_answers_nothing(self, university: World, visits: Visits, who: str) -> None:
        object_to(visits.of(LIN.number))
        (made,) = raised(university)
        other = visits.of(who)
        assert other.get("/desk/appeals").status_code == 403
        assert other.post(address(made, "/answer"), outcome="explained", answer="好").status_code == 403
        assert raised(university)[0].waits

    def test_a_refused_review_is_answered_by_the_reviewer(self, university: World, visits: Visits) -> None:
        university.decisions.enter(
            DecisionRequest(SUN.number, "college_items", Verdict.CLEARED, "无借阅"), "college", university.now
        )
        university.reviews.review(
            DecisionRequest(SUN.number, "final_review", Verdict.HELD, "材料不全"), "reviewer", university.now
        )
        object_to(visits.of(SUN.number), "final_review", "")
        (made,) = raised(university, SUN.number)
        assert "孙若楠" in visits.of("reviewer").text("/desk/appeals")
        visits.of("reviewer").post(address(made, "/answer"), outcome="explained", answer="请补交登记表。")
        assert "请补交登记表。" in visits.of(SUN.number).text("/")


class TestSendingBack:
    def send(
        self, reviewer: Place, student: str = QIAN.number, step: str = "library", text: str = "请再核对。"
    ) -> httpx.Response:
        return reviewer.post("/desk/send-back", student=student, step=step, text=text)

    def test_the_steps_before_the_review_are_there_to_choose(self, visits: Visits) -> None:
        page = visits.of("reviewer").get("/desk/send-back", student=QIAN.number)
        choices = Page(page).all("input", name="step")
        assert [choice["value"] for choice in choices] == ["library", "finance", "dorm", "college_items"]
        assert all("required" in choice for choice in choices)

    def test_it_goes_to_the_office_and_the_answer_comes_back(self, university: World, visits: Visits) -> None:
        reviewer = visits.of("reviewer")
        page = self.send(reviewer)
        assert page.url.path == "/desk/sent-back"
        (made,) = raised(university, QIAN.number)
        assert (made.kind, made.step, made.raised_by, made.item) == (AppealKind.SENT_BACK, "library", "reviewer", "")
        assert events(university)[0] is AuditEvent.SENT_BACK
        assert "图书馆 · 钱程 20152003 … 待答复" in visits.of("reviewer").text("/desk/sent-back")
        for who in ("librarian", "branch"):
            queue = visits.of(who).text("/desk/appeals")
            assert "终审退回 · reviewer" in queue
            assert "请再核对。" in queue
        student = visits.of(QIAN.number).text("/")
        assert "学院已退回图书馆核对（5月25日" in student
        assert "请再核对。" not in student
        assert "/withdraw" not in visits.of(QIAN.number).get("/").text
        visits.of("branch").post(address(made, "/answer"), outcome="explained", answer="无借阅，情况属实。")
        listed = visits.of("reviewer").text("/desk/sent-back")
        assert "branch老师 · 已说明情况 无借阅，情况属实。" in listed
        student = visits.of(QIAN.number).text("/")
        assert "图书馆（branch老师）答复：已核对，状态不变。" in student
        assert "情况属实" not in student

    def test_titles_and_amounts_stay_between_the_student_and_the_office(
        self, university: World, visits: Visits
    ) -> None:
        reviewer = visits.of("reviewer")
        form = reviewer.get("/desk/send-back", student=QIAN.number).text
        self.send(reviewer, step="finance")
        for page in (form, reviewer.text("/desk/sent-back")):
            assert "校计财处" in page
            assert "不通过" in page
            assert "5,850" not in page
            assert "2018-2019学年学费" not in page

    def test_a_reviewer_cannot_answer_or_decide_what_was_sent_back(self, university: World, visits: Visits) -> None:
        reviewer = visits.of("reviewer")
        before = university.student(QIAN.number).steps
        self.send(reviewer)
        (made,) = raised(university, QIAN.number)
        assert reviewer.get(address(made)).status_code == 404
        assert reviewer.post(address(made, "/answer"), outcome="explained", answer="自己答").status_code == 404
        assert university.student(QIAN.number).steps == before
        assert university.reader.decisions(COHORT) == ()
        assert raised(university, QIAN.number)[0].waits

    @pytest.mark.parametrize("number", [LIN.number, ZHAO.number, "20990009", ""])
    def test_foreign_and_missing_students_are_not_there(self, university: World, visits: Visits, number: str) -> None:
        reviewer = visits.of("reviewer")
        if number:
            assert reviewer.get("/desk/send-back", student=number).status_code == 404
        assert self.send(reviewer, number).status_code == 404
        assert raised(university, number) == ()

    @pytest.mark.parametrize("step", ["final_review", "nothing", ""])
    def test_only_a_step_before_the_review_is_sent_back(self, university: World, visits: Visits, step: str) -> None:
        page = self.send(visits.of("reviewer"), step=step, text="写好的话")
        assert page.status_code == 422
        assert "请选择退回哪个环节" in page.text
        assert "写好的话" in page.text
        assert raised(university, QIAN.number) == ()

    def test_twice_and_without_words_is_shown(self, university: World, visits: Visits) -> None:
        reviewer = visits.of("reviewer")
        assert self.send(reviewer, text=" ").status_code == 422
        self.send(reviewer)
        again = self.send(reviewer, text="第二次的话")
        assert again.status_code == 409
        assert "第二次的话" in again.text
        assert len(raised(university, QIAN.number)) == 1

    def test_postgraduates_have_their_own_steps(self, visits: Visits) -> None:
        choice = Page(visits.of("reviewer").get("/desk/send-back", student=LI.number)).all("input", name="step")[0]
        assert (choice["value"], "required" in choice) == ("college_items", True)

    def test_nobody_but_a_reviewer_sends_back(self, university: World, visits: Visits) -> None:
        for who in ("librarian", "dean", "admin", QIAN.number):
            other = visits.of(who)
            assert other.get("/desk/send-back").status_code == 403
            assert other.get("/desk/sent-back").status_code == 403
            assert self.send(other).status_code == 403
        assert raised(university, QIAN.number) == ()

    def test_what_was_sent_back_outside_the_scopes_is_not_listed(self, university: World, visits: Visits) -> None:
        university.accounts.add(
            "earth", "earth", _HASHED, now=university.now,
            grants=(Grant(Act.REVIEW, "final_review", {"college": ("地球科学学院",)}),),
        )  # fmt: skip
        self.send(visits.of("reviewer"))
        page = visits.of("earth").text("/desk/sent-back")
        assert "钱程" not in page
        assert "暂无退回记录" in page


class TestTheRecord:
    def test_both_print_the_same(self, university: World, visits: Visits, waiting: Appeal) -> None:
        book_comes_back(university)
        visits.of("second").post(address(waiting, "/answer"), outcome="explained", answer="已补登归还。")
        own = visits.of(LIN.number).text(f"/appeal/{waiting.appeal}/record")
        for words in (
            "异议核对记录", "山海大学", "林小满", "20151001", "图书馆", "书上周就还了。", "《构造地质学》",
            "2019年5月25日", "2019年5月28日 15:00", "已说明情况", "second老师", "已补登归还。",
            "异议所指的未结事项已不存在", "学生签字", "部门经办人签字",
        ):  # fmt: skip
            assert words in own, words
        office = visits.of("librarian").text(address(waiting, "/record"))
        paper = re.compile(r"山海大学 异议核对记录 .*打印时间")
        assert paper.search(own)[0] == paper.search(office)[0]  # type: ignore[index]

    def test_it_may_be_printed_before_there_is_an_answer(self, visits: Visits, waiting: Appeal) -> None:
        assert "尚未答复" in visits.of(LIN.number).text(f"/appeal/{waiting.appeal}/record")

    def test_the_pages_are_in_english_too(self, visits: Visits, waiting: Appeal) -> None:
        lin = visits.of(LIN.number)
        assert "Appeal submitted (25 May, 0" in lin.get("/", lang="en").text
        assert "Signature of the student" in lin.get(f"/appeal/{waiting.appeal}/record", lang="en").text
