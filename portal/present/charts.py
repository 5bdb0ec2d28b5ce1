"""Charts as SVG, drawn on the server: pure functions from figures to shapes, which `charts.html` renders.

Widths are percentages and heights are pixels, so that text keeps its size on any screen. Colour alone never
distinguishes two shapes: each has a pattern or a number of its own, and a title.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

#: The space for the label above a bar.
_ROW = 48
_LABEL_AT = 16
_BAR_AT = 22
BAR_HEIGHT = 18

#: A segment narrower than this, in percent, has no room for its number.
_ROOM = 7.0

#: From this percent on, a mark's label is at the left of its line.
_LABEL_ROOM = 55

#: The drawing area of a curve, stretched to the available room.
CURVE_WIDTH, CURVE_HEIGHT = 1000, 100


@dataclass(frozen=True, slots=True)
class SegmentKind:
    """What the segments of one kind mean."""

    word: str
    #: The stylesheet's name of its colour.
    tone: str
    #: The pattern over the colour. Empty for a plain one.
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Amount:
    """The value of one bar: a count for each kind."""

    label: str
    counts: tuple[int, ...]
    #: The text at the other end of the bar.
    tail: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a bar."""

    kind: SegmentKind
    count: int
    #: In percent of the bar.
    x: str
    width: str
    middle: str
    #: Whether there is room for the count.
    roomy: bool


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart, and the label above it."""

    label: str
    tail: str
    label_at: int
    bar_at: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Bars:
    """A chart of bars, each stacked to its own total."""

    name: str
    title: str
    #: The content in words, for screen readers.
    description: str
    height: int
    bar_height: int
    bars: tuple[Bar, ...]
    #: The kinds that occur.
    kinds: tuple[SegmentKind, ...]


@dataclass(frozen=True, slots=True)
class ChartMark:
    """A day with a line across the chart, and its label."""

    day: date
    label: str


@dataclass(frozen=True, slots=True)
class DrawnMark:
    """A mark on the chart: its place in percent, its label and the label's height in pixels."""

    x: str
    label: str
    label_at: int
    #: Whether the label ends at the line, because there is no room after it.
    before: bool


@dataclass(frozen=True, slots=True)
class SeasonChart:
    """The share that is settled from day to day, with the closing days, the last cohort and a forecast."""

    name: str
    title: str
    description: str
    #: Points as SVG writes them: x,y x,y …
    line: str
    area: str
    #: Where the line ends, and its label.
    end: str
    end_x: str
    end_y: str
    #: A second line of the same days, the last cohort, and the forecast. Empty for none.
    beside: str
    before: str
    ahead: str
    marks: tuple[DrawnMark, ...]
    first: str
    last: str


def bars(name: str, title: str, description: str, kinds: Sequence[SegmentKind], amounts: Sequence[Amount]) -> Bars:
    """Return a stacked bar for each amount. A total of zero is an empty bar. `name` is the chart's own on its page."""
    drawn = tuple(_bar(kinds, amount, row * _ROW) for row, amount in enumerate(amounts))
    occurring = {segment.kind for bar in drawn for segment in bar.segments}
    return Bars(
        name,
        title,
        description,
        len(drawn) * _ROW,
        BAR_HEIGHT,
        drawn,
        tuple(kind for kind in kinds if kind in occurring),
    )


def _bar(kinds: Sequence[SegmentKind], amount: Amount, top: int) -> Bar:
    whole = sum(amount.counts)
    segments: list[Segment] = []
    so_far = 0
    for kind, count in zip(kinds, amount.counts, strict=True):
        if count:
            x, width = 100 * so_far / whole, 100 * count / whole
            segments.append(Segment(kind, count, _percent(x), _percent(width), _percent(x + width / 2), width >= _ROOM))
            so_far += count
    return Bar(amount.label, amount.tail, top + _LABEL_AT, top + _BAR_AT, tuple(segments))


def season_chart(
    name: str,
    title: str,
    description: str,
    *,
    first: date,
    last: date,
    points: Sequence[tuple[date, float]],
    beside: Sequence[tuple[date, float]],
    before: Sequence[tuple[date, float]],
    ahead: Sequence[tuple[date, float]],
    marks: Sequence[ChartMark],
    ticks: tuple[str, str],
    end: str,
) -> SeasonChart:
    """Return the curve of shares between 0 and 1 from `first` to `last`. Points outside these days are left out."""
    axis = _Axis(first, max((last - first).days, 1))
    own = axis.points(points)
    line = _written(own)
    area = f"{own[0][0]:.1f},{CURVE_HEIGHT} {line} {own[-1][0]:.1f},{CURVE_HEIGHT}" if own else ""
    end_x, end_y = own[-1] if own else (0.0, float(CURVE_HEIGHT))
    return SeasonChart(
        name,
        title,
        description,
        line,
        area,
        end,
        _percent(100 * end_x / CURVE_WIDTH),
        _percent(100 * end_y / CURVE_HEIGHT),
        _written(axis.points(beside)),
        _written(axis.points(before)),
        _written(axis.points(ahead)),
        tuple(
            DrawnMark(_percent(share), mark.label, 14 + 18 * row, share > _LABEL_ROOM)
            for row, mark in enumerate(marks)
            if 0 <= (share := 100 * axis.x(mark.day) / CURVE_WIDTH) <= 100
        ),
        *ticks,
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    """The days from left to right."""

    first: date
    days: int

    def x(self, day: date) -> float:
        return (day - self.first).days * CURVE_WIDTH / self.days

    def points(self, shares: Sequence[tuple[date, float]]) -> list[tuple[float, float]]:
        drawn = [(self.x(day), CURVE_HEIGHT * (1 - min(max(share, 0.0), 1.0))) for day, share in shares]
        return [(x, y) for x, y in drawn if 0 <= x <= CURVE_WIDTH]


def _written(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _percent(value: float) -> str:
    return f"{value:.3f}%"
