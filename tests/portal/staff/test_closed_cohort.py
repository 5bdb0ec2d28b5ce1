"""The pages of a closed cohort: a banner, everything readable, and every form refused."""

from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from portal.page import seasons
from status_db.seasons.ending import SeasonEnding
from tests.cast import LIN
from tests.portal.conftest import token_in
from tests.world import COHORT, World

SignedIn = Callable[[str], TestClient]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The end is looked up for each page."""
    monkeypatch.setattr(seasons, "_FRESH_SECONDS", 0.0)


def test_a_student_reads_and_cannot_ask_or_object(university: World, signed_in: SignedIn) -> None:
    browser = signed_in(LIN.number)
    token = token_in(browser.get("/"))
    assert "已关闭，以下内容只供查看" not in browser.get("/").text
    ending = SeasonEnding(university.engine, COHORT, university.ledger)
    ending.close(university.now, "registrar", "over")
    page = browser.get("/")
    assert page.status_code == 200
    assert "已关闭，以下内容只供查看" in page.text
    for path in ("/recheck", "/appeal", "/appeal/1/withdraw"):
        refused = browser.post(path, data={"form_token": token})
        assert refused.status_code == 409
        assert "该届已关闭，只能查看，未保存" in refused.text
    ending.reopen(university.now, "registrar", "one more week")
    assert "已关闭，以下内容只供查看" not in browser.get("/").text
    assert browser.post("/recheck", data={"form_token": token}).status_code != 409
