"""Class review on the desk's pages, and certificates: viewed, ticked, previewed, confirmed, and never lost."""

import re
from collections.abc import Callable
from io import BytesIO
from typing import Any

import httpx
import pytest
from openpyxl import load_workbook
from starlette.testclient import TestClient

from connectors.port import SourceUnavailable
from portal.student import recheck
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent, AuditLine
from status_db.decisions.certificates import Handover, Issue
from status_db.decisions.writer import DecisionRequest
from status_db.inbox.requests import Requests
from status_db.model import ROSTER, Verdict
from tests.cast import LIN, QIAN, SUN
from tests.forty import CLASS, COLLEGE, FORTY, forty, name_of
from tests.portal.conftest import _HASHED, enter, settle, token_in
from tests.portal.html_page import Page
from tests.world import COHORT, World, serving_of

SignedIn = Callable[[str], TestClient]

MORNING = "/desk/classes/review"
OF_CLASS = {"college": COLLEGE, "class": CLASS}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recheck, "PATIENCE", 0)


@pytest.fixture
def university(sqlite_world: World, request: pytest.FixtureRequest) -> World:
    """The cast's university, with the class where a test asks for it: it takes as long as all the rest."""
    return settle(sqlite_world, _two_owe if "ready" in request.fixturenames else None)


@pytest.fixture
def ready(university: World) -> World:
    """The class of forty, two of whom owe a book."""
    return university


def _two_owe(world: World) -> None:
    forty(world, owing=FORTY[:2])


def seen(browser: TestClient, **asked: str) -> httpx.Response:
    page: httpx.Response = browser.get(MORNING, params=OF_CLASS | asked)
    return page


def fields_of(page: httpx.Response) -> dict[str, Any]:
    """Return what a browser would send of the page's last form, as it stands there."""
    return dict(Page(page).forms(method="post", action=MORNING)[-1].fields)


def preview(browser: TestClient, page: httpx.Response | None = None, **changed: Any) -> httpx.Response:
    """Fill in the form, and have it previewed."""
    fields = fields_of(page or seen(browser)) | changed | {"do": "preview"}
    answer: httpx.Response = browser.post(MORNING, data=fields)
    return answer


def confirm(browser: TestClient, page: httpx.Response) -> httpx.Response:
    """Confirm what a preview shows."""
    answer: httpx.Response = browser.post(MORNING, data=fields_of(page) | {"do": "confirm"})
    return answer


def figures(page: httpx.Response) -> list[int]:
    return [int(figure.text) for figure in Page(page).all("dd") if figure.text.isdecimal()]


def section(page: httpx.Response, title: str) -> str:
    found = Page(page).section(title)
    return found.text if found else ""


def numbers_in(text: str) -> list[str]:
    return list(dict.fromkeys(re.findall(r"20153\d{3}", text)))


def certificates(world: World) -> dict[str, str]:
    return {c.student: c.number for c in world.reader.certificates(COHORT) if c.revoked_at is None}


def lines(world: World, event: AuditEvent) -> list[AuditLine]:
    return list(Audit(world.desk).newest(event=event))


def account(world: World, name: str, *grants: Grant) -> str:
    world.accounts.add(name, name, _HASHED, grants=grants, now=world.now)
    return name


def own(act: Act) -> Grant:
    return Grant(act, "final_review", {"college": (COLLEGE,)})


class TestTheClasses:
    def test_each_counts_its_students_once_by_where_they_stand(self, ready: World, signed_in: SignedIn) -> None:
        for at, number in enumerate(FORTY[2:8]):
            ready.reviews.review(
                DecisionRequest(number, "final_review", Verdict.CLEARED, "齐备"), "reviewer", ready.now
            )
            if at > 2:
                collected: Any = "" if at > 3 else "self"
                ready.register.issue(Issue(number, f"C{at}", "毕业证书", collected), "reviewer", ready.now)
        page = Page(signed_in("reviewer").get("/desk/classes"))
        (row,) = (row for row in page.all("tr") if row.cells[0].startswith(CLASS))
        counts = [int(cell.text) for cell in row.all("td") if cell.text.isdecimal()]
        assert counts == [40, 2, 32, 3, 2, 1], "all, open, clear, reviewed, waiting, left"

    def test_nobody_of_another_college_is_among_them(self, ready: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        assert LIN.class_name not in browser.get("/desk/classes").text
        foreign = browser.get(MORNING, params={"college": LIN.college, "class": LIN.class_name})
        missing = browser.get(MORNING, params={"college": LIN.college, "class": "no-such"})
        assert foreign.status_code == missing.status_code == 404
        assert LIN.name not in foreign.text


class TestTheClass:
    def test_who_is_clear_is_ticked_and_who_is_not_is_named_with_the_step(
        self, ready: World, signed_in: SignedIn
    ) -> None:
        page = seen(signed_in("reviewer"))
        assert fields_of(page)["pick"] == list(FORTY[2:])
        others = section(page, "有未办结")
        assert numbers_in(others) == list(FORTY[:2])
        assert "图书馆" in others
        assert "不通过" in others
        assert "唐诗选" not in page.text, "what is owed is the office's and the student's own"
        waiting = Page(page).section("有未办结")
        assert waiting is not None
        assert f"/desk/students/{FORTY[0]}?step=final_review" in [link.href for link in waiting.links]
        assert lines(ready, AuditEvent.SAW_LIST)[0].detail["students"] == 40

    def test_who_waits_for_a_manual_step_is_not_ticked(self, university: World, signed_in: SignedIn) -> None:
        forty(university, unread=FORTY[5:6])
        page = seen(signed_in("reviewer"))
        assert FORTY[5] not in fields_of(page)["pick"]
        assert "资料室图书" in section(page, "有未办结")

    def test_who_was_refused_by_the_reviewer_is_not_passed_along_with_the_others(
        self, ready: World, signed_in: SignedIn
    ) -> None:
        ready.reviews.review(DecisionRequest(FORTY[9], "final_review", Verdict.HELD, "档案未转"), "reviewer", ready.now)
        browser = signed_in("reviewer")
        page = seen(browser)
        assert FORTY[9] not in fields_of(page)["pick"]
        assert FORTY[9] in section(page, "有未办结")
        answer = preview(browser, page, pick=[FORTY[9]])
        assert answer.status_code == 422

    def test_a_review_that_lapsed_states_so(self, ready: World, signed_in: SignedIn) -> None:
        number = FORTY[4]
        ready.reviews.review(DecisionRequest(number, "final_review", Verdict.CLEARED, "齐备"), "reviewer", ready.now)
        ready.decisions.withdraw(number, "college_items", "college", ready.now)
        ready.decisions.enter(DecisionRequest(number, "college_items", Verdict.CLEARED, "已还"), "college", ready.now)
        page = seen(signed_in("reviewer"))
        assert "曾经终审，此后有变动" in section(page, "待终审")
        assert number in fields_of(page)["pick"]


class TestOneGo:
    def test_a_class_of_forty_with_three_left_out_by_name(self, university: World, signed_in: SignedIn) -> None:
        forty(university)
        browser = signed_in("reviewer")
        named = f"{FORTY[3]}、２０１５３００８;\n{name_of(FORTY[19])} {FORTY[19]}"
        shown = preview(browser, leave=named, first="1049120190500098")
        assert figures(shown) == [37, 37, 3]
        left = section(shown, "不办理")
        assert numbers_in(left) == [FORTY[3], FORTY[7], FORTY[19]]
        assert left.count("在“除外”的学号中") == 3
        assert certificates(university) == {}, "a preview does nothing"
        done = confirm(browser, shown)
        assert "已办理：终审通过 37 名，发放证书 37 本。" in done.text
        issued = certificates(university)
        assert len(issued) == 37
        assert not {FORTY[3], FORTY[7], FORTY[19]} & set(issued)
        assert issued[FORTY[0]] == "1049120190500098"
        assert issued[FORTY[2]] == "1049120190500100", "noughts and width are kept as it counts on"
        (line,) = lines(university, AuditEvent.CLASS_REVIEWED)
        assert {"reviewed": 37, "issued": 37, "left_out": 0, "class_name": CLASS}.items() <= line.detail.items()
        again = seen(browser)
        assert fields_of(again)["pick"] == [FORTY[3], FORTY[7], FORTY[19]]
        assert all(university.verdict(n, "final_review") is not Verdict.CLEARED for n in (FORTY[3], FORTY[7]))

    def test_without_numbers_it_reviews_alone_and_the_review_that_counts_is_issued_on_later(
        self, ready: World, signed_in: SignedIn
    ) -> None:
        browser = signed_in("reviewer")
        shown = preview(browser)
        assert figures(shown) == [38, 0, 2]
        assert "终审通过 38 名，发放证书 0 本" in confirm(browser, shown).text
        later = seen(browser)
        assert numbers_in(section(later, "已终审，未发证")) == list(FORTY[2:])
        shown = preview(browser, later, first="A0001")
        assert figures(shown) == [0, 38, 2]
        assert "终审通过 0 名，发放证书 38 本" in confirm(browser, shown).text
        assert certificates(ready)[FORTY[2]] == "A0001"

    def test_numbers_come_from_two_pasted_columns(self, ready: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        pasted = "学号\t证书号\n" + "\n".join(f"{number}\t{name_of(number)}\t00{number}" for number in FORTY[2:5])
        shown = preview(browser, pasted=pasted)
        assert figures(shown) == [38, 3, 2]
        confirm(browser, shown)
        assert certificates(ready) == {number: f"00{number}" for number in FORTY[2:5]}

    def test_how_and_what_is_kept(self, ready: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        confirm(browser, preview(browser, pick=FORTY[2:4], first="P1", collected="post"))
        waits, posted = ready.reader.certificates(COHORT, FORTY[2]), ready.reader.certificates(COHORT, FORTY[3])
        assert [c.collected for c in (*waits, *posted)] == ["post", "post"]
        confirm(browser, preview(browser, pick=FORTY[4:5], first="P8"))
        (made,) = ready.reader.certificates(COHORT, FORTY[4])
        assert (made.collected, made.kind) == ("", "毕业证书")


#: What is changed of a form that makes sense, and what is said of it.
WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"leave": "20159999"}, "以下学号不在本班"),
    ({"leave": QIAN.number}, "以下学号不在本班"),
    ({"leave": LIN.number}, "以下学号不在本班"),
    ({"first": "甲乙丙"}, "首号须以数字结尾"),
    ({"first": "A98"}, "位数须足够编到最后一个"),
    ({"first": "1", "pasted": f"{FORTY[2]} 7"}, "只能用一种方式"),
    ({"pasted": f"{FORTY[2]}"}, "第 1 行无法识别"),
    ({"pasted": f"{FORTY[2]} 7\n{FORTY[2]} 8"}, f"有重复：{FORTY[2]}"),
    ({"pasted": f"{FORTY[2]} 7\n{FORTY[3]} 7"}, "有重复：7"),
    ({"pasted": f"{FORTY[2]}\t1.04912E+17"}, "末尾几位已丢失"),
    ({"pasted": f"{LIN.number} 7"}, "以下学号不能发证"),
    ({"pick": []}, "未选学生"),
    ({"kind": "驾驶证"}, "选项已失效"),
    ({"collected": "agent"}, "选项已失效"),
    ({"reason": ""}, "选项已失效"),
    ({"note": "长" * 501}, "备注不超过 500 字"),
    ({"first": "USED1"}, "已使用（含已作废的）：USED1"),
)


class TestWhatIsWrong:
    def test_it_is_shown_and_nothing_that_was_typed_is_lost(self, ready: World, signed_in: SignedIn) -> None:
        """The number that is used is a revoked certificate's."""
        self._use(ready, SUN.number, "USED1")
        browser = signed_in("reviewer")
        page = seen(browser)
        for changed, said in WRONG:
            typed = {"note": "早上", "leave": FORTY[7], "pick": list(FORTY[3:12])} | changed
            answer = preview(browser, page, **typed)
            assert answer.status_code == 422, changed
            assert said in answer.text, changed
            kept = fields_of(answer)
            for name, value in typed.items():
                if name not in ("kind", "collected"):
                    assert kept.get(name, []) == ([value] if isinstance(value, str) else value), (changed, name)
        assert certificates(ready) == {}

    @staticmethod
    def _use(world: World, student: str, number: str) -> None:
        world.decisions.enter(
            DecisionRequest(student, "college_items", Verdict.CLEARED, "无借阅"), "college", world.now
        )
        world.reviews.review(DecisionRequest(student, "final_review", Verdict.CLEARED, "齐备"), "reviewer", world.now)
        world.register.issue(Issue(student, number, "毕业证书"), "reviewer", world.now)
        world.register.revoke(number, "second", "印错", world.now)

    def test_going_back_from_the_preview_keeps_everything(self, ready: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        shown = preview(browser, leave=FORTY[7], note="早上", first="A001", pick=FORTY[3:12], collected="self")
        back = browser.post(MORNING, data=fields_of(shown) | {"do": "edit"})
        fields = fields_of(back)
        assert (fields["leave"], fields["note"], fields["first"]) == ([FORTY[7]], ["早上"], ["A001"])
        assert (fields["pick"], fields["collected"]) == (list(FORTY[3:12]), ["self"])

    def test_who_moved_since_the_preview_is_left_out_by_name_and_stops_nobody(
        self, ready: World, signed_in: SignedIn
    ) -> None:
        browser = signed_in("reviewer")
        shown = preview(browser, first="A001", pick=FORTY[2:12])
        ready.decisions.withdraw(FORTY[5], "college_items", "college", ready.now)
        ready.decisions.withdraw(FORTY[6], "college_items", "college", ready.now)
        ready.decisions.enter(DecisionRequest(FORTY[6], "college_items", Verdict.CLEARED, "已还"), "college", ready.now)
        ready.reviews.review(DecisionRequest(FORTY[7], "final_review", Verdict.CLEARED, "齐备"), "other", ready.now)
        ready.register.issue(Issue(FORTY[7], "OTHER", "毕业证书"), "other", ready.now)
        done = confirm(browser, shown)
        assert "终审通过 7 名，发放证书 7 本" in done.text
        left = section(done, "未办理的学生")
        assert numbers_in(left) == [FORTY[5], FORTY[6], FORTY[7]]
        assert "以下环节未办结：资料室图书" in left
        assert "状态刚刚变动" in left
        assert "终审已通过，未发证：已有证书。" in left
        assert name_of(FORTY[5]) in left

    def test_confirmed_twice_the_second_states_that_nothing_was_done(self, ready: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        shown = preview(browser, first="A001", pick=FORTY[2:5])
        assert confirm(browser, shown).status_code == 200
        again = confirm(browser, shown)
        assert again.status_code == 409
        assert "未办理，学生状态未变" in again.text
        assert section(again, "未办理的学生").count("已有证书。") == 3
        assert len(lines(ready, AuditEvent.CLASS_REVIEWED)) == 1

    def test_a_forged_confirmation_does_nothing_outside_the_scopes(self, ready: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        fields = fields_of(preview(browser, pick=FORTY[2:3])) | {"do": "confirm"}
        answer = browser.post(
            MORNING, data=fields | {"chosen": [f"{LIN.number} 00 X1", f"{FORTY[0]} 00 X2", "nonsense"]}
        )
        assert answer.status_code == 409
        assert certificates(ready) == {}


class TestWithOneOfTheTwoActs:
    def test_who_reviews_alone_issues_nothing(self, ready: World, signed_in: SignedIn) -> None:
        browser = signed_in(account(ready, "only-reviews", own(Act.REVIEW)))
        page = seen(browser)
        assert 'name="first"' not in page.text
        shown = preview(browser, page, first="A001")
        assert figures(shown) == [38, 0, 2]
        confirm(browser, shown)
        assert certificates(ready) == {}
        assert ready.verdict(FORTY[2], "final_review") is Verdict.CLEARED

    def test_who_issues_alone_reviews_nobody(self, ready: World, signed_in: SignedIn) -> None:
        for number in FORTY[2:4]:
            ready.reviews.review(
                DecisionRequest(number, "final_review", Verdict.CLEARED, "齐备"), "reviewer", ready.now
            )
        browser = signed_in(account(ready, "only-issues", own(Act.ISSUE)))
        page = seen(browser)
        assert fields_of(page)["pick"] == list(FORTY[2:4])
        shown = preview(browser, page, pick=FORTY, first="A001")
        assert figures(shown) == [0, 2, 38]
        confirm(browser, shown)
        assert certificates(ready) == {FORTY[2]: "A001", FORTY[3]: "A002"}
        forged = fields_of(shown) | {"do": "confirm", "chosen": [f"{FORTY[9]} 00 A9"]}
        assert browser.post(MORNING, data=forged).status_code == 409
        assert ready.verdict(FORTY[9], "final_review") is not Verdict.CLEARED

    def test_each_act_has_its_own_scope(self, ready: World, signed_in: SignedIn) -> None:
        other = Grant(Act.ISSUE, "final_review", {"class": ("021152",)})
        browser = signed_in(account(ready, "both", own(Act.REVIEW), other))
        shown = preview(browser, first="A001")
        assert figures(shown) == [38, 0, 2]


class TestWhenASourceIsDown:
    @pytest.fixture
    def down(self, university: World) -> World:
        """The class is clear, but for the library's answer, which is five hours old."""
        forty(university, unread=FORTY[:1])
        university.fails["loans"] = SourceUnavailable("the library does not answer", "Wait.")
        university.later(hours=5)
        for name in ("fines", "fees", "checkouts", ROSTER):
            university.run(name)
        return university

    def test_they_stand_by_themselves_unticked_with_the_time_of_the_answer(
        self, down: World, signed_in: SignedIn
    ) -> None:
        page = seen(signed_in("reviewer"))
        old = section(page, "仅待数据更新")
        assert numbers_in(old) == list(FORTY[1:])
        assert "图书馆" in old
        assert "截至 5月25日 08:0" in old
        assert "pick" not in fields_of(page)
        assert "数据过期（截至 5月25日 08:0" in page.text
        assert numbers_in(section(page, "有未办结")) == [FORTY[0]]

    def test_it_goes_on_only_with_the_tick_and_a_reason(self, down: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        assert "请勾选“采用现有数据”" in preview(browser, pick=FORTY[1:4]).text
        assert "须写明原因" in preview(browser, pick=FORTY[1:4], over_old="1").text
        shown = preview(browser, pick=FORTY[1:4], over_old="1", note="图书馆系统检修")
        assert figures(shown) == [3, 0, 37]
        assert "图书馆系统检修" in shown.text
        confirm(browser, shown)
        review = next(s for s in down.student(FORTY[1]).steps if s.step == "final_review")
        assert review.counts_as_clear(down.now)
        assert review.decision is not None
        assert set(review.decision.accepts) == {"library"}

    def test_and_is_looked_at_again_when_the_source_is_back(self, down: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        confirm(browser, preview(browser, pick=FORTY[1:4], over_old="1", note="检修", pasted=f"{FORTY[1]} Z1"))
        before = browser.get("/desk/review-again")
        assert numbers_in(section(before, "等待数据更新")) == list(FORTY[1:4])
        down.fails.clear()
        down.says["loans"] += [
            {"CARD": number, "TITLE": "唐诗选", "DUE": "2019-06-02", "BARCODE": number} for number in FORTY[1:3]
        ]
        down.run("loans")
        after = browser.get("/desk/review-again")
        assert "等待数据更新" not in after.text
        again = section(after, "数据更新后，与终审时不一致")
        assert numbers_in(again) == list(FORTY[1:3])
        assert "检修" in again
        assert numbers_in(section(after, "发证后有新的未结事项")) == [FORTY[1]]
        assert down.verdict(FORTY[2], "final_review") is not Verdict.CLEARED, "not issued yet, so it has lapsed"
        assert down.verdict(FORTY[1], "final_review") is Verdict.CLEARED, "a certificate freezes it"
        assert (
            FORTY[1]
            not in signed_in(account(down, "elsewhere", Grant(Act.REVIEW, "final_review", {"college": (LIN.college,)})))
            .get("/desk/review-again")
            .text
        )

    def test_stale_that_began_after_the_preview_is_shown(self, university: World, signed_in: SignedIn) -> None:
        forty(university)
        browser = signed_in("reviewer")
        shown = preview(browser, pick=FORTY[1:4])
        university.later(hours=5)
        enter(browser, "reviewer")
        fields = fields_of(shown) | {"do": "confirm", "form_token": token_in(seen(browser))}
        assert "数据刚刚过期：" in browser.post(MORNING, data=fields).text


class TestRechecking:
    def ask(self, browser: TestClient) -> httpx.Response:
        fields = {"form_token": token_in(seen(browser)), "college": COLLEGE, "class": CLASS}
        answer: httpx.Response = browser.post("/desk/classes/recheck", data=fields)
        return answer

    def test_every_source_is_asked_and_the_class_states_when(self, ready: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        assert "正在重新查询" in self.ask(browser).text
        ready.says["loans"] = [row for row in ready.says["loans"] if row["CARD"] != FORTY[0]]
        assert serving_of(ready).serve() == 1
        page = seen(browser)
        assert "5月25日 08:" in page.text
        assert FORTY[0] in fields_of(page)["pick"]
        assert [line.account for line in lines(ready, AuditEvent.ASKED_RECHECK)] == ["reviewer"]

    def test_it_waits_a_while_before_the_next_and_states_how_long(self, ready: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        self.ask(browser)
        assert self.ask(browser).status_code == 200, "one is under way: it is waited for"
        assert len(Requests(ready.desk).waiting(COHORT)) == 1
        serving_of(ready).serve()
        again = self.ask(browser)
        assert again.status_code == 429
        assert "请 10 分钟后再试" in again.text
        ready.later(minutes=11)
        assert self.ask(browser).status_code == 200

    def test_a_source_that_does_not_answer_is_shown(self, ready: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        ready.fails["loans"] = SourceUnavailable("the library does not answer", "Wait.")
        self.ask(browser)
        serving_of(ready).serve()
        assert "有数据源没有新的结果" in seen(browser).text


class TestACertificate:
    @pytest.fixture
    def issued(self, ready: World) -> World:
        """Six of the class hold certificates that wait, issued by the reviewer."""
        for at, number in enumerate(FORTY[2:8]):
            ready.reviews.review(
                DecisionRequest(number, "final_review", Verdict.CLEARED, "齐备"), "reviewer", ready.now
            )
            ready.register.issue(Issue(number, f"C00{at}", "毕业证书", ""), "reviewer", ready.now)
        ready.later(minutes=5)
        return ready

    def ids(self, world: World) -> dict[str, int]:
        return {c.number: c.id for c in world.reader.certificates(COHORT)}

    def post(self, browser: TestClient, path: str, **fields: Any) -> httpx.Response:
        token = token_in(browser.get("/desk/classes"))
        answer: httpx.Response = browser.post(path, data={"form_token": token, **fields})
        return answer

    def test_the_unclaimed_are_listed_and_several_handed_over_at_once(self, issued: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        page = browser.get("/desk/certificates")
        assert [f"C00{at}" in page.text for at in range(6)] == [True] * 6
        ids = self.ids(issued)
        done = self.post(browser, "/desk/certificates/hand-over", certificate=[ids["C000"], ids["C001"]])
        assert "已登记 2 本由本人领取。" in done.text
        assert "C000" not in browser.get("/desk/certificates").text
        assert "C000" in browser.get("/desk/certificates", params={"held": "left"}).text
        assert {line.student for line in lines(issued, AuditEvent.CERTIFICATE_HANDED_OVER)} == set(FORTY[2:4])
        again = self.post(browser, "/desk/certificates/hand-over", certificate=[ids["C000"], ids["C002"]])
        assert "该证书已登记领取" in again.text
        assert "已登记 1 本" in again.text

    def test_somebody_else_takes_it_only_by_name(self, issued: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        path = f"/desk/certificates/{self.ids(issued)['C000']}"
        when = f"{issued.now.astimezone(issued.settings.institution.timezone):%Y-%m-%dT%H:%M}"
        refused = self.post(browser, f"{path}/hand-over", collected="agent", when=when)
        assert refused.status_code == 422
        assert "代领须写明代领人和委托书" in refused.text
        assert f'value="{when}"' in refused.text
        self.post(browser, f"{path}/hand-over", collected="agent", collector="王五，委托书 2019-7")
        assert "王五，委托书 2019-7" in browser.get(path).text
        assert "代领" in browser.get(path).text

    @pytest.mark.parametrize(
        ("when", "said"),
        [("gestern", "时间无法识别"), ("2019-05-20T08:00", "早于发证"), ("2031-01-01T00:00", "晚于现在")],
    )
    def test_it_left_when_it_can_have_left(self, issued: World, signed_in: SignedIn, when: str, said: str) -> None:
        path = f"/desk/certificates/{self.ids(issued)['C000']}/hand-over"
        answer = self.post(signed_in("reviewer"), path, collected="self", when=when)
        assert answer.status_code == 422
        assert said in answer.text
        assert f'value="{when}"' in answer.text

    def test_who_issued_it_cannot_revoke_it_and_a_second_person_can(self, issued: World, signed_in: SignedIn) -> None:
        path = f"/desk/certificates/{self.ids(issued)['C000']}"
        issued.later(minutes=31)
        browser = signed_in("reviewer")
        assert "须由另一位有发证权限的同事" in browser.get(path).text
        refused = self.post(browser, f"{path}/revoke", because="印错")
        assert "须由另一位有发证权限的人作废" in refused.text
        browser = signed_in(account(issued, "second", own(Act.ISSUE)))
        assert "作废须写明原因" in self.post(browser, f"{path}/revoke", because=" ").text
        assert "已作废" in self.post(browser, f"{path}/revoke", because="印错").text
        assert "C000" in browser.get("/desk/certificates", params={"held": "revoked"}).text
        (line,) = lines(issued, AuditEvent.REVOKED)
        assert (line.account, line.student, line.detail["number"]) == ("second", FORTY[2], "C000")

    def test_who_may_only_review_reads_and_hands_over_nothing(self, issued: World, signed_in: SignedIn) -> None:
        browser = signed_in(account(issued, "only-reviews", own(Act.REVIEW)))
        path = f"/desk/certificates/{self.ids(issued)['C000']}"
        assert "登记领取" not in browser.get(path).text
        assert self.post(browser, f"{path}/hand-over", collected="self").status_code == 403
        assert 'type="checkbox"' not in browser.get("/desk/certificates").text

    def test_one_of_another_college_looks_like_none(self, issued: World, signed_in: SignedIn) -> None:
        elsewhere = {"college": (LIN.college,)}
        browser = signed_in(account(issued, "elsewhere", Grant(Act.ISSUE, "final_review", elsewhere)))
        number = self.ids(issued)["C000"]
        assert browser.get(f"/desk/certificates/{number}").status_code == 404
        for path in (f"/desk/certificates/{number}/hand-over", f"/desk/certificates/{number}/revoke"):
            assert self.post(browser, path, collected="self", because="x").status_code == 404
        assert self.post(browser, "/desk/certificates/hand-over", certificate=[number]).status_code == 404
        assert "C000" not in browser.get("/desk/certificates", params={"held": "all"}).text
        assert browser.get("/desk/certificates/sign-off", params=OF_CLASS).status_code == 404

    def test_a_late_comer_is_given_one_when_the_review_counts(self, issued: World, signed_in: SignedIn) -> None:
        browser, number = signed_in("reviewer"), FORTY[20]
        path = "/desk/certificates/issue"
        assert "终审未通过" in browser.get(path, params={"student": number}).text
        assert self.post(browser, path, student=number, number="L1", kind="毕业证书").status_code == 422
        issued.reviews.review(DecisionRequest(number, "final_review", Verdict.CLEARED, "齐备"), "reviewer", issued.now)
        used = self.post(browser, path, student=number, number="C000", kind="毕业证书")
        assert "证书编号 C000 已使用" in used.text
        assert 'value="C000"' in used.text
        self.post(
            browser, path, student=number, number=" ００７１ ", kind="毕业证书", collected="post", collector="EMS 1"
        )
        (made,) = issued.reader.certificates(COHORT, number)
        assert (made.number, made.collected, made.collector) == ("0071", "post", "EMS 1")
        (line,) = lines(issued, AuditEvent.ISSUED)
        assert line.student == number
        assert browser.get(path, params={"student": LIN.number}).status_code == 422

    @pytest.mark.parametrize("text", [FORTY[4], name_of(FORTY[4]), "C002"])
    def test_it_is_found_by_number_name_and_its_own_number(self, issued: World, signed_in: SignedIn, text: str) -> None:
        page = signed_in("reviewer").get("/desk/certificates", params={"text": text, "held": "all"}).text
        assert "C002" in page
        assert "C003" not in page

    def test_the_class_has_a_sheet_to_sign(self, issued: World, signed_in: SignedIn) -> None:
        issued.register.hand_over(Handover("C001", "agent", "王五"), "reviewer", issued.now)
        page = signed_in("reviewer").get("/desk/certificates/sign-off", params=OF_CLASS).text
        assert numbers_in(page) == list(FORTY[2:8])
        for word in ("证书签领表", "领取人签名", "代领人、委托书", "王五", "待领取 5 本", "打印人：reviewer"):
            assert word in page, word
        assert lines(issued, AuditEvent.EXPORTED)[0].detail["what"] == "sign-off"

    def test_the_list_goes_out_as_text_in_a_workbook(self, issued: World, signed_in: SignedIn) -> None:
        answer = signed_in("reviewer").get("/desk/certificates.xlsx", params=OF_CLASS)
        (sheet,) = load_workbook(BytesIO(answer.content)).worksheets
        rows = [row for row in sheet.iter_rows(values_only=True) if row[0] in FORTY]
        assert [row[5] for row in rows] == [f"C00{at}" for at in range(6)]
        assert all(row[8] == "待领取" for row in rows)
        assert lines(issued, AuditEvent.EXPORTED)[0].detail["students"] == 6

    def test_the_student_reads_that_it_waits_and_then_that_it_has_left(
        self, issued: World, signed_in: SignedIn
    ) -> None:
        number = FORTY[2]
        issued.accounts.add(number, name_of(number), _HASHED, student=number, now=issued.now)
        browser = signed_in(number)
        waits = browser.get("/").text
        assert "可领证" in waits
        assert "毕业证书 **00 待领取。" in waits
        issued.says["loans"].append({"CARD": number, "TITLE": "迟到", "DUE": "2019-06-01", "BARCODE": "B9"})
        issued.run("loans")
        assert "发证后有 1 项新的未结事项，见下。" in browser.get("/").text
        issued.register.hand_over(Handover("C000", "self"), "reviewer", issued.now)
        left = browser.get("/").text
        assert "已领证" in left
        assert "可领证" not in left


class TestALargeClass:
    def test_three_hundred_stand_in_one_form_and_the_others_follow(
        self, university: World, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("portal.desk.graduation.class_review.MOST", 30)
        forty(university)
        browser = signed_in("reviewer")
        page = seen(browser)
        assert "还有 10 名未列出" in page.text
        assert len(fields_of(page)["pick"]) == 30
        confirm(browser, preview(browser, page))
        follow = fields_of(seen(browser))["pick"]
        assert set(FORTY[30:]) <= set(follow) or len(follow) == 30
