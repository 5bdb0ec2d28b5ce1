"""The report as a page and as an Excel file: what it says, where its figures lead, and whose they are."""

import io
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import openpyxl
import pytest
from sqlalchemy import insert
from starlette.testclient import TestClient

from status_db import tables
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.decisions.certificates import Issue
from status_db.decisions.writer import DecisionRequest
from status_db.model import Verdict
from status_db.store.engine import writing
from status_db.store.turns import DESK
from tests.cast import EVERYBODY, LIN, POETRY_LOAN, QIAN, SUN, ZHAO, Person
from tests.portal.conftest import _HASHED, enter
from tests.portal.html_page import Page
from tests.world import COHORT, World

SignedIn = Callable[[str], TestClient]


@pytest.fixture(autouse=True)
def season(university: World) -> World:
    """A certificate that waits, decisions of each sort, an appeal that is overdue and one sent back and answered."""
    now = university.now
    for person in (ZHAO, SUN):
        university.decisions.enter(
            DecisionRequest(person.number, "college_items", Verdict.CLEARED, "无借阅"), "college", now
        )
    university.decisions.enter(
        DecisionRequest(LIN.number, "library", Verdict.CLEARED, "赔书", sheet="P-1", condition="周五前送来"),
        "librarian",
        now,
    )
    university.reviews.review(DecisionRequest(ZHAO.number, "final_review", Verdict.CLEARED, "通过"), "secretary", now)
    university.register.issue(Issue(ZHAO.number, "CERT-1", "毕业证书", ""), "secretary", now)
    appealed(university, QIAN, "finance", "objection")
    appealed(university, SUN, "library", "sent_back", outcome="explained", answered_at=now + timedelta(minutes=90))
    university.later(hours=2)
    return university


def appealed(world: World, person: Person, step: str, kind: str, **answer: Any) -> None:
    values = {
        "cohort": COHORT, "student": person.number, "step": step, "kind": kind, "item": "", "raised_by": "x",
        "text": "已经还了", "seen": {}, "at": world.now, "due": world.now + timedelta(hours=1), "answer": "", **answer,
    }  # fmt: skip
    with writing(world.desk_engine, DESK, "desk") as connection:
        connection.execute(insert(tables.appeal).values(**values))


def lines(page: str, key: str) -> dict[str, list[str]]:
    """Return the lines of one table of the page, by their first cell."""
    return {row[0]: row[1:] for row in Page(page).table(key)}


def book(browser: TestClient, query: str = "") -> Any:
    answer = browser.get(f"/report.xlsx{query}")
    assert answer.status_code == 200
    assert "spreadsheetml" in answer.headers["content-type"]
    return openpyxl.load_workbook(io.BytesIO(answer.content))


def sheet_lines(sheet: Any, head: str) -> list[list[Any]]:
    """Return the rows beneath the head of a sheet's table."""
    rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    return rows[1 + next(at for at, row in enumerate(rows) if row[0] == head) :]


def dispute(world: World) -> None:
    """Have the finding beneath a decision change in each college."""
    world.decisions.enter(DecisionRequest(QIAN.number, "library", Verdict.CLEARED, "现场归还"), "librarian", world.now)
    world.says["loans"] = [POETRY_LOAN]
    world.run("loans")


def follow(browser: TestClient, path: str) -> int:
    """See that each figure with a link leads to a list as long; return how many there are."""
    page = Page(browser.get(path))
    leads = [(link.href, link.text) for link in page.links if link.text.isdecimal()]
    leads += [
        (link.href, count.text.split()[0])
        for term, count in zip(page.all("dt"), page.all("dd"), strict=True)
        for link in term.links
    ]
    lists = [(address, count) for address, count in leads if address.startswith("/lists?")]
    for address, count in lists:
        assert f"{count} 名学生" in [strong.text for strong in Page(browser.get(address)).all("strong")], address
    return len(lists)


class TestThePage:
    def test_each_college_and_the_whole_are_shown_with_who_stays_apart(self, signed_in: SignedIn) -> None:
        found = lines(signed_in("dean").get("/report").text, "colleges")
        heads = ["应离校", "办结率", "全部办结", "等待学校处理", "只有未办理", "有不通过", "无需办理（项次）", "延期"]
        assert found["学院"] == heads
        assert found["地球科学学院"] == ["2", "50.0%", "1", "0", "1", "0", "1", "1"]
        assert found["资源学院"] == ["3", "0%", "0", "2", "0", "1", "0", "0"]
        assert found["合计"] == ["5", "20.0%", "1", "2", "1", "1", "1", "1"]

    def test_steps_tell_owed_and_not_yet_done_apart_and_automatic_from_decided(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/report").text
        heads = lines(page, "steps")["环节"]
        assert dict(zip(heads, lines(page, "steps")["宿管中心"], strict=True)) | {"数据截至": ""} == {
            "人数": "5", "已办结": "40.0%", "通过": "1", "不通过": "0", "未办理": "1", "待审核": "0", "待终审": "0",
            "未到此步": "0", "数据待核": "2", "无需办理": "1", "数据截至": "",
        }  # fmt: skip
        origins = lines(page, "origins")
        assert origins["环节"][:4] == ["通过", "自动通过", "人工通过", "自动比例"]
        assert origins["图书馆"][:4] == ["5", "4", "1", "80.0%"]
        assert origins["资料室图书"][:4] == ["2", "0", "2", "0%"]

    def test_decisions_appeals_and_certificates_are_shown(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/report").text
        assert lines(page, "decisions")["图书馆"] == ["通过", "赔书", "1", "1", "1", "0", "0", "0", "0", "0"]
        assert lines(page, "appeals")["校计财处"] == ["学生异议", "1", "1", "1", "0", "0", "0", "0", "–"]
        assert lines(page, "appeals")["图书馆"] == ["终审退回", "1", "0", "0", "0", "0", "1", "0", "1.5"]
        assert lines(page, "certificates")["地球科学学院"] == ["1", "1", "0", "0", "0", "0"]

    def test_every_figure_that_leads_to_a_list_is_as_long_as_the_list(
        self, university: World, signed_in: SignedIn
    ) -> None:
        dispute(university)
        assert follow(signed_in("dean"), "/report") > 30

    def test_one_college_is_shown_alone(self, signed_in: SignedIn) -> None:
        browser = signed_in("dean")
        links = Page(browser.get("/report")).links
        (address,) = (
            link.href for link in links if link.text == "资源学院" and link.href.startswith("/report?college=")
        )
        page = browser.get(address).text
        assert "地球科学学院" not in page
        assert set(lines(page, "colleges")) == {"学院", "资源学院"}
        assert 'id="certificates"' not in page

    def test_its_figures_lead_to_lists_of_that_college(self, university: World, signed_in: SignedIn) -> None:
        dispute(university)
        assert follow(signed_in("dean"), "/report?college=资源学院") > 15

    @pytest.mark.parametrize("path", ["/report", "/report.xlsx"])
    def test_a_college_that_is_not_there_is_not_found(self, signed_in: SignedIn, path: str) -> None:
        for college in ("化学学院", "-", "%00"):
            answer = signed_in("dean").get(f"{path}?college={college}")
            assert answer.status_code == (400 if college == "%00" else 404), college

    def test_nobody_is_named_and_nothing_is_inline(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/report").text
        for person in EVERYBODY:
            assert person.name not in page
            assert person.number not in page
        assert not re.search(r"\s(style|on\w+)=|<script|<style", page)

    def test_an_english_page_shows_no_chinese_of_ours(self, signed_in: SignedIn) -> None:
        text = Page(signed_in("dean").get("/report?lang=en")).text
        theirs = ("山海大学", "学生处", "中文", "2019届", "地球科学学院", "资源学院", "延期", "无借阅", "赔书", "通过")
        for name in theirs:
            text = text.replace(name, "")
        assert not re.findall(r"[\u4e00-\u9fff]+", text)

    def test_it_appears_in_the_head_of_every_page_for_who_reads(self, signed_in: SignedIn) -> None:
        for account, there in (("dean", True), ("auditor", True), ("admin", False)):
            page = signed_in(account).get("/accounts" if account == "admin" else "/overview").text
            assert ('href="/report"' in page) is there, account

    def test_who_may_read_about_nobody_reads_so(self, university: World, client: TestClient) -> None:
        grants = (Grant(Act.READ, None, {"college": ("化学学院",)}),)
        university.accounts.add("chemist", "chemist", _HASHED, grants=grants, now=university.now)
        enter(client, "chemist")
        page = client.get("/report").text
        assert "名单中暂无可查看的学生" in page
        assert "<table" not in page
        assert book(client).sheetnames == ["学院与环节"]


class TestScopes:
    def test_a_counsellor_sees_the_own_college_alone(self, signed_in: SignedIn) -> None:
        browser = signed_in("counsellor")
        page = browser.get("/report").text
        assert "地球科学学院" not in page
        assert lines(page, "colleges")["资源学院"][0] == "3"
        assert 'id="certificates"' not in page
        assert set(lines(page, "appeals")) == {"环节", "校计财处", "图书馆"}
        assert browser.get("/report?college=地球科学学院").status_code == 404
        assert browser.get("/report.xlsx?college=地球科学学院").status_code == 404

    def test_who_reads_one_step_sees_that_step_alone(self, signed_in: SignedIn) -> None:
        page = signed_in("librarian").get("/report").text
        assert set(lines(page, "steps")) == {"环节", "图书馆"}
        assert set(lines(page, "decisions")) == {"环节", "图书馆"}
        assert set(lines(page, "appeals")) == {"环节", "图书馆"}
        assert 'id="certificates"' not in page

    def test_steps_with_scopes_of_their_own_are_counted_inside_those(
        self, university: World, client: TestClient
    ) -> None:
        grants = (Grant(Act.READ, "library"), Grant(Act.READ, "dorm", {"college": ("资源学院",)}))
        university.accounts.add("both", "both", _HASHED, grants=grants, now=university.now)
        enter(client, "both")
        found = lines(client.get("/report").text, "steps")
        assert (found["图书馆"][0], found["宿管中心"][0]) == ("5", "3")
        assert follow(client, "/report") > 5

    @pytest.mark.parametrize("path", ["/report", "/report.xlsx"])
    @pytest.mark.parametrize("account", [LIN.number, "admin", "nobody"])
    def test_it_is_for_who_may_read(self, signed_in: SignedIn, account: str, path: str) -> None:
        assert signed_in(account).get(path).status_code == 403


class TestTheFile:
    def test_each_table_has_a_sheet_with_its_head(self, signed_in: SignedIn) -> None:
        made = book(signed_in("counsellor"))
        names = ["按学院", "按环节", "自动与人工", "人工办理及依据", "异议", "学院与环节"]
        assert made.sheetnames == names
        for sheet in made.worksheets:
            head = {row[0]: row[1] for row in sheet.iter_rows(max_row=5, max_col=2, values_only=True)}
            assert next(iter(head)) == f"2019届 离校报告 · {sheet.title}"
            assert head["制表时间"] == "2019-05-25 10:05"
            assert head["范围"] == "学院 资源学院"
            assert head["导出人"] == "counsellor (counsellor)"
            assert head["数据"].startswith("数据截至 5月25日 08:0")

    def test_figures_are_numbers_and_those_of_the_page(self, signed_in: SignedIn) -> None:
        browser = signed_in("dean")
        page = lines(browser.get("/report").text, "colleges")
        found = sheet_lines(book(browser)["按学院"], "学院")
        assert [row[0] for row in found] == ["地球科学学院", "资源学院", "合计"]
        for row in found:
            assert list(map(str, row[1:])) == page[row[0]]
            assert all(isinstance(cell, int) for cell in (row[1], *row[3:]))
        hours = {row[0]: row[-1] for row in sheet_lines(book(browser)["异议"], "环节")}
        assert hours == {"图书馆": 1.5, "校计财处": None}

    def test_it_has_each_step_of_each_college(self, signed_in: SignedIn) -> None:
        found = sheet_lines(book(signed_in("dean"))["学院与环节"], "学院")
        assert {(row[0], row[1]): row[2] for row in found}["资源学院", "图书馆"] == 3
        assert len(found) == 10

    def test_a_name_that_looks_like_a_formula_stays_a_name(self, university: World, signed_in: SignedIn) -> None:
        university.says["roster"].append({**LIN.listed(), "学号": "20159001", "学院": "=1+1", "一卡通": ""})
        university.run("roster")
        cells = [cell for sheet in book(signed_in("dean")).worksheets for row in sheet.iter_rows() for cell in row]
        assert [cell.data_type for cell in cells if cell.value == "=1+1"] == ["s"] * 6
        assert all(cell.data_type != "f" for cell in cells)

    def test_it_is_noted_and_the_page_is_not(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in("counsellor")
        browser.get("/report")
        assert Audit(university.desk).newest(event=AuditEvent.EXPORTED) == ()
        book(browser)
        (line,) = Audit(university.desk).newest(event=AuditEvent.EXPORTED)
        assert (line.account, line.cohort, line.detail["what"], line.detail["students"]) == (
            "counsellor", "2019", "report", 3,
        )  # fmt: skip
        assert line.detail["scope"] == "学院 资源学院"
        assert "离校报告" in signed_in("auditor").get("/audit").text
