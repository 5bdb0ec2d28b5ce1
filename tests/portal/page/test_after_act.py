"""After every act, the page that follows states what happened, once, and with the way back where there is one."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from portal.page.after_act import COOKIE, AfterAct, forget, state, stated
from portal.web.former_addresses import FormerAddress
from status_db.inbox.announcements import Announcements
from status_db.inbox.pauses import Pauses
from tests.cast import LIN, QIAN
from tests.portal.conftest import lin_objects, token_in
from tests.portal.html_page import Page
from tests.portal.whole import whole_app
from tests.world import COHORT, World

SignedIn = Callable[[str], TestClient]


@dataclass(frozen=True, slots=True)
class Line:
    """An act, and the line that follows it."""

    route: str
    by: str
    states: str
    form: Mapping[str, str | list[str]] = field(default_factory=dict)
    #: The word on the button that takes it back.
    back: str = ""
    path: str = ""
    before: Callable[[World], None] = lambda _world: None

    def __str__(self) -> str:
        return self.route


def paused(world: World) -> None:
    """Have the loans paused."""
    Pauses(world.desk).pause("loans", reason="搬家", account="admin", now=world.now)


def announced(world: World) -> None:
    """Have an announcement."""
    Announcements(world.desk).announce("图书馆照常开放", "", author="admin", now=world.now, cohort=COHORT)


LINES = (
    Line("/sources/{source:name}/sync", "admin", "已申请同步：", path="/sources/loans/sync"),
    Line(
        "/sources/{source:name}/pause",
        "admin",
        "已停查：",
        {"reason": "搬家"},
        back="恢复查询",
        path="/sources/loans/pause",
    ),
    Line("/sources/{source:name}/resume", "admin", "已恢复：", path="/sources/loans/resume", before=paused),
    Line("/announcements", "admin", "公告“周末开放”已发布", {"title": "周末开放", "publish": "1"}, back="撤回"),
    Line(
        "/announcements/{announcement:id}/withdraw",
        "admin",
        "公告“图书馆照常开放”已撤回",
        path="/announcements/1/withdraw",
        before=announced,
    ),
    Line(
        "/accounts/{account:name}/grants",
        "admin",
        "已授予nobody权限",
        {"act": "read"},
        path="/accounts/nobody/grants",
    ),
    Line(
        "/accounts/{account:name}/revoke-grant",
        "admin",
        "已收回librarian的一项权限",
        path="/accounts/librarian/revoke-grant",
    ),
    Line(
        "/accounts/{account:name}/hand-over",
        "admin",
        "librarian：申请已提交",
        {"target": "nobody"},
        path="/accounts/librarian/hand-over",
    ),
    Line("/accounts/{account:name}/active", "admin", "librarian的账号已停用", path="/accounts/librarian/active"),
    Line(
        "/accounts/{account:name}/addresses",
        "admin",
        "librarian的通知地址已保存",
        {"mail": ""},
        path="/accounts/librarian/addresses",
    ),
    Line("/own/addresses", "admin", "通知地址已保存"),
    Line("/own/end", "admin", "没有需要结束的登录", {"session": "others"}),
    Line("/desk/send-back", "reviewer", "已退回：", {"student": QIAN.number, "step": "finance", "text": "请核对"}),
    Line(
        "/appeal",
        LIN.number,
        "异议已提交",
        {"step": "library", "item": "loan:B0001", "text": "书上周就还了。"},
        back="撤回",
    ),
    Line(
        "/appeal/{appeal:id}/withdraw",
        LIN.number,
        "异议已撤回",
        path="/appeal/1/withdraw",
        before=lambda world: (lin_objects(world), None)[1],
    ),
)

#: Acts whose own page shows what became of them, with the name of the part that does. Their tests are there.
ON_ITS_OWN_PAGE = {
    "/accounts/{account:name}/code": "the code, once",
    "/accounts/{account:name}/factor-code": "the code, once",
    "/new-account": "the account and its password, once",
    "/desk/decide": "the number of decided students",
    "/desk/students/{number:name}/decide": "the line of the record",
    "/desk/students/{number:name}/withdraw": "the line of the record",
    "/desk/students/{number:name}/review": "the line of the record",
    "/desk/students/{number:name}/withdraw-review": "the line of the record",
    "/desk/appeals/{appeal:id}/answer": "the line of the record, or of the list of appeals",
    "/desk/appeals/{appeal:id}/recheck": "the answer of the recheck",
    "/desk/certificates/issue": "the line of the certificate",
    "/desk/certificates/{certificate:id}/hand-over": "the line of the certificate",
    "/desk/certificates/{certificate:id}/revoke": "the line of the certificate",
    "/desk/certificates/hand-over": "the number of certificates",
    "/desk/classes/review": "the result of the class",
    "/desk/classes/recheck": "the answer of the recheck",
    "/desk/import": "the preview",
    "/desk/list": "the preview",
    "/runs/{run:id}/vote": "the votes of the run",
    "/runs/{run:id}/revert-preview": "the plan",
    "/runs/{run:id}/revert": "the result of the plan",
    "/recheck": "the answer of the recheck",
    "/lists/reminder": "the number of mails",
    "/sign-in": "the first page",
    "/sign-out": "the page after signing out",
    "/first-password": "the first page",
    "/first-password/identity": "the form of the password",
    "/new-password": "the page of the password",
    "/second-factor": "the page of the factors",
    "/sign-in/cas/back": "a program sends it",
    "/sign-in/oidc/ended": "a program sends it",
}

#: Stated by this mechanism, and tested with the files, sheets and second administrators that they need.
TESTED_ELSEWHERE = frozenset(
    {
        "/accounts/{account:name}/reset-factor",
        "/accounts/{account:name}/confirm",
        "/accounts/{account:name}/refuse",
        "/desk/paper/entry",
        "/desk/paper/entered/{sheet:id}/undo",
        "/desk/import/{upload:id}",
        "/desk/import/batches/{batch:id}/undo",
        "/desk/list/{upload:id}",
    }
)


def posts(world: World) -> Iterator[str]:
    """Return every route of the pages that takes a form."""
    for route in whole_app(world).routes:
        if isinstance(route, FormerAddress):
            continue
        if isinstance(route, Route) and "POST" in (route.methods or ()):
            yield route.path


def test_every_act_has_its_line(university: World) -> None:
    stating = {line.route for line in LINES} | ON_ITS_OWN_PAGE.keys() | TESTED_ELSEWHERE
    assert set(posts(university)) - {"/second-factor/passkey"} <= stating


def notes(page: str) -> list[str]:
    return [part.text for part in Page(page).all("div", role="status", class_="done")]


@pytest.mark.parametrize("line", LINES, ids=str)
def test_the_page_that_follows_states_what_happened(university: World, signed_in: SignedIn, line: Line) -> None:
    line.before(university)
    browser = signed_in(line.by)
    form = {"form_token": token_in(browser.get("/own")), **line.form}
    if line.route.endswith("revoke-grant"):
        form["grant"] = Page(browser.get("/accounts/librarian").text).fields["grant"][0]
    answer = browser.post(line.path or line.route, data=form)
    assert answer.status_code == 200, answer.text
    (stating,) = notes(answer.text)
    assert line.states in stating
    assert line.back in stating
    assert notes(browser.get(answer.url.path).text) == [], "a page states it once"


def test_the_way_back_takes_the_act_back(university: World, signed_in: SignedIn) -> None:
    browser = signed_in("admin")
    form = {"form_token": token_in(browser.get("/own")), "reason": "搬家"}
    page = Page(browser.post("/sources/loans/pause", data=form).text)
    (back,) = page.one("div", role="status", class_="done").forms()
    again = browser.post(back["action"], data=dict(back.fields))
    assert notes(again.text)[0].startswith("已恢复：")


@pytest.mark.parametrize("changed", ["other session", "other text"])
def test_a_line_that_the_session_did_not_sign_is_not_shown(
    university: World, signed_in: SignedIn, changed: str
) -> None:
    sent = state(Response(), "token", AfterAct("完成"), secure=False).headers["set-cookie"].split(";")[0]
    name, _, value = sent.partition("=")
    value = value.strip('"')
    assert name == COOKIE
    wrong = value if changed == "other session" else f"x{value}"

    def carries(cookie: str, token: str) -> AfterAct | None:
        headers = [(b"cookie", f"{COOKIE}={cookie}".encode())]
        return stated(Request({"type": "http", "headers": headers}), token)

    assert carries(value, "token") == AfterAct("完成")
    assert carries(wrong, "other" if changed == "other session" else "token") is None


@pytest.mark.parametrize("secure", [True, False])
def test_the_line_is_removed_with_the_flags_it_was_set_with(secure: bool) -> None:
    """A browser keeps a secure cookie that a page tries to remove without that flag."""

    def flags(response: Response) -> set[str]:
        parts = response.headers["set-cookie"].lower().split("; ")[1:]
        return {part for part in parts if not part.startswith(("max-age", "expires"))}

    gone = Response()
    forget(gone, secure=secure)
    assert flags(gone) == flags(state(Response(), "token", AfterAct("完成"), secure=secure))
    assert ("secure" in flags(gone)) is secure
