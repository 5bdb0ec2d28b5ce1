"""Asking the sources again: offered where it could help, no oftener than it may, and what the page says came of it."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread

import httpx
import pytest
from starlette.testclient import TestClient

from connectors.port import SourceUnavailable
from portal.student import recheck
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.inbox.requests import RequestOutcome, Requests
from sync.service.inbox import Serving
from tests.cast import GEOLOGY_LOAN, LIN, QIAN, SUN, ZHOU
from tests.portal.conftest import token_in
from tests.portal.html_page import Page
from tests.portal.student.test_card import pass_everything
from tests.world import COHORT, World, serving_of

SignedIn = Callable[[str], TestClient]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No scheduler runs beside most of these: the form is answered at once."""
    monkeypatch.setattr(recheck, "PATIENCE", 0)


@pytest.fixture
def requests(university: World) -> Requests:
    return Requests(university.desk)


def ask(browser: TestClient, **changed: str) -> httpx.Response:
    page: httpx.Response = browser.post("/recheck", data={"form_token": token_in(browser.get("/")), **changed})
    return page


def serving(world: World) -> Serving:
    """What the scheduler does every two seconds."""
    return serving_of(world)


@contextmanager
def scheduler(world: World) -> Iterator[None]:
    """Have a scheduler serve beside the pages."""
    over, served = Event(), serving(world)

    def serve() -> None:
        while not over.wait(0.02):
            served.serve()

    thread = Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class TestTheOffer:
    def test_it_is_there_where_a_step_waits_on_a_source(self, signed_in: SignedIn) -> None:
        page = signed_in(LIN.number).get("/").text
        assert 'action="/recheck"' in page
        assert "重新查询" in page

    @pytest.mark.parametrize("number", [ZHOU.number, "20990001"])
    def test_not_for_who_is_not_on_the_list(
        self, university: World, requests: Requests, signed_in: SignedIn, number: str
    ) -> None:
        browser = signed_in(number)
        assert "/recheck" not in browser.get("/").text
        assert ask(browser).status_code == 200
        assert requests.waiting(COHORT) == ()

    def test_not_where_only_people_have_yet_to_speak(self, signed_in: SignedIn) -> None:
        page = signed_in(SUN.number).get("/").text
        assert "待审核" in page
        assert "/recheck" not in page

    def test_not_where_all_is_clear(self, university: World, requests: Requests, signed_in: SignedIn) -> None:
        pass_everything(university)
        browser = signed_in(SUN.number)
        assert "/recheck" not in browser.get("/").text
        ask(browser)
        assert requests.waiting(COHORT) == ()

    def test_not_on_the_page_that_staff_see(self, signed_in: SignedIn) -> None:
        assert "/recheck" not in signed_in("dean").get(f"/students/{LIN.number}").text

    def test_staff_have_nothing_to_ask_again(self, requests: Requests, signed_in: SignedIn) -> None:
        browser = signed_in("dean")
        token = token_in(browser.get("/students"))
        assert browser.post("/recheck", data={"form_token": token}).status_code == 404
        assert requests.waiting(COHORT) == ()


class TestAsking:
    def test_it_is_asked_for_the_one_who_asks_and_written_down(
        self, university: World, requests: Requests, signed_in: SignedIn
    ) -> None:
        ask(signed_in(LIN.number), student=QIAN.number, number=QIAN.number)
        (waiting,) = requests.waiting(COHORT)
        assert (waiting.student, waiting.account) == (LIN.number, LIN.number)
        (line,) = Audit(university.desk).newest(event=AuditEvent.ASKED_RECHECK)
        assert (line.account, line.student, line.cohort) == (LIN.number, LIN.number, COHORT)

    def test_a_page_of_its_own_waits_and_refreshes_until_the_answer_is_there(
        self, university: World, signed_in: SignedIn
    ) -> None:
        browser = signed_in(LIN.number)
        page = ask(browser)
        assert page.url.path == "/recheck"
        assert "正在重新查询" in page.text
        assert page.headers["refresh"] == "3; url=/recheck"
        assert ("/", "返回，不再等待") in [(link.href, link.text) for link in Page(page).links]
        serving(university).serve()
        answer = browser.get("/recheck")
        assert answer.url.path == "/"
        assert "已重新查询" in answer.text

    def test_it_does_not_wait_for_ever(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in(LIN.number)
        assert ask(browser).url.path == "/recheck"
        university.later(minutes=3)
        assert browser.get("/recheck").url.path == "/"

    def test_who_has_asked_for_nothing_is_led_to_the_own_page(self, signed_in: SignedIn) -> None:
        assert signed_in(LIN.number).get("/recheck").url.path == "/"

    def test_the_page_states_that_it_is_being_asked_and_never_loads_itself(self, signed_in: SignedIn) -> None:
        browser = signed_in(LIN.number)
        ask(browser)
        page = browser.get("/")
        assert "正在重新查询各部门的系统" in page.text
        assert ("/", "刷新") in [(link.href, link.text) for link in Page(page).links]
        assert "<button" not in page.text.split('class="recheck"')[1].split("</div>")[0]
        assert "http-equiv" not in page.text
        assert "refresh" not in page.headers

    def test_with_a_scheduler_beside_the_answer_is_the_result(
        self, university: World, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(recheck, "PATIENCE", 60)
        university.says["loans"] = []
        browser = signed_in(LIN.number)
        assert "《构造地质学》" in browser.get("/").text
        with scheduler(university):
            page = ask(browser).text
        assert "已重新查询（08:" in page
        assert "《构造地质学》" not in page

    def test_a_second_click_while_it_is_asked_asks_nothing_more(
        self, university: World, requests: Requests, signed_in: SignedIn
    ) -> None:
        browser = signed_in(LIN.number)
        token = token_in(browser.get("/"))
        for _ in range(2):
            assert browser.post("/recheck", data={"form_token": token}).status_code == 200
        assert len(requests.waiting(COHORT)) == 1
        assert len(Audit(university.desk).newest(event=AuditEvent.ASKED_RECHECK)) == 1

    def test_another_sites_form_asks_nothing(self, requests: Requests, signed_in: SignedIn) -> None:
        browser = signed_in(LIN.number)
        assert browser.post("/recheck", data={"form_token": "x"}).status_code == 403
        assert requests.waiting(COHORT) == ()


class TestWhatCameOfIt:
    def test_a_source_that_does_not_answer_is_shown_and_the_last_word_stays(
        self, university: World, signed_in: SignedIn
    ) -> None:
        browser = signed_in(LIN.number)
        ask(browser)
        university.fails["loans"] = SourceUnavailable("down", "Try again.")
        serving(university).serve()
        page = browser.get("/").text
        assert "有部门的系统没有响应（08:" in page
        assert "《构造地质学》" in page
        assert "down" not in page

    def test_what_was_refused_is_shown(self, university: World, requests: Requests, signed_in: SignedIn) -> None:
        browser = signed_in(LIN.number)
        ask(browser)
        (waiting,) = requests.waiting(COHORT)
        requests.served(waiting.request, RequestOutcome.REFUSED, "in English", university.now)
        page = browser.get("/").text
        assert "重新查询未成功" in page
        assert "in English" not in page

    def test_who_waits_long_reads_that_and_not_seconds(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in(LIN.number)
        ask(browser)
        university.later(minutes=3)
        page = browser.get("/").text
        assert "尚未开始" in page
        assert "几秒内" not in page

    def test_what_came_of_it_is_forgotten_after_an_hour(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in(LIN.number)
        ask(browser)
        serving(university).serve()
        assert "已重新查询" in browser.get("/").text
        university.later(minutes=20)
        page = browser.get("/").text
        assert " 已重新查询。" in page
        assert "刚刚" not in page
        university.later(minutes=29)
        browser.get("/")
        university.later(minutes=12)
        assert "已重新查询" not in browser.get("/").text

    def test_it_is_shown_when_all_is_clear_since(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in(QIAN.number)
        university.says["checkouts"].append({"学号": QIAN.number, "清退状态": "已清退", "房间": "西区3栋305"})
        university.says["fees"] = []
        ask(browser)
        serving(university).serve()
        page = browser.get("/").text
        assert "已重新查询" in page
        assert 'action="/recheck"' not in page


class TestItsLimits:
    def test_within_the_pause_the_page_states_when_again_and_the_form_is_refused(
        self, university: World, requests: Requests, signed_in: SignedIn
    ) -> None:
        browser = signed_in(LIN.number)
        token = token_in(browser.get("/"))
        ask(browser)
        serving(university).serve()
        asked = requests.last_recheck(COHORT, LIN.number)
        assert asked is not None
        page = browser.get("/").text
        again = (asked.at + timedelta(minutes=10)).astimezone(university.settings.institution.timezone)
        assert f"{again:%H:%M} 后可再次查询" in page
        assert 'action="/recheck"' not in page
        university.later(minutes=9)
        refused = browser.post("/recheck", data={"form_token": token})
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "60"
        assert "后可再次查询" in refused.text
        assert "《构造地质学》" in refused.text
        assert requests.last_recheck(COHORT, LIN.number) == asked

    def test_after_the_pause_it_is_offered_again(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in(LIN.number)
        ask(browser)
        serving(university).serve()
        university.later(minutes=10)
        assert 'action="/recheck"' in browser.get("/").text
        assert ask(browser).status_code == 200

    def test_so_many_times_a_day_and_then_the_page_states_on_which_day_again(
        self, university: World, requests: Requests, signed_in: SignedIn
    ) -> None:
        browser = signed_in(LIN.number)
        for _ in range(10):
            assert ask(browser).status_code == 200
            serving(university).serve()
            university.later(minutes=11)
        refused = ask(browser)
        assert refused.status_code == 429
        assert re.search(r"5月26日 08:\d\d 后可再次查询", refused.text)

    def test_the_limits_are_the_settings(self, university: World) -> None:
        portal = university.settings.portal
        assert (portal.recheck_pause, portal.recheck_day_limit) == (timedelta(minutes=10), 10)

    def test_one_students_rechecks_are_not_anothers(self, university: World, requests: Requests) -> None:
        requests.ask_recheck(
            COHORT, QIAN.number, account="x", now=university.now, pause=timedelta(minutes=10), day_limit=1
        )
        assert requests.last_recheck(COHORT, LIN.number) is None
        assert GEOLOGY_LOAN in university.says["loans"]
