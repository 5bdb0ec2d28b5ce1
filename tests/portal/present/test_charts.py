"""Charts: what is drawn is what was counted, and each part is distinguishable without colour."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.present.charts import (
    CURVE_HEIGHT,
    CURVE_WIDTH,
    Amount,
    ChartMark,
    SeasonChart,
    SegmentKind,
    bars,
    season_chart,
)

KINDS = (SegmentKind("通过", "good"), SegmentKind("未办理", "todo", "dots"), SegmentKind("不通过", "bad", "hatch"))
COUNTS = st.tuples(*[st.integers(0, 100_000)] * len(KINDS))


def number(percent: str) -> float:
    assert percent.endswith("%")
    return float(percent[:-1])


@given(st.lists(COUNTS, max_size=6))
def test_a_bar_is_as_wide_as_its_counts_without_gap_or_overlap(counts: list[tuple[int, ...]]) -> None:
    chart = bars("x", "t", "s", KINDS, [Amount("a", c) for c in counts])
    for bar, wanted in zip(chart.bars, counts, strict=True):
        assert [(s.kind, s.count) for s in bar.segments] == [(k, c) for k, c in zip(KINDS, wanted, strict=True) if c]
        so_far = 0.0
        for segment in bar.segments:
            assert number(segment.x) == pytest.approx(so_far, abs=0.01)
            assert number(segment.width) == pytest.approx(100 * segment.count / sum(wanted), abs=0.001)
            so_far += number(segment.width)
        assert not bar.segments or so_far == pytest.approx(100, abs=0.01)


def test_bars_stand_below_one_another_and_the_chart_holds_them() -> None:
    chart = bars("x", "t", "s", KINDS, [Amount("a", (1, 0, 0)), Amount("b", (0, 1, 0)), Amount("c", (0, 0, 0))])
    tops = [bar.bar_at for bar in chart.bars]
    assert tops == sorted(set(tops))
    assert all(
        below.label_at - 12 > above.bar_at + chart.bar_height
        for above, below in zip(chart.bars, chart.bars[1:], strict=False)
    )
    assert tops[-1] + chart.bar_height <= chart.height


def test_a_number_is_written_only_where_it_has_room() -> None:
    (bar,) = bars("x", "t", "s", KINDS, [Amount("a", (97, 3, 0))]).bars
    assert [segment.roomy for segment in bar.segments] == [True, False]


def test_the_legend_names_what_occurs_and_no_more() -> None:
    assert bars("x", "t", "s", KINDS, [Amount("a", (1, 0, 2))]).kinds == (KINDS[0], KINDS[2])


FIRST = date(2019, 5, 25)


def season(shares: list[float], *, before: list[float] | None = None, close: int = 12) -> SeasonChart:
    """Return the chart of a season of twenty days."""

    def days(values: list[float]) -> list[tuple[date, float]]:
        return [(FIRST + timedelta(days=at), value) for at, value in enumerate(values)]

    return season_chart(
        "x", "t", "s", first=FIRST, last=FIRST + timedelta(days=19), points=days(shares), beside=[],
        before=days(before or []), ahead=[], marks=[ChartMark(FIRST + timedelta(days=close), "截止")],
        ticks=("1", "2"), end="e",
    )  # fmt: skip


def points(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, _, y in (point.partition(",") for point in line.split())]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_a_curve_stays_inside_its_area_with_a_point_for_each_day_of_the_axis(shares: list[float]) -> None:
    drawn = points(season(shares).line)
    assert len(drawn) == min(len(shares), 20)
    assert all(0 <= x <= CURVE_WIDTH and 0 <= y <= CURVE_HEIGHT for x, y in drawn)
    for at, (x, y) in enumerate(drawn):
        assert x == pytest.approx(at * CURVE_WIDTH / 19, abs=0.1)
        assert y == pytest.approx(CURVE_HEIGHT * (1 - shares[at]), abs=0.1)


def test_the_deadline_is_at_its_day_and_its_label_stays_on_the_chart() -> None:
    (late,), (early,) = season([0.1]).marks, season([0.1], close=2).marks
    assert number(late.x) == pytest.approx(100 * 12 / 19, abs=0.001)
    assert (late.before, early.before) == (True, False)
    assert season([0.1], close=30).marks == ()


def test_the_last_cohort_is_a_line_of_its_own_and_none_where_there_is_none() -> None:
    assert season([0.1]).before == ""
    assert points(season([0.1], before=[0.0, 1.0]).before) == [(0, 100), (pytest.approx(52.6), 0)]
