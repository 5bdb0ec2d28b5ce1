"""Refused sign-ins in the audit log: summed up, with none lost."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from clearance.web import application
from status_db.accounts.audit_log import Audit, AuditEvent, AuditLine
from status_db.store.engine import StoreError
from tests.cast import LIN, QIAN
from tests.portal.conftest import enter, settle
from tests.world import World

#: How many tries the lines of one account and address count, the oldest first.
_DOUBLING = [1, 1, 2, 4, 8]


def pages(world: World, **portal: Any) -> TestClient:
    """Return a browser on a worker of its own, whose login failures behind a proxy are not throttled."""
    settings = world.settings.model_copy(update={"portal": world.settings.portal.model_copy(update=portal)})
    return TestClient(application(settings, clock=world.clock), base_url="http://testserver", client=("192.0.2.1", 1))


def guess(browser: TestClient, account: str, times: int, world: World) -> None:
    """Guess as often as that, each time when the account's wait is over."""
    for _ in range(times):
        with world.desk_engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM attempt")
        assert enter(browser, account, "wrong").status_code == 401


def refused(world: World, account: str = LIN.number) -> list[AuditLine]:
    """Return the lines about an account's refused sign-ins, the oldest first."""
    found = Audit(world.desk_engine).newest(1000, account=account, event=AuditEvent.SIGN_IN_REFUSED)
    return list(reversed(found))


def counted(world: World, account: str = LIN.number) -> list[int]:
    """Return how many tries each line counts."""
    return [int(line.detail.get("tries", 1)) for line in refused(world, account)]


def test_many_tries_are_few_lines_and_their_numbers_add_up(world: World) -> None:
    settle(world)
    browser = pages(world)
    guess(browser, LIN.number, 20, world)
    assert counted(world) == _DOUBLING
    browser.app.state.services.close()  # type: ignore[attr-defined]  # ours
    assert counted(world) == [*_DOUBLING, 4]
    assert {line.address for line in refused(world)} == {"192.0.2.1"}


def test_the_first_try_of_each_account_is_a_line_at_once(sqlite_world: World) -> None:
    settle(sqlite_world)
    browser = pages(sqlite_world)
    guess(browser, LIN.number, 3, sqlite_world)
    guess(browser, QIAN.number, 1, sqlite_world)
    assert counted(sqlite_world, QIAN.number) == [1]


def test_after_ten_minutes_what_was_counted_is_written_and_counting_begins_again(sqlite_world: World) -> None:
    settle(sqlite_world)
    browser = pages(sqlite_world)
    guess(browser, LIN.number, 7, sqlite_world)
    first = sqlite_world.now
    sqlite_world.later(minutes=10)
    guess(browser, LIN.number, 1, sqlite_world)
    assert counted(sqlite_world) == [1, 1, 2, 3, 1]
    assert refused(sqlite_world)[3].detail["since"] == first.isoformat()


def test_what_cannot_be_written_when_the_ten_minutes_are_over_is_written_later(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_args: object, **_detail: object) -> None:
        raise StoreError("the disk is full")

    settle(sqlite_world)
    browser = pages(sqlite_world)
    guess(browser, LIN.number, 3, sqlite_world)
    assert counted(sqlite_world) == [1, 1]
    sqlite_world.later(minutes=10)
    with monkeypatch.context() as broken:
        broken.setattr(Audit, "note", fails)
        assert enter(browser, LIN.number, "wrong").status_code == 503
    guess(browser, LIN.number, 1, sqlite_world)
    assert counted(sqlite_world) == [1, 1, 1, 1]


def test_the_log_shows_how_many_and_since_when(sqlite_world: World) -> None:
    settle(sqlite_world)
    browser = pages(sqlite_world)
    guess(browser, LIN.number, 4, sqlite_world)
    assert enter(browser, "auditor").status_code == 200
    page = browser.get("/audit?lang=en").text
    assert "Times: 2; Since: 2019-" in page
