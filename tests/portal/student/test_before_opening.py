"""A cohort that is rehearsed, student cadres, and the contact of a college: what students see, and what they do not."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.testclient import TestClient

from config.tables.cohorts import Contact
from tests.cast import LIN, QIAN, SUN, ZHAO
from tests.portal.conftest import enter
from tests.portal.whole import whole_app
from tests.world import World


@contextmanager
def pages(world: World, **cohort: Any) -> Iterator[TestClient]:
    """Open the pages of a university whose cohort has these keys."""
    (before,) = world.settings.cohort
    world.settings = world.settings.model_copy(update={"cohort": [before.model_copy(update=cohort)]})
    with TestClient(whole_app(world), base_url="http://testserver", follow_redirects=True) as browser:
        yield browser


def test_a_student_of_a_rehearsed_cohort_sees_that_it_is_not_open_and_nothing_else(university: World) -> None:
    with pages(university, rehearsal=True) as browser:
        page = enter(browser, LIN.number)
        assert page.status_code == 200
        assert "离校手续还没有开放办理" in page.text
        assert "构造地质学" not in page.text
        for path in ("/slip", "/slip.pdf", "/trip.ics", "/recheck", "/appeal?step=dorm", "/classmates"):
            assert "离校手续还没有开放办理" in browser.get(path).text
        token = page.text.split('name="form_token" value="')[1].split('"')[0]
        refused = browser.post("/recheck", data={"form_token": token})
        assert refused.status_code == 403


def test_staff_see_a_rehearsed_cohort_below_a_banner(university: World) -> None:
    with pages(university, rehearsal=True) as browser:
        page = enter(browser, "dean")
        assert "本届正在演练" in page.text


def test_the_end_of_a_rehearsal_opens_the_pages_as_they_are(university: World) -> None:
    with pages(university, rehearsal=False) as browser:
        page = enter(browser, LIN.number)
        assert "还没有开放" not in page.text
        assert LIN.name in page.text
    with pages(university, rehearsal=False) as browser:
        assert "本届正在演练" not in enter(browser, "dean").text


def test_by_default_no_student_sees_a_list_of_classmates(university: World) -> None:
    with pages(university) as browser:
        assert "/classmates" not in enter(browser, LIN.number).text
        assert browser.get("/classmates").status_code == 404


def test_a_cadre_sees_names_of_the_own_class_and_nothing_else(university: World) -> None:
    with pages(university, cadres={LIN.class_name: [LIN.number]}) as browser:
        assert "/classmates" in enter(browser, LIN.number).text
        page = browser.get("/classmates").text
        body = page.split("<main")[1].split("</main>")[0]
        assert ZHAO.name in body
        for other in (QIAN, SUN):
            assert other.name not in body
        for hidden in (ZHAO.number, LIN.number, "图书馆", "不通过", "元"):
            assert hidden not in body
        assert body.split("<ul>")[1].count("<li>") == 2


def test_who_is_named_as_cadre_of_another_class_sees_nothing(university: World) -> None:
    with pages(university, cadres={QIAN.class_name: [LIN.number]}) as browser:
        enter(browser, LIN.number)
        assert browser.get("/classmates").status_code == 404


def test_a_student_sees_the_contact_of_the_own_college(university: World) -> None:
    contacts = {LIN.college: Contact(name="王老师", phone="027 1234"), "*": Contact(name="学工处")}
    with pages(university, contacts=contacts) as browser:
        page = enter(browser, LIN.number).text
        assert "联络辅导员" in page
        assert "王老师" in page
        assert 'href="tel:0271234"' in page
    with pages(university, contacts=contacts) as browser:
        page = enter(browser, SUN.number).text
        assert "学工处" in page
        assert "王老师" not in page


def test_without_contacts_there_is_no_such_part(university: World) -> None:
    with pages(university) as browser:
        assert "联络辅导员" not in enter(browser, LIN.number).text
