"""The overview for leaders: figures, charts beside them, classes that lag, the season; nothing of anybody else's."""

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from portal.i18n import labels
from status_db.accounts.accounts import Act, Grant
from status_db.decisions.writer import DecisionRequest
from status_db.model import State, Verdict
from tests.cast import LEAVING, LI, LIN, QIAN, SUN, ZHAO
from tests.portal.conftest import _HASHED, enter
from tests.portal.html_page import Page
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

    def test_the_class_with_the_largest_share_to_do_comes_first(self, signed_in: SignedIn) -> None:
        page = signed_in("dean").get("/overview").text
        rows = table_after(page, "班级")
        assert [row[0] for row in rows[1:]] == ["011151", "021152", "S0216"]
        assert [row[2] for row in rows[1:]] == ["50.0%", "50.0%", "0%"]
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
        assert len(charts) == 3
        for chart in charts:
            assert chart["aria-labelledby"]
            for name in chart["aria-labelledby"].split():
                assert len(Page(page).all(id=name)) == 1
        # Of the tones that several states share, each state of a chart has a pattern of its own.
        legends = Page(page).all("ul", class_="legend")
        assert len(legends) == 3
        for legend in legends:
            looks = [tuple((part["class"], part["fill"]) for part in item.all("rect")) for item in legend.all("li")]
            assert len(looks) > 1
            assert len(set(looks)) == len(looks), legend.text

    def test_nothing_is_inline(self, signed_in: SignedIn) -> None:
        for path in ("/overview", "/overview/days", "/lists", "/lists/reminder?class=011151"):
            page = signed_in("dean").get(path).text
            assert not re.search(r"\s(style|on\w+)=|<script|<style", page), path


class TestScopes:
    """Nothing of another's: not a name, not a class, not a figure."""

    OTHERS = (LIN, ZHAO)

    @pytest.mark.parametrize("path", ["/overview", "/overview?classes=all", "/overview/days", "/lists?wanted=all"])
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
        assert "名单中暂无可查看的学生" in browser.get("/overview/days").text
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
            ("2019-06-01", "2019-06-20", "本科的办理时间从 6月1日 开始"),
            ("2019-05-01", "2019-05-20", "本科的办理时间已于 5月20日 结束"),
            ("2019-05-25", "2019-05-25", ""),
        ],
    )
    def test_before_and_after_the_window_the_page_states_so(
        self, university: World, signed_in: SignedIn, opens: str, closes: str, said: str
    ) -> None:
        windows = {"undergraduate": {"opens": opens, "closes": closes}}
        cohort = university.settings.cohort[0].model_validate({"key": "2019", "name": "2019届", "windows": windows})
        # The settings are frozen; a test may stand above that.
        university.settings.cohort[0] = cohort
        page = signed_in("dean").get("/overview").text
        assert said in page
        assert ("办理时间" in page) is bool(said)


class TestTheSeason:
    def test_days_and_curves_say_the_same(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in("dean")
        university.now += timedelta(days=1)
        for person in LEAVING:
            wish = DecisionRequest(person.number, "college_items", Verdict.CLEARED, "无借阅")
            university.decisions.enter(wish, "college", university.now)
        enter(browser, "dean")
        page = browser.get("/overview/days").text
        rows = table_after(page, "日期")
        assert [row[0] for row in rows[1:]] == ["5月26日", "5月25日"]
        at = rows[0].index("资料室图书")
        assert [row[at] for row in rows[1:]] == ["5", "0"]
        assert "5 / 5 · 100%" in page
        assert [row[0] for row in table_after(page, "学院")[1:]] == ["合计", "地球科学学院", "资源学院"]

    def test_in_english_no_chinese_of_ours_is_left(self, signed_in: SignedIn) -> None:
        browser = signed_in("dean")
        for path in ("/overview/days?lang=en", "/lists?lang=en&wanted=all", "/overview?lang=en&classes=all"):
            text = Page(browser.get(path)).text
            theirs = {"山海大学", "学生处", "中文", "2019届", "毕业", "第二学位", "延期"}
            theirs |= {v for p in (LIN, ZHAO, QIAN, SUN, LI) for v in (p.name, p.college, p.campus, p.building)}
            for name in sorted(theirs, key=len, reverse=True):
                text = text.replace(name, "")
            assert not re.findall(r"[\u4e00-\u9fff]+", text), path
