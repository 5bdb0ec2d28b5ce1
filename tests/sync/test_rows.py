"""What an office's cells mean: amounts, dates, words, and the doubt where they mean nothing."""

from datetime import UTC, date, datetime
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from status_db.model import Means, Reason, Record, Verdict
from sync.rows import SourceRule, amount_in_yuan, day, digest_of_rows, record_from_rows

ZONE = ZoneInfo("Asia/Shanghai")
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


@pytest.mark.parametrize(
    ("cell", "yuan"),
    [
        ("1234.50", "1234.50"), ("¥1,234.50", "1234.50"), ("1234.5元", "1234.5"), ("12分", "0.12"), ("  3 ", "3"),
        ("-5", "-5"), ("−5", "-5"), (7, "7"), (0.1, "0.1"), (Decimal("9.99"), "9.99"), (None, "0"), ("", "0"),
        ("１２．５", "12.5"),
    ],
)  # fmt: skip
def test_an_amount_is_read_as_offices_write_it(cell: object, yuan: str) -> None:
    assert amount_in_yuan(rule(Means.BALANCE), cell) == Decimal(yuan)


@pytest.mark.parametrize("cell", ["many", "1.2.3", True, "NaN", "Infinity", float("nan"), "1e", "欠"])
def test_an_amount_that_cannot_be_read_is_a_doubt_and_never_nought(cell: object) -> None:
    record = balance(cell)
    assert (record.verdict, record.reason) == (Verdict.UNKNOWN, Reason.DOUBTFUL)
    assert "cannot be read" in record.doubt


@pytest.mark.parametrize(
    ("amounts", "verdict", "reason"),
    [
        (("10", "-10"), Verdict.CLEARED, Reason.SETTLED),
        (("10", "-9.99"), Verdict.HELD, Reason.OWED),
        (("-3",), Verdict.CLEARED, Reason.REFUND_DUE),
        ((None,), Verdict.CLEARED, Reason.SETTLED),
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
        (("5850.00元", "5850.00元", "0", "0"), None),
        (("585000", "585000", None, "10000"), "100.00"),
    ],
)
def test_what_was_paid_and_let_off_is_taken_from_what_was_due(cells: tuple[object, ...], owed: str | None) -> None:
    fields = ("student", "amount", "paid", "waived", "refunded")
    record = record_from_rows(rule(Means.BALANCE, yuan=Decimal("0.01")), fields, "S", [("S", *cells)], b"")
    assert [str(o.amount) for o in record.obligations] == ([owed] if owed else [])
    assert record.verdict is (Verdict.HELD if owed else Verdict.CLEARED)


def test_a_payment_that_cannot_be_read_clears_nobody() -> None:
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


@pytest.mark.parametrize(
    ("cell", "due"),
    [
        ("2019-05-30", date(2019, 5, 30)), ("2019/5/30", date(2019, 5, 30)), ("2019.05.30 23:59", date(2019, 5, 30)),
        ("2019年5月30日", date(2019, 5, 30)), ("20190530", date(2019, 5, 30)), (date(2019, 5, 30), date(2019, 5, 30)),
        (datetime(2019, 5, 30, 23, 0), date(2019, 5, 30)),  # noqa: DTZ001 - as a driver gives it
        (datetime(2019, 5, 30, 17, 0, tzinfo=UTC), date(2019, 5, 31)),
        ("0000-00-00 00:00:00", None), ("soon", None), (None, None), ("2019-02-30", None), (43615, None),
    ],
)  # fmt: skip
def test_a_day_is_read_as_offices_write_it_or_not_at_all(cell: object, due: date | None) -> None:
    assert day(cell, ZONE, ZONE) == due


def test_an_hour_of_another_zone_may_be_another_day_here() -> None:
    utc = ZoneInfo("UTC")
    assert day("2019-05-30 17:00:00", utc, ZONE) == date(2019, 5, 31)
    assert day("2019-05-30", utc, ZONE) == date(2019, 5, 30)


def test_rows_that_a_join_has_doubled_count_once_where_a_reference_tells_them_apart() -> None:
    fields = ("student", "amount", "reference")
    rows: list[tuple[object, ...]] = [("S", "5", "B1"), ("S", "5", "B1"), ("S", "5", "B2")]
    record = record_from_rows(rule(Means.BALANCE), fields, "S", rows, b"")
    assert [o.reference for o in record.obligations] == ["B1", "B2"]


def test_equal_rows_without_a_reference_are_two_things() -> None:
    record = balance("5", "5")
    assert len(record.obligations) == 2


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
