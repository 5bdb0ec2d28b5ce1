"""Two administrators on the pages: one asks, the other confirms or refuses; and the owner sees what was done."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from starlette.testclient import TestClient

from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.sign_in.one_time_codes import Codes
from tests.cast import LIN
from tests.portal.conftest import _HASHED, settle, token_in
from tests.portal.factors import one_administrator_suffices
from tests.portal.html_page import Page
from tests.portal.waiting import browser
from tests.world import World


def second_manager(world: World) -> None:
    """Have there be a second administrator."""
    world.accounts.add("second", "第二", _HASHED, grants=[Grant(Act.MANAGE)], now=world.now)


@pytest.fixture
def university(sqlite_world: World) -> World:
    """The cast's university with two administrators."""
    return settle(sqlite_world, second_manager)


@contextmanager
def both(world: World) -> Iterator[tuple[TestClient, TestClient]]:
    """The browsers of the two administrators."""
    with browser(world, "admin") as first, browser(world, "second") as second:
        yield first, second


def post(made: TestClient, account: str, what: str, **fields: str) -> tuple[int, str]:
    """Send a form of an account's page; return the status and the page that follows."""
    token = token_in(made.get("/accounts"))
    answer = made.post(f"/accounts/{account}/{what}", data={"form_token": token, **fields})
    return answer.status_code, answer.text


def waiting_in(made: TestClient, path: str = "/accounts") -> list[str]:
    """Return the numbers of what a page shows as waiting."""
    return list(dict.fromkeys(Page(made.get(path)).fields.get("change", [])))


def sessions_in(page: str) -> list[str]:
    """Return the sessions that a page offers to end one by one."""
    return [name for name in Page(page).fields["session"] if re.fullmatch("[0-9a-f]{16}", name)]


def acts(world: World, account: str) -> list[Act]:
    """Return what an account may do."""
    return [one.act for one in world.accounts.grants(account)]


class TestAGrantToAct:
    def test_waits_for_the_other_and_is_given_when_they_confirm(self, university: World) -> None:
        with both(university) as (first, second):
            status, page = post(first, "nobody", "grants", act="review")
            assert (status, "等待另一位管理员确认" in page) == (200, True)
            assert acts(university, "nobody") == []
            assert "增加权限 · 终审" in second.get("/accounts").text
            (number,) = waiting_in(second, "/accounts/nobody")
            status, page = post(second, "nobody", "confirm", change=number)
            assert (status, "等待另一位管理员确认" in page) == (200, False)
        assert acts(university, "nobody") == [Act.REVIEW]

    def test_is_not_confirmed_by_who_asked(self, university: World) -> None:
        with both(university) as (first, _):
            post(first, "nobody", "grants", act="manage")
            assert 'action="/accounts/nobody/confirm"' not in first.get("/accounts").text
            (number,) = waiting_in(first)
            status, page = post(first, "nobody", "confirm", change=number)
            assert (status, "提交人和账号本人不能确认" in page) == (422, True)
        assert acts(university, "nobody") == []

    def test_is_not_given_once_it_is_refused(self, university: World) -> None:
        with both(university) as (first, second):
            post(first, "nobody", "grants", act="decide", step="library")
            (number,) = waiting_in(second)
            post(second, "nobody", "refuse", change=number)
            assert waiting_in(second) == []
            status, page = post(second, "nobody", "confirm", change=number)
            assert (status, "已处理或已失效" in page) == (422, True)
        assert acts(university, "nobody") == []
        assert Audit(university.desk).newest(1, event=AuditEvent.SECOND_REFUSED)[0].account == "second"

    def test_shows_the_second_what_was_done_to_the_account_before(self, university: World) -> None:
        with both(university) as (first, second):
            post(first, "nobody", "code")
            assert "该账号的操作记录" not in second.get("/accounts/nobody").text
            post(first, "nobody", "grants", act="decide")
            assert "生成一次性密码</strong> · admin" in second.get("/accounts/nobody").text

    @pytest.mark.parametrize("number", ["", "0", "999", "x"])
    def test_one_that_does_not_wait_is_not_confirmed(self, university: World, number: str) -> None:
        with browser(university, "second") as made:
            assert post(made, "nobody", "confirm", change=number)[0] == 422

    def test_is_never_given_to_the_own_account(self, university: World) -> None:
        with both(university) as (first, _):
            assert "不能给本人的账号授权" in first.get("/accounts/admin").text
            for act in ("read", "decide"):
                status, page = post(first, "admin", "grants", act=act)
                assert (status, "不能给本人的账号授权" in page) == (422, True)
            assert post(first, "librarian", "hand-over", target="admin")[0] == 422
        assert acts(university, "admin") == [Act.MANAGE]

    def test_is_not_given_when_its_step_is_no_more(self, university: World) -> None:
        with both(university) as (first, second):
            post(first, "nobody", "grants", act="decide", step="library")
            (number,) = waiting_in(second)
            settings = university.settings
            steps = [step for step in settings.step if step.key != "library"]
            university.settings = settings.model_copy(update={"step": steps})
            with browser(university, "second") as later:
                status, page = post(later, "nobody", "confirm", change=number)
            assert (status, "没有这个环节或这一届" in page) == (422, True)
        assert acts(university, "nobody") == []


class TestCodes:
    def test_one_for_whoever_acts_is_shown_to_who_confirms_once(self, university: World) -> None:
        with both(university) as (first, second):
            status, page = post(first, "librarian", "code")
            assert (status, '<p class="code">' in page) == (200, False)
            (number,) = waiting_in(second)
            page = post(second, "librarian", "confirm", change=number)[1]
            code = Page(page).one("p", class_="code").text
            for made in (first, second):
                assert code not in made.get("/accounts/librarian").text
        assert Codes(university.desk, university.desk_key).use("librarian", code, university.now)

    def test_one_for_who_reads_alone_is_made_at_once(self, university: World) -> None:
        with both(university) as (first, _):
            assert '<p class="code">' in post(first, "dean", "code")[1]

    def test_opening_and_handing_over_wait_too(self, university: World) -> None:
        with both(university) as (first, second):
            post(first, "librarian", "active", active="0")
            page = post(first, "librarian", "active", active="1")[1]
            assert "已停用" in page
            (number,) = waiting_in(second)
            assert "已停用" not in post(second, "librarian", "confirm", change=number)[1]
            post(first, "librarian", "hand-over", target="nobody")
            assert acts(university, "nobody") == []
            (number,) = waiting_in(second, "/accounts/nobody")
            post(second, "librarian", "confirm", change=number)
        assert acts(university, "nobody") == [Act.READ, Act.DECIDE]


class TestTheSetting:
    def test_off_is_shown_on_every_page_of_accounts(self, university: World) -> None:
        one_administrator_suffices(university)
        with browser(university, "admin") as made:
            for path in ("/accounts", "/accounts/nobody"):
                assert "second_administrator = false" in made.get(path).text
            post(made, "nobody", "grants", act="decide")
        assert acts(university, "nobody") == [Act.DECIDE]

    def test_on_with_one_administrator_is_shown_too(self, university: World) -> None:
        with browser(university, "admin") as made:
            assert "只有一个账号长期有“管理”权限" not in made.get("/accounts").text
            university.accounts.deactivate("second")
            assert "只有一个账号长期有“管理”权限" in made.get("/accounts").text


def test_in_english_nothing_of_ours_is_chinese(university: World) -> None:
    with both(university) as (first, second):
        post(first, "nobody", "grants", act="review")
        page = second.get("/accounts/nobody?lang=en").text
        for said in ("Waiting for another administrator", "Add a grant · Review", "Confirm", "Refuse"):
            assert said in page, said
        own = second.get("/own?lang=en").text
        assert "Open sessions of this account" in own
        assert not re.search(
            "[一-鿿]", re.sub(r"<title>.*?</title>|<header.*?</header>|<footer.*?</footer>", "", own, flags=re.DOTALL)
        )


class TestMyAccount:
    def test_shows_what_others_did_and_who(self, university: World) -> None:
        with both(university) as (first, second):
            post(first, "librarian", "code")
            post(second, "librarian", "confirm", change=waiting_in(second)[0])
            post(first, "librarian", "revoke-grant", grant=str(university.accounts.grants("librarian")[0].id))
            post(first, "dean", "code")
        with browser(university, "librarian") as made:
            page = made.get("/own").text
            assert 'href="/own"' in made.get("/desk").text
        assert "生成一次性密码</strong> · 第二" in page
        assert "收回权限</strong> · 可办理的操作：查看" in page
        assert page.count("生成一次性密码") == 1, "another's is not shown"

    def test_shows_what_was_done_on_the_command_line(self, university: World) -> None:
        Audit(university.desk).note(
            AuditEvent.GRANTED, account="root", now=university.now, address="command line", of="dean", grants=["read"]
        )
        with browser(university, "dean") as made:
            assert "root（服务器命令行）" in made.get("/own").text

    def test_forgets_what_is_older_than_ninety_days(self, university: World) -> None:
        Audit(university.desk).note(AuditEvent.GRANTED, account="admin", now=university.now, to="dean", act="audit")
        with browser(university, "dean") as made:
            assert "授予权限" in made.get("/own").text
        university.later(days=91)
        with browser(university, "dean") as made:
            assert "授予权限" not in made.get("/own").text

    @pytest.mark.parametrize("account", ["dean", LIN.number])
    def test_ends_another_session_and_all_others(self, university: World, account: str) -> None:
        with browser(university, account) as here, browser(university, account) as there:
            page = here.get("/own").text
            assert page.count("本设备") == 1
            (name,) = set(sessions_in(page))
            here.post("/own/end", data={"form_token": token_in(here.get("/own")), "session": name})
            assert 'name="password"' in there.get("/own").text
            with browser(university, account) as again:
                here.post("/own/end", data={"form_token": token_in(here.get("/own")), "session": "others"})
                assert 'name="password"' in again.get("/own").text
            assert "没有其他登录" in here.get("/own").text

    def test_ends_nobody_elses_session(self, university: World) -> None:
        with browser(university, "dean") as dean, browser(university, "admin") as admin:
            with browser(university, "dean") as there:
                name = sessions_in(there.get("/own").text)[0]
                for session in (name, "others", ""):
                    admin.post("/own/end", data={"form_token": token_in(admin.get("/own")), "session": session})
                assert "本设备" in there.get("/own").text
            assert "本设备" in dean.get("/own").text

    def test_shows_a_student_of_a_code_and_a_password_and_of_nobody(self, university: World) -> None:
        with both(university) as (first, _):
            post(first, LIN.number, "code")
        with browser(university, LIN.number) as made:
            page = made.get("/own").text
        assert "生成一次性密码" in page
        assert "设置密码" in page
        assert "admin" not in page.replace("admin.", "")
