"""The page of sources: an administrator syncs, pauses and resumes a source, and everybody sees what became of it."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from connectors.port import SourceUnavailable
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.inbox.pauses import Pauses
from status_db.inbox.requests import Requests
from status_db.model import RunState
from tests.portal.conftest import token_in
from tests.portal.waiting import held_back, serve
from tests.world import COHORT, World

SignedIn = Callable[[str], TestClient]


def card(browser: TestClient, source: str = "loans") -> str:
    """Return the source's card."""
    page: str = browser.get("/sources").text
    return next(part for part in page.split("<article")[1:] if f"<small>{source}</small>" in part)


def post(browser: TestClient, path: str, **form: str) -> int:
    token = token_in(browser.get("/sources").text)
    answer: int = browser.post(path, data={"form_token": token, **form}, follow_redirects=False).status_code
    return answer


def test_a_sync_requested_on_the_page_is_run_by_the_scheduler_once(university: World, signed_in: SignedIn) -> None:
    browser = signed_in("admin")
    before = len(university.reader.runs(COHORT, "loans"))
    assert post(browser, "/sources/loans/sync") == 303
    assert "等待执行" in card(browser)
    assert post(browser, "/sources/loans/sync") == 409, "one that waits is enough"
    serve(university)
    runs = university.reader.runs(COHORT, "loans")
    assert len(runs) == before + 1
    assert runs[0].by == "admin"
    assert "已完成" in card(browser)
    assert [line.detail for line in Audit(university.desk).newest(event=AuditEvent.ASKED_SYNC)] == [{"source": "loans"}]


def test_a_paused_source_states_by_whom_and_why_and_cannot_be_synced(university: World, signed_in: SignedIn) -> None:
    browser = signed_in("admin")
    assert post(browser, "/sources/loans/pause", reason="图书馆搬家") == 303
    shown = card(browser)
    assert "已停查" in shown
    assert "图书馆搬家" in shown
    assert "admin" in shown
    assert "<dt>下次同步</dt><dd>–" in shown
    assert post(browser, "/sources/loans/sync") == 409
    assert Requests(university.desk).waiting(COHORT) == ()
    assert post(browser, "/sources/loans/pause", reason="again") == 409
    assert post(browser, "/sources/loans/resume") == 303
    assert "正常" in card(browser)
    assert post(browser, "/sources/loans/resume") == 409
    events = (AuditEvent.SOURCE_PAUSED, AuditEvent.SOURCE_RESUMED)
    lines = [line for event in events for line in Audit(university.desk).newest(event=event)]
    assert [(line.account, line.detail["source"]) for line in lines] == [("admin", "loans"), ("admin", "loans")]
    assert lines[0].detail["reason"] == "图书馆搬家"


@pytest.mark.parametrize("reason", ["", "   ", "长" * 501])
def test_a_pause_without_a_short_reason_is_refused(university: World, signed_in: SignedIn, reason: str) -> None:
    browser = signed_in("admin")
    assert post(browser, "/sources/loans/pause", reason=reason) == 409
    assert Pauses(university.desk).current() == {}


def test_only_administrators_see_the_buttons(signed_in: SignedIn) -> None:
    assert "/sources/loans/pause" in card(signed_in("admin"))
    assert "/sources/loans/pause" not in card(signed_in("auditor"))


def test_a_quarantined_source_comes_first_with_its_reason(university: World, signed_in: SignedIn) -> None:
    university.fails["fees"] = SourceUnavailable("fees does not answer", "Ask again.")
    for _ in range(5):
        university.run("fees")
        university.later(hours=7)
    browser = signed_in("admin")
    shown = card(browser, "fees")
    assert "已隔离" in shown
    assert "已失败 5 次" in shown
    assert "fees does not answer" in shown
    assert browser.get("/sources").text.index("已隔离") < browser.get("/sources").text.index("<small>loans</small>")
    university.fails.clear()
    university.run("fees")
    assert "已隔离" not in card(browser, "fees")


def test_a_run_that_waits_states_whether_the_newest_pull_would_do_the_same(
    university: World, signed_in: SignedIn
) -> None:
    run = held_back(university)
    browser = signed_in("admin")

    def newest() -> str:
        page: str = browser.get(f"/runs/{run}").text
        return page.partition('id="newest"')[2].partition("</p>")[0]

    assert "还没有再读取" in newest()
    assert university.run("loans").state is RunState.SKIPPED
    assert "仍会做同样的改变" in newest()
    university.says["loans"] = []
    university.run("loans")
    assert "会做不同的改变" in newest()
    university.fails["loans"] = SourceUnavailable("gone", "Wait.")
    university.run("loans")
    assert "无法比较" in newest()


def test_the_result_of_a_sync_is_shown_for_an_hour(university: World, signed_in: SignedIn) -> None:
    browser = signed_in("admin")
    post(browser, "/sources/loans/sync")
    serve(university)
    university.later(minutes=29)
    assert "已完成" in card(browser)
    for _ in range(3):
        university.later(minutes=20)
        browser.get("/sources")
    assert "已完成" not in card(browser)
