"""The overview for leaders: figures, charts beside them, classes that lag, the season; nothing of anybody else's."""

import re
from collections.abc import Callable
from datetime import timedelta
from io import BytesIO

import pytest
from openpyxl import load_workbook
from sqlalchemy import Engine, event
from starlette.testclient import TestClient

from portal.i18n import labels
from portal.web import own_script
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.decisions.writer import DecisionRequest
from status_db.model import State, Verdict
from tests.cast import GEOLOGY_LOAN, LEAVING, LI, LIN, QIAN, SUN, ZHAO
from tests.portal.conftest import _HASHED, enter
from tests.portal.html_page import Page
from tests.portal.student.test_card import pass_everything
from tests.world import World

SignedIn = Callable[[str], TestClient]


def table_after(page: str, head: str) -> list[list[str]]:
    """Return the rows of the table whose first head is this, as texts."""
    return Page(page).table(head)


def totals(page: str) -> dict[str, int]:
    words, counts = Page(page).all("dt"), Page(page).all("dd")
    return {word.text: int(count.text.split()[0]) for word, count in zip(words, counts, strict=True)}


class TestFigures:
    def test_students_are_counted_once_each_with_owed_and_not_yet_done_apart(self, signed_in: SignedIn) -> None:
        # LIN owes, QIAN owes; dorm is unknown for QIAN and LI; nobody is all clear.
        found = totals(signed_in("dean").get("/overview").text)
        assert found == {"学生": 5, "有不通过": 2, "只有未办理": 0, "等待学校处理": 3, "全部办结": 0}

    def test_who_only_has_to_check_out_is_distinguished(self, university: World, signed_in: SignedIn) -> None:
        wish = DecisionRequest(LIN.number, "library", Verdict.CLEARED, "赔书")
        university.decisions.enter(wish, "librarian", university.now)
        found = totals(signed_in("dean").get("/overview").text)
        assert (found["有不通过"], found["只有未办理"]) == (1, 1)

    def test_each_class_has_the_number_to_do_with_the_share_beside_it(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/overview").text
        rows = table_after(page, "班级")
        assert [row[0] for row in rows[1:]] == ["011151", "021152", "S0216"]
        assert [row[2:4] for row in rows[1:]] == [["1", "50.0%"], ["1", "50.0%"], ["0", "0%"]]
        assert rows[1][-1] == "图书馆 1、宿管中心 1"
        assert rows[2][-1] == "校计财处 1"
        assert "/lists?college=%E8%B5%84%E6%BA%90%E5%AD%A6%E9%99%A2&amp;class=021152" in page

    def test_of_classes_alike_the_one_that_owes_more_comes_first(self, university: World, signed_in: SignedIn) -> None:
        wish = DecisionRequest(LIN.number, "library", Verdict.CLEARED, "赔书")
        university.decisions.enter(wish, "librarian", university.now)
        rows = table_after(signed_in("dean").get("/overview").text, "班级")
        assert [row[0] for row in rows[1:]] == ["021152", "011151", "S0216"]

    def test_a_college_leads_to_its_classes(self, signed_in: SignedIn) -> None:
        browser = signed_in("dean")
        assert "/overview?college=" in browser.get("/overview").text
        page = browser.get("/overview", params={"college": "资源学院"}).text
        assert totals(page)["学生"] == 3
        assert "地球科学学院" not in page
        assert [row[0] for row in table_after(page, "班级")[1:]] == ["021152", "S0216"]

    def test_classes_that_are_many_stand_on_a_page_of_their_own(self, university: World, signed_in: SignedIn) -> None:
        listed = university.says["roster"]
        for at in range(12):
            listed.append({**LIN.listed(), "学号": f"2015900{at:02}", "班级": f"C{at:02}", "一卡通": ""})
        university.run("roster")
        browser = signed_in("dean")
        page = browser.get("/overview").text
        assert len(table_after(page, "班级")) == 11
        assert "查看其余 5 个班" in page
        assert len(table_after(browser.get("/overview?classes=all").text, "班级")) == 16


class TestCharts:
    def test_each_states_the_numbers_of_the_table_beside_it(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/overview").text
        steps = table_after(page, "环节")
        order = [labels.STATES[State(key)] for key in ("cleared", "held", "not_done", "pending", "open", "closed")]
        chart = Page(page).all("svg", class_="bars")[0]
        said = dict(title.text.rsplit(" ", 1) for title in chart.all("title") if title.text[-1].isdecimal())
        for row in steps[1:]:
            for word, count in zip(order, row[3:9], strict=True):
                assert int(said.get(f"{row[0]} · {word}", 0)) == int(count), (row[0], word)

    def test_each_has_a_name_a_description_and_no_colour_that_is_alone(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/overview").text
        charts = Page(page).all("svg", class_="bars", role="img")
        assert len(charts) == 1
        for chart in charts:
            assert chart["aria-labelledby"]
            for name in chart["aria-labelledby"].split():
                assert len(Page(page).all(id=name)) == 1
        # Of the tones that several states share, each state of a chart has a pattern of its own.
        legends = Page(page).all("ul", class_="legend")
        assert len(legends) == 2
        for legend in legends[1:]:
            looks = [tuple((part["class"], part["fill"]) for part in item.all("rect")) for item in legend.all("li")]
            assert len(looks) > 1
            assert len(set(looks)) == len(looks), legend.text

    def test_nothing_is_inline(self, signed_in: SignedIn) -> None:
        for path in ("/overview", "/lists", "/lists/reminder?class=011151"):
            page = signed_in("dean").get(path).text
            # The page of a class has our own script, whose digest its headers name.
            page = page.replace(f"<script>{own_script.COPY.text}</script>", "")
            assert not re.search(r"\s(style|on\w+)=|<script|<style", page), path


class TestScopes:
    """Nothing of another's: not a name, not a class, not a figure."""

    OTHERS = (LIN, ZHAO)

    @pytest.mark.parametrize(
        "path", ["/overview", "/overview?classes=all", "/overview/days", "/overview?sort=name", "/lists?wanted=all"]
    )
    def test_a_counsellor_sees_one_college_in_words_and_in_totals(self, signed_in: SignedIn, path: str) -> None:
        page = signed_in("counsellor").get(path).text
        assert "地球科学学院" not in page
        assert "011151" not in page
        for person in self.OTHERS:
            assert person.name not in page
            assert person.number not in page

    def test_a_counsellors_totals_are_the_colleges_own(self, signed_in: SignedIn) -> None:
        browser = signed_in("counsellor")
        page = browser.get("/overview").text
        assert totals(page) == {"学生": 3, "有不通过": 1, "只有未办理": 0, "等待学校处理": 2, "全部办结": 0}
        assert all(int(row[2]) == 3 for row in table_after(page, "环节")[1:])

    @pytest.mark.parametrize("path", ["/overview", "/overview/days"])
    def test_another_college_looks_like_none(self, signed_in: SignedIn, path: str) -> None:
        browser = signed_in("counsellor")
        other = browser.get(path, params={"college": "地球科学学院"})
        none = browser.get(path, params={"college": "没有的学院"})
        assert other.status_code == none.status_code == 404
        assert "页面不存在" in other.text

    def test_a_class_teacher_sees_the_class_alone(self, university: World, signed_in: SignedIn) -> None:
        scope = {"college": ("资源学院",), "class": ("021152",)}
        university.accounts.add("teacher", "t", _HASHED, grants=[Grant(Act.READ, None, scope)], now=university.now)
        browser = signed_in("teacher")
        page = browser.get("/overview").text
        assert totals(page)["学生"] == 2
        assert "S0216" not in page
        assert LI.name not in browser.get("/lists?wanted=all").text
        assert browser.get("/lists/reminder", params={"class": "S0216"}).status_code == 404

    def test_a_librarian_sees_one_step_of_everybody(self, signed_in: SignedIn) -> None:
        page = signed_in("librarian").get("/overview").text
        assert [row[0] for row in table_after(page, "环节")[1:]] == ["图书馆"]
        # Who is clear with the library is all clear, as far as a librarian may know.
        assert totals(page) == {"学生": 5, "有不通过": 1, "只有未办理": 0, "等待学校处理": 0, "全部办结": 4}
        assert "校计财处" not in page

    def test_grants_of_different_width_add_up_step_by_step(self, university: World, signed_in: SignedIn) -> None:
        grants = [Grant(Act.READ, "library"), Grant(Act.READ, "finance", {"college": ("资源学院",)})]
        university.accounts.add("both", "b", _HASHED, grants=grants, now=university.now)
        page = signed_in("both").get("/overview").text
        assert {row[0]: int(row[2]) for row in table_after(page, "环节")[1:]} == {"图书馆": 5, "校计财处": 3}
        assert totals(page)["学生"] == 5

    def test_a_grant_of_another_cohort_shows_nothing(self, university: World, signed_in: SignedIn) -> None:
        scope = {"college": ("没有的学院",)}
        university.accounts.add("empty", "e", _HASHED, grants=[Grant(Act.READ, None, scope)], now=university.now)
        browser = signed_in("empty")
        assert "名单中暂无可查看的学生" in browser.get("/overview").text
        assert "没有符合条件的学生" in browser.get("/lists").text


class TestHints:
    def test_data_too_old_are_named_at_the_head(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in("dean")
        university.later(hours=5)
        enter(browser, "dean")
        for path in ("/overview", "/lists"):
            page = Page(browser.get(path)).text
            assert "图书馆：数据过期（截至 5月25日 08:0" in page
            assert "数据截至 5月25日" in page

    @pytest.mark.parametrize(
        ("opens", "closes", "said"),
        [
            ("2019-06-01", "2019-06-20", "本科办理时间：6月1日—6月20日，还有 7 天开始"),
            ("2019-05-20", "2019-05-28", "本科办理时间：5月20日—5月28日，还剩 3 天"),
            ("2019-05-01", "2019-05-20", "本科办理时间：5月1日—5月20日，已结束 5 天"),
            ("2019-05-25", "2019-05-25", "本科办理时间：5月25日—5月25日，今天截止"),
        ],
    )
    def test_the_headline_has_the_window_and_the_days_left_or_past(
        self, university: World, signed_in: SignedIn, opens: str, closes: str, said: str
    ) -> None:
        windows = {"undergraduate": {"opens": opens, "closes": closes}}
        cohort = university.settings.cohort[0].model_validate({"key": "2019", "name": "2019届", "windows": windows})
        # The settings are frozen; a test may stand above that.
        university.settings.cohort[0] = cohort
        (headline,) = Page(signed_in("dean").get("/overview")).all("section", class_="answer")
        assert said in headline.text


class TestTheSeason:
    def test_days_and_curves_say_the_same(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in("dean")
        university.now += timedelta(days=1)
        for person in LEAVING:
            wish = DecisionRequest(person.number, "college_items", Verdict.CLEARED, "无借阅")
            university.decisions.enter(wish, "college", university.now)
        enter(browser, "dean")
        page = browser.get("/overview").text
        rows = table_after(page, "日期")
        assert [row[0] for row in rows[1:]] == ["5月26日", "5月25日"]
        at = rows[0].index("资料室图书")
        assert [row[at] for row in rows[1:]] == ["5", "0"]
        spans = Page(page).all("details", id="spans")[0]
        assert [row[0] for row in spans.table("学院")[1:]] == ["合计", "地球科学学院", "资源学院"]

    def test_in_english_no_chinese_of_ours_is_left(self, signed_in: SignedIn) -> None:
        browser = signed_in("dean")
        for path in ("/lists?lang=en&wanted=all", "/overview?lang=en&classes=all"):
            text = Page(browser.get(path)).text
            theirs = {"山海大学", "学生处", "中文", "2019届", "毕业", "第二学位", "延期"}
            theirs |= {v for p in (LIN, ZHAO, QIAN, SUN, LI) for v in (p.name, p.college, p.campus, p.building)}
            for name in sorted(theirs, key=len, reverse=True):
                text = text.replace(name, "")
            assert not re.findall(r"[\u4e00-\u9fff]+", text), path


def listed(world: World, class_name: str, students: int, first: int) -> None:
    """Put a class on the roster, in Lin's college; each of its students has a book."""
    for at in range(first, first + students):
        row = {**LIN.listed(), "学号": f"2015{at:05}", "姓名": f"某{at}", "班级": class_name, "一卡通": ""}
        world.says["roster"].append(row)
        world.says["loans"].append({**GEOLOGY_LOAN, "CARD": row["学号"], "BARCODE": f"B{at}"})


class TestTheAnswer:
    def test_the_first_sentence_says_how_many_are_open_and_where(self, signed_in: SignedIn) -> None:
        (headline,) = Page(signed_in("dean").get("/overview")).all("section", class_="answer")
        assert "5 人，5 人还没办结，其中 3 人等待学校处理，主要卡在图书馆 1。" in headline.text

    def test_the_forecast_in_the_sentence_is_the_rules(self, university: World, signed_in: SignedIn) -> None:
        """Two days without anybody, then one student settled: a third of a student a day, and six days to go."""
        windows = {"undergraduate": {"opens": "2019-05-25", "closes": "2019-05-30"}}
        university.settings.cohort[0] = university.settings.cohort[0].model_copy(
            update={"windows": university.settings.cohort[0].model_validate(
                {"key": "2019", "name": "2019届", "windows": windows}).windows}
        )  # fmt: skip
        browser = signed_in("dean")
        for day in range(3):
            university.later(days=1)
            university.run_all()
            if day == 0:
                pass_everything(university)
        enter(browser, "dean")
        (headline,) = Page(browser.get("/overview")).all("section", class_="answer")
        # At the end of 27 May one of five is settled; the pace of 25 to 27 May is a half a day; three days remain.
        assert "按现在的速度 5月30日 还剩约 3。" in headline.text
        assert "推算方法" in headline.text

    def test_without_a_pace_nothing_is_forecast(self, signed_in: SignedIn) -> None:
        assert "按现在的速度" not in signed_in("dean").get("/overview").text


class TestLaggingClasses:
    def names(self, page: str) -> list[str]:
        return [part.all("h3")[0].text for part in Page(page).all("ol", class_="look-at")[0].all("li")]

    def test_they_are_named_first_by_number_and_none_is_small(self, university: World, signed_in: SignedIn) -> None:
        for class_name, students, first in (("C05", 5, 100), ("C08", 8, 200), ("C04", 4, 300), ("C01", 1, 400)):
            listed(university, class_name, students, first)
        university.run_all()
        page = signed_in("dean").get("/overview?classes=all").text
        assert self.names(page) == ["C08", "C05"]
        assert "全班 8 人，占 100%" in page
        order = [row[0] for row in table_after(page, "班级")[1:]]
        assert order[:2] == ["C08", "C05"]
        assert order.index("C04") < order.index("C01")
        assert min(order.index(name) for name in ("C04", "C01", "011151")) == 2

    def test_a_cohort_of_small_classes_names_none(self, signed_in: SignedIn) -> None:
        assert not Page(signed_in("dean").get("/overview")).all("ol", class_="look-at")


class TestTheHeatMap:
    def colleges(self, page: str) -> list[str]:
        return [row[0] for row in table_after(page, "colleges")[1:]]

    def test_a_cell_is_who_is_not_settled_and_leads_to_that_list(self, signed_in: SignedIn) -> None:
        browser = signed_in("dean")
        page = Page(browser.get("/overview"))
        head, *rows = page.table("colleges")
        at = head.index("图书馆")
        assert {row[0]: row[at].split()[0] for row in rows} == {"地球科学学院": "1", "资源学院": "0", "合计": "1"}
        (cell,) = [link for link in page.all("table", class_="heat")[0].links
                   if "step=library" in link.href and "college=" in link.href]  # fmt: skip
        found = browser.get(cell.href).text
        assert LIN.name in found
        assert QIAN.name not in found

    def test_a_heading_sorts_and_names_the_order(self, signed_in: SignedIn) -> None:
        browser = signed_in("dean")
        assert self.colleges(browser.get("/overview").text) == ["资源学院", "地球科学学院", "合计"]
        for sort, order in (
            ("name", ["地球科学学院", "资源学院", "合计"]),
            ("library", ["地球科学学院", "资源学院", "合计"]),
        ):
            page = browser.get("/overview", params={"sort": sort})
            assert self.colleges(page.text) == order
            (sorted_by,) = [part for part in Page(page).all("th") if part["aria-sort"]]
            assert sorted_by["aria-sort"] == ("ascending" if sort == "name" else "descending")
        assert self.colleges(browser.get("/overview?sort=nothing").text)[0] == "资源学院"

    def test_a_darker_cell_is_a_larger_share(self, signed_in: SignedIn) -> None:
        heat = Page(signed_in("dean").get("/overview")).all("table", class_="heat")[0]
        tints = {(part["class"], part.text.split()[-1]) for part in heat.all("td") if part["class"].startswith("tint")}
        assert ("tint-5", "100%") in tints
        assert ("tint-0", "0") in tints


class TestTheFile:
    def test_it_has_colleges_classes_days_and_spans_as_numbers(self, university: World, signed_in: SignedIn) -> None:
        sent = signed_in("dean").get("/overview.xlsx")
        book = load_workbook(BytesIO(sent.content))
        assert book.sheetnames == ["各学院未办结人数", "各班待办人数", "每日进度", "办结用时（天）"]
        sheet = book["各学院未办结人数"]
        rows = {row[0]: row[1:3] for row in sheet.iter_rows(values_only=True) if row[0] in ("地球科学学院", "资源学院")}
        assert rows == {"地球科学学院": (2, 2), "资源学院": (3, 3)}
        (line,) = Audit(university.desk).newest(1, event=AuditEvent.EXPORTED)
        assert line.detail["what"] == "overview"

    def test_it_has_nothing_of_another_college(self, signed_in: SignedIn) -> None:
        book = load_workbook(BytesIO(signed_in("counsellor").get("/overview.xlsx").content))
        cells = {cell for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row}
        assert "资源学院" in cells
        assert not {"地球科学学院", "011151"} & cells


#: Of the statements that read students, for the whole page: counts, the season, the visitor.
MOST_STATEMENTS = 8


class TestHowMuchItReads:
    def asked(self, world: World, browser: TestClient) -> int:
        asked: list[str] = []

        def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            asked.append(statement)

        event.listen(Engine, "before_cursor_execute", note)
        try:
            assert browser.get("/overview").status_code == 200
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        # One read of the counts, with the freshness before it, is all that the rest of the page needs.
        assert len([one for one in asked if "student" in one.lower()]) <= MOST_STATEMENTS
        return sum("flip" in statement for statement in asked)

    def test_the_flips_are_read_again_only_after_a_change(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in("dean")
        assert self.asked(university, browser) == 1
        assert self.asked(university, browser) == 0
        wish = DecisionRequest(LIN.number, "library", Verdict.CLEARED, "赔书")
        university.decisions.enter(wish, "librarian", university.now)
        assert self.asked(university, browser) == 1
        rows = table_after(browser.get("/overview").text, "日期")
        assert rows[1][rows[0].index("图书馆")] == "5", "what was kept is not shown after the decision"
