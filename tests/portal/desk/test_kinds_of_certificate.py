"""Several certificates of one student, one of each kind: numbered in one go, and revoked by their issuer at once."""

from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from starlette.testclient import TestClient

from portal.desk.graduation.numbers import pairs
from portal.i18n.languages import load
from portal.present.headline import headline
from status_db.decisions.certificates import Issue
from status_db.decisions.refusals import DecisionCode, DecisionRefused
from status_db.decisions.writer import DecisionRequest
from status_db.model import Verdict
from status_db.queries.classes import Classes, Stage
from status_db.views import EVERYBODY
from tests.forty import CLASS, COLLEGE, FORTY, forty
from tests.portal.conftest import settle
from tests.portal.desk.test_class_review import confirm, preview, seen
from tests.portal.html_page import Page
from tests.world import COHORT, World

SignedIn = Callable[[str], TestClient]

GRADUATION, DEGREE = "毕业证书", "学位证书"


def _two_owe(world: World) -> None:
    forty(world, owing=FORTY[:2])


@pytest.fixture
def university(sqlite_world: World) -> World:
    """The class of forty, at a university that prints two certificates."""
    made = settle(sqlite_world, _two_owe)
    made.settings.desk.certificates[:] = [GRADUATION, DEGREE]
    return made


def kinds_of(world: World, student: str) -> dict[str, str]:
    return {c.kind: c.number for c in world.reader.certificates(COHORT, student) if c.revoked_at is None}


def issue(world: World, kind: str, number: str, student: str = FORTY[2]) -> None:
    world.register.issue(Issue(student, number, kind, ""), "reviewer", world.now)


@pytest.fixture
def reviewed(university: World) -> World:
    """The first clear student of the class is reviewed."""
    wish = DecisionRequest(FORTY[2], "final_review", Verdict.CLEARED, "齐备")
    university.reviews.review(wish, "reviewer", university.now)
    return university


class TestColumns:
    def test_each_kind_has_its_column(self) -> None:
        assert pairs("20151001\t林小满\tB1\tX1\n20151002\t赵一鸣\tB2\t", 2).numbers == {
            "20151001": ("B1", "X1"),
            "20151002": ("B2", ""),
        }

    def test_a_missing_first_number_stays_missing(self) -> None:
        assert pairs("20151001\t\tX1", 2).numbers == {"20151001": ("", "X1")}

    def test_a_single_column_is_one_kind(self) -> None:
        assert pairs("20151001\t林小满\tB1", 2).numbers == {"20151001": ("B1",)}

    def test_a_number_in_both_columns_is_a_duplicate(self) -> None:
        assert pairs("20151001\tB1\tB1", 2).duplicates == ("B1",)


class TestTheClass:
    def test_both_are_issued_in_one_go_from_two_columns(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        pasted = f"学号\t毕业证书\t学位证书\n{FORTY[2]}\tB1\tX1\n{FORTY[3]}\tB2\t\n{FORTY[4]}\t\tX3"
        shown = preview(browser, pick=FORTY[2:5], pasted=pasted)
        assert "毕业证书 2 本" in Page(shown).text
        assert "学位证书 2 本" in Page(shown).text
        confirm(browser, shown)
        assert [kinds_of(university, number) for number in FORTY[2:5]] == [
            {GRADUATION: "B1", DEGREE: "X1"},
            {GRADUATION: "B2"},
            {DEGREE: "X3"},
        ]

    def test_each_kind_is_counted_up_from_its_own_first_number(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        confirm(browser, preview(browser, pick=FORTY[2:4], first=["B001", "X009"]))
        assert [kinds_of(university, number) for number in FORTY[2:4]] == [
            {GRADUATION: "B001", DEGREE: "X009"},
            {GRADUATION: "B002", DEGREE: "X010"},
        ]

    def test_the_same_first_number_for_both_is_refused(self, university: World, signed_in: SignedIn) -> None:
        shown = preview(signed_in("reviewer"), pick=FORTY[2:4], first=["B001", "B001"])
        assert shown.status_code == 422
        assert "有重复" in shown.text

    def test_a_number_that_is_used_leaves_the_other_kind_alone(self, university: World, signed_in: SignedIn) -> None:
        browser = signed_in("reviewer")
        shown = preview(browser, pick=FORTY[2:4], pasted=f"{FORTY[2]}\tB1\tX1\n{FORTY[3]}\tB2\tX2")
        wish = DecisionRequest(FORTY[5], "final_review", Verdict.CLEARED, "齐备")
        university.reviews.review(wish, "reviewer", university.now)
        issue(university, DEGREE, "X1", FORTY[5])
        result = confirm(browser, shown)
        assert "X1" in result.text
        assert kinds_of(university, FORTY[2]) == {GRADUATION: "B1"}
        assert kinds_of(university, FORTY[3]) == {GRADUATION: "B2", DEGREE: "X2"}


class TestTheRegister:
    def test_a_second_one_of_the_same_kind_is_refused(self, reviewed: World) -> None:
        issue(reviewed, GRADUATION, "B1")
        issue(reviewed, DEGREE, "X1")
        with pytest.raises(DecisionRefused) as refused:
            issue(reviewed, DEGREE, "X2")
        assert refused.value.code is DecisionCode.ISSUED

    def test_a_class_counts_the_student_once_and_waits_for_both(self, reviewed: World) -> None:
        issue(reviewed, GRADUATION, "B1")
        reviewed.register.issue(Issue(FORTY[2], "X1", DEGREE, "self"), "reviewer", reviewed.now)
        classes = Classes(reviewed.reading, reviewed.settings, COHORT)
        counted = {one.class_name: one for one in classes.counted("final_review", reviewed.now, EVERYBODY)[0]}[CLASS]
        assert counted.by_stage[Stage.WAITING] == 1
        assert counted.students == len(FORTY)
        (member,) = (
            one
            for one in classes.roll("final_review", reviewed.now, COLLEGE, CLASS, EVERYBODY, EVERYBODY).members
            if one.student == FORTY[2]
        )
        assert member.stage("final_review", reviewed.now) is Stage.WAITING

    def test_the_clearance_stays_frozen_until_the_last_one_is_revoked(self, reviewed: World) -> None:
        issue(reviewed, GRADUATION, "B1")
        issue(reviewed, DEGREE, "X1")

        def frozen() -> bool:
            return any(step.issued for step in reviewed.student(FORTY[2]).steps)

        reviewed.register.revoke("X1", "second", "印错", reviewed.now)
        assert frozen()
        reviewed.register.revoke("B1", "second", "印错", reviewed.now)
        assert not frozen()


class TestOwnMistake:
    def test_the_issuer_revokes_a_fresh_one_alone(self, reviewed: World, signed_in: SignedIn) -> None:
        issue(reviewed, GRADUATION, "B1")
        (number,) = (c.id for c in reviewed.reader.certificates(COHORT))
        browser = signed_in("reviewer")
        shown = browser.get(f"/desk/certificates/{number}")
        assert "前可自行作废" in shown.text
        (form,) = (
            form for form in Page(shown).forms(method="post") if form["action"].split("?")[0].endswith("/revoke")
        )
        done = browser.post(f"/desk/certificates/{number}/revoke", data=dict(form.fields) | {"because": "号码错"})
        assert "已作废：" in Page(done).text
        assert kinds_of(reviewed, FORTY[2]) == {}

    @pytest.mark.parametrize(("minutes", "allowed"), [(0, True), (30, True), (31, False)])
    def test_only_within_half_an_hour(self, reviewed: World, minutes: int, allowed: bool) -> None:
        issue(reviewed, GRADUATION, "B1")
        now = reviewed.now + timedelta(minutes=minutes)
        if allowed:
            reviewed.register.revoke("B1", "reviewer", "号码错", now)
            assert kinds_of(reviewed, FORTY[2]) == {}
            return
        with pytest.raises(DecisionRefused) as refused:
            reviewed.register.revoke("B1", "reviewer", "号码错", now)
        assert refused.value.code is DecisionCode.SAME_PERSON

    def test_one_that_was_collected_takes_a_second_person(self, reviewed: World) -> None:
        reviewed.register.issue(Issue(FORTY[2], "B1", GRADUATION, "self"), "reviewer", reviewed.now)
        with pytest.raises(DecisionRefused) as refused:
            reviewed.register.revoke("B1", "reviewer", "号码错", reviewed.now)
        assert refused.value.code is DecisionCode.SAME_PERSON


def test_the_student_reads_of_each_certificate_that_waits(reviewed: World) -> None:
    issue(reviewed, GRADUATION, "1049112019000001")
    issue(reviewed, DEGREE, "2049112019000001")
    student = reviewed.student(FORTY[2])
    detail = headline(load(("zh",), ZoneInfo("Asia/Shanghai"))["zh"], reviewed.settings, student, reviewed.now).detail
    assert "毕业证书" in detail
    assert "学位证书" in detail


def test_the_class_page_names_both_kinds(university: World, signed_in: SignedIn) -> None:
    page = seen(signed_in("reviewer"))
    assert "粘贴各列：学号、毕业证书、学位证书编号" in Page(page).text.replace(" ", "")
