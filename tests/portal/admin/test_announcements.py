"""Announcements on the pages: written with a look at how students will see them, and withdrawn."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.inbox.announcements import Announcement, Announcements
from tests.cast import LIN, QIAN
from tests.portal.conftest import token_in
from tests.portal.waiting import browser
from tests.world import COHORT, World

SignedIn = Callable[[str], TestClient]

DRAFT = {"title": "图书馆周末照常开放", "body": "还书请到总馆一楼。\r\n\r\n8:00 起。", "title_en": "Open at weekends"}


def send(made: TestClient, **fields: str | list[str]) -> tuple[int, str]:
    token = token_in(made.get("/announcements"))
    answer = made.post("/announcements", data={"form_token": token, **DRAFT, **fields})
    return answer.status_code, answer.text


def written(world: World) -> tuple[Announcement, ...]:
    return Announcements(world.desk).listed(COHORT)


def test_a_draft_is_shown_as_students_will_see_it_before_it_is_published(university: World) -> None:
    with browser(university, "admin") as made:
        status, page = send(made, step="library", scope="college=资源学院", contact="图书馆")
        assert status == 200
        assert "学生看到的内容" in page
        assert "<strong>Open at weekends</strong>" in page
        assert "显示在“图书馆”卡片 · 学院：资源学院" in page
        assert written(university) == ()
        status, page = send(made, step="library", scope="college=资源学院", contact="图书馆", publish="1")
    assert status == 200
    assert "正在显示" in page
    (made_now,) = written(university)
    assert (made_now.step, dict(made_now.scope), made_now.author) == ("library", {"college": ("资源学院",)}, "admin")
    assert made_now.body == "还书请到总馆一楼。\n\n8:00 起。"
    assert Audit(university.desk).newest(1)[0].event is AuditEvent.ANNOUNCED


def test_students_inside_the_scope_read_it_and_others_do_not(university: World) -> None:
    with browser(university, "admin") as made:
        send(made, scope="college=资源学院", publish="1")
    with browser(university, QIAN.number) as inside, browser(university, LIN.number) as outside:
        assert DRAFT["title"] in inside.get("/").text
        assert DRAFT["title"] not in outside.get("/").text


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"title": " "}, "公告须有中文标题"),
        ({"title": "长" * 201}, "不超过 200 字"),
        ({"body": "长" * 4001}, "不超过 4000 字"),
        ({"opens": "tomorrow"}, "时间无法识别"),
        ({"opens": "2019-06-05T08:00", "closes": "2019-06-05T08:00"}, "结束时间须晚于开始时间"),
        ({"closes": "2019-05-01T08:00"}, "结束时间须晚于开始时间"),
        ({"step": "nothing"}, "没有这个环节或这一届"),
        ({"cohort": "1999"}, "没有这个环节或这一届"),
        ({"scope": "college=没有的学院"}, "名单中没有的值"),
    ],
)
def test_what_makes_no_sense_is_shown_and_nothing_is_lost(university: World, fields: dict[str, str], says: str) -> None:
    with browser(university, "admin") as made:
        status, page = send(made, contact="学生处", publish="1", **fields)
    assert status == 422
    assert says in page
    assert 'value="学生处"' in page
    assert written(university) == ()


def test_times_are_those_of_the_institutions_clocks(university: World) -> None:
    with browser(university, "admin") as made:
        _, page = send(made, opens="2019-05-26T09:00", closes="2019-05-27T09:00", publish="1")
        assert "尚未开始" in page
        (one,) = written(university)
        assert one.opens.isoformat() == "2019-05-26T01:00:00+00:00"
    university.now = one.opens
    with browser(university, "admin") as made:
        assert "正在显示" in made.get("/announcements").text
    university.now = one.opens + timedelta(days=1)
    with browser(university, "admin") as made:
        assert "已结束" in made.get("/announcements").text


def test_one_is_withdrawn_and_stays_on_the_list(university: World) -> None:
    with browser(university, "admin") as made:
        send(made, publish="1")
        (one,) = written(university)
        token = token_in(made.get("/announcements"))
        address = f"/announcements/{one.announcement}/withdraw"
        page = made.post(address, data={"form_token": token}).text
        assert "已撤回" in page
        assert "admin 于" in page
        again = made.post(address, data={"form_token": token})
        assert again.status_code == 409
        assert "该公告已撤回" in again.text
    assert [line.event for line in Audit(university.desk).newest(2)] == [
        AuditEvent.ANNOUNCEMENT_WITHDRAWN,
        AuditEvent.ANNOUNCED,
    ]


@pytest.mark.parametrize("account", ["auditor", "dean", "librarian", LIN.number])
def test_only_who_manages_writes(university: World, account: str) -> None:
    Announcements(university.desk).announce("一条", "", author="admin", now=university.now)
    with browser(university, account) as made:
        page = made.get("/announcements")
        assert page.status_code == (200 if account == "auditor" else 403)
        assert 'action="/announcements' not in page.text
        assert made.get("/announcements/new").status_code == 403
        token = token_in(made.get("/overview"))
        assert made.post("/announcements", data={"form_token": token, **DRAFT, "publish": "1"}).status_code == 403
        assert made.post("/announcements/1/withdraw", data={"form_token": token}).status_code == 403
    (one,) = written(university)
    assert one.withdrawn_at is None
