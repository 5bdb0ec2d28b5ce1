"""An administrator makes an account on a page, and hands over its one-time password."""

import pytest

from status_db.accounts.audit_log import Audit, AuditEvent
from tests.portal.conftest import settle, token_in
from tests.portal.html_page import Page
from tests.portal.waiting import browser
from tests.world import World


@pytest.fixture
def university(sqlite_world: World) -> World:
    """The cast's university."""
    return settle(sqlite_world)


def make(world: World, account: str, name: str, by: str = "admin") -> tuple[int, str]:
    with browser(world, by) as made:
        token = token_in(made.get("/new-account"))
        answer = made.post("/new-account", data={"form_token": token, "account": account, "name": name})
        return answer.status_code, answer.text


def test_it_has_no_grants_and_its_password_is_shown_once(university: World) -> None:
    status, page = make(university, "zhao", "赵老师")
    assert status == 200
    assert "一次性密码仅显示一次" in page
    assert Page(page).one("p", class_="code").text
    made = university.accounts.find("zhao")
    assert made is not None
    assert (made.name, made.grants, made.password_hash) == ("赵老师", (), None)
    (line,) = Audit(university.desk).newest(1, event=AuditEvent.ACCOUNT_MADE)
    assert (line.account, line.detail["of"]) == ("admin", "zhao")
    with browser(university, "admin") as again:
        assert "一次性密码仅显示一次" not in again.get("/accounts/zhao").text


@pytest.mark.parametrize(("account", "name"), [("", "赵老师"), ("zhao", " "), ("z" * 101, "赵老师")])
def test_a_missing_or_too_long_name_is_refused(university: World, account: str, name: str) -> None:
    status, page = make(university, account, name)
    assert status == 422
    assert "各不超过 100 字" in page
    assert university.accounts.find("zhao") is None


def test_a_name_that_is_taken_changes_nothing(university: World) -> None:
    before = university.accounts.find("librarian")
    status, page = make(university, "librarian", "别人")
    assert status == 422
    assert "账号 librarian 已存在" in page
    assert university.accounts.find("librarian") == before
