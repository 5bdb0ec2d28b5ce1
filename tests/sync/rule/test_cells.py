"""Amounts and days, as offices write them; and what may be read two ways, or none, is never guessed."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.rule.cells import DateOrder, Unreadable, amount_in_yuan, day

ZONE = ZoneInfo("Asia/Shanghai")
FEN = Decimal("0.01")


@pytest.mark.parametrize(
    ("cell", "yuan"),
    [
        ("1234.50", "1234.50"), ("¥1,234.50", "1234.50"), ("1234.5元", "1234.5"), ("12分", "0.12"), ("  3 ", "3"),
        ("-5", "-5"), ("−5", "-5"), (7, "7"), (0.1, "0.1"), (Decimal("9.99"), "9.99"), ("１２．５", "12.5"),
        ("1,234,567.8", "1234567.8"), ("1，234", "1234"), ("(300.00)", "-300"), ("（300）", "-300"),
        ("300.00-", "-300"),
        ("300−", "-300"), ("¥(3)", "-3"), ("(¥3.00)", "-3"), ("(3)元", "-3"), ("-¥3", "-3"), ("¥-3", "-3"), ("+5", "5"),
        ("RMB 5", "5"), ("5 rmb", "5"), ("cny5", "5"), ("人民币5元整", "5"), ("5.", "5"), (".5", "0.5"), ("0", "0"),
        ("007", "7"), ("1234567", "1234567"), (-3, "-3"), (10**12, "1000000000000"), ("\ufeff5\u00a0", "5"),
        ("-12分", "-0.12"),
    ],
)  # fmt: skip
def test_an_amount_is_read_as_offices_write_it(cell: object, yuan: str) -> None:
    assert amount_in_yuan(cell) == Decimal(yuan)


@pytest.mark.parametrize(
    "cell",
    [
        "1,2", "12,34.5", "1，2", "0,500", "1,2345", "1234,567", "1,234,56", ",123", "1,,234", "1.234,50",
        "1,234.567,8",
        "many", "1.2.3", "NaN", "Infinity", "1e5", "1E+05", "1_000", "--", "-", "—", "无", "/", "(300", "300)",
        "(-300)",
        "-(300)", "(300-)", "-300-", "--5", "5万元", "5千元", "5美元", "$5", "5元5角", "1 234", "12 34", "5元分",
        "5%", "欠5",
        "5 6", "1'234", "()", "¥", "元", "٣", "#N/A", "①②x", "5元元",
        True, False, float("nan"), float("inf"), Decimal("NaN"), Decimal("Infinity"), 10**12 + 1, -(10**13), 1e300,
        "9" * 400, b"5", date(2019, 5, 30), time(1), [5], {"amount": 5},
    ],
)  # fmt: skip
def test_what_may_be_no_amount_or_another_is_not_read(cell: object) -> None:
    with pytest.raises(Unreadable):
        amount_in_yuan(cell)


@pytest.mark.parametrize("cell", [None, "", "  ", "\u3000", "\u200b", "\t\n"])
def test_an_empty_cell_is_no_amount_and_not_zero(cell: object) -> None:
    assert amount_in_yuan(cell) is None


@pytest.mark.parametrize(
    ("cell", "yuan"),
    [
        ("585000", "5850"), (585000, "5850"), (2.0, "0.02"), ("-500", "-5"), ("−500", "-5"), ("(500)", "-5"),
        ("¥5850", "5850"), ("RMB5850", "5850"), ("5850元", "5850"), ("(5850)元", "-5850"), ("585000分", "5850"),
        ("(500)分", "-5"),
    ],
)  # fmt: skip
def test_a_sign_or_word_of_yuan_beats_the_unit_of_the_settings(cell: object, yuan: str) -> None:
    assert amount_in_yuan(cell, FEN) == Decimal(yuan)


@given(st.decimals(-(10**9), 10**9, places=2), st.sampled_from(["{:,}", "{}", "¥{:,}", "{:,}元", " {} "]))
def test_what_is_written_is_what_is_read(amount: Decimal, written: str) -> None:
    assert amount_in_yuan(written.format(amount)) == amount


@given(st.text(max_size=12))
def test_no_text_gives_anything_but_an_amount_nothing_or_a_doubt(text: str) -> None:
    try:
        found = amount_in_yuan(text)
    except Unreadable:
        return
    assert found is None or found.is_finite()


MIDDAY = datetime(2019, 5, 30, 12, 0)  # noqa: DTZ001 - as a driver gives it


@pytest.mark.parametrize(
    ("cell", "due"),
    [
        ("2019-05-30", date(2019, 5, 30)), ("2019/5/3", date(2019, 5, 3)), ("2019.5.3", date(2019, 5, 3)),
        ("2019.05.30 23:59", date(2019, 5, 30)), ("2019年5月30日", date(2019, 5, 30)), ("20190530", date(2019, 5, 30)),
        ("2019年5月30日前", date(2019, 5, 30)), ("2019年5月30", date(2019, 5, 30)),
        ("2019年5月30日16:30", date(2019, 5, 30)),
        ("２０１９－０５－３０", date(2019, 5, 30)), (" 2019-05-30 ", date(2019, 5, 30)),
        (date(2019, 5, 30), date(2019, 5, 30)),
        (MIDDAY, date(2019, 5, 30)), (datetime(2019, 5, 30, 17, 0, tzinfo=UTC), date(2019, 5, 31)),
        ("2019-05-30T16:30:00Z", date(2019, 5, 31)), ("2019-05-30T15:59:59Z", date(2019, 5, 30)),
        ("2019-05-30 16:30:00+00:00", date(2019, 5, 31)), ("2019-05-30 16:30:00.123 +0000", date(2019, 5, 31)),
        ("2019-05-30T16:30:00+08", date(2019, 5, 30)), ("2019-05-30 20:00 -05:00", date(2019, 5, 31)),
        ("2019-05-30 16:30 UTC", date(2019, 5, 31)), ("2019-05-30 16:30 GMT", date(2019, 5, 31)),
        ("2019-05-30 24:00", date(2019, 5, 30)), ("2019-05-30 00:00:00", date(2019, 5, 30)),
        (20190530, date(2019, 5, 30)), (20190530.0, date(2019, 5, 30)), (Decimal(20190530), date(2019, 5, 30)),
        ("20190530.0", date(2019, 5, 30)), (43615, date(2019, 5, 30)), ("43615", date(2019, 5, 30)),
        (43615.99, date(2019, 5, 30)), (20_000, date(1954, 10, 3)), (80_000, date(2119, 1, 11)),
        (1559233800, date(2019, 5, 31)), ("1559233800", date(2019, 5, 31)), (1559233800000, date(2019, 5, 31)),
        ("1559231999999", date(2019, 5, 30)), (1559233800.5, date(2019, 5, 31)), ("201905302359", date(2019, 5, 30)),
        ("20190530235959", date(2019, 5, 30)), (20190530235959, date(2019, 5, 30)),
    ],
)  # fmt: skip
def test_a_day_is_read_as_offices_write_it(cell: object, due: date) -> None:
    assert day(cell, ZONE, ZONE) == due


@pytest.mark.parametrize(
    "cell",
    [
        "soon", "长期", "2019-02-30", "2019-13-01", "20190230", "20191301", 20190230, "30/05/2019", "05/30/2019",
        "19-05-30",
        "2019-05", "2019", 2019, 19_999, 80_001, 15_500, 100_000, 12345678901, "99999999", -1, "-5", True, 43615.5e9,
        float("nan"), float("inf"), Decimal("NaN"), b"2019-05-30", time(1), timedelta(1), "2019-05-30~2019-06-10",
        "2019-05-30 25:00", "2019-05-30 16:60", "2019-05-30 24:01", "2019-05-30 13:00 PM", "2019-05-30 0:10 AM",
        "2019-05-30 and later", "2019-05-30 16:30 Mars", "20190530 16", "201905302460", "9" * 500, "无", "--",
        "2019-05-30 16:30:00+99:00", datetime(9999, 12, 31, 23, 0, tzinfo=UTC),
    ],
)  # fmt: skip
def test_what_may_be_no_day_or_another_is_not_read(cell: object) -> None:
    with pytest.raises(Unreadable):
        day(cell, ZONE, ZONE)


@pytest.mark.parametrize(
    "cell",
    [
        None, "", " ", "\u3000", 0, 0.0, "0", "00000000", "0000-00-00", "0000-00-00 00:00:00", "0001-01-01T00:00:00",
        date(1, 1, 1), datetime(1, 1, 1),  # noqa: DTZ001 - as a driver gives it
    ],
)  # fmt: skip
def test_what_programs_keep_where_there_is_no_day_is_none(cell: object) -> None:
    assert day(cell, ZONE, ZONE) is None


@pytest.mark.parametrize(
    ("cell", "order", "due"),
    [
        ("30/05/2019", "dmy", date(2019, 5, 30)), ("05/30/2019", "mdy", date(2019, 5, 30)),
        ("03/05/2019", "dmy", date(2019, 5, 3)), ("03/05/2019", "mdy", date(2019, 3, 5)),
        ("3.5.2019", "dmy", date(2019, 5, 3)), ("3-5-2019 16:30", "dmy", date(2019, 5, 3)),
        ("5/30/2019 12:00:00 AM", "mdy", date(2019, 5, 30)), ("5/30/2019 11:59 pm", "mdy", date(2019, 5, 30)),
        ("2019-05-30", "dmy", date(2019, 5, 30)), ("30/05/2019 16:30Z", "dmy", date(2019, 5, 31)),
    ],
)  # fmt: skip
def test_a_date_with_the_year_behind_is_read_in_the_order_of_the_settings(
    cell: str, order: DateOrder, due: date
) -> None:
    assert day(cell, ZONE, ZONE, order) == due


@pytest.mark.parametrize(("cell", "order"), [("30/05/2019", "mdy"), ("05/30/2019", "dmy"), ("3/5/19", "dmy")])
def test_a_date_in_the_other_order_is_not_read(cell: str, order: DateOrder) -> None:
    with pytest.raises(Unreadable):
        day(cell, ZONE, ZONE, order)


UTC_OFFICE = ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("cell", "due"),
    [
        ("2019-05-30 17:00:00", date(2019, 5, 31)), ("2019-05-30", date(2019, 5, 30)), (43615, date(2019, 5, 30)),
        (43615.75, date(2019, 5, 31)), (20190530, date(2019, 5, 30)), ("20190530170000", date(2019, 5, 31)),
        ("2019-05-30T17:00:00+08:00", date(2019, 5, 30)), (MIDDAY + timedelta(hours=5), date(2019, 5, 31)),
        (datetime(2019, 5, 30, 17, tzinfo=timezone(timedelta(hours=8))), date(2019, 5, 30)),
        ("2019-05-30 24:00", date(2019, 5, 31)),
    ],
)  # fmt: skip
def test_an_hour_without_a_zone_is_the_sources_and_a_whole_day_stays_itself(cell: object, due: date) -> None:
    assert day(cell, UTC_OFFICE, ZONE) == due


@given(st.one_of(st.text(max_size=20), st.integers(), st.floats(), st.datetimes(), st.dates()))
def test_no_cell_gives_anything_but_a_day_nothing_or_a_doubt(cell: object) -> None:
    try:
        found = day(cell, UTC_OFFICE, ZONE)
    except Unreadable:
        return
    assert found is None or type(found) is date
