"""Charts: what is drawn is what was counted, and each part is distinguishable without colour."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.present.charts import CURVE_HEIGHT, CURVE_WIDTH, Amount, SegmentKind, bars, curve

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


@given(st.lists(st.integers(0, 500), min_size=1, max_size=60), st.integers(0, 500))
def test_a_curve_stays_inside_its_area_and_goes_from_edge_to_edge(counts: list[int], whole: int) -> None:
    drawn = curve("x", "t", "s", counts, whole, "1", "2", "e")
    points = [tuple(map(float, point.split(","))) for point in drawn.line.split()]
    assert points[0][0] == 0
    assert points[-1][0] == CURVE_WIDTH
    assert all(0 <= x <= CURVE_WIDTH and 0 <= y <= CURVE_HEIGHT for x, y in points)
    assert [x for x, _ in points] == sorted(x for x, _ in points)


def test_a_curve_is_as_high_as_its_share() -> None:
    assert curve("x", "t", "s", [0, 5, 10], 10, "1", "2", "e").line == "0.0,100.0 500.0,50.0 1000.0,0.0"
    assert curve("x", "t", "s", [5], 10, "1", "2", "e").line == "0.0,50.0 1000.0,50.0"
