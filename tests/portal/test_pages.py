"""The pages in real requests: what each of four kinds of people sees, and what they do not."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import DBAPIError
from starlette.testclient import TestClient

from clearance.portal_services import portal_services
from clearance.stores.shared import Stores
from clearance.web import application
from config.processes import Process
from config.tables.sources import Source
from connectors.port import ProofKind
from portal.i18n import labels
from status_db import tables
from status_db.decisions.writer import DecisionRequest
from status_db.model import State, Verdict
from status_db.store.engine import StoreError
from tests.cast import GEOLOGY_LOANS, LIN, POETRY_LOAN, QIAN, SUN, ZHAO, ZHOU
from tests.portal.conftest import PASSWORD, enter, token_in
from tests.portal.html_page import Page
from tests.world import World

SignedIn = Callable[[str], TestClient]


class TestTheStudent:
    def test_a_held_student_reads_the_book_the_amount_and_the_office(self, signed_in: SignedIn) -> None:
        page = signed_in(LIN.number).get("/").text
        assert "2 项要办" in page
        assert "《构造地质学》" in page
        assert "3.20 元" in page
        assert "图书馆" in page
        assert "总馆一楼" in page
        assert "5月30日" in page

    def test_it_states_as_of_when_and_when_it_will_follow(self, signed_in: SignedIn) -> None:
        page = signed_in(LIN.number).get("/").text
        assert "数据截至 5月25日 08:0" in page
        assert "办理后约 15 分钟更新" in page

    def test_an_act_not_yet_done_is_distinguished_from_something_owed(self, signed_in: SignedIn) -> None:
        page = signed_in(LIN.number).get("/").text
        assert "未办理" in page
        assert "未退宿（东区12栋412）" in page

    def test_a_commuter_reads_that_there_is_nothing_to_do_last(self, signed_in: SignedIn) -> None:
        page = signed_in(ZHAO.number).get("/").text
        assert "按学籍信息，本环节无需办理" in page
        assert page.index("校计财处") < page.index("宿管中心")

    def test_a_page_states_once_that_there_is_no_need_to_go_anywhere(self, signed_in: SignedIn) -> None:
        page = signed_in(SUN.number).get("/").text
        assert page.count("无需前往") == 1
        assert "未到此步（前面还有 1 项）" in page

    def test_everything_clear_waits_for_the_review_alone(self, university: World, signed_in: SignedIn) -> None:
        university.decisions.enter(
            DecisionRequest(SUN.number, "college_items", Verdict.CLEARED, "无借阅"), "college", university.now
        )
        page = signed_in(SUN.number).get("/").text
        assert "等待学院终审" in page
        assert "待终审" in page

    def test_what_a_person_decided_states_so_with_their_words(self, university: World, signed_in: SignedIn) -> None:
        wish = DecisionRequest(
            LIN.number, "library", Verdict.CLEARED, "现场归还", words="已在总馆还清", note="internal"
        )
        university.decisions.enter(wish, "librarian", university.now)
        page = signed_in(LIN.number).get("/").text
        assert "通过·人工办理" in page
        assert "已在总馆还清" in page
        assert "internal" not in page
        assert "librarian" not in page

    def test_something_new_after_a_decision_is_shown(self, university: World, signed_in: SignedIn) -> None:
        wish = DecisionRequest(QIAN.number, "library", Verdict.CLEARED, "现场归还")
        university.decisions.enter(wish, "librarian", university.now)
        university.says["loans"].append(POETRY_LOAN)
        university.run("loans")
        page = signed_in(QIAN.number).get("/").text
        assert "人工办理后有新的未结事项" in page
        assert "《唐诗选》" in page

    def test_stale_is_shown_as_stale(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in(LIN.number)
        university.later(hours=5)
        enter(browser, LIN.number)
        page = browser.get("/").text
        assert "数据过期（截至 5月25日 08:0" in page

    def test_who_stays_reads_why_and_whom_to_ask(self, signed_in: SignedIn) -> None:
        page = signed_in(ZHOU.number).get("/").text
        assert "不在本届离校名单中" in page
        assert "延期" in page

    def test_who_is_on_no_list_never_meets_a_blank_page(self, signed_in: SignedIn) -> None:
        page = signed_in("20990001").get("/").text
        assert "20990001" in page
        assert "请联系学院或教务部门" in page

    @pytest.mark.parametrize(
        "path", [f"/students/{QIAN.number}", "/overview", "/sources", "/runs/1", "/students", f"/students/{LIN.number}"]
    )
    def test_they_see_no_page_but_their_own(self, signed_in: SignedIn, path: str) -> None:
        answer = signed_in(LIN.number).get(path)
        assert answer.status_code == 403
        assert QIAN.name not in answer.text

    def test_the_page_is_small(self, signed_in: SignedIn) -> None:
        assert len(signed_in(LIN.number).get("/").content) < 100_000


class TestInEnglish:
    def test_a_held_student_reads_the_same(self, signed_in: SignedIn) -> None:
        page = signed_in(LIN.number).get("/?lang=en").text
        assert "2 steps to do" in page
        assert "1 book to return, fine ¥3.20" in page
        assert "Library" in page

    def test_the_choice_is_kept(self, signed_in: SignedIn) -> None:
        browser = signed_in(LIN.number)
        browser.get("/?lang=en")
        assert "Sign out" in browser.get("/").text

    def test_the_browsers_wish_is_heard(self, client: TestClient) -> None:
        assert "Sign in" in client.get("/sign-in", headers={"accept-language": "en-GB,en;q=0.9"}).text
        assert "登录" in client.get("/sign-in", headers={"accept-language": "fr"}).text

    def test_an_english_page_shows_no_chinese_of_ours(self, signed_in: SignedIn) -> None:
        text = Page(signed_in("dean").get("/overview?lang=en")).text
        theirs = ("山海大学", "学生处", "中文", "2019届", "地球科学学院", "资源学院")
        for name in theirs:
            text = text.replace(name, "")
        assert not re.findall(r"[\u4e00-\u9fff]+", text)


class TestStaff:
    def test_a_dean_reads_every_college(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/overview").text
        assert "地球科学学院" in page
        assert "资源学院" in page

    def test_figures_separate_owed_from_not_yet_done(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/overview").text
        heads = Page(page).table("环节")[0]
        assert heads[:9] == ["环节", "已办结", "人数", "通过", "不通过", "未办理", "待审核", "待终审", "未到此步"]
        library = next(row for row in Page(page).table("环节") if row[0] == "图书馆")
        cells = [int(cell) for cell in library[1:] if cell.isdecimal()]
        assert cells[:4] == [5, 4, 1, 0]

    def test_a_counsellor_sees_nothing_of_another_college(self, signed_in: SignedIn) -> None:
        browser = signed_in("counsellor")
        assert "地球科学学院" not in browser.get("/overview").text
        assert browser.get(f"/students/{QIAN.number}").status_code == 200
        refused = browser.get(f"/students/{LIN.number}")
        assert refused.status_code == 404
        assert LIN.name not in refused.text
        assert refused.text == browser.get(f"/students/{LIN.number}").text

    def test_who_is_outside_looks_like_one_who_does_not_exist(self, signed_in: SignedIn) -> None:
        browser = signed_in("counsellor")
        outside, nowhere = browser.get(f"/students/{LIN.number}"), browser.get("/students/20990009")
        assert outside.status_code == nowhere.status_code
        assert outside.text.replace(LIN.number, "N") == nowhere.text.replace("20990009", "N")

    def test_a_librarian_sees_the_library_alone(self, signed_in: SignedIn) -> None:
        browser = signed_in("librarian")
        page = browser.get(f"/students/{QIAN.number}").text
        assert "图书馆" in page
        assert "2018-2019学年学费" not in page
        assert "校计财处" not in browser.get("/overview").text

    def test_a_number_is_found_however_it_is_typed(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/students", params={"number": " ２０１５２００３ "}).text
        assert QIAN.name in page

    def test_an_administrator_sees_sources_and_no_student(self, signed_in: SignedIn) -> None:
        browser = signed_in("admin")
        assert "loans" in browser.get("/").text
        assert browser.get("/overview").status_code == 403
        assert browser.get(f"/students/{LIN.number}").status_code == 403

    @pytest.mark.parametrize("account", ["counsellor", "librarian", "nobody"])
    def test_sources_and_runs_are_not_for_everybody(self, signed_in: SignedIn, account: str) -> None:
        browser = signed_in(account)
        assert browser.get("/sources").status_code == 403
        assert browser.get("/runs/1").status_code == 403

    def test_a_run_shows_its_figures_proofs_and_changes(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/runs/2").text
        assert "已读到数据末尾" in page
        assert "构造地质学" in page

    def test_a_suspended_run_shows_where_it_waits(self, university: World, signed_in: SignedIn) -> None:
        university.says["loans"] = list(GEOLOGY_LOANS)
        university.run("loans")
        # Fewer than five rows on most mornings would be too few to miss.
        university.run("loans")
        university.says["loans"] = []
        run = university.run("loans").run
        browser = signed_in("admin")
        assert f"第 {run} 次同步待批准" in browser.get("/sources").text
        assert "clearance runs approve" in browser.get(f"/runs/{run}").text

    def test_a_source_whose_connection_may_be_weaker_than_usual_is_shown_as_that(
        self, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        browser = signed_in("admin")
        assert "连接加密较弱" not in browser.get("/sources").text
        weak = property(lambda source: ("tls_minimum",) if source.step == "library" else ())
        monkeypatch.setattr(Source, "weaker_connection", weak)
        assert "连接加密较弱，请部门升级系统" in browser.get("/sources").text

    def test_who_has_no_grant_reads_so(self, signed_in: SignedIn) -> None:
        assert "该账号没有权限" in signed_in("nobody").get("/").text


class TestSigningIn:
    def test_every_page_asks_to_sign_in_first_and_comes_back(self, client: TestClient) -> None:
        page = client.get("/overview")
        assert "登录" in page.text
        assert 'name="next" value="/overview"' in page.text
        assert "按学院" in enter(client, "dean", next="/overview").text

    @pytest.mark.parametrize("goal", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"])
    def test_nobody_is_sent_elsewhere(self, client: TestClient, goal: str) -> None:
        page = enter(client, LIN.number, next=goal)
        assert page.url.host == "testserver"

    @pytest.mark.parametrize("account", [LIN.number, "20159999", "' OR 1=1 --"])
    def test_a_wrong_password_and_an_unknown_account_are_answered_alike(self, client: TestClient, account: str) -> None:
        page = enter(client, account, "wrong-password")
        assert page.status_code == 401
        assert "账号或密码不正确" in page.text

    def test_guessing_is_slowed_down(self, client: TestClient) -> None:
        answers = [enter(client, LIN.number, f"guess-{i}").status_code for i in range(7)]
        assert answers[0] == 401
        assert answers[-1] == 429
        assert enter(client, QIAN.number).status_code == 200

    def test_a_form_from_elsewhere_is_refused(self, client: TestClient) -> None:
        form = {"account": LIN.number, "password": PASSWORD, "form_token": token_in(client.get("/sign-in"))}
        for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
            assert client.post("/sign-in", data=form, headers=headers).status_code == 403
        assert client.post("/sign-in", data={**form, "form_token": "0" * 64}).status_code == 403
        assert client.post("/sign-in", content=b"x" * 10_000).status_code == 415

    def test_signing_out_ends_the_session_itself(self, signed_in: SignedIn) -> None:
        browser = signed_in(LIN.number)
        kept = dict(browser.cookies)
        browser.post("/sign-out", data={"form_token": token_in(browser.get("/"))})
        browser.cookies.clear()
        browser.cookies.update(kept)
        assert "登录" in browser.get("/").text

    @pytest.mark.parametrize("idle", [timedelta(minutes=31), timedelta(hours=13)])
    def test_a_session_ends_by_itself(self, university: World, signed_in: SignedIn, idle: timedelta) -> None:
        browser = signed_in(LIN.number)
        university.now += idle
        assert 'name="password"' in browser.get("/").text

    def test_a_session_in_use_goes_on_up_to_its_limit(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in(LIN.number)
        last = ""
        for _ in range(25):
            university.later(minutes=29)
            last = browser.get("/").text
        assert 'name="password"' in last

    def test_a_shut_account_is_out_at_once(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in(LIN.number)
        university.accounts.deactivate(LIN.number)
        assert 'name="password"' in browser.get("/").text

    def test_the_cookie_is_not_for_scripts(self, client: TestClient) -> None:
        header = client.get("/sign-in").headers["set-cookie"]
        assert "HttpOnly" in header
        assert "SameSite=lax" in header

    def test_behind_https_it_is_bound_to_the_host(self, university: World) -> None:
        public = university.settings.portal.model_copy(update={"public_url": "https://clearance.example"})
        app = application(university.settings.model_copy(update={"portal": public}), clock=university.clock)
        with TestClient(app) as browser:
            header = browser.get("/sign-in").headers["set-cookie"]
            strict = browser.get("/sign-in").headers["strict-transport-security"]
        assert header.startswith("__Host-clearance=")
        assert "Secure" in header
        assert strict == "max-age=31536000"


class TestEveryAnswer:
    PATHS = ("/sign-in", "/", "/overview", "/students", "/sources", "/runs/1", "/nowhere", "/healthz")

    @pytest.mark.parametrize("path", PATHS)
    def test_has_a_strict_policy_and_is_not_kept(self, signed_in: SignedIn, path: str) -> None:
        answer = signed_in("dean").get(path)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "strict-transport-security" not in answer.headers, "without https nobody is bound to it"

    @pytest.mark.parametrize("path", PATHS)
    def test_has_nothing_inline(self, signed_in: SignedIn, path: str) -> None:
        page = signed_in("dean").get(path).text
        assert "<script" not in page
        assert "<style" not in page
        assert not re.search(r"\s(style|on\w+)=", page)

    def test_its_links_to_static_files_are_good(self, client: TestClient) -> None:
        page = client.get("/sign-in").text
        links = [part["href"] for part in Page(page).all() if part["href"].startswith("/static/")]
        assert len(links) == 3
        for link in links:
            answer = client.get(link)
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]

    def test_a_page_that_is_not_there_states_so_kindly(self, signed_in: SignedIn) -> None:
        answer = signed_in("dean").get("/nowhere")
        assert answer.status_code == 404
        assert "页面不存在" in answer.text

    def test_a_student_named_like_a_script_is_shown_as_text(self, university: World, signed_in: SignedIn) -> None:
        university.says["roster"][0]["姓名"] = "<script>alert(1)</script>"
        university.run("roster")
        assert "<script>" not in signed_in(LIN.number).get("/").text


class TestHealth:
    def test_it_answers_while_both_databases_do(self, client: TestClient) -> None:
        assert client.get("/healthz").json() == {"ok": True, "marks": True, "desk": True}

    def test_it_states_when_one_does_not(self, university: World, client: TestClient) -> None:
        with university.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE cohort RENAME TO gone")
        answer = client.get("/healthz")
        assert answer.status_code == 503
        assert answer.json()["marks"] is False


def test_a_database_that_fails_is_a_kind_page_and_a_503(university: World, signed_in: SignedIn) -> None:
    browser = signed_in(LIN.number)
    with university.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE student RENAME TO gone")
    answer = browser.get("/")
    assert answer.status_code == 503
    assert "数据库暂时没有响应" in answer.text


def test_the_handle_of_the_pages_cannot_write_marks(world: World) -> None:
    """On SQLite the authorizer says no, on PostgreSQL the read-only transaction does."""
    services = portal_services(Stores(world.settings, web=Process.PAGES), world.clock)
    try:
        with (
            pytest.raises((DBAPIError, StoreError)),
            services.reader._engine.begin() as connection,
        ):
            connection.execute(insert(tables.cohort).values(cohort="2020", name="x", revision=0))
    finally:
        services.close()
    with world.engine.connect() as connection:
        assert connection.execute(tables.cohort.select().where(tables.cohort.c.cohort == "2020")).all() == []


def test_every_proof_of_a_pull_has_a_word() -> None:
    assert set(labels.PROOFS) == set(ProofKind)


def test_every_state_has_a_word_in_both_languages(university: World) -> None:
    services = portal_services(Stores(university.settings, web=Process.PAGES), university.clock)
    try:
        for language in services.languages.values():
            said = {labels.say(language, labels.STATES, state) for state in State}
            assert len(said) == len(State), "no two states share a word"
    finally:
        services.close()
