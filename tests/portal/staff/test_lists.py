"""Lists, their Excel files and the reminders: the right people, the right words, never what is the student's own."""

import io
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openpyxl
import pytest
from starlette.testclient import TestClient

from portal.auth.passwords import hash_password
from portal.staff import lists
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.decisions.writer import DecisionRequest
from status_db.model import Verdict
from tests.cast import LEAVING, LI, LIN, POETRY_LOAN, QIAN, SUN, ZHAO
from tests.portal.conftest import PASSWORD, token_in
from tests.portal.html_page import Page
from tests.world import World

SignedIn = Callable[[str], TestClient]

_HASHED = hash_password(PASSWORD)


def names(page: str) -> list[str]:
    return [head.text for head in Page(page).all("th", scope="row")]


def cells(page: str, name: str) -> list[str]:
    (row,) = (row for row in Page(page).all("tr") if [head.text for head in row.all("th", scope="row")] == [name])
    return [cell.text for cell in row.all("td")][3:]


def book(browser: TestClient, query: str = "") -> Any:
    answer = browser.get(f"/lists.xlsx{query}")
    assert answer.status_code == 200
    assert "spreadsheetml" in answer.headers["content-type"]
    return openpyxl.load_workbook(io.BytesIO(answer.content))


def table(sheet: Any) -> list[list[Any]]:
    """Return the rows from the head of the table on."""
    rows = [list(row) for row in sheet.iter_rows(values_only=True)]
    return rows[next(at for at, row in enumerate(rows) if row[0] == "学号") :]


class TestThePage:
    def test_it_begins_with_those_who_have_something_to_do(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/lists").text
        assert names(page) == [LIN.name, QIAN.name]
        assert "2 名学生" in page
        assert f'href="/students/{LIN.number}"' in page

    def test_it_states_state_and_number_of_things_but_no_title_and_no_amount(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/lists").text
        assert cells(page, LIN.name) == ["✕ 不通过 2 项", "✓ 通过", "○ 未办理", "… 待审核", "⋯ 未到此步"]
        for secret in ("构造地质学", "3.20", "5850", "学费", "B0001", "栋412"):
            assert secret not in page

    def test_decisions_and_what_came_after_them_are_shown(self, university: World, signed_in: SignedIn) -> None:
        for person in (QIAN, LIN):
            wish = DecisionRequest(person.number, "library", Verdict.CLEARED, "现场归还")
            university.decisions.enter(wish, "librarian", university.now)
        university.says["loans"].append(POETRY_LOAN)
        university.run("loans")
        page = signed_in("dean").get("/lists?wanted=all").text
        assert cells(page, LIN.name)[0] == "✓ 通过 人工办理"
        assert cells(page, QIAN.name)[0] == "✓ 通过 1 项 人工办理 有新的未结事项"
        assert QIAN.name in names(signed_in("dean").get("/lists?step=library").text)

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("wanted=state-not_done", [LIN]),
            ("wanted=state-held&step=finance", [QIAN]),
            ("wanted=state-exempt", [ZHAO]),
            ("wanted=owes", [LIN, QIAN]),
            ("wanted=undone", []),
            ("wanted=all&class=021152", [QIAN, SUN]),
            ("wanted=all&college=资源学院&order=number", [LI, QIAN, SUN]),
            ("wanted=all&level=postgraduate", [LI]),
            ("wanted=all&campus=南望山", [LIN, ZHAO]),
            ("wanted=all&building=西区3栋", [QIAN, SUN]),
            ("wanted=all&category=延期", []),
            ("wanted=all&text=2015200", [QIAN, SUN]),
            ("wanted=all&text=小满", [LIN]),
            ("wanted=all&text=%00%27%22%25", []),
            ("wanted=nonsense&step=nonsense&order=nonsense", [LIN, QIAN]),
            ("wanted=all&class=-", []),
        ],
    )
    def test_filters_narrow(self, signed_in: SignedIn, query: str, expected: list[Any]) -> None:
        assert names(signed_in("dean").get(f"/lists?{query}").text) == [p.name for p in expected]

    def test_what_was_chosen_stays_chosen(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/lists?wanted=state-held&step=finance&college=资源学院&text=2015").text
        for chosen in ("state-held", "finance", "资源学院"):
            assert f'<option value="{chosen}" selected>' in page
        assert 'name="text" value="2015"' in page
        (export,) = (link.href for link in Page(page).links if link.href.startswith("/lists.xlsx"))
        for part in ("wanted=state-held", "step=finance", "college=", "text=2015"):
            assert part in export

    def test_long_lists_are_turned_over_by_links(self, university: World, signed_in: SignedIn) -> None:
        for at in range(120):
            number = f"2015900{at:03}"
            university.says["roster"].append({**LIN.listed(), "学号": number, "姓名": number, "一卡通": ""})
        university.run("roster")
        browser = signed_in("dean")
        page = browser.get("/lists?wanted=all").text
        read = [names(page)]
        while following := Page(page).link("next"):
            page = browser.get(following).text
            read.append(names(page))
        assert [len(leaf) for leaf in read] == [50, 50, 25]
        assert len({name for leaf in read for name in leaf}) == 125
        assert names(browser.get(Page(page).link("prev")).text) == read[1]

    def test_a_key_that_is_none_begins_again(self, signed_in: SignedIn) -> None:
        assert names(signed_in("dean").get("/lists?after=x").text) == [LIN.name, QIAN.name]

    def test_an_empty_list_states_so_and_leads_on(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/lists?text=nobody").text
        assert "没有符合条件的学生" in page
        assert "清除筛选" in page

    @pytest.mark.parametrize("path", ["/lists", "/lists.xlsx", "/lists/reminder?class=011151"])
    @pytest.mark.parametrize("account", [LIN.number, "admin", "nobody"])
    def test_it_is_for_who_may_read(self, signed_in: SignedIn, account: str, path: str) -> None:
        assert signed_in(account).get(path).status_code == 403

    def test_looking_is_noted(self, university: World, signed_in: SignedIn) -> None:
        signed_in("counsellor").get("/lists?step=finance")
        (line,) = Audit(university.desk).newest(event=AuditEvent.SAW_LIST)
        assert (line.account, line.cohort, line.detail["students"]) == ("counsellor", "2019", 1)
        assert "校计财处" in line.detail["filter"]

    def test_a_step_that_may_not_be_read_is_no_filter_either(self, signed_in: SignedIn) -> None:
        page = signed_in("librarian").get("/lists?step=finance&wanted=state-held").text
        assert names(page) == [LIN.name]


class TestExport:
    def test_it_is_the_very_list_that_is_shown(self, signed_in: SignedIn) -> None:
        browser = signed_in("dean")
        for query in ("", "?wanted=all", "?wanted=all&college=资源学院&order=number", "?text=nobody"):
            shown = names(browser.get(f"/lists{query}").text)
            rows = table(book(browser, query).active)
            assert [row[1] for row in rows[1:]] == shown

    def test_its_head_states_when_what_and_who(self, signed_in: SignedIn) -> None:
        sheet = book(signed_in("counsellor"), "?step=finance").active
        head = {row[0]: row[1] for row in sheet.iter_rows(min_row=2, max_row=6, values_only=True)}
        assert head["时间"].startswith("2019-05-25 08:")
        assert "数据截至 5月25日 08:0" in head["数据"]
        assert head["范围"] == "学院 资源学院"
        assert head["筛选"].startswith("校计财处")
        assert head["导出人"] == "counsellor (counsellor)"

    def test_a_librarians_scope_names_the_step(self, signed_in: SignedIn) -> None:
        sheet = book(signed_in("librarian")).active
        head = {row[0]: row[1] for row in sheet.iter_rows(min_row=2, max_row=6, values_only=True)}
        assert head["范围"] == "图书馆 (全校)"
        assert table(sheet)[0][-1] == "图书馆"

    def test_it_states_state_and_number_of_things_but_no_title_and_no_amount(self, signed_in: SignedIn) -> None:
        rows = table(book(signed_in("dean"), "?wanted=all").active)
        by_name = {row[1]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
        assert set(by_name) == {person.name for person in LEAVING}
        assert by_name[LIN.name]["图书馆"] == "不通过 2 项"
        assert by_name[LIN.name]["宿管中心"] == "未办理"
        assert by_name[QIAN.name]["校计财处"] == "不通过 1 项"
        assert by_name[LI.name]["培养层次"] == "硕士"
        everything = str(rows)
        for secret in ("构造地质学", "3.20", "5850", "学费", "B0001", "栋412"):
            assert secret not in everything

    def test_names_that_look_like_formulas_and_numbers_with_noughts_stay_text(
        self, university: World, signed_in: SignedIn
    ) -> None:
        evil = ("=1+1", "+1", "@SUM(A1)", "-2", "http://evil.example/", '=HYPERLINK("x")')
        for at, name in enumerate(evil):
            university.says["roster"].append(
                {**LIN.listed(), "学号": f"000000{at}", "姓名": name, "班级": name, "一卡通": ""}
            )
        university.run("roster")
        sheet = book(signed_in("dean"), "?wanted=all&text=000000").active
        found = {row[0].value: (row[1], row[4]) for row in sheet.iter_rows(min_row=9)}
        assert set(found) == {f"000000{at}" for at in range(len(evil))}
        for at, name in enumerate(evil):
            for cell in found[f"000000{at}"]:
                assert (cell.value, cell.data_type, cell.hyperlink) == (name, "s", None)

    def test_its_head_stays_and_can_be_filtered(self, signed_in: SignedIn) -> None:
        sheet = book(signed_in("dean"), "?wanted=all").active
        assert sheet.freeze_panes == "C9"
        assert sheet.auto_filter.ref == "A8:M13"
        assert min(column.width for column in sheet.column_dimensions.values()) >= 14

    def test_it_is_noted_with_how_many(self, university: World, signed_in: SignedIn) -> None:
        book(signed_in("counsellor"), "?wanted=all")
        (line,) = Audit(university.desk).newest(event=AuditEvent.EXPORTED)
        assert (line.account, line.cohort, line.detail["students"]) == ("counsellor", "2019", 3)

    def test_nothing_of_another_college_is_in_it(self, signed_in: SignedIn) -> None:
        rows = table(book(signed_in("counsellor"), "?wanted=all&college=地球科学学院").active)
        assert len(rows) == 1
        rows = table(book(signed_in("counsellor"), "?wanted=all").active)
        assert {row[1] for row in rows[1:]} == {QIAN.name, SUN.name, LI.name}

    @pytest.mark.parametrize("asked", ["", "bytes=0-9", "bytes=9-1", "bytes=999999999-", "lines=1"])
    def test_whatever_part_of_it_is_asked_for_nothing_of_it_stays_here(
        self, signed_in: SignedIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str
    ) -> None:
        made: list[tempfile.TemporaryDirectory[str]] = []

        def folder(**named: str) -> tempfile.TemporaryDirectory[str]:
            # Known to the end, so that no collector of garbage puts it away.
            made.append(tempfile.TemporaryDirectory(dir=tmp_path, prefix=named["prefix"]))
            return made[-1]

        monkeypatch.setattr(lists, "tempfile", SimpleNamespace(TemporaryDirectory=folder))
        signed_in("dean").get("/lists.xlsx", headers={"range": asked} if asked else {})
        assert made
        assert list(tmp_path.glob("list-*")) == []

    def test_it_has_a_name_of_its_own_and_is_not_kept(self, signed_in: SignedIn) -> None:
        answer = signed_in("dean").get("/lists.xlsx")
        assert "attachment" in answer.headers["content-disposition"]
        assert ".xlsx" in answer.headers["content-disposition"]
        assert answer.headers["cache-control"] == "no-store"


class TestReminder:
    def texts(self, page: str) -> list[str]:
        return [area.written for area in Page(page).all("textarea")]

    def test_it_names_who_has_to_go_where_in_both_languages(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/lists/reminder?class=011151").text
        chinese, english = self.texts(page)
        assert f"{LIN.name}：图书馆（不通过）、宿管中心（未办理）" in chinese
        assert "http://testserver" in chinese
        assert f"{LIN.name}: Library (Not cleared), Dormitory (Not yet done)" in english
        assert ZHAO.name not in page

    def test_it_holds_no_amount_no_title_and_no_number(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/lists/reminder?class=011151").text
        for secret in ("构造地质学", "3.20", "B0001", "栋412"):
            assert secret not in page
        assert all(LIN.number not in text for text in self.texts(page))

    def test_who_waits_for_the_university_is_left_alone(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/lists/reminder?class=S0216").text
        assert "没有待办的学生" in page
        assert self.texts(page) == []

    def test_another_class_looks_like_none(self, signed_in: SignedIn) -> None:
        browser = signed_in("counsellor")
        for name in ("011151", "nowhere", ""):
            answer = browser.get("/lists/reminder", params={"class": name})
            assert answer.status_code == 404
            assert LIN.name not in answer.text

    def test_the_same_class_name_elsewhere_is_another_class(self, university: World, signed_in: SignedIn) -> None:
        for row in university.says["roster"]:
            row["班级"] = "1"
        university.run("roster")
        page = signed_in("dean").get("/lists/reminder", params={"class": "1", "college": "资源学院"}).text
        assert QIAN.name in page
        assert LIN.name not in page

    def test_the_page_shows_who_is_open_with_what_beside_the_text(self, signed_in: SignedIn) -> None:
        page = Page(signed_in("dean").get("/lists/reminder?class=011151"))
        (row,) = page.one("table", class_="list").one("tbody").all("tr")
        assert row.one("th").text == LIN.name
        assert "图书馆 不通过 2 项" in row.text
        assert "宿管中心 未办理" in row.text

    def test_a_grant_for_one_class_opens_that_class(self, university: World, signed_in: SignedIn) -> None:
        grant = Grant(Act.READ, None, {"class": (LIN.class_name,)})
        university.accounts.add("teacher", "班主任", _HASHED, grants=(grant,), now=university.now)
        page = signed_in("teacher").get("/")
        assert page.url.path == "/lists/reminder"
        assert LIN.name in page.text
        assert "还有环节要办" in page.text

    def test_a_grant_for_two_classes_lets_the_teacher_choose(self, university: World, signed_in: SignedIn) -> None:
        grant = Grant(Act.READ, None, {"class": (LIN.class_name, QIAN.class_name)})
        university.accounts.add("teacher", "班主任", _HASHED, grants=(grant,), now=university.now)
        page = signed_in("teacher").get("/lists/reminder")
        assert {LIN.class_name, QIAN.class_name} <= {link.text for link in Page(page).links}
        assert LIN.name not in page.text

    def test_a_class_teacher_reads_the_count_on_a_students_page_and_no_titles(
        self, university: World, signed_in: SignedIn
    ) -> None:
        grant = Grant(Act.READ, None, {"class": (LIN.class_name,)})
        university.accounts.add("teacher", "班主任", _HASHED, grants=(grant,), now=university.now)
        page = signed_in("teacher").get(f"/students/{LIN.number}").text
        assert "2 项未结" in page
        for secret in ("构造地质学", "3.20"):
            assert secret not in page
            assert secret in signed_in("librarian").get(f"/students/{LIN.number}").text

    def test_without_mail_there_is_nothing_to_send(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in("dean")
        page = browser.get("/lists/reminder?class=011151")
        assert "发送邮件提醒" not in page.text
        sent = {"form_token": token_in(browser.get("/students")), "class": "011151"}
        assert browser.post("/lists/reminder", data=sent).url.path == "/lists/reminder"
        assert Audit(university.desk).newest(event=AuditEvent.SENT_REMINDER) == ()

    def test_making_one_is_noted(self, university: World, signed_in: SignedIn) -> None:
        signed_in("dean").get("/lists/reminder?class=011151")
        (line,) = Audit(university.desk).newest(event=AuditEvent.SAW_LIST)
        assert line.detail["students"] == 1
