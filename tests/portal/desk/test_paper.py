"""Paper: what is printed for when the machines are down, for whom, and how it is entered afterwards."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from sqlalchemy import func, select
from starlette.testclient import TestClient

from portal.desk.context.refusals import PAPER, unfilled
from portal.desk.paper import entry
from portal.desk.paper.table import TypedSheet
from portal.documents import paper_pdf, sheet_numbers
from portal.documents.paper_pdf import Fill, PaperColumn, PaperRow, PaperSection, PrintSet, Wording
from portal.documents.paper_sets import PaperWriter, visibility_of
from portal.documents.sheet_numbers import set_number, sheet_number, step_codes, typed
from portal.i18n import languages
from status_db import tables
from status_db.accounts.accounts import Act, Grant
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.decisions.batches import Batches, BatchKind
from status_db.decisions.certificates import Issue
from status_db.decisions.refusals import DecisionCode
from status_db.decisions.writer import DecisionRequest
from status_db.model import ROSTER, Verdict
from status_db.queries.lists import Lists
from status_db.store.engine import reading
from status_db.views import EVERYBODY
from tests.cast import LI, LIN, MORNING, QIAN, SUN, Person
from tests.portal.conftest import _HASHED, enter, settle, token_in
from tests.portal.html_page import Page
from tests.portal.pdf_text import pages_of, text_of
from tests.portal.whole import whole_app
from tests.world import COHORT, World

SignedIn = Callable[[str], TestClient]

#: A class of forty, all of whom have a book at home.
CLASS, COLLEGE, BUILDING = "031153", "资源学院", "西区9栋"
FORTY = tuple(
    Person(f"2015{number:04d}", f"学生{number}", "本科", COLLEGE, CLASS, "未来城", BUILDING)
    for number in range(3000, 3040)
)


@pytest.fixture
def university(sqlite_world: World) -> World:
    """The cast's university with the class of forty."""
    sqlite_world.says[ROSTER] += [person.listed() for person in FORTY]
    settle(sqlite_world)
    sqlite_world.says["loans"] += [
        {"CARD": one.number, "TITLE": "构造地质学", "DUE": "2019-05-30", "BARCODE": f"C{one.number}"} for one in FORTY
    ]
    sqlite_world.run("loans")
    return sqlite_world


def papers(world: World, code: str = "zh") -> PaperWriter:
    zone = world.settings.institution.timezone
    language = languages.load(["zh", "en"], zone)[code]
    return PaperWriter(Lists(world.reading, world.settings), world.settings, language, COHORT, world.now)


def numbers_on(pdf: bytes) -> set[str]:
    return set(re.findall(r"^(\d{8,10})$", text_of(pdf), re.MULTILINE))


def batches(world: World) -> Batches:
    return Batches(world.writer)


class TestSheetNumbers:
    KEYS = ("library", "textbook", "finance", "dorm", "college_items", "final_review", "graduate_check")

    def test_a_step_is_its_first_three_letters_or_so_many_as_tell_it_apart(self) -> None:
        assert step_codes(self.KEYS) == {
            "library": "LIB", "textbook": "TEX", "finance": "FINAN", "dorm": "DOR", "college_items": "COL",
            "final_review": "FINAL", "graduate_check": "GRA",
        }  # fmt: skip

    @example(["all", "slip", "a_b", "ab", "ab1"])
    @given(st.lists(st.from_regex(r"\A[a-z][a-z0-9_]{0,9}\Z"), unique=True, max_size=12))
    def test_no_two_steps_have_one_code_and_none_that_of_sheets_with_every_step(self, keys: list[str]) -> None:
        codes = [*step_codes(keys).values(), sheet_numbers.EVERY_STEP, sheet_numbers.SLIP]
        assert len(set(codes)) == len(codes)

    def test_it_states_when_for_what_whose_and_which_page(self) -> None:
        shared = set_number(datetime(2019, 5, 28, 2, 30, tzinfo=UTC), "LIB", "12")
        assert sheet_number(shared, 3) == "0528-0230-LIB-12-3"

    @pytest.mark.parametrize("text", ["0528-0230-lib-12-3", " ０５２８－0230—LIB–12-3 ", "0528-0230-LIB-12-3\n"])
    def test_it_may_be_typed_in_any_width_case_and_dash(self, text: str) -> None:
        assert typed(text) == "0528-0230-LIB-12-3"

    def test_no_two_pages_of_what_was_printed_together_have_one_number(self, university: World) -> None:
        whole = []
        for step in ("library", "finance", "final_review"):
            made = papers(university).of_step(step, visibility_of(university.settings, COHORT, step, EVERYBODY))
            assert made is not None
            whole += [re.search(r"纸质单号 (\S+)", page)[1] for page in pages_of(paper_pdf.write(made))]  # type: ignore[index]  # every page has one
        assert len(whole) > 12
        assert len(set(whole)) == len(whole)


class TestOnASheet:
    def sheet(self, world: World, step: str = "library", **columns: str) -> str:
        visibility = visibility_of(world.settings, COHORT, step, EVERYBODY)
        made = papers(world).of_step(step, visibility, {name.rstrip("_"): value for name, value in columns.items()})
        assert made is not None
        return text_of(paper_pdf.write(made))

    def test_each_page_states_what_it_is_and_as_of_when(self, university: World) -> None:
        pages = self.sheet(university, class_=CLASS, college=COLLEGE).split("山海大学")[1:]
        assert len(pages) == 2
        for at, page in enumerate(pages, start=1):
            for said in (
                "2019届", f"图书馆 · {COLLEGE} {CLASS}", "数据截至 5月25日 08:03", "打印于 2019年5月25日 08:06",
                "学号", "姓名", "状态", "未结内容", "办理", "办理依据", "经手人签字", "办理时间",
                f"第 {at} 页，共 2 页", "办理依据可只写编号：1 现场归还、2 赔书、3 数据有误",
            ):  # fmt: skip
                assert said in page, said
        assert "数据过期" not in pages[0]

    def test_everybody_of_the_class_is_on_it_and_nobody_else(self, university: World) -> None:
        text = self.sheet(university, class_=CLASS, college=COLLEGE)
        assert set(re.findall(r"^\d{8}$", text, re.MULTILINE)) == {one.number for one in FORTY}

    def test_it_states_what_the_offices_own_step_is_owed(self, university: World) -> None:
        text = self.sheet(university, class_=LIN.class_name, college=LIN.college).replace("\n", "")
        assert "不通过 2 项" in text
        assert "1 册未还（《构造地质学》应还 5月30日）" in text
        assert "滞纳金 3.20 元" in text

    def test_a_long_debt_is_cut_short_and_states_so(self, university: World) -> None:
        university.says["loans"] += [
            {"CARD": LIN.number, "TITLE": f"书名很长的书第{n}卷", "DUE": "2019-05-30", "BARCODE": f"D{n}"}
            for n in range(8)
        ]
        university.run("loans")
        text = self.sheet(university, class_=LIN.class_name, college=LIN.college).replace("\n", "")
        assert "9 册未还（" in text
        assert "…" in text
        assert "第3卷" not in text

    def test_stale_is_shown_at_the_head_and_in_each_row(self, university: World) -> None:
        university.later(hours=5)
        text = self.sheet(university, class_=CLASS, college=COLLEGE)
        assert text.count("图书馆：数据过期（截至 5月25日 08:03）") == text.count("纸质单号 0525-1306-LIB-") == 2
        assert text.count("数据过期") == 40 + 2

    def test_a_review_shows_each_step_that_it_depends_on(self, university: World) -> None:
        text = self.sheet(university, "final_review", class_=SUN.class_name, college=SUN.college)
        for title in ("图书馆", "校计财处", "宿管中心", "资料室图书", "学院终审"):
            assert title in text.splitlines()
        assert "未到此步" in text
        assert "未结内容" not in text

    def test_a_building_has_its_classes_on_one_sheet(self, university: World) -> None:
        text = self.sheet(university, building=QIAN.building)
        assert {QIAN.number, SUN.number} == set(re.findall(r"^\d{8}$", text, re.MULTILINE))
        assert "班级" in text.splitlines()
        assert re.search(r"纸质单号 0525-0806-LIB-B\d+-1", text)

    def test_each_class_begins_a_page(self, university: World) -> None:
        pages = self.sheet(university).split("山海大学")[1:]
        assert [re.search(r"图书馆 · (.*)", page)[1] for page in pages] == [  # type: ignore[index]  # every page has one
            "地球科学学院 011151", "资源学院 021152", "资源学院 031153", "资源学院 031153", "资源学院 S0216",
        ]  # fmt: skip

    def test_there_is_a_box_for_who_is_open_and_none_for_who_is_done(self, university: World) -> None:
        visibility = visibility_of(university.settings, COHORT, "library", EVERYBODY)
        made = papers(university).of_step("library", visibility, {"class": QIAN.class_name})
        assert made is not None
        assert [line.open for line in made.parts[0].lines] == [False, False]
        university.later(hours=5)
        stale = papers(university).of_step("library", visibility, {"class": QIAN.class_name})
        assert stale is not None
        assert [line.open for line in stale.parts[0].lines] == [True, True]

    def test_it_is_shown_in_english(self, university: World) -> None:
        visibility = visibility_of(university.settings, COHORT, "library", EVERYBODY)
        made = papers(university, "en").of_step("library", visibility, {"class": CLASS})
        assert made is not None
        text = text_of(paper_pdf.write(made))
        assert "Sheet number 0525-0806-LIB-" in text
        assert re.search(r"Page 1 of \d", text)
        assert not re.search("学号|办理|纸质单号", text)


def a_set(
    *lines: PaperRow, columns: tuple[PaperColumn, ...] = (PaperColumn("姓名", 25), PaperColumn("办理", 11, Fill.TICK))
) -> PrintSet:
    return PrintSet(
        institution="山海大学",
        notices=["打印于 5月25日"],
        parts=[PaperSection("图书馆", "0525-0800-LIB-1", columns, lines)],
        how=["打勾"],
        wording=Wording("纸质单号", "%(page)s/%(pages)s", "字库缺字以〓代替，依次是：", "zh-CN"),
        printed_at=MORNING,
        upright=True,
    )


@pytest.fixture(scope="module")
def press() -> Iterator[paper_pdf._Press]:
    """One for all: reading the font takes its time."""
    made = paper_pdf._Press(a_set())
    yield made
    made.done()


class TestThePrinting:
    def test_a_character_the_font_lacks_is_marked_and_named_on_its_page_alone(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        lines = [PaperRow([f"学生{n}"]) for n in range(39)]
        with caplog.at_level(logging.WARNING):
            first, second = pages_of(paper_pdf.write(a_set(PaperRow(["王\U00031350明"]), *lines)))
        assert "王〓明" in first
        assert "依次是： U+31350" in first
        assert "字库缺字" not in second
        assert not caplog.records

    @given(name=st.text("阿卜杜热合曼· abcdeWM", min_size=1, max_size=120))
    def test_nothing_is_wider_than_its_cell_and_only_what_is_very_long_is_cut(
        self, press: paper_pdf._Press, name: str
    ) -> None:
        cut = press._cut(name, 22, 9.5)
        assert all(press._width(line, 9.5) <= 22 for line in cut)
        assert len(cut) <= 4
        if not cut[-1].endswith("…"):
            assert "".join(cut).replace(" ", "") == name.replace(" ", "")

    def test_no_row_is_lost_or_printed_beneath_the_foot(
        self, press: paper_pdf._Press, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lowest: list[float] = []
        monkeypatch.setattr(press._pdf, "rect", lambda _x, y, _w, h, *_: lowest.append(y + h))
        for count in (1, 25, 26, 27, 40, 200):
            part = a_set(*(PaperRow([f"{count}之{n}"]) for n in range(count))).parts[0]
            press.print(part)
        assert max(lowest) < 297 - 12
        text = text_of(press.done())
        for count in (1, 25, 26, 27, 40, 200):
            assert re.findall(rf"^{count}之(\d+)$", text, re.MULTILINE) == [str(n) for n in range(count)]

    def test_a_row_of_four_lines_takes_its_height_from_the_page(self) -> None:
        long = PaperRow(["阿卜杜热合曼·阿卜杜克热木·买买提江·吐尔逊"])
        pages = pages_of(paper_pdf.write(a_set(*[long] * 30)))
        assert len(pages) == 3


class TestForWhom:
    def printed(self, browser: TestClient, path: str = "/desk/paper.pdf", **asked: str) -> httpx.Response:
        answer: httpx.Response = browser.get(path, params=asked)
        return answer

    def test_an_office_prints_its_own_step(self, signed_in: SignedIn) -> None:
        answer = self.printed(signed_in("librarian"), college=COLLEGE, **{"class": CLASS})
        assert answer.headers["content-type"] == "application/pdf"
        assert f"filename*=UTF-8''sheets-library-{'%E8%B5%84'}" in answer.headers["content-disposition"]
        assert numbers_on(answer.content) == {one.number for one in FORTY}

    def test_a_reviewer_prints_the_own_college_and_no_other(self, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        own = self.printed(browser).content
        assert numbers_on(own) == {one.number for one in (*FORTY, QIAN, SUN, LI)}
        assert self.printed(browser, college=LIN.college, **{"class": LIN.class_name}).status_code == 404
        assert self.printed(browser, building=LIN.building).status_code == 404
        page = browser.get("/desk/paper").text
        assert QIAN.class_name in page
        assert LIN.class_name not in page
        assert LIN.building not in page

    def test_a_step_that_is_not_the_own_looks_like_none(self, signed_in: SignedIn) -> None:
        browser = signed_in("librarian")
        for path in ("/desk/paper", "/desk/paper.pdf", "/desk/paper/slip.pdf", "/desk/paper/entry"):
            assert [browser.get(path, params={"step": s}).status_code for s in ("finance", "no")] == [404, 404]

    def test_who_only_reviews_enters_nothing(self, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        assert "/desk/paper/entry" not in browser.get("/desk/paper").text
        assert browser.get("/desk/paper/entry").status_code == 403

    def test_that_it_was_printed_is_written_down(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in("librarian")
        self.printed(browser, building=BUILDING)
        self.printed(browser, "/desk/paper/slip.pdf", number=LIN.number)
        last, first = Audit(university.desk).newest(event=AuditEvent.PRINTED_SHEETS)
        assert (first.cohort, first.detail) == (COHORT, {"filter": f"图书馆 {BUILDING}"})
        assert last.student == LIN.number

    def test_a_slip_has_every_step_and_the_state_of_the_own_alone(self, signed_in: SignedIn) -> None:
        text = text_of(self.printed(signed_in("librarian"), "/desk/paper/slip.pdf", number=LIN.number).content)
        for said in (
            LIN.number,
            LIN.name,
            LIN.college,
            LIN.class_name,
            "图书馆",
            "校计财处",
            "学院终审",
            "不通过 2 项",
        ):
            assert said in text
        assert f"纸质单号 0525-0806-SLIP-{LIN.number}-1" in text
        assert "未清退" not in text
        assert "未办理" not in text

    def test_a_reviewers_slip_has_the_states_before_the_review(self, signed_in: SignedIn) -> None:
        text = text_of(self.printed(signed_in("reviewer"), "/desk/paper/slip.pdf", number=QIAN.number).content)
        assert "5,850.00 元" in text.replace("\n", "")

    @pytest.mark.parametrize("number", [LIN.number, "20990009"])
    def test_nobody_prints_a_slip_of_who_is_outside(self, signed_in: SignedIn, number: str) -> None:
        answer = self.printed(signed_in("reviewer"), "/desk/paper/slip.pdf", number=number)
        assert answer.status_code == 404
        assert f"无法打印 {number}" in answer.text
        assert LIN.name not in answer.text

    def test_a_blank_slip_names_nobody(self, signed_in: SignedIn) -> None:
        text = text_of(self.printed(signed_in("librarian"), "/desk/paper/slip.pdf").content)
        for word in ("学号", "姓名", "图书馆", "学院终审", "经手人签字"):
            assert word in text
        assert not re.search(r"20\d{6}", text)


def row_of(page: str, number: str) -> str:
    (row,) = (row for row in Page(page).all("tr") if row.cells[0] == number and row.all("input"))
    return row.text


class Clerk:
    """Somebody who enters a sheet as a browser does: each answer's fields are sent with the next."""

    def __init__(self, browser: TestClient) -> None:
        self.browser = browser
        self.answer: httpx.Response | None = None
        self.fields: dict[str, list[str]] = {}

    def open(self, **asked: str) -> str:
        return self._took(self.browser.get("/desk/paper/entry", params=asked))

    def paste(self, text: str) -> str:
        page = self.browser.get("/desk/paper/entry")
        return self._took(self.browser.post("/desk/paper/entry", data={"form_token": token_in(page), "pasted": text}))

    def press(self, act: str, **typed_in: str | list[str]) -> str:
        changed = {name: value if isinstance(value, list) else [value] for name, value in typed_in.items()}
        return self._took(self.browser.post("/desk/paper/entry", data=self.fields | changed | {"act": [act]}))

    def _took(self, answer: httpx.Response) -> str:
        self.answer = answer
        self.fields = Page(answer).fields
        page: str = answer.text
        return page


@pytest.fixture
def clerk(signed_in: SignedIn) -> Clerk:
    """A librarian before the table."""
    return Clerk(signed_in("librarian"))


ALL = [one.number for one in FORTY]
SHEET = {"sheet": "0525-0230-lib-3-1", "decided": "2019-05-25T08:01"}


MISTAKES: Sequence[tuple[dict[str, str | list[str]], str]] = (
    ({"sheet": "  "}, entry.NO_SHEET),
    ({"sheet": "长" * 101}, entry.LONG_SHEET),
    ({"decided": ""}, entry.NO_TIME),
    ({"decided": "昨天下午"}, entry.NO_TIME),
    ({"decided": "0001-01-01T00:00"}, entry.NO_TIME),
    ({"decided": "2019-05-25T08:10"}, entry.FUTURE),
    ({"decided": "2018-05-20T08:00"}, entry.LONG_AGO),
    ({"words": "话" * 501}, entry.LONG_WORDS),
    ({"file": ["号" * 101, *[""] * 39]}, entry.LONG_FILE),
    ({"done": []}, entry.NOTHING_TICKED),
)


class TestEntering:
    def decided(self, world: World, number: str) -> tuple[object, ...]:
        found = next(s.decision for s in world.student(number).steps if s.step == "library")
        assert found is not None
        return (
            found.verdict, found.reason, found.file_number, found.sheet, found.decided_at, found.entered_at,
            found.words, found.author,
        )  # fmt: skip

    def test_forty_are_entered_and_one_that_is_wrong_is_left_out_by_name(
        self, university: World, signed_in: SignedIn
    ) -> None:
        """With every source down since the morning."""
        university.later(hours=6)
        clerk = Clerk(signed_in("librarian"))
        clerk.paste("\n".join([*ALL, "20990009"]))
        page = clerk.press(
            "preview", **SHEET, done=[*ALL, "20990009"], words="已在现场核对",
            reason=["赔书", *["现场归还"] * 40], file=["馆字 12", *[""] * 40],
        )  # fmt: skip
        assert "预览：尚未录入。" in page
        assert "该学号不在离校名单中" in row_of(page, "20990009")
        assert "录入" in row_of(page, ALL[0])
        assert not batches(university).batches()
        page = clerk.press("confirm")
        assert "有的行有错。" in page
        page = clerk.press("confirm", without_wrong="1")
        assert "录入 40 人。" in page
        assert "1 行未录入" in page
        decided_at = datetime(2019, 5, 25, 0, 1, tzinfo=UTC)
        assert self.decided(university, ALL[0]) == (
            Verdict.CLEARED, "赔书", "馆字 12", "0525-0230-LIB-3-1", decided_at, university.now, "已在现场核对",
            "librarian",
        )  # fmt: skip
        assert {self.decided(university, number)[1] for number in ALL[1:]} == {"现场归还"}
        assert all(university.verdict(number, "library") is Verdict.CLEARED for number in ALL)
        (line,) = Audit(university.desk).newest(event=AuditEvent.ENTERED_PAPER)
        assert line.detail == {"step": "library", "sheet": "0525-0230-LIB-3-1", "batch": 1, "students": 40}

    def test_it_can_be_taken_back_but_for_who_has_the_certificate(self, university: World, clerk: Clerk) -> None:
        clerk.open(college=COLLEGE, **{"class": CLASS})
        clerk.press("preview", **SHEET, done=ALL[:3])
        clerk.press("confirm")
        assert clerk.answer is not None
        path = clerk.answer.url.path
        university.decisions.enter(DecisionRequest(ALL[0], "dorm", Verdict.CLEARED, "验收"), "dorm", university.now)
        university.decisions.enter(
            DecisionRequest(ALL[0], "college_items", Verdict.CLEARED, "无借阅"), "college", university.now
        )
        university.reviews.review(
            DecisionRequest(ALL[0], "final_review", Verdict.CLEARED, "齐全"), "dean", university.now
        )
        university.register.issue(Issue(ALL[0], "1049120190000001", "毕业证书"), "dean", university.now)
        token = token_in(clerk.browser.get(path))
        nothing = clerk.browser.post(f"{path}/undo", data={"form_token": token, "because": " "})
        assert nothing.status_code == 422
        assert "请写明撤回原因。" in nothing.text
        page = clerk.browser.post(f"{path}/undo", data={"form_token": token, "because": "录错了班"}).text
        assert "撤回：录错了班" in page
        assert page.count("已撤回或替换") == 2
        assert "有效（已发证，未撤回）" in page
        assert [university.verdict(number, "library") for number in ALL[:3]] == [
            Verdict.CLEARED, Verdict.HELD, Verdict.HELD,
        ]  # fmt: skip
        again = clerk.browser.post(f"{path}/undo", data={"form_token": token, "because": "再来一次"})
        assert again.status_code == 409
        assert "未撤回" in again.text
        (line,) = Audit(university.desk).newest(event=AuditEvent.PAPER_TAKEN_BACK)
        assert line.detail["students"] == 2

    def test_the_table_has_who_is_open_with_the_first_reason_set(self, university: World, clerk: Clerk) -> None:
        university.decisions.enter(
            DecisionRequest(ALL[5], "library", Verdict.CLEARED, "现场归还"), "librarian", university.now
        )
        page = clerk.open(college=COLLEGE, **{"class": CLASS})
        assert clerk.fields["number"] == [number for number in ALL if number != ALL[5]]
        assert set(clerk.fields["reason"]) == {"现场归还"}
        assert "1 现场归还" in page
        assert "不通过" in row_of(page, ALL[0])
        assert "done" not in clerk.fields
        clerk.open(building=BUILDING)
        assert len(clerk.fields["number"]) == 39

    def test_whatever_is_wrong_all_that_was_typed_appears_there_again(self, university: World, clerk: Clerk) -> None:
        clerk.open(college=COLLEGE, **{"class": CLASS})
        as_opened = clerk.fields
        for changed, said in MISTAKES:
            typed_in = {
                **SHEET, "words": "请带\n学生证", "done": ALL[:7], "reason": ["数据有误", *["赔书"] * 39],
                "file": ["甲", *[""] * 39], **changed,
            }  # fmt: skip
            for act in ("preview", "confirm"):
                clerk.fields = as_opened
                page = clerk.press(act, **typed_in)
                assert clerk.answer is not None
                assert clerk.answer.status_code == 422, changed
                assert said in page
                sent = {name: value if isinstance(value, list) else [value] for name, value in typed_in.items()}
                sent |= {"sheet": [typed(str(sent["sheet"][0]))], "number": ALL}
                assert {name: clerk.fields.get(name, []) for name in sent} == sent
        assert not batches(university).batches()

    def test_a_paste_that_makes_no_sense_appears_there_again(self, clerk: Clerk) -> None:
        assert entry.NO_NUMBERS in clerk.paste(" ，、\n")
        many = "\n".join(str(20990000 + n) for n in range(201))
        page = clerk.paste(many)
        assert entry.TOO_MANY in page
        assert clerk.fields["pasted"] == [many]

    def test_two_hundred_rows_with_long_chinese_fit_one_form(self, university: World, clerk: Clerk) -> None:
        clerk.paste("，".join([*ALL, *(str(20990000 + n) for n in range(160))]))
        page = clerk.press("preview", **SHEET, done=clerk.fields["number"], words="话" * 500, file=["号" * 100] * 200)
        assert clerk.answer is not None
        assert clerk.answer.status_code == 200
        assert page.count("该学号不在离校名单中") == 160

    def test_a_preview_that_no_longer_holds_is_shown_again(self, university: World, clerk: Clerk) -> None:
        clerk.open(college=COLLEGE, **{"class": CLASS})
        clerk.press("preview", **SHEET, done=ALL[:2])
        university.decisions.enter(
            DecisionRequest(ALL[0], "library", Verdict.HELD, "数据有误"), "other", university.now
        )
        page = clerk.press("confirm")
        assert clerk.answer is not None
        assert clerk.answer.status_code == 409
        assert unfilled(DecisionCode.OVERTAKEN, PAPER) in page
        assert "现有办理：数据有误（other, 5月25日" in row_of(page, ALL[0])
        assert not batches(university).batches()
        clerk.press("confirm")
        assert university.verdict(ALL[0], "library") is Verdict.HELD
        assert university.verdict(ALL[1], "library") is Verdict.CLEARED

    def test_what_differs_is_replaced_by_the_clerks_word_alone(self, university: World, clerk: Clerk) -> None:
        university.decisions.enter(
            DecisionRequest(ALL[0], "library", Verdict.HELD, "数据有误"), "other", university.now
        )
        clerk.paste(ALL[0])
        clerk.press("preview", **SHEET, done=ALL[:1])
        assert unfilled(DecisionCode.NO_CHANGE, PAPER) in clerk.press("confirm")
        assert "录入 1 人。" in clerk.press("confirm", with_conflicts="1")
        assert university.verdict(ALL[0], "library") is Verdict.CLEARED

    def test_what_was_changed_after_the_preview_is_looked_at_first(self, university: World, clerk: Clerk) -> None:
        clerk.open(college=COLLEGE, **{"class": CLASS})
        clerk.press("preview", **SHEET, done=ALL[:2])
        page = clerk.press("confirm", done=ALL[:3])
        assert unfilled(DecisionCode.OVERTAKEN, PAPER) in page
        assert not batches(university).batches()
        assert "录入 3 人。" in clerk.press("confirm")

    def test_the_same_sheet_twice_is_shown_and_enters_nothing_twice(self, university: World, clerk: Clerk) -> None:
        clerk.paste(" ".join(ALL[:2]))
        clerk.press("preview", **SHEET, done=ALL[:2])
        clerk.press("confirm")
        clerk.paste(" ".join(ALL[:2]))
        page = clerk.press("preview", **SHEET, done=ALL[:2])
        assert "该纸质单号已录入" in page
        assert "与现有办理一致" in row_of(page, ALL[0])
        assert unfilled(DecisionCode.NO_CHANGE, PAPER) in clerk.press("confirm")
        with reading(university.engine) as connection:
            assert connection.execute(select(func.count()).select_from(tables.decision)).scalar() == 2

    def test_who_is_outside_is_as_unknown_as_nobody(self, university: World) -> None:
        own = {"college": (LIN.college,)}
        university.accounts.add(
            "branch", "branch", _HASHED, grants=(Grant(Act.DECIDE, "library", own),), now=university.now
        )
        with TestClient(whole_app(university), base_url="http://testserver", follow_redirects=True) as browser:
            enter(browser, "branch")
            clerk = Clerk(browser)
            clerk.paste(f"{LIN.number} {QIAN.number} 20990009")
            page = clerk.press("preview", **SHEET, done=[LIN.number, QIAN.number, "20990009"])
            foreign, missing = (row_of(page, number).replace(number, "") for number in (QIAN.number, "20990009"))
            assert foreign == missing
            assert QIAN.name not in page
            assert "录入 1 人。" in clerk.press("confirm", without_wrong="1")
            assert clerk.answer is not None
            own_path = clerk.answer.url.path
            told = clerk.browser.get("/desk/paper").text
            assert own_path in told
            other = batches(university)
            preview_rows = TypedSheet((QIAN.number,), {QIAN.number: "赔书"}, {}, frozenset({QIAN.number}), "X")
            told_rows = preview_rows.import_rows(university.now)
            digest = other.preview("library", told_rows, university.now).digest
            made = other.enter_all(
                BatchKind.PAPER, "library", told_rows, digest, "librarian", university.now, title="X"
            ).batch
            path = f"/desk/paper/entered/{made.id}"
            assert path not in browser.get("/desk/paper").text
            assert browser.get(path).status_code == 404
            token = token_in(browser.get(own_path))
            assert browser.post(f"{path}/undo", data={"form_token": token, "because": "试"}).status_code == 404
            assert university.verdict(QIAN.number, "library") is Verdict.CLEARED

    def test_a_form_that_no_page_of_ours_has_made_is_refused(self, clerk: Clerk) -> None:
        clerk.open(college=COLLEGE, **{"class": CLASS})
        clerk.press("preview", **SHEET, done=ALL[:1], reason=["赔书"])
        assert clerk.answer is not None
        assert clerk.answer.status_code == 400

    def test_a_class_that_is_done_states_so(self, university: World, clerk: Clerk) -> None:
        assert "该处没有未办结的学生" in clerk.open(college=QIAN.college, **{"class": QIAN.class_name})
