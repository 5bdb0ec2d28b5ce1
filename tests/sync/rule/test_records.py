"""What an office's cells mean: amounts, dates, words, and the doubt where they mean nothing."""

from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.port import Snapshot, SourceGarbled
from status_db.model import Means, Obligation, Reason, Record, Verdict
from sync.rule.records import SourceRule, digest_of_rows, group, record_from_rows

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2019, 6, 1, tzinfo=UTC)
WORDS = {"已清退": Verdict.CLEARED, "未清退": Verdict.HELD, "外宿": Verdict.EXEMPT}


def rule(means: Means, **changes: Any) -> SourceRule:
    values: dict[str, Any] = {
        "source": "s", "step": "p", "means": means, "absent": Verdict.CLEARED, "obligation": "fee", "item_title": "",
        "tolerance": Decimal(0), "yuan": Decimal(1), "words": WORDS, "zone": ZONE, "institution_zone": ZONE,
        "question": b"",
    }  # fmt: skip
    return SourceRule(**(values | changes))


def balance(*amounts: object, **changes: Any) -> Record:
    return record_from_rows(
        rule(Means.BALANCE, **changes), ("student", "amount"), "S", [("S", a) for a in amounts], b""
    )


def said(*words: object) -> Record:
    return record_from_rows(rule(Means.STATUS), ("student", "status"), "S", [("S", word) for word in words], b"")


@pytest.mark.parametrize("cell", ["many", "1.2.3", True, "NaN", "Infinity", float("nan"), "1e", "欠", "--", "无"])
def test_an_amount_that_cannot_be_read_is_a_doubt_and_never_zero(cell: object) -> None:
    record = balance(cell)
    assert (record.verdict, record.reason) == (Verdict.UNKNOWN, Reason.DOUBTFUL)
    assert "cannot be read" in record.doubt


@pytest.mark.parametrize(
    ("amounts", "verdict", "reason"),
    [
        (("10", "-10"), Verdict.CLEARED, Reason.SETTLED),
        (("10", "-9.99"), Verdict.HELD, Reason.OWED),
        (("-3",), Verdict.CLEARED, Reason.REFUND_DUE),
        ((None,), Verdict.UNKNOWN, Reason.DOUBTFUL),
        ((0.1, 0.2, "-0.3"), Verdict.CLEARED, Reason.SETTLED),
    ],
)
def test_a_balance_is_the_sum_of_its_rows(amounts: tuple[object, ...], verdict: Verdict, reason: Reason) -> None:
    record = balance(*amounts)
    assert (record.verdict, record.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("cells", "owed"),
    [
        (("585000", "500000", "80000", None), "50.00"),
        (("5850.00元", "5850.00元", "0", None), None),
        (("585000", "585000", None, "10000"), "100.00"),
    ],
)
def test_what_was_paid_and_let_off_is_taken_from_what_was_due(cells: tuple[object, ...], owed: str | None) -> None:
    fields = ("student", "amount", "paid", "waived", "refunded")
    record = record_from_rows(rule(Means.BALANCE, yuan=Decimal("0.01")), fields, "S", [("S", *cells)], b"")
    assert [str(o.amount) for o in record.obligations] == ([owed] if owed else [])
    assert record.verdict is (Verdict.HELD if owed else Verdict.CLEARED)


def test_a_payment_that_cannot_be_read_clears_no_one() -> None:
    record = record_from_rows(rule(Means.BALANCE), ("student", "amount", "paid"), "S", [("S", "100", "见备注")], b"")
    assert (record.verdict, record.doubt) == (Verdict.UNKNOWN, "the amount '见备注' cannot be read")


@pytest.mark.parametrize(("amount", "verdict"), [("4.99", "cleared"), ("5.00", "cleared"), ("5.01", "held")])
def test_up_to_the_tolerance_is_let_go(amount: str, verdict: str) -> None:
    assert balance(amount, tolerance=Decimal(5)).verdict == verdict


def test_fen_are_hundredths() -> None:
    (owed,) = balance(585000, yuan=Decimal("0.01")).obligations
    assert owed.amount == Decimal("5850.00")


@pytest.mark.parametrize(
    ("words", "verdict", "reason"),
    [
        (("已清退",), Verdict.CLEARED, Reason.DONE),
        (("未清退",), Verdict.HELD, Reason.NOT_DONE),
        (("外宿",), Verdict.EXEMPT, Reason.EXEMPT_BY_OFFICE),
        (("已清退", "未清退"), Verdict.HELD, Reason.NOT_DONE),
        (("已清退", "外宿"), Verdict.CLEARED, Reason.DONE),
        ((" 已 清退",), Verdict.UNKNOWN, Reason.DOUBTFUL),
        (("　已清退　",), Verdict.CLEARED, Reason.DONE),
        (("退了",), Verdict.UNKNOWN, Reason.DOUBTFUL),
        ((None,), Verdict.UNKNOWN, Reason.DOUBTFUL),
        (("未清退", "?"), Verdict.HELD, Reason.NOT_DONE),
    ],
)
def test_only_a_known_word_means_something(words: tuple[object, ...], verdict: Verdict, reason: Reason) -> None:
    record = said(*words)
    assert (record.verdict, record.reason) == (verdict, reason)


FEE = ("student", "amount", "reference", "title")


def fees(*rows: tuple[object, ...], **changes: Any) -> Record:
    """Return what rows of amount, reference and title come to."""
    return record_from_rows(rule(Means.BALANCE, **changes), FEE, "S", [("S", *row) for row in rows], b"")


def owed(record: Record) -> Decimal:
    return sum((o.amount for o in record.obligations if o.amount is not None), Decimal(0))


def test_two_equal_fees_with_one_bill_number_and_one_payment_leave_one_owed() -> None:
    record = fees((100, "F1", "学费"), (100, "F1", "学费"), (-100, "F1", "缴费"))
    assert (record.verdict, owed(record)) == (Verdict.HELD, Decimal(100))


def test_equal_rows_of_a_balance_are_two_things_with_a_reference_and_without() -> None:
    assert owed(balance("5", "5")) == 10
    assert owed(fees((5, "B1", ""), (5, "B1", ""), (5, "B2", ""))) == 15


@pytest.mark.parametrize(
    ("amounts", "verdict"),
    [
        pytest.param((200, -100, -100), Verdict.UNKNOWN, id="a payment that may be one clears nobody"),
        pytest.param((100, -100, -100), Verdict.UNKNOWN, id="not even where one would be enough"),
        pytest.param((300, -100, -100), Verdict.HELD, id="who owes even if both are real is held"),
        pytest.param((200, -100, -100.5), Verdict.CLEARED, id="payments that differ are two"),
        pytest.param((0, 0), Verdict.CLEARED, id="two zeros are no release"),
    ],
)
def test_payments_that_are_alike_release_no_one(amounts: tuple[float, ...], verdict: Verdict) -> None:
    assert balance(*amounts).verdict is verdict


def test_payments_that_differ_in_a_mapped_column_or_only_in_the_students_number_are_distinguished_so() -> None:
    assert fees((200, "", ""), (-100, "P1", ""), (-100, "P2", "")).verdict is Verdict.CLEARED
    rows: list[tuple[object, ...]] = [("S", 200), ("S", -100), ("CARD", -100)]
    assert record_from_rows(rule(Means.BALANCE), ("student", "amount"), "S", rows, b"").verdict is Verdict.UNKNOWN


def test_a_unique_reference_drops_repeats_of_charge_and_of_payment() -> None:
    unique = {"unique_reference": True}
    assert owed(fees((5, "B1", ""), (5, "B1", ""), (5, "B2", ""), **unique)) == 10
    assert fees((100, "F1", ""), (100, "F1", ""), (-100, "P1", ""), (-100, "P1", ""), **unique).verdict == "cleared"
    assert owed(fees((5, "", ""), (5, None, ""), (5, None, ""), **unique)) == 15


def test_two_rows_that_differ_under_one_unique_reference_clear_no_one() -> None:
    record = fees((100, "F1", ""), (-60, "P1", ""), (-40, "P1", ""), unique_reference=True)
    assert (record.verdict, record.reason) == (Verdict.UNKNOWN, Reason.DOUBTFUL)
    assert "reference" in record.doubt
    assert fees((100, "F1", ""), (-100, "P1", ""), unique_reference=True).verdict is Verdict.CLEARED


def test_a_thing_that_is_listed_twice_is_shown_once_and_fees_are_not() -> None:
    fields = ("student", "title", "reference")
    twice: list[tuple[object, ...]] = [("S", "地质学", "B1"), ("S", "地质学", "B1"), ("S", "地质学", None)]
    record = record_from_rows(rule(Means.ITEMS), fields, "S", [*twice, twice[2]], b"")
    assert [o.reference for o in record.obligations] == ["", "", "B1"]
    fines: list[tuple[object, ...]] = [("S", 3, "F"), ("S", 3, "F")]
    with_amounts = ("student", "amount", "reference")
    assert owed(record_from_rows(rule(Means.ITEMS), with_amounts, "S", fines, b"")) == 6
    assert owed(record_from_rows(rule(Means.ITEMS, unique_reference=True), with_amounts, "S", fines, b"")) == 3


def test_a_status_that_is_listed_twice_is_shown_once() -> None:
    fields = ("student", "status", "reference")
    rows: list[tuple[object, ...]] = [("S", "未清退", "R1"), ("S", "未清退", "R1")]
    assert len(record_from_rows(rule(Means.STATUS), fields, "S", rows, b"").obligations) == 1


@pytest.mark.parametrize(
    ("amounts", "verdict"),
    [
        ((None,), Verdict.UNKNOWN), (("",), Verdict.UNKNOWN), ((" \u200b",), Verdict.UNKNOWN),
        ((0, None), Verdict.UNKNOWN), ((None, -5), Verdict.UNKNOWN), ((5, None), Verdict.HELD),
    ],
)  # fmt: skip
def test_an_empty_amount_may_hold_and_never_clears(amounts: tuple[object, ...], verdict: Verdict) -> None:
    record = balance(*amounts)
    assert record.verdict is verdict
    assert record.doubt == ("a row has no amount" if verdict is Verdict.UNKNOWN else "")


def test_a_row_without_an_amount_is_shown_with_those_that_hold() -> None:
    record = fees((5, "", "学费"), (None, "", "住宿费"))
    assert [(o.title, o.amount) for o in record.obligations] == [("住宿费", None), ("学费", 5)]


@pytest.mark.parametrize("paid", [0, 100, None])
def test_no_payment_makes_up_for_an_amount_that_is_empty(paid: object) -> None:
    fields = ("student", "amount", "paid")
    record = record_from_rows(rule(Means.BALANCE), fields, "S", [("S", None, paid)], b"")
    assert record.verdict is Verdict.UNKNOWN


def test_a_due_date_that_cannot_be_read_is_reported_as_there() -> None:
    fields = ("student", "due")
    rows: list[tuple[object, ...]] = [("S", "长期"), ("S", None), ("S", "2019-05-30")]
    obligations = record_from_rows(rule(Means.ITEMS), fields, "S", rows, b"").obligations
    assert [(o.due, o.due_unreadable) for o in obligations] == [
        (date(2019, 5, 30), False), (None, True), (None, False),
    ]  # fmt: skip


def test_what_has_moved_to_another_key_stays_part_of_the_record() -> None:
    book = Obligation("loan", "地质学", None, None, "B1")
    doubt = record_from_rows(rule(Means.BALANCE), ("student", "amount"), "S", [("S", 0)], b"", "moved 9", (book,))
    assert (doubt.verdict, doubt.obligations, doubt.doubt) == (Verdict.UNKNOWN, (book,), "moved 9")
    held = record_from_rows(rule(Means.BALANCE), ("student", "amount"), "S", [("S", 5)], b"", "moved 9", (book,))
    assert (held.verdict, len(held.obligations), held.doubt) == (Verdict.HELD, 2, "moved 9")


def test_a_student_number_that_is_a_list_is_refused_by_what_it_is() -> None:
    snapshot = Snapshot(("student",), [(["20151001"],)], NOW, NOW, ())
    with pytest.raises(SourceGarbled, match=r"is a list.*columns\.student"):
        group(snapshot)


def test_half_a_surrogate_pair_in_a_title_is_replaced() -> None:
    rows: list[tuple[object, ...]] = [("S", "地质\ud800学")]
    (owing,) = record_from_rows(rule(Means.ITEMS), ("student", "title"), "S", rows, b"").obligations
    assert owing.title == "地质?学"


@given(st.lists(st.tuples(st.just("S"), st.integers(-5, 5)), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_the_order_of_rows_never_matters(rows: list[tuple[Any, ...]], random: Random) -> None:
    shuffled = rows[:]
    random.shuffle(shuffled)
    assert digest_of_rows(b"k", rows) == digest_of_rows(b"k", shuffled)
    fields = ("student", "amount")
    assert record_from_rows(rule(Means.BALANCE), fields, "S", rows, b"") == record_from_rows(
        rule(Means.BALANCE), fields, "S", shuffled, b""
    )


def test_another_setting_is_another_digest() -> None:
    assert rule(Means.BALANCE).digest != rule(Means.BALANCE, tolerance=Decimal(1)).digest
    assert rule(Means.STATUS).digest != rule(Means.STATUS, words={}).digest


@pytest.mark.parametrize(
    "other", [{"own_numbers": True}, {"nameless": "above"}, {"unique_reference": True}, {"date_order": "dmy"}]
)
def test_what_decides_whose_a_row_is_and_what_it_is_worth_is_part_of_the_digest(other: dict[str, Any]) -> None:
    assert rule(Means.BALANCE).digest != rule(Means.BALANCE, **other).digest
