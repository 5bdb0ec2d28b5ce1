"""The desk's one field: numbers as people and scanners write them, names, and every state."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from portal.desk.search import cleaned
from status_db.decisions.writer import DecisionRequest
from status_db.model import Verdict
from tests.cast import LIN, ZHAO
from tests.portal.desk.test_desk import students_in, words_of
from tests.portal.html_page import Page
from tests.world import World

SignedIn = Callable[[str], TestClient]


@pytest.mark.parametrize(
    "typed",
    ["20151001", " 20151001\t", "20151001\r\n", "２０１５１００１", "2015 1001", "2015\u30001001", "20151001.0"],
)
def test_a_number_is_read_as_scanners_and_input_methods_write_it(typed: str) -> None:
    assert cleaned(typed) == "20151001"


@pytest.mark.parametrize(("typed", "name"), [(" 林小满\t", "林小满"), ("Li  Ming", "Li Ming"), ("林", "林")])
def test_a_name_keeps_the_blanks_between_its_words(typed: str, name: str) -> None:
    assert cleaned(typed) == name


@pytest.mark.parametrize("typed", ["20151001", "２０１５１００１\t", "2015 1001"])
def test_an_exact_number_opens_the_record_in_whatever_state(signed_in: SignedIn, typed: str) -> None:
    page = signed_in("librarian").get("/desk", params={"text": typed})
    assert page.url.path == f"/desk/students/{LIN.number}"
    assert LIN.name in page.text


def test_a_cleared_student_is_found_by_number_and_by_name(university: World, signed_in: SignedIn) -> None:
    university.decisions.enter(DecisionRequest(LIN.number, "library", Verdict.CLEARED, "赔书"), "wang", university.now)
    browser = signed_in("librarian")
    assert LIN.number not in students_in(Page(browser.get("/desk")))
    assert students_in(Page(browser.get("/desk", params={"text": LIN.name}))) == [LIN.number]
    assert browser.get("/desk", params={"text": LIN.number}).url.path == f"/desk/students/{LIN.number}"


def test_the_beginning_of_a_number_lists_all_states(signed_in: SignedIn) -> None:
    page = Page(signed_in("librarian").get("/desk", params={"text": "2015"}))
    assert {LIN.number, ZHAO.number} <= set(students_in(page))


def test_a_number_outside_the_scope_opens_nothing(signed_in: SignedIn) -> None:
    page = signed_in("reviewer").get("/desk", params={"text": LIN.number})
    assert page.url.path == "/desk"
    assert LIN.name not in page.text
    assert f"没有找到“{LIN.number}”" in words_of(page)


def test_the_number_of_a_card_opens_the_record(signed_in: SignedIn) -> None:
    page = signed_in("librarian").get("/desk", params={"text": f"{LIN.card}\t"})
    assert page.url.path == f"/desk/students/{LIN.number}"
