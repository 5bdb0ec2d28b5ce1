"""The audit log on the pages, and the auditor, who reads everything and changes nothing."""

import re
from collections.abc import Callable
from io import BytesIO

import openpyxl
import pytest
from starlette.routing import Route
from starlette.testclient import TestClient

from portal.i18n.admin_labels import EVENTS
from status_db.accounts.audit_log import Audit, AuditEvent
from tests.cast import LIN, QIAN
from tests.portal.conftest import token_in
from tests.portal.html_page import Page
from tests.portal.waiting import browser, held_back, serve
from tests.portal.whole import whole_app
from tests.world import World

SignedIn = Callable[[str], TestClient]


@pytest.fixture
def log(university: World) -> Audit:
    """A log of a hundred and twenty lines."""
    audit = Audit(university.desk)
    for i in range(118):
        audit.note(
            AuditEvent.SAW_STUDENT, account="dean", now=university.now, student=QIAN.number, address=f"10.0.0.{i}"
        )
    audit.note(AuditEvent.SAW_STUDENT, account="counsellor", now=university.now, student=LIN.number)
    audit.note(AuditEvent.EXPORTED, account="dean", now=university.now, what="=1+1", reason="<b>汇报</b>")
    return audit


def test_the_newest_stand_first_a_page_at_a_time(log: Audit, signed_in: SignedIn) -> None:
    made = signed_in("auditor")
    page = made.get("/audit").text
    body = page.partition("<tbody>")[2]
    assert body.index("导出") < body.index("查看学生")
    assert "10.0.0.117" in page
    assert "10.0.0.2<" not in page
    more = Page(page).link("next")
    assert more.startswith("/audit?")
    assert "10.0.0.2<" in made.get(more).text


def test_it_is_narrowed_by_account_event_and_student(log: Audit, signed_in: SignedIn) -> None:
    made = signed_in("auditor")
    for query, shown in (
        ({"account": " Counsellor "}, LIN.number),
        ({"student": "２０１５１００１"}, "counsellor"),
        ({"event": "exported"}, "汇报"),
    ):
        body = made.get("/audit", params=query).text.partition("<tbody>")[2].partition("</tbody>")[0]
        assert shown in body
        assert body.count("<tr>") == 1
    assert "没有符合条件的记录" in made.get("/audit?account=x&before=²&event=no").text


def test_what_somebody_wrote_is_shown_as_text(log: Audit, signed_in: SignedIn) -> None:
    page = signed_in("auditor").get("/audit").text
    assert "&lt;b&gt;汇报" in page
    assert "<b>" not in page


def test_every_event_has_a_word_in_both_languages(university: World, signed_in: SignedIn) -> None:
    assert set(EVENTS) == set(AuditEvent)
    page = Page(signed_in("auditor").get("/audit?lang=en"))
    options = [option.text for option in page.all("option") if option["value"]]
    assert len(set(options)) == len(AuditEvent)
    assert not re.findall(r"[\u4e00-\u9fff]", "".join(options))


def test_it_is_taken_along_as_text_with_who_and_what_and_that_is_a_line_itself(
    log: Audit, university: World, signed_in: SignedIn
) -> None:
    answer = signed_in("auditor").get("/audit.xlsx", params={"account": "dean"})
    assert "attachment" in answer.headers["content-disposition"]
    sheet = openpyxl.load_workbook(BytesIO(answer.content)).active
    assert sheet is not None
    rows = [[str(cell) for cell in row if cell] for row in sheet.iter_rows(values_only=True)]
    assert rows[0] == ["操作日志"]
    assert "由 auditor 导出" in rows[1][0]
    assert rows[2] == ["账号: dean"]
    assert rows[4][:3] == ["时间", "账号", "操作"]
    assert len(rows) == 5 + 119
    assert "=1+1" in rows[5][3]
    kinds = {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value is not None}
    assert kinds <= {"s", "inlineStr"}
    assert rows[6][3] == QIAN.number
    newest = log.newest(1)[0]
    assert (newest.account, newest.event) == ("auditor", AuditEvent.EXPORTED)


@pytest.mark.parametrize("account", ["dean", "librarian", "counsellor", "nobody", LIN.number])
def test_nobody_else_reads_it(log: Audit, signed_in: SignedIn, account: str) -> None:
    made = signed_in(account)
    for path in ("/audit", "/audit.xlsx"):
        answer = made.get(path)
        assert answer.status_code == 403
        assert "10.0.0" not in answer.text
    assert log.newest(1, event=AuditEvent.EXPORTED)[0].detail["what"] == "=1+1"


def test_an_administrator_reads_it(log: Audit, signed_in: SignedIn) -> None:
    assert "10.0.0.117" in signed_in("admin").get("/audit").text


class TestTheAuditor:
    def test_they_read_every_page_of_the_administrators(self, university: World) -> None:
        run = held_back(university)
        with browser(university, "auditor") as made:
            for path in (
                "/overview", "/students", "/sources", "/runs", f"/runs/{run}", "/unmatched", "/accounts",
                "/accounts/admin", "/announcements", "/audit",
            ):  # fmt: skip
                page = made.get(path)
                assert page.status_code == 200, path
                assert {form["action"] for form in Page(page).forms(method="post")} == {"/sign-out"}, path

    def test_they_send_no_form_at_all(self, university: World) -> None:
        """Every route that takes a form, whoever adds one, but those by which people enter and leave."""
        run = held_back(university)
        own = ("/sign-in", "/sign-out", "/first-password", "/new-password", "/second-factor", "/own")
        routes = [r for r in whole_app(university).routes if isinstance(r, Route)]
        posts = [r for r in routes if "POST" in (r.methods or ()) and not r.path.startswith(own)]
        assert {r.path for r in posts} >= {"/runs/{run:id}/vote", "/announcements", "/accounts/{account:name}/code"}
        with browser(university, "auditor") as made:
            token = token_in(made.get("/overview"))
            for route in posts:
                path = re.sub(r"\{run:id\}", str(run), route.path)
                path = re.sub(r"\{\w+:id\}", "1", path)
                path = re.sub(r"\{\w+:name\}", "nobody", path)
                answer = made.post(path, data={"form_token": token, "vote": "approve", "act": "read", "reason": "x"})
                # What belongs to a student's own page is not there for others.
                assert answer.status_code in (403, 404), path
        assert serve(university) == 0
        assert university.accounts.grants("nobody") == ()
