"""Asking the office again, with an office that is in the test itself: no database, no run."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from connectors.port import Progress, ProofKind, Snapshot, SourceUnavailable, no_progress
from status_db.model import Means, Obligation, Reason, Record, Verdict
from sync.plan.confirm import Confirmation, ask_again, confirm
from sync.rule.reconcile import Change
from sync.rule.records import SourceRule, record_from_rows
from tests.sync.rule.test_reconcile import NOW

CLEARED, HELD, UNKNOWN = Verdict.CLEARED, Verdict.HELD, Verdict.UNKNOWN
ZONE = ZoneInfo("Asia/Shanghai")
FIELDS = ("student", "title", "reference")
RULE = SourceRule("loans", "library", Means.ITEMS, CLEARED, "loan", "", Decimal(0), Decimal(1), {}, ZONE, ZONE, b"q")


class Office:
    """An office with one book on loan to each of these numbers; it notes the numbers that it is asked about."""

    def __init__(self, *owing: str) -> None:
        self.owing = owing
        self.again: list[str] = []
        self.alone: list[str] = []
        self.doubtful: tuple[str, ...] = ()
        self.answers_alone = True

    def _answer(self, numbers: Sequence[str]) -> Snapshot:
        rows = [row(number) for number in numbers if number in self.owing]
        return Snapshot(FIELDS, rows, NOW, NOW, (), unsettled=self.doubtful)

    def pull(self, progress: Progress = no_progress) -> Snapshot:
        return self._answer(self.owing)

    def pull_these(self, numbers: Sequence[str], progress: Progress = no_progress) -> Snapshot:
        self.again += numbers
        return self._answer(numbers)

    def pull_one(self, student: str) -> Snapshot:
        if not self.answers_alone:
            raise SourceUnavailable("the library did not answer", "Try again later.")
        self.alone.append(student)
        return self._answer([student])

    def check(self) -> Any:
        raise NotImplementedError


def row(number: str) -> tuple[str, str, str]:
    return (number, "构造地质学", f"B{number}")


def owed(number: str) -> Record:
    return record_from_rows(RULE, FIELDS, number, [row(number)], b"")


def change(number: str, after: Record | None, verdict_after: Verdict) -> Change:
    return Change(number, owed(number), after, HELD, verdict_after, concerned=True)


def asked_one_by_one(changes: Sequence[Change], stored: Sequence[str]) -> tuple[list[str], Confirmation]:
    """Return the students that are asked about alone; the office holds all that are held now."""
    office = Office(*stored, *(c.student for c in changes if c.verdict_after is HELD))
    numbers = {c.student: (c.student,) for c in changes}
    found = confirm(RULE, office, changes, numbers, {number: owed(number) for number in stored}, Confirmation())
    return office.alone, found


def test_only_students_that_the_answer_holds_are_asked_about_alone() -> None:
    refund = Record("S2", CLEARED, Reason.REFUND_DUE, (Obligation("fine", amount=Decimal(-3)),))
    changes = [change("S1", None, CLEARED), change("S2", refund, CLEARED), change("S3", owed("S3"), HELD)]
    alone, found = asked_one_by_one(changes, stored=["S4"])
    assert alone == ["S3", "S4"]
    assert [proof.kind for proof in found.proofs] == [ProofKind.ONE_AGREES]
    assert found.warnings == ()


def test_a_stored_debt_that_the_answer_changes_is_not_asked_about_alone() -> None:
    office = Office("S3")
    held = {number: owed(number) for number in ("S1", "S3")}
    confirm(RULE, office, [change("S1", None, CLEARED)], {"S1": ("S1",)}, held, Confirmation())
    assert office.alone == ["S3"]


def test_a_thousand_students_are_asked_about_again_and_the_others_stay_held() -> None:
    numbers = {f"S{i:04}": (f"S{i:04}",) for i in range(1001)}
    office = Office()
    found = ask_again(RULE, office, numbers)
    assert (found.asked, len(office.again), found.kept) == (1000, 1000, frozenset({"S1000"}))
    assert found.message == "1 students exceed the limit of one run: they stay held until the next run"


def test_an_office_that_does_not_answer_about_one_student_proves_nothing() -> None:
    office = Office("S1")
    office.answers_alone = False
    found = confirm(RULE, office, [], {}, {"S1": owed("S1")}, Confirmation())
    assert found.proofs == ()
    assert "asking about S1 alone failed: the library did not answer" in found.warnings[0]


def test_a_student_that_still_owes_is_not_counted_as_doubtful_too() -> None:
    office = Office("S1")
    office.doubtful = ("S1", "S2")
    found = ask_again(RULE, office, {number: (number,) for number in ("S1", "S2", "S3")})
    assert found.kept == {"S1", "S2"}
    assert found.message == (
        "1 of 3 students still owe when asked about again and 1 of 3 students have a doubtful answer: "
        "they stay held until the next run"
    )
