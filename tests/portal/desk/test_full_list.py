"""An office without a system brings its whole list: looked at first, confirmed, and taken over by the schedule."""

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import xlsxwriter
from starlette.testclient import TestClient

from portal.auth.sessions import hash_of, new_token
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.model import Verdict
from tests.cast import LEAVING, LIN, QIAN, SUN, ZHOU
from tests.portal.conftest import token_in
from tests.portal.whole import whole_app
from tests.sync.run.test_uploaded_lists import HEAD, settings
from tests.world import World, serving_of

#: Who decides for the dormitories: of everybody, and of one college.
GRANTS = {
    "warden": (Grant(Act.DECIDE, "dorm"),),
    "deputy": (Grant(Act.DECIDE, "dorm"),),
    "half": (Grant(Act.DECIDE, "dorm", {"college": ("资源学院",)}),),
    "librarian": (Grant(Act.DECIDE, "library"),),
    "admin": (Grant(Act.MANAGE),),
}


@pytest.fixture
def dormitory(tmp_path: Path) -> Iterator[World]:
    """An office whose list is a file that its operator brings."""
    (tmp_path / "checkouts.csv").write_text(f"{HEAD}{SUN.number},已清退,305\n", encoding="utf-8")
    with World(f"sqlite:///{tmp_path}/marks.db", tmp_path, settings()) as made:
        made.run_all()
        for account, grants in GRANTS.items():
            made.accounts.add(account, account, "", grants=grants, now=made.now)
        yield made


@pytest.fixture
def at_the_desk(dormitory: World) -> Iterator[Callable[[str], TestClient]]:
    """Return the browser of somebody who has signed in."""
    with ExitStack() as stack:

        @contextmanager
        def signed_in(account: str) -> Iterator[TestClient]:
            token = new_token()
            dormitory.accounts.open_session(hash_of(token), account, dormitory.now, longest=timedelta(hours=12))
            with TestClient(whole_app(dormitory), base_url="http://testserver", follow_redirects=True) as browser:
                browser.cookies.set("clearance", token)
                yield browser

        yield lambda account: stack.enter_context(signed_in(account))


def bring(browser: TestClient, content: str | bytes, name: str = "checkouts.csv") -> httpx.Response:
    """Bring a list; return the page that this leads to."""
    token = token_in(browser.get("/desk/list"))
    body = content.encode() if isinstance(content, str) else content
    page: httpx.Response = browser.post(
        "/desk/list", data={"form_token": token, "source": "checkouts"}, files={"file": (name, body)}
    )
    return page


def confirm(browser: TestClient, page: httpx.Response, **changed: str) -> httpx.Response:
    """Confirm what a page shows."""
    rows = page.text.split('name="rows" value="')[1].split('"')[0]
    form = {"form_token": token_in(page), "rows": rows, **changed}
    answer: httpx.Response = browser.post(str(page.url), data=form)
    return answer


def test_a_list_is_looked_at_confirmed_and_taken_over(
    dormitory: World, at_the_desk: Callable[[str], TestClient]
) -> None:
    warden = at_the_desk("warden")
    assert "上传全量名单" in warden.get("/desk").text
    page = bring(
        warden, f"{HEAD}{SUN.number},已清退,305\n{LIN.number},已清退,412\n20990001,已清退,1\n{QIAN.number},?,2\n"
    )
    assert "20990001" in page.text
    assert "无法识别" in page.text
    assert dormitory.verdict(LIN.number, "dorm") is Verdict.UNKNOWN
    waits = confirm(warden, page)
    assert "几秒内有结果" in waits.text
    assert dormitory.verdict(LIN.number, "dorm") is Verdict.UNKNOWN
    assert serving_of(dormitory).serve() == 1
    assert "新名单已生效" in warden.get(str(page.url)).text
    assert dormitory.verdict(LIN.number, "dorm") is Verdict.CLEARED
    events = [line.event for line in Audit(dormitory.desk).newest(10)]
    assert events.index(AuditEvent.CONFIRMED_LIST) < events.index(AuditEvent.BROUGHT_SHEET)


def test_a_list_that_is_too_old_is_shown_to_be(dormitory: World, at_the_desk: Callable[[str], TestClient]) -> None:
    assert "数据过期" not in at_the_desk("warden").get("/desk/list").text
    dormitory.later(days=2)
    assert "数据过期" in at_the_desk("deputy").get("/desk/list").text


def test_confirming_twice_asks_once(dormitory: World, at_the_desk: Callable[[str], TestClient]) -> None:
    warden = at_the_desk("warden")
    page = bring(warden, f"{HEAD}{SUN.number},已清退,305\n")
    confirm(warden, page)
    confirm(warden, page)
    assert serving_of(dormitory).serve() == 1


def test_a_change_too_large_states_that_somebody_must_look(
    dormitory: World, at_the_desk: Callable[[str], TestClient]
) -> None:
    warden = at_the_desk("warden")
    confirm(warden, bring(warden, HEAD + "".join(f"{person.number},未清退,1\n" for person in LEAVING)))
    serving_of(dormitory).serve()
    assert dormitory.verdict(SUN.number, "dorm") is Verdict.HELD
    confirm(warden, page := bring(warden, f"{HEAD}{ZHOU.number},已清退,1\n"))
    serving_of(dormitory).serve()
    assert "尚未生效" in warden.get(str(page.url)).text
    assert dormitory.verdict(SUN.number, "dorm") is Verdict.HELD


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ("学号,备注\n20151001,x\n", "checkouts.csv", "未找到表头：以下各列须在同一行：学号、清退状态、房间"),
        (f"{HEAD}{SUN.number},已清退,305\n", "checkouts.xlsx", "另存为 .csv 后再上传"),
        (HEAD, "checkouts.csv", "表头下没有数据"),
        ("", "checkouts.csv", "文件为空"),
    ],
)
def test_a_list_that_is_none_is_shown_with_the_fix(
    at_the_desk: Callable[[str], TestClient], content: str, name: str, said: str
) -> None:
    answer = bring(at_the_desk("warden"), content, name)
    assert answer.status_code == 422
    assert said in answer.text


def test_a_whole_list_may_be_longer_than_a_sheet_of_results(
    dormitory: World, at_the_desk: Callable[[str], TestClient]
) -> None:
    rows = "".join(f"2099{n:05d},已清退,1\n" for n in range(dormitory.settings.desk.most_rows + 1))
    page = bring(at_the_desk("warden"), f"{HEAD}{SUN.number},已清退,305\n{rows}")
    assert page.status_code == 200
    assert "2002 行" in page.text


def test_a_workbook_is_no_list_where_a_text_is_kept(at_the_desk: Callable[[str], TestClient]) -> None:
    content = io.BytesIO()
    xlsxwriter.Workbook(content).close()
    assert "另存为 .csv 后再上传" in bring(at_the_desk("warden"), content.getvalue(), "checkouts.xlsx").text


def test_only_who_decides_for_everybody_uploads_a_list(at_the_desk: Callable[[str], TestClient]) -> None:
    for account, status in (("half", 404), ("librarian", 404), ("admin", 403)):
        assert at_the_desk(account).get("/desk/list").status_code == status, account
    assert "上传全量名单" not in at_the_desk("half").get("/desk").text


def test_another_operators_list_looks_like_one_that_does_not_exist(at_the_desk: Callable[[str], TestClient]) -> None:
    page = bring(at_the_desk("warden"), f"{HEAD}{SUN.number},已清退,305\n")
    deputy = at_the_desk("deputy")
    assert deputy.get(str(page.url)).status_code == 404
    assert deputy.get("/desk/list/999").status_code == 404
