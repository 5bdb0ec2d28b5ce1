"""A source as a row with its last runs and the age of its data; and a run's page, which begins with what matters."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import BytesIO

import pytest
from openpyxl import load_workbook
from sqlalchemy import Engine, event
from starlette.testclient import TestClient

from connectors.port import SourceUnavailable
from foundation.translation import in_language
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.inbox.pauses import Pauses
from tests.cast import LIN
from tests.portal.conftest import _HASHED
from tests.portal.html_page import Page, Part
from tests.portal.waiting import held_back
from tests.world import COHORT, World

SignedIn = Callable[[str], TestClient]


def row(browser: TestClient, source: str = "loans") -> Part:
    """Return a source's row."""
    articles = Page(browser.get("/sources")).all("article")
    return next(part for part in articles if part.all("h2")[0].all("small")[0].text == source)


@contextmanager
def counted() -> Iterator[list[str]]:
    """Collect the statements on the table of runs."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM run" in statement:
            asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def people(world: World) -> None:
    """Give two administrators names that are not their accounts."""
    for account, name in (("a-17", "王管理"), ("a-18", "赵管理")):
        world.accounts.add(account, name, _HASHED, grants=[Grant(Act.MANAGE)], now=world.now)


class TestBars:
    def test_each_run_is_a_bar_with_its_result_and_its_rows(self, university: World, signed_in: SignedIn) -> None:
        university.fails["loans"] = SourceUnavailable("loans does not answer", "Ask again.")
        university.run("loans")
        bars = row(signed_in("admin")).all("svg", class_="run-bars")[0].all("g")
        titles = [bar.all("title")[0].text for bar in bars]
        assert titles[0].startswith("2 · 5月25日")
        assert titles[0].endswith("已生效 · 1 行")
        assert titles[-1].endswith("失败")
        read, failed = bars[0].all("rect"), bars[-1].all("rect")
        assert float(read[0]["height"]) > float(failed[0]["height"]) > 0
        assert len(read) == 1
        assert failed[1]["fill"] == "url(#cross)", "a failed run is distinguished without colour"

    def test_the_last_thirty_are_shown_and_a_recheck_is_none_of_them(
        self, university: World, signed_in: SignedIn
    ) -> None:
        for _ in range(35):
            university.run("fees")
        university.sync.recheck("fees", LIN.number, by="test")
        shown = row(signed_in("admin"), "fees")
        assert len(shown.all("svg", class_="run-bars")[0].all("g")) == 30
        assert "最近 30 次同步" in shown.text

    def test_all_sources_are_read_in_one_statement(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in("admin")
        with counted() as asked:
            browser.get("/sources")
        assert sum("LIMIT" in statement for statement in asked if "UNION ALL" in statement) == 1
        assert len(asked) <= 5, asked


class TestAge:
    @pytest.mark.parametrize(
        ("minutes", "tone", "said"), [(30, "good", "33 分钟"), (220, "todo", "3 小时"), (300, "bad", "5 小时")]
    )
    def test_the_bar_is_as_long_as_the_data_are_old(
        self, university: World, signed_in: SignedIn, minutes: int, tone: str, said: str
    ) -> None:
        began = university.now
        university.later(minutes=minutes)
        assert university.now - began == timedelta(minutes=minutes)
        shown = row(signed_in("admin"))
        bar = shown.all("svg", class_="age-bar")[0].all("rect")[1]
        assert bar["class"] == f"fill {tone}"
        assert min(100, minutes * 100 / 240) - 2 <= float(bar["width"].rstrip("%")) <= 100
        assert f"数据已有 {said}，有效 4 小时" in shown.text


class TestARun:
    def decision(self, page: str) -> list[str]:
        return [part.text for part in Page(page).one("section", id="decide").all("h3")]

    def test_the_sentence_that_matters_and_the_decision_come_before_the_figures(
        self, university: World, signed_in: SignedIn
    ) -> None:
        run = held_back(university)
        page = signed_in("admin").get(f"/runs/{run}").text
        lead = Page(page).all("p", class_="lead")[0].text
        assert lead.startswith(("名单内学生的数据行", "“不通过”的 30 名学生中"))
        assert page.index(lead[:8]) < page.index('id="decide"') < page.index("变动内容") < page.index("数据完整性校验")
        assert self.decision(page) == ["批准", "否决"]

    def test_where_the_source_returned_nothing_rejecting_comes_first(
        self, university: World, signed_in: SignedIn
    ) -> None:
        university.sync.reject(held_back(university), by="admin", reason="x")
        university.says["loans"] = []
        university.later(minutes=1)
        run = university.run("loans").run
        page = signed_in("admin").get(f"/runs/{run}").text
        assert self.decision(page) == ["否决", "批准"]
        assert "建议否决" in page
        assert Page(page).all("p", class_="lead")[0].text.startswith("本次没有数据")

    def test_people_are_named_not_their_accounts(self, university: World, signed_in: SignedIn) -> None:
        people(university)
        run = held_back(university)
        found = university.reader.run(COHORT, run)
        assert found is not None
        browser = signed_in("a-17")
        Pauses(university.desk).pause("fees", reason="搬家", account="a-18", now=university.now)
        assert "赵管理" in row(browser, "fees").text
        assert "a-18" not in row(browser, "fees").text

    def test_proofs_are_in_the_readers_language(self, university: World, signed_in: SignedIn) -> None:
        with in_language("en"):
            university.run("loans")
        run = university.reader.runs(COHORT, "loans")[0].run
        browser = signed_in("admin")
        chinese, english = (Page(browser.get(f"/runs/{run}?lang={code}")).text for code in ("zh", "en"))
        assert "rows, as listed" in english
        assert "rows, as listed" not in chinese


class TestUnmatched:
    @pytest.fixture
    def many(self, university: World) -> World:
        """Seven hundred numbers that no student of the roster has."""
        university.says["loans"] += [
            {"CARD": f"99{i:06}", "TITLE": "唐诗选", "DUE": "2019-06-01", "BARCODE": f"U{i}"} for i in range(700)
        ]
        university.run("loans")
        return university

    def test_every_one_is_reached_page_by_page(self, many: World, signed_in: SignedIn) -> None:
        browser, seen, address = signed_in("admin"), set[str](), "/unmatched?source=loans"
        while address:
            page = Page(browser.get(address))
            seen |= {cells[0] for cells in page.table("数据源中的号码")[1:]}
            address = page.link("next")
        assert {f"99{i:06}" for i in range(700)} <= seen

    def test_a_part_of_a_number_finds_it_and_the_file_has_them_all(self, many: World, signed_in: SignedIn) -> None:
        browser = signed_in("admin")
        rows = Page(browser.get("/unmatched?q=99000699")).table("数据源中的号码")[1:]
        assert [cells[0] for cells in rows] == ["99000699"]
        sheet = load_workbook(BytesIO(browser.get("/unmatched.xlsx?source=loans").content)).active
        assert sheet is not None
        keys = {str(cells[0]) for cells in sheet.iter_rows(values_only=True)}
        assert {f"99{i:06}" for i in range(700)} <= keys
        (line,) = Audit(many.desk).newest(1, event=AuditEvent.EXPORTED)
        assert line.detail["what"] == "unmatched"

    def test_only_those_with_a_hint_are_shown_on_request(self, many: World, signed_in: SignedIn) -> None:
        many.says["loans"].append({"CARD": f"0{LIN.number}", "TITLE": "a", "DUE": "2019-06-01", "BARCODE": "H1"})
        many.run("loans")
        rows = Page(signed_in("admin").get("/unmatched?hinted=1")).table("数据源中的号码")[1:]
        assert [cells[0] for cells in rows] == [f"0{LIN.number}"]
