"""The student cell of each row: what is no number is refused, and what is missing is never dropped."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pytest

from connectors.port import Snapshot, SourceGarbled
from status_db.model import Means, Verdict
from sync.rule.records import SourceRule
from sync.rule.row_keys import keyed

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2019, 6, 1, tzinfo=UTC)
Nameless = Literal["refuse", "above", "ignore"]


def ask(
    *rows: tuple[Any, ...], nameless: Nameless = "refuse", places: list[int] | None = None, **more: Any
) -> list[tuple[Any, ...]]:
    """Return the rows of key, title and amount as they are given keys."""
    rule = SourceRule(
        "fees", "finance", Means.BALANCE, Verdict.CLEARED, "fee", "", Decimal(0), Decimal(1), {}, ZONE, ZONE, b"",
        nameless=nameless,
    )  # fmt: skip
    snapshot, groups = keyed(rule, Snapshot(("student", "title", "amount"), rows, NOW, NOW, (), places=places, **more))
    assert sorted(map(repr, snapshot.rows)) == sorted(repr(row) for rows in groups.values() for row in rows)
    return list(snapshot.rows)


def refusal(*rows: tuple[Any, ...], **more: Any) -> str:
    with pytest.raises(SourceGarbled) as caught:
        ask(*rows, **more)
    assert caught.value.fix_text.endswith(".")
    return str(caught.value)


A = ("20151001", "学费", 0)
B = ("20151002", "学费", 0)
ROOM = (None, "住宿费", 1200)
SUM = (None, "合计", 1200)


def test_an_answer_with_a_key_in_every_row_is_left_as_it_is() -> None:
    rows = [A, B, ("合计", "学费", 5), ("20151003", "合计", 5), ("----", None, None)]
    assert ask(*rows) == rows


@pytest.mark.parametrize("empty", [None, "", "  ", "\u200b", "—", "〃", "同上"])
def test_a_row_without_a_number_is_refused_with_its_place_and_its_cells(empty: object) -> None:
    said = refusal(A, (empty, "住宿费", 1200), B)
    assert said.startswith("fees: 1 row without a student number: row 2 (住宿费, 1200).")
    assert 'nameless in [source.fees]: "above"' in said


def test_the_place_in_the_file_is_named_where_it_is_known() -> None:
    assert "row 17 (住宿费, 1200)" in refusal(A, ROOM, places=[16, 17])


def test_the_first_few_are_named_and_the_others_counted() -> None:
    said = refusal(A, *((None, f"费{at}", None) for at in range(5)), (None, None, " "))
    assert "6 rows without" in said
    assert said.count("; row ") == 2
    assert "row 4 (费2); and 3 more" in said
    assert "no other cell is filled" in refusal((None, None, " "))
    assert "费" * 20 + "," in refusal((None, "费" * 21, 1))


def test_a_row_without_a_number_takes_the_one_above_where_the_settings_say_so() -> None:
    rows = ask(A, ROOM, ("", "书费", 3), B, ROOM, nameless="above")
    assert [row[0] for row in rows] == ["20151001"] * 3 + ["20151002"] * 2
    assert [row[1:] for row in rows] == [A[1:], ROOM[1:], ("书费", 3), B[1:], ROOM[1:]]


def test_the_first_row_without_a_number_is_refused_where_nothing_is_above() -> None:
    said = refusal(ROOM, A, nameless="above")
    assert "row 1 (住宿费, 1200)" in said
    assert "no number in a row above" in said
    assert "nameless" not in said


def test_below_a_row_of_totals_nothing_is_above() -> None:
    assert ask(A, ROOM, SUM, B, SUM, nameless="above") == [A, ("20151001", "住宿费", 1200), B]
    assert "row 4 (住宿费, 1200)" in refusal(A, SUM, SUM, ROOM, nameless="above")
    assert "row 9 (住宿费, 1200)" in refusal(A, SUM, ROOM, nameless="above", places=[7, 8, 9])


def test_rows_without_a_number_are_left_to_be_counted_where_the_settings_say_so() -> None:
    assert ask(A, ROOM, SUM, nameless="ignore") == [A, ROOM]


@pytest.mark.parametrize(
    "total",
    [
        (None, "合计", 1200), ("", "合 计：", "1,200.00"), (None, "总计", None), (None, "小计", "¥1200"),
        (None, " Total: ", 5),
        (None, "SUBTOTAL", 5), ("—", "合计", "共43人"), (None, None, "合计"), (None, "合计", "--"),
        (None, "合计", "共 12 条"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("nameless", ["refuse", "above", "ignore"])
def test_a_row_of_totals_is_no_row_without_a_number(total: tuple[Any, ...], nameless: Nameless) -> None:
    assert ask(A, total, nameless=nameless) == [A]


@pytest.mark.parametrize(
    "row",
    [
        (None, "住宿费", 1200), (None, None, 1200), (None, None, None), (None, "住宿费合计", 5),
        (None, "合计", "住宿费"),
        (None, "张三", "合计"), (None, 7, 1200),
    ],
)  # fmt: skip
def test_a_row_that_names_anything_else_is_no_row_of_totals(row: tuple[Any, ...]) -> None:
    assert "without a student number" in refusal(A, row)


@pytest.mark.parametrize("key", [b"2015150001", b"", memoryview(b"2015")])
def test_bytes_are_never_a_number(key: object) -> None:
    said = refusal(A, (key, "学费", 5000))
    assert "as bytes" in said
    assert "Set bytes_as in [source.fees]" in said


def test_bytes_in_a_population_are_refused_too() -> None:
    assert "bytes_as" in refusal(A, population=["20151001", b"20151002"])


@pytest.mark.parametrize("key", [2.0**53, -(2.0**60), float("inf")])
def test_a_float_that_has_lost_digits_is_refused(key: float) -> None:
    assert "lost digits" in refusal((key, "学费", 5000))


def test_a_float_that_keeps_every_digit_is_a_number() -> None:
    assert ask((2.0**53 - 1, "学费", 5)) == [(2.0**53 - 1, "学费", 5)]
