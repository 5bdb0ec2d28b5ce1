"""Where a query limits its own rows, seen from its words alone, and whatever dialect it is in."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from connectors.databases.as_of import moment_of
from connectors.databases.statements.by_number import KeyFilter, chunks, spellings
from connectors.databases.statements.queries import own_limits
from connectors.port import SourceGarbled

NONE: list[tuple[int | None, bool]] = []


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("SELECT a FROM t", NONE),
        ("SELECT a FROM t LIMIT 1000", [(1000, True)]),
        ("select a from t\nlimit\n1000", [(1000, True)]),
        ("SELECT a FROM t LIMIT :most", [(7, True)]),
        ("SELECT a FROM t LIMIT :unknown", [(None, True)]),
        ("SELECT a FROM t LIMIT (1000)", [(1000, True)]),
        ("SELECT a FROM t LIMIT ALL", NONE),
        ("SELECT a FROM t LIMIT 0, 500", [(500, True)]),
        ("SELECT a FROM t LIMIT 10, 500", [(None, True)]),
        ("SELECT a FROM t LIMIT 500 OFFSET 10", [(500, True), (None, True)]),
        ("SELECT a FROM t LIMIT 500 OFFSET 0", [(500, True)]),
        ("SELECT TOP 100 a FROM t", [(100, True)]),
        ("SELECT DISTINCT TOP (100) a FROM t", [(100, True)]),
        ("SELECT TOP 100 PERCENT a FROM t ORDER BY a", NONE),
        ("SELECT TOP (5) PERCENT a FROM t", [(None, True)]),
        ("SELECT a FROM t FETCH FIRST 10 ROWS ONLY", [(10, True)]),
        ("SELECT a FROM t FETCH FIRST ROW ONLY", [(1, True)]),
        ("SELECT a FROM t FETCH FIRST 10 PERCENT ROWS ONLY", [(None, True)]),
        ("SELECT a FROM t ORDER BY a OFFSET 0 ROWS FETCH NEXT 50 ROWS ONLY", [(50, True)]),
        ("SELECT a FROM t WHERE ROWNUM <= 1000", [(1000, True)]),
        ("SELECT a FROM t WHERE rownum < 1000", [(999, True)]),
        ("SELECT a FROM t WHERE 1000 >= ROWNUM", [(None, True)]),
        ("SELECT a FROM t WHERE ROWNUM BETWEEN 1 AND 9", [(None, True)]),
        ("SELECT DISTINCT a FROM t WHERE ROWNUM <= 1000", [(1000, False)]),
        ("SELECT a, SUM(b) FROM t WHERE ROWNUM <= 1000 GROUP BY a", [(1000, False)]),
        ("SELECT ROWNUM AS place, a FROM t", NONE),
        ("SELECT FIRST 10 a FROM t", [(10, True)]),
        ("SELECT a FROM t TABLESAMPLE SYSTEM (10)", [(None, True)]),
        ("SELECT a FROM t SAMPLE (10)", [(None, True)]),
        ("(SELECT a FROM t LIMIT 9)", [(9, True)]),
        ("(SELECT a FROM t) UNION (SELECT a FROM u LIMIT 9)", [(9, False)]),
        ("SELECT TOP 9 a FROM t UNION SELECT a FROM u", [(9, False)]),
        ("SELECT a FROM (SELECT a FROM t LIMIT 9) q WHERE a > 1", [(9, False)]),
        ("WITH q AS (SELECT a FROM t FETCH FIRST 9 ROWS ONLY) SELECT a FROM q", [(9, False)]),
        ("SELECT a FROM (SELECT a FROM t LIMIT 1) q", [(1, False)]),
        # One value is chosen, and no row of the answer is left out.
        ("SELECT a, (SELECT b FROM u WHERE u.a = t.a ORDER BY c LIMIT 1) FROM t", NONE),
        ("SELECT a FROM t WHERE b = (SELECT TOP 1 b FROM u)", NONE),
        ("SELECT a FROM t WHERE EXISTS (SELECT 1 FROM u WHERE ROWNUM = 1)", NONE),
        # Words within text, names and comments limit nothing.
        ("SELECT 'LIMIT 5' AS a, \"LIMIT 5\", `LIMIT 5` FROM t -- LIMIT 5\n/* LIMIT 5 */", NONE),
        ("SELECT t.limit, top, first, t.rownum FROM t", NONE),
        ("SELECT limit FROM t", NONE),
    ],
)
def test_a_querys_own_limit_is_found(query: str, found: list[tuple[int | None, bool]]) -> None:
    assert [(limit.most, limit.whole) for limit in own_limits(query, {"most": 7})] == found


@pytest.mark.parametrize(
    ("query", "rows", "reached"),
    [
        ("SELECT a FROM t LIMIT 10", 9, False),
        ("SELECT a FROM t LIMIT 10", 10, True),
        ("SELECT a FROM t LIMIT 10", 11, True),
        ("SELECT a FROM t LIMIT :n", 0, True),
        ("SELECT a FROM (SELECT a FROM t LIMIT 10) q", 0, True),
    ],
)
def test_a_limit_counts_as_reached_unless_the_rows_show_that_it_was_not(query: str, rows: int, reached: bool) -> None:
    (limit,) = own_limits(query)
    assert limit.reached(rows) is reached


@pytest.mark.parametrize(
    ("key", "about"),
    [
        ("0015150005", True),
        ("15150005", True),
        (15150005, True),
        (Decimal("15150005.00"), True),
        (" ００１５１５０００５ ", True),
        ("0015-150005", True),
        ("0015150005 钱五", True),
        ("00151500051", False),
        ("1", False),
        ("", False),
        (None, False),
    ],
)
def test_a_key_is_about_a_number_however_it_is_spelled(key: object, about: bool) -> None:
    assert KeyFilter(["0015150005"])(key) is about


def test_every_spelling_is_bound_and_not_too_many_at_once() -> None:
    assert spellings(" 0015a ") == ("0015A", "15A")
    bound = chunks([f"{number:04}" for number in range(1000)], 400)
    assert max(map(len, bound)) == 400
    assert {"0007", "7", "0999", "999", "0000"} <= {number for chunk in bound for number in chunk}


NOW = datetime(2019, 6, 5, 4, 0, tzinfo=UTC)
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        (datetime(2019, 6, 5, 7, 40), datetime(2019, 6, 4, 23, 40, tzinfo=UTC)),  # noqa: DTZ001 - as a driver gives it
        (datetime(2019, 6, 5, 7, 40, tzinfo=timezone(timedelta(hours=9))), datetime(2019, 6, 4, 22, 40, tzinfo=UTC)),
        (datetime(2019, 6, 5, tzinfo=UTC).date(), datetime(2019, 6, 4, 16, 0, tzinfo=UTC)),
        ("2019-06-05 07:40:00", datetime(2019, 6, 4, 23, 40, tzinfo=UTC)),
        ("2019/6/5 07:40", datetime(2019, 6, 4, 23, 40, tzinfo=UTC)),
        ("2019年6月5日", datetime(2019, 6, 4, 16, 0, tzinfo=UTC)),
        ("2019-06-04T23:40:00Z", datetime(2019, 6, 4, 23, 40, tzinfo=UTC)),
        ("20190605", datetime(2019, 6, 4, 16, 0, tzinfo=UTC)),
        ("20190605074000", datetime(2019, 6, 4, 23, 40, tzinfo=UTC)),
        (1559691600, datetime(2019, 6, 4, 23, 40, tzinfo=UTC)),
        (Decimal(1559691600000), datetime(2019, 6, 4, 23, 40, tzinfo=UTC)),
        ("2019-06-05 12:01", NOW),
    ],
)
def test_a_moment_is_read_as_databases_and_exports_write_it(cell: object, moment: datetime) -> None:
    assert moment_of(cell, SHANGHAI, NOW, "fees") == moment


@pytest.mark.parametrize(
    "cell", [None, "", "soon", True, 7, "20191305", "2019-06-05 12:03", 1559993600, float("nan"), b"2019", "1e99"]
)
def test_what_is_no_moment_or_in_the_future_is_refused(cell: object) -> None:
    with pytest.raises(SourceGarbled, match="fees: as_of returns"):
        moment_of(cell, SHANGHAI, NOW, "fees")
