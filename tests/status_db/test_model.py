"""The values: numbers in one form, what counts at a moment, when a decision is disputed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from status_db.effective_status import StepStatus
from status_db.model import Decision, Finding, Obligation, Reason, State, StepKind, Verdict, normalise_number

NOW = datetime(2019, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
BOOK, OTHER = Obligation("loan", "甲", reference="B1"), Obligation("loan", "乙", reference="B2")
CLEARED = Finding(Verdict.CLEARED, Reason.NOTHING_OWED)
HELD = Finding(Verdict.HELD, Reason.OWED, (BOOK,))
WORSE = Finding(Verdict.HELD, Reason.OWED, (BOOK, OTHER))
UNKNOWN = Finding(Verdict.UNKNOWN, Reason.NOT_ASKED)


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (" 20151001 ", "20151001"),
        ("２０１５１００１", "20151001"),
        ("\ufeff20151001", "20151001"),
        ("2015\u200b1001", "20151001"),
        ("20151001\u00a0", "20151001"),
        (20151001, "20151001"),
        (20151001.0, "20151001"),
        (Decimal("20151001.00"), "20151001"),
        ("s2015a", "S2015A"),
        ("0020151", "0020151"),
        ("2O15", "2O15"),
        ("20151001.0", "20151001"),
        ("20151001.5", "20151001.5"),
        ("S2015.0", "S2015.0"),
        ("", ""),
    ],
)
def test_a_number_has_one_form_and_nothing_is_guessed(raw: object, number: str) -> None:
    assert normalise_number(raw) == number


@given(st.text(max_size=40))
def test_its_form_is_final(raw: str) -> None:
    assert normalise_number(normalise_number(raw)) == normalise_number(raw)


def decision(verdict: Verdict, answered: Finding, until: datetime | None = None) -> Decision:
    return Decision(1, "S", "library", verdict, "a", "r", NOW, NOW, answered.verdict, answered.keys, until=until)


def step(finding: Finding, said: Decision | None = None, **more: object) -> StepStatus:
    return StepStatus("library", StepKind.SYNCED, finding, NOW, decision=said, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "state", "clear"),
    [
        pytest.param(step(CLEARED), State.CLEARED, True, id="cleared"),
        pytest.param(step(HELD), State.HELD, False, id="held"),
        pytest.param(step(Finding(Verdict.HELD, Reason.NOT_DONE)), State.NOT_DONE, False, id="not yet done"),
        pytest.param(step(UNKNOWN), State.UNKNOWN, False, id="unknown"),
        pytest.param(step(Finding(Verdict.EXEMPT, Reason.EXEMPT_BY_ROSTER)), State.EXEMPT, True, id="exempt"),
        pytest.param(step(CLEARED, fresh_until=NOW - HOUR), State.CLEARED, False, id="stale does not count"),
        pytest.param(step(CLEARED, fresh_until=NOW + HOUR), State.CLEARED, True, id="fresh counts"),
        pytest.param(step(HELD, decision(Verdict.CLEARED, HELD)), State.CLEARED, True, id="decided above the finding"),
        pytest.param(
            step(HELD, decision(Verdict.CLEARED, HELD), fresh_until=NOW - HOUR), State.CLEARED, True, id="never stale"
        ),
        pytest.param(
            step(WORSE, decision(Verdict.CLEARED, HELD)), State.CLEARED, False, id="outgrown by a new obligation"
        ),
        pytest.param(step(CLEARED, decision(Verdict.CLEARED, HELD)), State.CLEARED, True, id="disputed for the better"),
        pytest.param(step(CLEARED, decision(Verdict.HELD, CLEARED)), State.HELD, False, id="decided against"),
        pytest.param(step(HELD, decision(Verdict.CLEARED, HELD, NOW)), State.HELD, False, id="ended this very moment"),
        pytest.param(
            step(HELD, decision(Verdict.CLEARED, HELD, NOW + HOUR)), State.CLEARED, True, id="not ended yet"
        ),
    ],
)  # fmt: skip
def test_what_counts(status: StepStatus, state: State, clear: bool) -> None:
    assert status.at(NOW).state is state
    assert status.counts_as_clear(NOW) is clear


def test_a_review_is_closed_while_it_waits_and_open_when_it_does_not() -> None:
    waiting = Finding(Verdict.UNKNOWN, Reason.AWAITING_REVIEW)
    closed = StepStatus("final_review", StepKind.REVIEW, waiting, NOW, waits_for=("library",))
    opened = StepStatus("final_review", StepKind.REVIEW, waiting, NOW)
    assert closed.at(NOW).state is State.CLOSED
    assert opened.at(NOW).state is State.OPEN


@pytest.mark.parametrize(
    ("answered", "now", "disputed"),
    [(HELD, HELD, False), (HELD, WORSE, True), (HELD, CLEARED, True), (CLEARED, CLEARED, False), (WORSE, HELD, True)],
)
def test_a_decision_is_disputed_when_verdict_or_obligations_change(
    answered: Finding, now: Finding, disputed: bool
) -> None:
    assert step(now, decision(Verdict.CLEARED, answered)).at(NOW).disputed is disputed


def test_an_amount_that_changes_leaves_it_the_same_obligation() -> None:
    assert Obligation("fine", "滞纳金", Decimal(1)).key == Obligation("fine", "滞纳金", Decimal(2)).key
    assert BOOK.key != OTHER.key
