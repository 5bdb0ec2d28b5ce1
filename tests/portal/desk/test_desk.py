"""The desk of clerks and reviewers: the queue of a step, the record of a student, deciding and reviewing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.testclient import TestClient

from portal.desk import queue
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent, AuditLine
from status_db.decisions.certificates import Issue
from status_db.decisions.writer import DecisionRequest
from status_db.effective_status import StepStatus
from status_db.model import State, Verdict
from tests.cast import EVERYBODY, GEOLOGY_LOAN, LI, LIN, POETRY_LOAN, QIAN, SUN, ZHAO, ZHOU, Person
from tests.portal.api.conftest import bearing, give_token
from tests.portal.conftest import enter
from tests.portal.html_page import Page
from tests.portal.whole import whole_app
from tests.world import COHORT, World

SignedIn = Callable[[str], TestClient]

#: What a clerk types who has seen a student return the books.
RETURNED = {"verdict": "cleared", "reason": "现场归还"}


def record(number: str, step: str = "library") -> str:
    return f"/desk/students/{number}?step={step}"


def hidden(page: httpx.Response, name: str) -> str:
    """Return what a form of the page brings along."""
    return Page(page).fields[name][0]


def send(browser: TestClient, number: str, act: str, step: str = "library", /, **typed: str) -> httpx.Response:
    """Open a record, fill in its form, and send it."""
    return send_from(browser.get(record(number, step)), browser, number, act, step, **typed)


def send_from(
    shown: httpx.Response, browser: TestClient, number: str, act: str, step: str = "library", /, **typed: str
) -> httpx.Response:
    """Fill in the form of a record that is open already, and send it."""
    seen = {name: hidden(shown, name) for name in ("form_token", "saw", "decision")}
    answer: httpx.Response = browser.post(f"/desk/students/{number}/{act}?step={step}", data={**seen, **typed})
    return answer


def students_in(page: Page) -> list[str]:
    """Return the students whose records a page leads to."""
    paths = [urlsplit(link.href).path for link in page.links]
    return [path.removeprefix("/desk/students/") for path in paths if path.startswith("/desk/students/")]


def words_of(page: httpx.Response) -> str:
    """Return what a person reads on the page."""
    return Page(page).text


def step_of(world: World, number: str, step: str = "library") -> StepStatus:
    return next(s for s in world.student(number).steps if s.step == step)


def decided(world: World, number: str, step: str = "library", **more: str) -> None:
    """Have a colleague decide at the command line."""
    reasons = {"library": "现场归还", "college_items": "无借阅", "finance": "缓交批准"}
    world.decisions.enter(DecisionRequest(number, step, Verdict.CLEARED, reasons[step], **more), "colleague", world.now)  # type: ignore[arg-type]  # all of them are texts


def newest(world: World, event: AuditEvent) -> AuditLine:
    (line,) = Audit(world.desk).newest(1, event=event)
    return line


@pytest.fixture
def second(university: World) -> TestClient:
    """The browser of a second librarian, who is called 王老师."""
    granted = university.accounts.find("librarian")
    assert granted is not None
    university.accounts.add(
        "wang", "王老师", granted.password_hash, grants=[Grant(Act.DECIDE, "library")], now=university.now
    )
    browser = TestClient(whole_app(university), base_url="http://testserver", follow_redirects=True)
    enter(browser, "wang")
    return browser


class TestQueue:
    def test_a_row_has_number_college_and_class_and_leads_to_the_record(self, signed_in: SignedIn) -> None:
        browser = signed_in("librarian")
        (row,) = (row for row in Page(browser.get("/desk")).all("tr") if row.cells[0].startswith(LIN.number))
        assert LIN.college in row.text
        assert LIN.class_name in row.text
        assert "5月25日 08:0" in row.text
        (leads,) = row.links
        assert LIN.name in browser.get(leads.href).text

    def test_namesakes_are_distinguished(self, university: World, signed_in: SignedIn) -> None:
        university.says["roster"] = [p.listed() | {"姓名": "林小满"} for p in EVERYBODY]
        university.run("roster")
        page = signed_in("librarian").get("/desk", params={"text": "林小满", "tab": "all"})
        for one in (LIN, QIAN):
            assert one.number in page.text
            assert one.class_name in page.text

    def test_it_is_narrowed(self, signed_in: SignedIn) -> None:
        browser = signed_in("librarian")
        narrowed: tuple[tuple[dict[str, str], set[Person]], ...] = (
            ({"tab": "all", "class": "S0216"}, {LI}),
            ({"tab": "all", "college": "地球科学学院"}, {LIN, ZHAO}),
            ({"tab": "all", "building": "西区3栋"}, {QIAN, SUN}),
            ({"tab": "state-held"}, {LIN}),
            ({"tab": "state-cleared"}, {ZHAO, QIAN, SUN, LI}),
            ({"text": "２０１５１００１"}, {LIN}),
            ({"tab": "no", "order": "no", "college": "no"}, set()),
        )
        for asked, shown in narrowed:
            page = words_of(browser.get("/desk", params=asked))
            assert {one for one in EVERYBODY if f" {one.number} " in page} == shown, asked

    def test_who_has_waited_longest_comes_first_over_every_page(
        self, university: World, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(queue, "_ROWS", 2)
        university.later(days=3)
        university.says["loans"] = [POETRY_LOAN]
        university.run("loans")
        university.run("fines")
        browser, seen = signed_in("librarian"), []
        address = "/desk?tab=all&order=since"
        while address:
            page = Page(browser.get(address))
            seen += students_in(page)
            assert len(page.all("tr")) <= 3
            address = page.link("next")
        # Zhao's, Sun's and Li's have been as they are since the first day; Qian's is of today.
        assert seen[-1] == QIAN.number
        assert sorted(seen) == sorted(one.number for one in (LIN, ZHAO, QIAN, SUN, LI))
        back = browser.get(
            f"/desk?tab=all&order=since&before={university.now.isoformat()}&before=9".replace("+", "%2B")
        )
        assert students_in(Page(back)) == seen[-2:]

    def test_a_place_in_the_list_that_is_none_shows_the_beginning(self, signed_in: SignedIn) -> None:
        browser = signed_in("librarian")
        for place in ("2019", "0001-01-01T00:00:00+08:00", "x"):
            page = browser.get("/desk", params={"tab": "all", "order": "since", "after": [place, "2"]})
            assert LIN.number in page.text, place


class TestRecord:
    def test_evidence_is_shown_as_it_was_read_with_its_run(self, university: World, signed_in: SignedIn) -> None:
        page = words_of(signed_in("librarian").get(record(LIN.number)))
        for told in (
            "林小满", LIN.number, LIN.college, LIN.class_name, "本科", LIN.campus, LIN.building,
            "《构造地质学》", "B0001", "5月30日", "滞纳金", "3.20", "数据截至 5月25日 08:0", "第 2 次同步",
        ):  # fmt: skip
            assert told in page, told

    def test_a_run_is_a_link_for_who_may_open_it_alone(self, university: World, signed_in: SignedIn) -> None:
        assert 'href="/runs/' not in signed_in("librarian").get(record(LIN.number)).text
        university.accounts.grant("librarian", [Grant(Act.MANAGE)])
        assert 'href="/runs/2"' in signed_in("librarian").get(record(LIN.number)).text

    def test_of_other_offices_the_state_alone_is_shown(self, signed_in: SignedIn) -> None:
        page = words_of(signed_in("librarian").get(record(QIAN.number)))
        assert "校计财处 ✕ 不通过" in page
        assert "5,850" not in page
        assert "学费" not in page

    def test_a_look_is_noted(self, university: World, signed_in: SignedIn) -> None:
        signed_in("librarian").get(record(LIN.number))
        line = newest(university, AuditEvent.SAW_STUDENT)
        assert (line.account, line.student, line.detail) == ("librarian", LIN.number, {"step": "library"})

    def test_a_doubt_is_shown_in_the_language_of_the_page(self, university: World, signed_in: SignedIn) -> None:
        university.says["fines"] = [{"CARD": LIN.number, "AMOUNT": "三块二"}]
        university.run("fines")
        page = words_of(signed_in("librarian").get(record(LIN.number)))
        assert "数据存疑：金额“三块二”无法识别" in page
        assert "cannot be read" not in page

    def test_a_decision_that_answered_less_is_shown_with_what_is_new(
        self, university: World, signed_in: SignedIn
    ) -> None:
        decided(university, LIN.number)
        university.says["loans"].append({**POETRY_LOAN, "CARD": LIN.number})
        university.run("loans")
        page = words_of(signed_in("librarian").get(record(LIN.number)))
        assert "各系统的结论不变，但未结事项与办理时不同" in page
        assert "本环节不计为办结" in page
        assert "《唐诗选》 B0002 （新）" in page
        assert "《构造地质学》 B0001 （新）" not in page

    def test_a_decision_whose_reason_has_gone_still_counts_and_states_what_it_answered(
        self, university: World, signed_in: SignedIn
    ) -> None:
        others = [{**POETRY_LOAN, "BARCODE": f"B1{at}"} for at in range(5)]
        university.says["loans"] = [GEOLOGY_LOAN, *others]
        university.says["fines"] = [{"CARD": LIN.number, "AMOUNT": "0"}]
        university.run("loans")
        university.run("fines")
        decided(university, LIN.number)
        university.says["loans"] = others
        university.run("loans")
        page = words_of(signed_in("librarian").get(record(LIN.number)))
        assert "办理时各系统显示“不通过”，现在显示“通过”" in page
        assert "原办理仍有效" in page
        assert "《构造地质学》 B0001" in page

    def test_one_that_agrees_states_nothing_of_it(self, university: World, signed_in: SignedIn) -> None:
        decided(university, LIN.number)
        assert 'id="disagreement"' not in signed_in("librarian").get(record(LIN.number)).text

    def test_what_was_decided_before_is_kept_in_sight(self, university: World, signed_in: SignedIn) -> None:
        decided(university, LIN.number, note="看了借书证")
        university.decisions.withdraw(LIN.number, "library", "wang", university.now)
        page = words_of(signed_in("librarian").get(record(LIN.number)))
        assert "以前的办理" in page
        assert "wang 于 5月25日 08:0" in page
        assert "看了借书证" in page
        assert "不通过 → 通过" in page
        assert "现行办理" not in page

    def test_a_certificate_is_shown_once_there_is_one(self, university: World, signed_in: SignedIn) -> None:
        decided(university, SUN.number, "college_items")
        university.reviews.review(
            DecisionRequest(SUN.number, "final_review", Verdict.CLEARED, "齐备"), "colleague", university.now
        )
        issue = Issue(SUN.number, "C-77", "毕业证书", "agent", "孙父，委托书 3 号")
        university.register.issue(issue, "registrar", university.now)
        page = words_of(signed_in("reviewer").get(record(SUN.number, "final_review")))
        assert "毕业证书 C-77" in page
        assert "他人代领 孙父，委托书 3 号" in page
        assert "提交终审" not in page

    def test_what_is_foreign_is_as_missing_and_who_decides_nothing_is_kept_out(self, signed_in: SignedIn) -> None:
        for account, asked, status in (
            ("reviewer", record(LIN.number, "final_review"), 404),
            ("reviewer", record("20990009", "final_review"), 404),
            ("reviewer", record(SUN.number), 404),
            ("librarian", record(LIN.number, "finance"), 404),
            ("librarian", record(LIN.number, "nothing"), 404),
            ("librarian", record(ZHOU.number), 404),
            ("admin", record(LIN.number), 403),
            ("dean", record(LIN.number), 403),
            (QIAN.number, record(LIN.number), 403),
        ):
            page = signed_in(account).get(asked)
            assert page.status_code == status, (account, asked)
            assert LIN.name not in page.text

    def test_it_is_read_in_english(self, university: World, signed_in: SignedIn) -> None:
        decided(university, LIN.number)
        page = signed_in("librarian").get(record(LIN.number), params={"step": "library", "lang": "en"})
        assert "Current decision" in page.text
        assert "Decide again" in page.text


class TestDeciding:
    def test_it_is_entered_with_all_that_was_typed_and_noted(self, university: World, signed_in: SignedIn) -> None:
        page = send(
            signed_in("librarian"), LIN.number, "decide", **RETURNED, file_number="图借〔2019〕7号",
            condition="滞纳金下周补缴", words="请下周三前补缴", note="系统里还没销", until="2019-06-30",
        )  # fmt: skip
        assert page.status_code == 200
        decision = step_of(university, LIN.number).decision
        assert decision is not None
        assert (decision.verdict, decision.author, decision.reason) == (Verdict.CLEARED, "librarian", "现场归还")
        assert (decision.condition, decision.file_number) == ("滞纳金下周补缴", "图借〔2019〕7号")
        assert (decision.words, decision.note) == ("请下周三前补缴", "系统里还没销")
        assert decision.until == datetime(2019, 6, 30, 15, 59, 59, tzinfo=UTC), "the end of that day in Shanghai"
        for told in ("现行办理", "librarian", "滞纳金下周补缴", "图借〔2019〕7号", "系统里还没销", "6月30日 23:59"):
            assert told in page.text, told
        line = newest(university, AuditEvent.DECIDED)
        assert (line.account, line.student, line.cohort) == ("librarian", LIN.number, COHORT)
        assert line.detail == RETURNED | {"step": "library", "decision": decision.id}

    def test_what_was_decided_on_paper_has_its_own_time_and_sheet(self, university: World, signed_in: SignedIn) -> None:
        page = send(
            signed_in("librarian"), LIN.number, "decide", **RETURNED, decided_at="2019-05-24T16:30", sheet="P-12"
        )
        decision = step_of(university, LIN.number).decision
        assert decision is not None
        assert decision.decided_at == datetime(2019, 5, 24, 8, 30, tzinfo=UTC)
        assert (decision.entered_at, decision.sheet) == (university.now, "P-12")
        for told in ("5月24日 16:30", "P-12", "录入时间"):
            assert told in page.text, told

    def test_a_student_reads_the_condition_and_the_words_and_nothing_of_the_office(
        self, university: World, signed_in: SignedIn
    ) -> None:
        send(
            signed_in("librarian"), LIN.number, "decide", **RETURNED, condition="滞纳金下周补缴", until="2019-06-30",
            words="请周三前补", note="秘密备注", file_number="秘密文号", sheet="秘密单", decided_at="2019-05-24T16:30",
        )  # fmt: skip
        own = signed_in(LIN.number).get("/")
        assert "有条件通过：滞纳金下周补缴，有效期至 6月30日 23:59" in own.text
        assert "请周三前补" in own.text
        secret, _ = give_token(university, LIN.number)
        api = own, signed_in(LIN.number).get(f"/api/v1/students/{LIN.number}", headers=bearing(secret))
        assert api[1].json()["steps"][0]["condition"] == "滞纳金下周补缴"
        for page in (*api, signed_in("dean").get(f"/students/{LIN.number}")):
            assert page.status_code == 200
            assert "秘密" not in page.text

    def test_what_makes_no_sense_comes_back_with_the_fix_and_nothing_lost(
        self, university: World, signed_in: SignedIn
    ) -> None:
        browser = signed_in("librarian")
        nonsense: tuple[tuple[dict[str, str], str], ...] = (
            ({"verdict": "unknown", "reason": "现场归还"}, "请选择后再提交"),
            ({"verdict": "cleared"}, "请写明原因"),
            ({"verdict": "cleared", "reason": "心情好"}, "请重新选择"),
            ({**RETURNED, "until": "2019-05-24"}, "请改为今天或以后的日期"),
            ({**RETURNED, "until": "明天"}, "或留空"),
            ({**RETURNED, "until": "0001-01-01"}, "或留空"),
            ({**RETURNED, "decided_at": "9999-12-31T23:59"}, "或留空"),
            ({**RETURNED, "decided_at": "2019-05-26T08:00"}, "请核对纸质单上的时间"),
            ({"verdict": "held", "reason": "赔书", "condition": "下周来"}, "请删去条件"),
            ({**RETURNED, "file_number": "长" * 101}, "请缩短"),
        )
        for typed, says in nonsense:
            page = send(browser, LIN.number, "decide", **typed, words="请到总馆来", note="电话已问")
            assert page.status_code in (409, 422)
            (alert,) = Page(page).errors
            assert says in alert
            for kept in ("请到总馆来", "电话已问", *(v for k, v in typed.items() if k not in ("verdict", "reason"))):
                assert kept in page.text
        assert step_of(university, LIN.number).decision is None

    def test_the_second_reads_who_was_first_and_may_go_on(
        self, university: World, signed_in: SignedIn, second: TestClient
    ) -> None:
        browser = signed_in("librarian")
        opened = browser.get(record(LIN.number))
        assert send(second, LIN.number, "decide", verdict="held", reason="赔书").status_code == 200
        page = send_from(opened, browser, LIN.number, "decide", **RETURNED, words="还清了")
        assert page.status_code == 409
        assert "王老师（wang） 已先办理（5月25日 08:0" in page.text
        assert "：不通过，“赔书”" in page.text
        assert "还清了" in page.text
        effective = step_of(university, LIN.number).decision
        assert effective is not None
        assert effective.author == "wang"
        again = send_from(page, browser, LIN.number, "decide", **RETURNED, words="还清了")
        assert again.status_code == 200
        assert step_of(university, LIN.number).decision != effective

    def test_one_who_looked_before_the_source_spoke_again_reads_so(
        self, university: World, signed_in: SignedIn
    ) -> None:
        browser = signed_in("librarian")
        opened = browser.get(record(LIN.number))
        university.says["loans"].append({**POETRY_LOAN, "CARD": LIN.number})
        university.run("loans")
        page = send_from(opened, browser, LIN.number, "decide", **RETURNED)
        assert page.status_code == 409
        assert "学生状态已变动" in page.text
        assert "《唐诗选》" in page.text
        assert step_of(university, LIN.number).decision is None

    def test_a_slip_of_the_pen_does_not_make_somebody_see_what_they_have_not(
        self, university: World, signed_in: SignedIn, second: TestClient
    ) -> None:
        """A form that comes back for a bad date is still bound to what was looked at first."""
        browser = signed_in("librarian")
        opened = browser.get(record(LIN.number))
        send(second, LIN.number, "decide", verdict="held", reason="赔书")
        page = send_from(opened, browser, LIN.number, "decide", **RETURNED, until="明天")
        assert page.status_code == 422
        page = send_from(page, browser, LIN.number, "decide", **RETURNED)
        assert "王老师（wang） 已先办理" in page.text

    def test_a_form_that_names_nothing_it_saw_is_refused(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in("librarian")
        token = hidden(browser.get(record(LIN.number)), "form_token")
        page = browser.post(f"/desk/students/{LIN.number}/decide", data={**RETURNED, "form_token": token})
        assert page.status_code == 409
        assert step_of(university, LIN.number).decision is None

    def test_one_is_taken_back_with_a_reason(self, university: World, signed_in: SignedIn) -> None:
        decided(university, LIN.number)
        browser = signed_in("librarian")
        assert "请写明原因" in send(browser, LIN.number, "withdraw", because=" ").text
        assert step_of(university, LIN.number).decision is not None
        assert send(browser, LIN.number, "withdraw", because="还错了书").status_code == 200
        assert step_of(university, LIN.number).decision is None
        line = newest(university, AuditEvent.DECISION_WITHDRAWN)
        assert (line.account, line.student, line.detail["reason"]) == ("librarian", LIN.number, "还错了书")

    def test_nobody_withdraws_a_decision_that_they_have_not_seen(
        self, university: World, signed_in: SignedIn, second: TestClient
    ) -> None:
        decided(university, LIN.number)
        browser = signed_in("librarian")
        opened = browser.get(record(LIN.number))
        send(second, LIN.number, "decide", verdict="held", reason="赔书")
        page = send_from(opened, browser, LIN.number, "withdraw", because="还错了书")
        assert "王老师（wang） 已先办理" in page.text
        assert step_of(university, LIN.number).at(university.now).state is State.HELD

    def test_a_manual_step_is_decided_likewise(self, university: World, signed_in: SignedIn) -> None:
        university.accounts.grant("librarian", [Grant(Act.DECIDE, "college_items")])
        page = send(
            signed_in("librarian"), SUN.number, "decide", "college_items", verdict="cleared", reason="资料室已核"
        )
        assert page.status_code == 200
        assert step_of(university, SUN.number, "college_items").at(university.now).state is State.CLEARED

    @pytest.mark.parametrize(
        ("account", "act"), [("reviewer", "decide"), ("reviewer", "withdraw"), ("admin", "decide")]
    )
    def test_who_may_not_decide_it_cannot(self, university: World, signed_in: SignedIn, account: str, act: str) -> None:
        browser = signed_in(account)
        token = hidden(browser.get("/new-password"), "form_token")
        data = {**RETURNED, "form_token": token, "saw": step_of(university, SUN.number).version_tag(university.now)}
        for act in ("decide", "withdraw"):
            assert browser.post(f"/desk/students/{SUN.number}/{act}?step=library", data=data).status_code == 403
        assert step_of(university, SUN.number).decision is None

    def test_nor_can_one_of_another_college(self, university: World, signed_in: SignedIn) -> None:
        university.accounts.grant("nobody", [Grant(Act.DECIDE, "library", {"college": ("资源学院",)})])
        browser = signed_in("nobody")
        token = hidden(browser.get(record(SUN.number)), "form_token")
        answers = [
            browser.post(f"/desk/students/{number}/decide?step=library", data={**RETURNED, "form_token": token})
            for number in (LIN.number, "20990009")
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].text.replace(LIN.number, "") == answers[1].text.replace("20990009", "")


class TestReviewing:
    @pytest.fixture
    def ready(self, university: World) -> World:
        """Sun is clear in everything but the review."""
        decided(university, SUN.number, "college_items")
        return university

    def test_it_may_not_pass_before_everything_is_settled_and_states_what_it_waits_for(
        self, university: World, signed_in: SignedIn
    ) -> None:
        browser = signed_in("reviewer")
        page = browser.get(record(SUN.number, "final_review"))
        assert "不能终审：资料室图书未办结" in page.text
        assert "不通过" in page.text
        assert 'value="cleared"' not in page.text
        page = send(browser, SUN.number, "review", "final_review", verdict="cleared", reason="齐备")
        assert page.status_code == 409
        assert "未保存" in page.text
        assert step_of(university, SUN.number, "final_review").decision is None

    def test_it_is_given_and_taken_back_and_noted(self, ready: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        page = send(browser, SUN.number, "review", "final_review", verdict="cleared", reason="齐备", note="看过全部")
        assert page.status_code == 200
        assert step_of(ready, SUN.number, "final_review").at(ready.now).state is State.CLEARED
        line = newest(ready, AuditEvent.REVIEWED)
        assert (line.account, line.detail["verdict"], line.detail["reason"]) == ("reviewer", "cleared", "齐备")
        assert send(browser, SUN.number, "withdraw-review", "final_review", because="看错人").status_code == 200
        assert step_of(ready, SUN.number, "final_review").at(ready.now).state is State.OPEN
        assert newest(ready, AuditEvent.REVIEW_WITHDRAWN).detail["reason"] == "看错人"

    def test_one_that_does_not_pass_may_be_given_at_any_time(self, university: World, signed_in: SignedIn) -> None:
        page = send(signed_in("reviewer"), QIAN.number, "review", "final_review", verdict="held", reason="学费未缴")
        assert page.status_code == 200
        assert step_of(university, QIAN.number, "final_review").at(university.now).state is State.HELD

    def test_over_an_answer_that_is_too_old_it_takes_a_tick_and_a_note(self, ready: World, signed_in: SignedIn) -> None:
        ready.later(hours=5)
        browser = signed_in("reviewer")
        page = browser.get(record(SUN.number, "final_review"))
        assert "采用过期数据：图书馆 5月25日 08:0" in page.text
        passes = {"verdict": "cleared", "reason": "齐备"}
        assert send(browser, SUN.number, "review", "final_review", **passes).status_code == 409
        page = send(browser, SUN.number, "review", "final_review", **passes, over="1")
        assert "内部备注中写明原因" in page.text
        assert step_of(ready, SUN.number, "final_review").decision is None
        page = send(browser, SUN.number, "review", "final_review", **passes, over="1", note="图书馆停电，已打电话")
        assert page.status_code == 200
        assert "采用过期数据" in page.text
        assert step_of(ready, SUN.number, "final_review").at(ready.now).state is State.CLEARED

    def test_one_that_has_lapsed_states_over_what(self, ready: World, signed_in: SignedIn) -> None:
        send(signed_in("reviewer"), SUN.number, "review", "final_review", verdict="cleared", reason="齐备")
        ready.says["loans"].append({**POETRY_LOAN, "CARD": SUN.number})
        ready.run("loans")
        page = signed_in("reviewer").get(record(SUN.number, "final_review"))
        assert "终审后，图书馆有变动，该终审已失效" in page.text
        assert "唐诗选" not in page.text

    def test_two_reviewers_and_the_second_reads_so(self, ready: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        opened = browser.get(record(SUN.number, "final_review"))
        wish = DecisionRequest(SUN.number, "final_review", Verdict.HELD, "照片不合格")
        ready.reviews.review(wish, "auditor", ready.now)
        page = send_from(opened, browser, SUN.number, "review", "final_review", verdict="cleared", reason="齐备")
        assert page.status_code == 409
        assert "auditor 已先办理" in page.text
        assert "“照片不合格”" in page.text
        assert step_of(ready, SUN.number, "final_review").at(ready.now).state is State.HELD

    def test_a_reviewer_sees_the_offices_by_their_states_and_can_send_back(
        self, university: World, signed_in: SignedIn
    ) -> None:
        page = signed_in("reviewer").get(record(QIAN.number, "final_review"))
        assert "校计财处 ✕ 不通过" in words_of(page)
        assert "5,850" not in page.text
        assert f'href="/desk/send-back?step=final_review&amp;student={QIAN.number}"' in page.text
        assert "/decide" not in page.text

    def test_who_issues_alone_reviews_nothing(self, ready: World, signed_in: SignedIn) -> None:
        ready.accounts.grant("nobody", [Grant(Act.ISSUE, "final_review")])
        browser = signed_in("nobody")
        page = browser.get(record(SUN.number, "final_review"))
        assert page.status_code == 200
        assert "提交终审" not in page.text
        token = hidden(browser.get("/new-password"), "form_token")
        answer = browser.post(
            f"/desk/students/{SUN.number}/review",
            data={"verdict": "cleared", "reason": "齐备", "form_token": token},
        )
        assert answer.status_code == 403

    def test_a_day_later_it_counts_when_nothing_has_moved(self, ready: World, signed_in: SignedIn) -> None:
        send(signed_in("reviewer"), SUN.number, "review", "final_review", verdict="cleared", reason="齐备")
        ready.now += timedelta(days=1)
        ready.run_all()
        page = signed_in("reviewer").get(record(SUN.number, "final_review"))
        assert 'id="disagreement"' not in page.text
