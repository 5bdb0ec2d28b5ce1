"""What one screen tells a student: the one thing to do, where the door is open, what is announced, and how it loads."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from clearance.web import application
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.decisions.certificates import Issue
from status_db.decisions.writer import DecisionRequest
from status_db.inbox.announcements import Announcements
from status_db.model import Verdict
from tests.cast import LIN, QIAN, SUN, ZHAO, ZHOU
from tests.portal.conftest import enter, settle
from tests.portal.html_page import Page
from tests.world import COHORT, SETTINGS, World

SignedIn = Callable[[str], TestClient]

TOLD = SETTINGS.replace(
    'name = "2019届"\n',
    """name = "2019届"
windows.undergraduate = { opens = 2019-05-25, closes = 2019-06-06 }

[cohort.collect."资源学院"]
where = "资源楼 118"
where_en = "Resources Building 118"
when = "6月19日 9:00–16:00"
bring = "学生证"
[cohort.collect."*"]
where = "学工办"

[calendar]
holidays = [{ first = 2019-06-07, last = 2019-06-09 }]
workdays = [2019-05-25]
""",
).replace('hours = "8:00–17:30"', 'open = { workday = ["8:00-11:30", "14:30-17:30"] }')


@pytest.fixture
def university(tmp_path: Path) -> Iterator[World]:
    """The cast's university with windows, hours, and places to collect; it is a Saturday that is worked, 8 o'clock."""
    with World(f"sqlite:///{tmp_path / 'clearance.db'}", tmp_path, TOLD) as made:
        yield settle(made)


@pytest.fixture
def board(university: World) -> Announcements:
    return Announcements(university.desk)


def pass_everything(world: World, number: str = SUN.number) -> None:
    """Have the college pass a student who owes nothing."""
    world.decisions.enter(DecisionRequest(number, "college_items", Verdict.CLEARED, "无借阅"), "college", world.now)
    world.reviews.review(DecisionRequest(number, "final_review", Verdict.CLEARED, "齐全"), "dean", world.now)


def issue(world: World, number: str = SUN.number) -> None:
    pass_everything(world, number)
    world.register.issue(Issue(number, "1049120190012345", "毕业证书"), "dean", world.now)


def headline(page: str) -> str:
    return Page(page).one("section", class_="headline").text


class TestTheHeadline:
    def test_things_to_do_come_first(self, signed_in: SignedIn) -> None:
        assert "2 项要办" in headline(signed_in(LIN.number).get("/").text)

    def test_then_what_the_school_has_to_do(self, signed_in: SignedIn) -> None:
        assert "项等待学校处理" in headline(signed_in(SUN.number).get("/").text)

    def test_then_where_and_when_to_collect_by_college_and_what_to_bring(
        self, university: World, signed_in: SignedIn
    ) -> None:
        pass_everything(university)
        said = headline(signed_in(SUN.number).get("/").text)
        assert "可领证" in said
        for word in ("资源楼 118", "6月19日 9:00–16:00", "学生证"):
            assert word in said
        assert "学工办" not in said

    def test_in_english_it_gives_the_english_place(self, university: World, signed_in: SignedIn) -> None:
        pass_everything(university)
        said = headline(signed_in(SUN.number).get("/?lang=en").text)
        assert "collect your certificate" in said
        assert "Resources Building 118" in said

    def test_and_at_last_that_it_has_been_collected_its_number_masked(
        self, university: World, signed_in: SignedIn
    ) -> None:
        issue(university)
        said = headline(signed_in(SUN.number).get("/").text)
        assert "已领证" in said
        assert "毕业证书 ************2345，5月25日 发放。" in said
        assert "1049120190012345" not in said

    def test_what_is_owed_after_the_certificate_reopens_nothing_and_is_shown(
        self, university: World, signed_in: SignedIn
    ) -> None:
        issue(university)
        university.says["fees"].append({"XH": SUN.number, "QFJE": "10.00", "XM": "水电费"})
        university.run("fees")
        said = headline(signed_in(SUN.number).get("/").text)
        assert "已领证" in said
        assert "领证后有 1 项新的未结事项" in said

    def test_a_stale_word_is_not_ready_to_collect(self, university: World, signed_in: SignedIn) -> None:
        pass_everything(university)
        university.later(hours=5)
        assert "可领证" not in headline(signed_in(SUN.number).get("/").text)

    def test_staff_who_read_one_step_read_of_that_one_alone(self, university: World, signed_in: SignedIn) -> None:
        issue(university)
        page = signed_in("librarian").get(f"/students/{SUN.number}").text
        assert "所示环节均已办结" in headline(page)
        for word in ("可领证", "已领证", "2345", "/slip"):
            assert word not in page


class TestTheWindow:
    @pytest.mark.parametrize(
        ("days", "said"),
        [
            (-1, "5月25日开始办理，现在可先查看"),
            (0, "6月6日截止，还剩 12 天"),
            (12, "今天截止（6月6日）"),
            (13, "已于 6月6日截止，未办结的仍可办理"),
        ],
    )
    def test_the_headline_has_the_last_day_and_the_days_left(
        self, university: World, signed_in: SignedIn, days: int, said: str
    ) -> None:
        university.later(days=days)
        page = signed_in(LIN.number).get("/").text
        assert said in headline(page)
        assert "办理时间 5月25日—6月6日" in headline(page)
        assert "图书馆" in page

    def test_whose_certificate_is_ready_reads_of_no_deadline(self, university: World, signed_in: SignedIn) -> None:
        pass_everything(university)
        assert "截止" not in headline(signed_in(SUN.number).get("/").text)

    def test_a_level_without_a_window_is_open_all_the_time(self, university: World, signed_in: SignedIn) -> None:
        university.later(days=100)
        university.accounts.add("1201610005", "李维", None, student="1201610005", now=university.now)
        assert "截止" not in headline(signed_in("dean").get("/students/1201610005").text)


class TestTheSteps:
    def test_what_is_to_do_comes_first_then_what_waits_and_what_is_settled_is_folded(self, signed_in: SignedIn) -> None:
        page = Page(signed_in(LIN.number).get("/"))
        titles = [step.heading.split()[0] for step in page.all("article", class_="step")]
        assert titles == ["图书馆", "宿管中心", "资料室图书", "学院终审", "校计财处"]
        (folded,) = page.all("details", class_="folded")
        assert folded.text.startswith("1 项已通过")

    def test_the_band_names_every_open_step_and_how_many_are_settled(self, signed_in: SignedIn) -> None:
        said = headline(signed_in(LIN.number).get("/").text)
        assert "1/5" in said
        for title in ("图书馆", "宿管中心"):
            assert title in said

    def test_who_lives_off_campus_finds_the_exempt_step_last(self, signed_in: SignedIn) -> None:
        page = Page(signed_in(ZHAO.number).get("/"))
        assert [part.text.split(" ")[1] for part in page.all("details", class_="folded")] == ["项已通过", "项无需办理"]

    def test_the_page_of_a_clear_student_has_the_code_of_the_slip(self, university: World, signed_in: SignedIn) -> None:
        pass_everything(university)
        browser = signed_in(SUN.number)
        assert 'src="/slip.svg"' in browser.get("/").text
        code = browser.get("/slip.svg")
        assert code.headers["content-type"] == "image/svg+xml"
        assert code.text.startswith("<svg xmlns=")
        events = [line.event for line in Audit(university.desk).newest(9)]
        assert AuditEvent.MADE_SLIP in events

    def test_there_is_no_code_before_all_is_clear(self, signed_in: SignedIn) -> None:
        browser = signed_in(LIN.number)
        assert "/slip.svg" not in browser.get("/").text
        assert browser.get("/slip.svg").url.path == "/"


class TestTheDoor:
    @pytest.mark.parametrize(
        ("minutes", "said"),
        [(0, "开放中，至 11:30"), (4 * 60, "今天 14:30 开放"), (10 * 60, "5月27日（周一）8:00 开放")],
    )
    def test_it_states_whether_it_is_open_now_or_when_next(
        self, university: World, signed_in: SignedIn, minutes: int, said: str
    ) -> None:
        # It is a few minutes past eight.
        university.later(minutes=minutes)
        page = signed_in(LIN.number).get("/").text
        assert said in page
        assert "工作日 8:00–11:30，14:30–17:30" in page

    def test_an_office_that_wrote_nothing_else_keeps_its_own_words(self, signed_in: SignedIn) -> None:
        page = signed_in(QIAN.number).get("/").text
        assert "行政楼 203" in page
        assert "开门" not in page


class TestWhatIsAnnounced:
    def test_below_the_steps_with_whom_to_ask(
        self, university: World, board: Announcements, signed_in: SignedIn
    ) -> None:
        board.announce("提前放假", "图书馆\n周五关门。", author="admin", now=university.now, contact="027-9")
        page = signed_in(LIN.number).get("/").text
        assert page.index("项要办") < page.index("图书馆") < page.index("提前放假")
        assert "咨询：027-9" in page

    def test_an_offices_note_is_on_its_card_alone(
        self, university: World, board: Announcements, signed_in: SignedIn
    ) -> None:
        board.announce("还书箱", "在门口", author="admin", now=university.now, step="library")
        page = signed_in(LIN.number).get("/").text
        (step,) = (step for step in Page(page).all("article", class_="step") if step.heading.startswith("图书馆"))
        assert "还书箱" in step.text
        assert page.count("还书箱") == 1

    def test_it_is_open_the_first_time_and_folded_from_then_on(
        self, university: World, board: Announcements, signed_in: SignedIn
    ) -> None:
        board.announce("提前放假", "周五关门。", author="admin", now=university.now)
        browser = signed_in(LIN.number)
        assert '<details class="note announced" open>' in browser.get("/").text
        assert '<details class="note announced">' in browser.get("/").text
        board.announce("又一条", "", author="admin", now=university.now)
        page = browser.get("/").text
        assert page.count('<details class="note announced" open>') == 1
        assert page.count('<details class="note announced">') == 1

    def test_who_stays_reads_what_is_for_their_category_alone(
        self, university: World, board: Announcements, signed_in: SignedIn
    ) -> None:
        board.announce("请办完各项手续", "", author="admin", now=university.now)
        board.announce("延期的同学请注意", "", author="admin", now=university.now, scope={"category": ("延期",)})
        page = signed_in(ZHOU.number).get("/").text
        assert "请办完各项手续" not in page
        assert "延期的同学请注意" in page

    def test_who_has_collected_reads_none_unless_something_new_is_to_do(
        self, university: World, board: Announcements, signed_in: SignedIn
    ) -> None:
        board.announce("请办完各项手续", "", author="admin", now=university.now)
        issue(university)
        assert "请办完各项手续" not in signed_in(SUN.number).get("/").text
        university.says["fees"].append({"XH": SUN.number, "QFJE": "10.00", "XM": "水电费"})
        university.run("fees")
        assert "请办完各项手续" in signed_in(SUN.number).get("/").text

    def test_only_to_whom_its_scope_names(self, university: World, board: Announcements, signed_in: SignedIn) -> None:
        scope = {"college": ("资源学院",)}
        board.announce("资源学院的事", "", author="admin", now=university.now, scope=scope)
        assert "资源学院的事" not in signed_in(LIN.number).get("/").text
        assert "资源学院的事" in signed_in("dean").get(f"/students/{QIAN.number}").text

    def test_not_before_its_time_nor_after_nor_once_withdrawn(
        self, university: World, board: Announcements, signed_in: SignedIn
    ) -> None:
        hour, now = timedelta(hours=1), university.now
        board.announce("还没到", "", author="admin", now=now, opens=now + hour)
        board.announce("过了", "", author="admin", now=now - 2 * hour, closes=now - hour)
        gone = board.announce("收回了", "", author="admin", now=now).announcement
        board.withdraw(gone, author="admin", now=now)
        page = signed_in(LIN.number).get("/").text
        for title in ("还没到", "过了", "收回了"):
            assert title not in page

    def test_it_cannot_put_markup_into_the_page(
        self, university: World, board: Announcements, signed_in: SignedIn
    ) -> None:
        board.announce("<b>x</b>", "<script>y</script>", author="admin", now=university.now)
        page = signed_in(LIN.number).get("/").text
        assert "<b>x</b>" not in page
        assert "<script" not in page

    def test_who_is_on_no_list_reads_what_is_for_everybody(
        self, university: World, board: Announcements, signed_in: SignedIn
    ) -> None:
        board.announce("给所有人", "", author="admin", now=university.now)
        board.announce("给资源学院", "", author="admin", now=university.now, scope={"college": ("资源学院",)})
        page = signed_in("20990001").get("/").text
        assert "给所有人" in page
        assert "给资源学院" not in page

    def test_in_english_it_is_the_english_one_where_there_is_one(
        self, university: World, board: Announcements, signed_in: SignedIn
    ) -> None:
        board.announce("中文标题", "", author="admin", now=university.now, title_en="In English")
        board.announce("只有中文", "", author="admin", now=university.now)
        page = signed_in(LIN.number).get("/?lang=en").text
        assert "In English" in page
        assert "中文标题" not in page
        assert "只有中文" in page


class TestWhoIsNotOnTheList:
    def test_who_stays_reads_why_and_gets_no_offer(self, signed_in: SignedIn) -> None:
        page = signed_in(ZHOU.number).get("/").text
        assert "学籍类别是“延期”" in page
        assert "请联系学院或教务部门" in page
        assert "/recheck" not in page
        assert "集中办理" not in page

    def test_who_has_left_the_list_reads_so(self, university: World, signed_in: SignedIn) -> None:
        university.says["roster"] = [row for row in university.says["roster"] if row["学号"] != LIN.number]
        university.run("roster")
        page = signed_in(LIN.number).get("/").text
        assert "教务的离校名单中已没有该学号" in page
        assert "请联系学院或教务部门" in page


class TestItsSize:
    def test_its_stylesheets_are_below_30_kb_and_the_page_with_all_it_loads_below_45_kb(
        self, university: World, board: Announcements, signed_in: SignedIn
    ) -> None:
        board.announce("公告", "一" * 500, author="admin", now=university.now)
        browser = signed_in(LIN.number)
        page = browser.get("/", headers={"accept-encoding": "gzip"})
        addresses = [part[name] for part in Page(page).all() for name in ("href", "src")]
        loaded = [address for address in addresses if address.startswith("/static/")]
        assert len(loaded) >= 3
        styles = sent = 0
        for answer in (page, *(browser.get(one, headers={"accept-encoding": "gzip"}) for one in loaded)):
            assert answer.status_code == 200
            sent += answer.num_bytes_downloaded + sum(len(name) + len(value) + 4 for name, value in answer.headers.raw)
            styles += answer.num_bytes_downloaded if "text/css" in answer.headers["content-type"] else 0
        assert 2_000 <= styles < 30_000
        assert 5_000 <= sent <= 45_000

    def test_a_page_with_a_forms_token_is_never_compressed(self, signed_in: SignedIn) -> None:
        page = signed_in(LIN.number).get("/?lang=zh&x=guess", headers={"accept-encoding": "gzip"})
        assert "form_token" in page.text
        assert "content-encoding" not in page.headers

    def test_a_stylesheet_is_compressed_for_who_takes_it_and_kept_apart(self, signed_in: SignedIn) -> None:
        browser = signed_in(LIN.number)
        small = browser.get("/static/portal.css", headers={"accept-encoding": "gzip"})
        plain = browser.get("/static/portal.css", headers={"accept-encoding": "identity"})
        assert small.headers["content-encoding"] == "gzip"
        assert "content-encoding" not in plain.headers
        assert small.text == plain.text
        assert "Accept-Encoding" in small.headers["vary"]
        assert "immutable" in small.headers["cache-control"]


class TestItsColours:
    STYLES = Path(__file__).parents[3] / "portal" / "static"

    def test_every_colour_has_a_name_and_a_dark_value(self) -> None:
        text = (self.STYLES / "portal.css").read_text(encoding="utf-8")
        light, dark = re.findall(r":root \{(.*?)\}", text, re.DOTALL)
        named = dict(re.findall(r"--([\w-]+): (#\w+);", light))
        assert set(dict(re.findall(r"--([\w-]+): (#\w+);", dark))) == set(named)
        rest = text.split("/* Elements */", 1)[1].split("@media print", 1)[0]
        # White on the accent, light and dark.
        assert set(re.findall(r"#[0-9a-f]{3,8}\b", rest)) <= {"#fff"}

    @pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
    def test_words_stand_out_from_every_ground(self, theme: int) -> None:
        text = (self.STYLES / "portal.css").read_text(encoding="utf-8")
        block = re.findall(r":root \{(.*?)\}", text, re.DOTALL)[theme]
        colours = dict(re.findall(r"--([\w-]+): (#\w+);", block))
        for word in ("good", "bad", "todo", "wait", "none", "stale", "brand", "ink", "muted", "faint"):
            for ground in ("ground", "surface", "note-bg", "place-bg"):
                assert _contrast(colours[word], colours[ground]) >= 4.5, (word, ground)
        for tone in ("good", "bad", "todo"):
            for word in (tone, "ink"):
                assert _contrast(colours[word], colours[f"note-{tone}-bg"]) >= 4.5, (word, tone)
        assert _contrast("#ffffff", colours["brand-fill"]) >= 4.5


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    digits = colour.lstrip("#")
    digits = "".join(2 * d for d in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class TestWhoLookedIsWrittenDown:
    def test_staff_who_open_a_students_page(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in("counsellor")
        browser.get(f"/students/{QIAN.number}")
        browser.get(f"/students/{LIN.number}")
        lines = Audit(university.desk).newest(event=AuditEvent.SAW_STUDENT)
        assert [(line.account, line.student, line.cohort) for line in lines] == [("counsellor", QIAN.number, COHORT)]

    def test_a_student_who_reads_the_own_page_is_not(self, university: World, signed_in: SignedIn) -> None:
        signed_in(LIN.number).get("/")
        assert not Audit(university.desk).newest(event=AuditEvent.SAW_STUDENT)


def test_the_page_of_a_signed_out_browser_is_the_sign_in(university: World) -> None:
    with TestClient(application(university.settings, clock=university.clock)) as browser:
        assert "登录" in browser.get("/").text
        assert "2 项要办" in enter(browser, LIN.number).text
