"""The audit log: lines are added, found again by what they are about, and never changed."""

from datetime import timedelta

import pytest

from status_db.accounts.audit_log import Audit, AuditEvent
from tests.cast import LIN, MORNING, QIAN
from tests.world import World


@pytest.fixture
def log(world: World) -> Audit:
    audit = Audit(world.desk)
    audit.note(AuditEvent.SIGNED_IN, account="dean", now=MORNING, address="10.0.0.1")
    audit.note(
        AuditEvent.SAW_STUDENT, account="dean", now=MORNING + timedelta(seconds=1), student=LIN.number, cohort="2019"
    )
    audit.note(AuditEvent.SAW_STUDENT, account="admin", now=MORNING + timedelta(seconds=2), student=QIAN.number)
    audit.note(
        AuditEvent.SPOKE_ON_RUN, account="admin", now=MORNING + timedelta(seconds=3), run=7, says="approve", parts=["a"]
    )
    return audit


def test_a_line_comes_back_as_it_was_noted(log: Audit) -> None:
    newest = log.newest(1)[0]
    assert (newest.account, newest.event, newest.run) == ("admin", AuditEvent.SPOKE_ON_RUN, 7)
    assert newest.detail == {"says": "approve", "parts": ["a"]}
    assert newest.at == MORNING + timedelta(seconds=3)
    assert log.newest()[-1].address == "10.0.0.1"


def test_the_newest_come_first_and_the_next_page_goes_on_where_one_ended(log: Audit) -> None:
    first = log.newest(2)
    rest = log.newest(2, before=first[-1].line)
    lines = [line.line for line in (*first, *rest)]
    assert lines == sorted(lines, reverse=True)
    assert len(set(lines)) == 4


def test_they_are_found_by_account_event_and_student_together(log: Audit) -> None:
    assert {line.student for line in log.newest(account="dean")} == {None, LIN.number}
    assert [line.account for line in log.newest(event=AuditEvent.SAW_STUDENT, student=QIAN.number)] == ["admin"]
    assert log.newest(account="dean", event=AuditEvent.SPOKE_ON_RUN) == ()


def test_names_that_are_too_long_are_cut_and_lose_no_line(world: World) -> None:
    audit = Audit(world.desk)
    audit.note(AuditEvent.SIGN_IN_REFUSED, account="x" * 500, now=MORNING, address="y" * 500)
    (line,) = audit.newest()
    assert (len(line.account), len(line.address)) == (100, 100)


def test_nothing_there_changes_or_takes_away_a_line() -> None:
    assert {name for name in vars(Audit) if not name.startswith("_")} == {"note", "newest"}
