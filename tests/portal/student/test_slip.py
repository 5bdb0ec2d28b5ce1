"""The slip: for whom it is, what it contains, and what anybody learns who checks it, or tries to make one up."""

import base64
import logging
import re
import string
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import segno
from fontTools.ttLib import TTFont
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from clearance.web import application
from portal.documents import clearance_slip, slip_pdf
from portal.documents.slip_pdf import Ink, SlipTexts
from portal.present.masking import mask_name, mask_number
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.decisions.certificates import Issue
from status_db.decisions.writer import DecisionRequest
from status_db.model import Verdict
from tests.cast import LIN, MORNING, POETRY_LOAN, SUN
from tests.portal.conftest import enter
from tests.portal.html_page import Page
from tests.portal.pdf_text import pages_of, text_of
from tests.portal.student.test_card import pass_everything
from tests.world import COHORT, World

SignedIn = Callable[[str], TestClient]

KEY = bytes(range(32))
SLIP = clearance_slip.VerifiedSlip("2019", "20152004", MORNING, b"12345678")


def address_on(page: str) -> str:
    site = "http://testserver"
    return next(link.href.removeprefix(site) for link in Page(page).links if link.href.startswith(f"{site}/verify/"))


def a_token_of(page: str) -> str:
    return address_on(page).rpartition("/")[2]


class TestForWhom:
    @pytest.mark.parametrize("path", ["/slip", "/slip.pdf"])
    def test_who_is_not_clear_is_sent_to_the_page_that_states_why(self, signed_in: SignedIn, path: str) -> None:
        browser = signed_in(LIN.number)
        assert browser.get(path, follow_redirects=False).headers["location"] == "/"
        assert "/slip" not in browser.get("/").text

    @pytest.mark.parametrize("path", ["/slip", "/slip.pdf"])
    def test_staff_have_none(self, signed_in: SignedIn, path: str) -> None:
        assert signed_in("dean").get(path).status_code == 404

    def test_who_is_clear_is_led_to_it(self, university: World, signed_in: SignedIn) -> None:
        pass_everything(university)
        page = signed_in(SUN.number).get("/").text
        assert 'href="/slip"' in page
        assert 'href="/slip.pdf"' in page

    def test_it_shows_who_and_each_step_and_as_of_when(self, university: World, signed_in: SignedIn) -> None:
        pass_everything(university)
        page = signed_in(SUN.number).get("/slip").text
        for word in (
            SUN.name,
            SUN.number,
            SUN.college,
            "2019届",
            "图书馆",
            "学院终审",
            "通过",
            "截至 2019年5月25日 08:0",
        ):
            assert word in page

    def test_its_code_states_the_very_address_beside_it(self, university: World, signed_in: SignedIn) -> None:
        pass_everything(university)
        page = signed_in(SUN.number).get("/slip").text
        drawn = segno.make_qr(f"http://testserver{address_on(page)}", error="m").svg_inline(
            scale=4, border=2, dark="#000", light="#fff", omitsize=True
        )
        assert drawn in page
        assert "style=" not in page

    def test_the_public_address_is_the_one_people_type(self, university: World) -> None:
        pass_everything(university)
        portal = university.settings.portal.model_copy(update={"public_url": "https://leave.example.edu/"})
        settings = university.settings.model_copy(update={"portal": portal})
        with TestClient(application(settings, clock=university.clock), base_url="https://testserver") as browser:
            enter(browser, SUN.number)
            assert "https://leave.example.edu/verify/" in browser.get("/slip").text

    def test_that_it_was_made_is_written_down(self, university: World, signed_in: SignedIn) -> None:
        pass_everything(university)
        browser = signed_in(SUN.number)
        browser.get("/slip")
        browser.get("/slip.pdf")
        lines = Audit(university.desk).newest(event=AuditEvent.MADE_SLIP)
        assert [(line.student, line.cohort, line.detail) for line in lines] == [
            (SUN.number, COHORT, {"form": "pdf"}),
            (SUN.number, COHORT, {"form": "page"}),
        ]


class TestTheCheck:
    @pytest.fixture
    def checked(self, university: World, signed_in: SignedIn) -> str:
        """The address on the slip of one who is clear; whoever had signed in is gone."""
        pass_everything(university)
        browser = signed_in(SUN.number)
        address = address_on(browser.get("/slip").text)
        browser.cookies.clear()
        return address

    def test_anyone_reads_that_it_holds_and_no_more_of_whom_than_needed(self, client: TestClient, checked: str) -> None:
        answer = client.get(checked)
        assert answer.status_code == 200
        for word in ("有效：离校手续已全部办结", "孙*楠", "****2004", "2019届", "2019年5月25日"):
            assert word in answer.text
        for word in (SUN.name, SUN.number, SUN.college, "图书馆"):
            assert word not in answer.text

    def test_the_address_itself_gives_nobody_away(self, checked: str) -> None:
        token = checked.rpartition("/")[2]
        assert len(token) < 80
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        assert SUN.number.encode() not in raw
        assert SUN.number not in checked

    def test_a_change_makes_it_invalid_at_once(self, university: World, client: TestClient, checked: str) -> None:
        university.says["loans"].append({**POETRY_LOAN, "CARD": SUN.number})
        university.run("loans")
        page = client.get(checked).text
        assert "该离校单已失效" in page
        assert "有效：" not in page

    def test_one_made_before_a_decision_was_taken_back_and_given_again_is_invalid(
        self, university: World, client: TestClient, checked: str
    ) -> None:
        university.reviews.take_back(SUN.number, "final_review", "dean", university.now)
        assert "该离校单已失效" in client.get(checked).text
        university.reviews.review(
            DecisionRequest(SUN.number, "final_review", Verdict.CLEARED, "齐全"), "dean", university.now
        )
        assert "该离校单已失效" in client.get(checked).text

    def test_an_unchanged_answer_of_the_sources_leaves_it_valid(
        self, university: World, client: TestClient, checked: str
    ) -> None:
        for name in ("loans", "fines", "fees", "checkouts"):
            university.run(name)
        assert "有效：" in client.get(checked).text

    def test_stale_is_neither_valid_nor_held_against_the_student(
        self, university: World, client: TestClient, checked: str
    ) -> None:
        university.later(hours=5)
        page = client.get(checked).text
        assert "暂时不能核验" in page
        assert "数据过期（截至 5月25日 08:0" in page
        assert "该离校单已失效" not in page
        for name in ("loans", "fines", "fees", "checkouts"):
            university.run(name)
        assert "有效：" in client.get(checked).text

    def test_a_certificate_makes_nothing_fresh_that_is_stale(
        self, university: World, client: TestClient, checked: str
    ) -> None:
        university.register.issue(Issue(SUN.number, "1049120190012345", "毕业证书"), "dean", university.now)
        assert "有效：" in client.get(checked).text
        university.later(hours=5)
        assert "暂时不能核验" in client.get(checked).text

    def test_whatever_is_no_slip_gets_one_plain_answer(
        self, university: World, client: TestClient, checked: str
    ) -> None:
        token = checked.rpartition("/")[2]
        elsewhere = clearance_slip.seal(SLIP, KEY)
        forged = [
            token[:-1],
            token + "A",
            token.swapcase(),
            token[:20],
            "x",
            "=",
            "王小明",
            "A" * 300,
            elsewhere,
            token.replace(token[5], "A" if token[5] != "A" else "B", 1),
        ]
        answers = {(a.status_code, _without_address(a.text)) for a in (client.get(f"/verify/{t}") for t in forged)}
        assert len(answers) == 1
        status, page = answers.pop()
        assert status == 404
        assert "未找到该离校单" in page
        # What can be no token at all never gets as far.
        assert [client.get(f"/verify/{t}").status_code for t in ("%00", "A" * 5000)] == [400, 404]

    def test_a_slip_of_a_cohort_or_student_that_is_gone_gets_the_same(
        self, university: World, client: TestClient
    ) -> None:
        key = client.app.state.services.key.of(clearance_slip.USE)  # type: ignore[attr-defined]  # the application's own
        plain = _without_address(client.get("/verify/x").text)
        for slip in (replace(SLIP, cohort="1999"), replace(SLIP, student="1")):
            answer = client.get(f"/verify/{clearance_slip.seal(slip, key)}")
            assert (answer.status_code, _without_address(answer.text)) == (404, plain)

    def test_it_is_kept_by_nobody(self, client: TestClient, checked: str) -> None:
        assert client.get(checked).headers["cache-control"] == "no-store"


def _without_address(page: str) -> str:
    return re.sub(r'href="/verify[^"]*"', "", page)


class TestTheToken:
    @given(
        st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=40),
        st.text(string.ascii_uppercase + string.digits, min_size=1, max_size=64),
        st.integers(0, 2**33),
        st.binary(min_size=8, max_size=8),
    )
    def test_it_states_what_was_sealed_in_it(self, cohort: str, student: str, made: int, digest: bytes) -> None:
        slip = clearance_slip.VerifiedSlip(cohort, student, datetime.fromtimestamp(made, UTC), digest)
        assert clearance_slip.unseal(clearance_slip.seal(slip, KEY), KEY) == slip

    @given(st.integers(0, 42 * 8 - 1))
    def test_no_bit_of_it_may_be_changed(self, bit: int) -> None:
        token = clearance_slip.seal(SLIP, KEY)
        raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        raw[bit // 8 % len(raw)] ^= 1 << bit % 8
        with pytest.raises(clearance_slip.NotASlip):
            clearance_slip.unseal(base64.urlsafe_b64encode(bytes(raw)).rstrip(b"=").decode(), KEY)

    @given(st.text(max_size=400))
    def test_no_text_opens_it(self, text: str) -> None:
        with pytest.raises(clearance_slip.NotASlip):
            clearance_slip.unseal(text, KEY)

    def test_another_key_does_not_open_it(self) -> None:
        with pytest.raises(clearance_slip.NotASlip):
            clearance_slip.unseal(clearance_slip.seal(SLIP, KEY), bytes(32))

    def test_nobody_who_is_not_clear_gets_one(self, university: World) -> None:
        with pytest.raises(ValueError, match="needs every step settled"):
            clearance_slip.make(university.student(LIN.number), university.now)


class TestNamesAndNumbers:
    @pytest.mark.parametrize(
        ("name", "shown"),
        [
            ("王明", "王*"),
            ("王小明", "王*明"),
            ("王小明华", "王**华"),
            ("欧阳修", "欧阳*"),
            ("欧阳娜娜", "欧阳*娜"),
            ("歐陽娜娜", "歐陽*娜"),
            ("司马相如", "司马*如"),
            ("欧阳", "欧*"),
            ("王", "*"),
            ("王 小明", "王*明"),
            ("\u200e王小明\ufeff", "王*明"),
            ("𠮷田一", "𠮷*一"),
            ("㛃㛃㛃", "㛃*㛃"),
            ("阿卜杜拉·买买提", "阿*·买*"),
            ("John Smith", "J* S*"),
            ("Ali-Reza Ahmadi", "A*-R* A*"),
            ("J. Smith", "*. S*"),
            ("Ñandú", "Ñ*"),
            ("Иван Петров", "И* П*"),
            ("", "*"),
        ],
    )
    def test_a_name_is_known_to_who_knows_it_and_to_nobody_else(self, name: str, shown: str) -> None:
        assert mask_name(name) == shown

    @given(st.text(max_size=30))
    def test_a_name_of_letters_never_shows_whole(self, name: str) -> None:
        letters = "".join(c for c in name if c.isalpha())
        if letters:
            assert "*" in mask_name(name)

    @pytest.mark.parametrize(
        ("number", "shown"), [("2015150001", "******0001"), ("12345678", "****5678"), ("123", "**3"), ("1", "*")]
    )
    def test_a_number_shows_its_last_four(self, number: str, shown: str) -> None:
        assert mask_number(number) == shown


def paper(name: str) -> SlipTexts:
    return SlipTexts(
        title="离校单",
        institution="山海大学",
        facts=(("姓名", name), ("学号", "20152004")),
        columns=("环节", "状态", "办结时间"),
        lines=[("图书馆", "通过", "5月25日 08:00")],
        statement="截至 5月25日 08:00，离校手续已全部办结。",
        how_to_check="扫码核对：",
        address="https://leave.example.edu/verify/abc",
        code=segno.make_qr("https://leave.example.edu/verify/abc", error="m"),
        made_at=MORNING,
        language="zh-CN",
        lacks="字库缺字以〓代替，依次是：",
    )


@pytest.fixture(scope="module")
def characters() -> frozenset[int]:
    with TTFont(slip_pdf.FONT) as font:
        return frozenset(font.getBestCmap())


class TestThePdf:
    def test_it_is_one_with_its_font_inside(self, university: World, signed_in: SignedIn) -> None:
        pass_everything(university)
        answer = signed_in(SUN.number).get("/slip.pdf")
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-disposition"] == f'attachment; filename="slip-2019-{SUN.number}.pdf"'
        assert answer.content.startswith(b"%PDF-")
        assert b"/FontFile2" in answer.content
        assert b"NotoSansSC" in answer.content
        assert len(answer.content) < 100_000
        assert answer.content.count(b"/Type /Page\n") == 1

    def test_each_page_with_steps_repeats_the_headings(self) -> None:
        steps = [(f"第{n}步", "通过", "5月25日 08:00") for n in range(60)]
        pages = pages_of(slip_pdf.write(replace(paper("孙若楠"), lines=steps)))
        with_steps = [page for page in pages if re.search(r"第\d+步", page)]
        assert len(with_steps) == 2
        assert all("办结时间" in page for page in with_steps)

    def test_a_long_value_continues_below_itself_and_is_whole(self) -> None:
        text = text_of(slip_pdf.write(paper("阿卜杜热合曼·" * 12)))
        drawn = [line for line in text.splitlines() if "阿卜杜热合曼" in line]
        assert len(drawn) > 1
        assert "".join(drawn) == "阿卜杜热合曼·" * 12

    def test_every_character_it_prints_is_drawn_by_the_font(self, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            made = slip_pdf.write(paper("孙若楠 Ñandú 歐陽 Иван"))
        assert made.startswith(b"%PDF-")
        assert not caplog.records

    def test_a_character_the_font_lacks_is_marked_and_named(
        self, characters: frozenset[int], caplog: pytest.LogCaptureFixture
    ) -> None:
        assert 0x31350 not in characters
        ink = Ink(characters)
        assert ink.of("王\U00031350明\U0001f600") == "王〓明〓"
        assert ink.missing == ["\U00031350", "\U0001f600"]
        with caplog.at_level(logging.WARNING):
            text = text_of(slip_pdf.write(paper("王\U00031350明")))
        assert "王〓明" in text
        assert "U+31350" in text
        assert not caplog.records

    def test_what_shows_nothing_by_itself_is_left_out_without_a_word(self, characters: frozenset[int]) -> None:
        ink = Ink(characters)
        assert ink.of("王\u200b小\ufe00明\u202e") == "王小明"
        assert ink.missing == []

    def test_the_mark_itself_is_in_the_font(self, characters: frozenset[int]) -> None:
        assert ord(slip_pdf.MISSING) in characters

    def test_the_font_has_every_character_of_gb2312_and_the_rarer_ones_of_names(
        self, characters: frozenset[int]
    ) -> None:
        cells = [bytes((row, cell)) for row in range(0xB0, 0xF8) for cell in range(0xA1, 0xFF)]
        common = {ord(one.decode("gb2312")) for one in cells if one not in _EMPTY}
        assert len(common) == 6763
        assert common <= characters
        assert {ord(c) for c in "堃喆昇犇玥珺翀祎晢骉媖煜燚焱旻昉䶮㛃歐陽龍"} <= characters
        assert slip_pdf.FONT.stat().st_size < 5_000_000
        assert (slip_pdf.FONT.parent / "NotoSansSC.OFL.txt").read_text(encoding="utf-8").startswith("Copyright")


#: The last five places of GB 2312's row 55 hold no character.
_EMPTY = {bytes((0xD7, cell)) for cell in range(0xFA, 0xFF)}
