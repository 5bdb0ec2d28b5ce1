"""Students' pages in one process, staff's in another: what each opens, and which key it holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from clearance.web import application
from status_db import tables
from status_db.accounts.accounts import Act, Grant
from status_db.sign_in.one_time_codes import Codes
from status_db.store.engine import reading
from tests.cast import LIN
from tests.portal.conftest import enter, settle, token_in
from tests.world import World

DESK_ADDRESS = "http://desk.example"


@pytest.fixture
def university(sqlite_world: World) -> World:
    """The cast's university, with an address for each of the two."""
    world = settle(sqlite_world)
    public = {"public_url": "http://testserver", "desk_public_url": DESK_ADDRESS}
    portal = world.settings.portal.model_copy(update=public)
    world.settings = world.settings.model_copy(update={"portal": portal})
    return world


@pytest.fixture
def students(university: World) -> Iterator[TestClient]:
    """A browser at the students' pages, whose process finds no key of the ledger."""
    key = university.settings.status_db.ledger_key_file
    away = key.rename(key.with_suffix(".away"))
    app = application(university.settings, clock=university.clock, staff=False)
    with TestClient(app, base_url="http://testserver", follow_redirects=True) as browser:
        yield browser
    assert not key.exists()
    away.rename(key)


@contextmanager
def the_key_there(world: World) -> Iterator[None]:
    """Put the ledger's key back for a while, as another process finds it."""
    key = world.settings.status_db.ledger_key_file
    away = key.with_suffix(".away").rename(key)
    yield
    away.rename(key.with_suffix(".away"))


@pytest.fixture
def staff(university: World) -> Iterator[TestClient]:
    """A browser at the desk's own address."""
    settings = university.settings
    app = application(settings, clock=university.clock, desk=True, students=False)
    with TestClient(app, base_url=DESK_ADDRESS, follow_redirects=True) as browser:
        yield browser


def give_code(browser: TestClient, account: str, code: str) -> httpx.Response:
    """Fill in the form for a one-time code."""
    form = {"account": account, "code": code, "form_token": token_in(browser.get("/first-password"))}
    answer: httpx.Response = browser.post("/first-password", data=form)
    return answer


def sessions(world: World) -> tuple[list[str], list[str]]:
    """Return whose sessions are open: students', and staff's."""
    with reading(world.desk_engine) as connection:
        own, of_staff = (
            list(connection.execute(select(table.c.account)).scalars())
            for table in (tables.session, tables.staff_session)
        )
    return own, of_staff


class TestTheStudentsPages:
    def test_serve_students_without_the_ledgers_key(self, university: World, students: TestClient) -> None:
        assert "2 项要办" in enter(students, LIN.number).text
        assert sessions(university) == ([LIN.number], [])
        form = students.get("/appeal", params={"step": "library"})
        assert form.status_code == 200

    def test_tell_a_student_of_the_own_account_and_end_the_other_sessions(
        self, university: World, students: TestClient
    ) -> None:
        enter(students, LIN.number)
        other = TestClient(students.app, base_url="http://testserver", follow_redirects=True)
        enter(other, LIN.number)
        page = students.get("/own")
        assert "设置密码" in page.text
        assert page.text.count("本设备") == 1
        sent = {"form_token": token_in(page), "session": "others"}
        assert "没有其他登录" in students.post("/own/end", data=sent).text
        assert other.get("/own").url.path == "/sign-in"
        assert sessions(university) == ([LIN.number], [])

    def test_send_staff_to_the_desk_and_open_nothing(self, university: World, students: TestClient) -> None:
        page = enter(students, "librarian")
        assert page.status_code == 403
        assert f'href="{DESK_ADDRESS}"' in page.text
        assert "请在办公入口登录" in page.text
        assert sessions(university) == ([], [])

    def test_leave_the_one_time_code_of_staff_for_the_desk(self, university: World, staff: TestClient) -> None:
        codes = Codes(university.desk, university.desk_key)
        code = codes.make("librarian", made_by="admin", now=university.now, lasts=timedelta(days=1))
        app = application(university.settings, clock=university.clock, staff=False)
        with TestClient(app, base_url="http://testserver", follow_redirects=True) as browser:
            refused = give_code(browser, "librarian", code)
        assert refused.status_code == 403
        assert f'href="{DESK_ADDRESS}"' in refused.text
        assert give_code(staff, "librarian", code).url.path == "/new-password"
        assert give_code(TestClient(staff.app, base_url=DESK_ADDRESS), "librarian", code).status_code == 401

    @pytest.mark.parametrize(
        "path", ["/overview", "/accounts", "/desk", "/runs", "/audit", "/sources", "/api/v1/cohorts"]
    )
    def test_have_no_page_of_staff(self, students: TestClient, path: str) -> None:
        assert students.get(path).status_code == 404

    def test_give_a_student_no_grant(self, university: World, students: TestClient) -> None:
        with the_key_there(university):
            university.accounts.grant(LIN.number, [Grant(Act.READ)])
        assert "2 项要办" in enter(students, LIN.number).text
        assert "/overview" not in students.get("/").text


class TestTheDesk:
    def test_opens_a_session_of_its_own(self, university: World, staff: TestClient) -> None:
        assert enter(staff, "librarian").status_code == 200
        assert sessions(university) == ([], ["librarian"])
        assert [cookie for cookie in staff.cookies if cookie == "clearance-desk"]
        assert staff.get("/desk").status_code == 200
        assert staff.get("/overview").status_code == 200

    def test_sends_students_to_their_own_address(self, university: World, staff: TestClient) -> None:
        page = enter(staff, LIN.number)
        assert page.status_code == 403
        assert 'href="http://testserver"' in page.text
        assert sessions(university) == ([], [])

    @pytest.mark.parametrize("path", ["/slip", "/appeal"])
    def test_has_no_page_of_a_students_own(self, staff: TestClient, path: str) -> None:
        enter(staff, "librarian")
        assert staff.get(path).status_code == 404

    def test_names_the_students_address_to_students(self, staff: TestClient) -> None:
        enter(staff, "dean")
        text = staff.get("/lists/reminder", params={"class": LIN.class_name}).text
        assert "http://testserver" in text
        assert DESK_ADDRESS not in text

    def test_takes_a_form_of_its_own_address_alone(self, staff: TestClient) -> None:
        form = {"form_token": token_in(enter(staff, "admin"))}
        statuses = [
            staff.post("/sign-out", data=form, headers={"Origin": origin}).status_code
            for origin in ("http://testserver", DESK_ADDRESS)
        ]
        assert statuses == [403, 200]


def test_a_session_of_one_opens_nothing_at_the_other(students: TestClient, university: World) -> None:
    enter(students, LIN.number)
    token = students.cookies["clearance"]
    desk = application(university.settings, clock=university.clock, students=False)
    with the_key_there(university), TestClient(desk, base_url=DESK_ADDRESS, follow_redirects=False) as other:
        other.cookies.set("clearance-desk", token)
        assert other.get("/overview").headers["location"].startswith("/sign-in")
