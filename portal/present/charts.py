"""Charts as SVG, drawn on the server: pure functions from figures to shapes, which `charts.html` renders.

Widths are percentages and heights are pixels, so that text keeps its size on any screen. Colour alone never
distinguishes two shapes: each has a pattern or a number of its own, and a title.
"""

from collections.abc import Sequence
from dataclasses import dataclass

#: The space for the label above a bar.
_ROW = 48
_LABEL_AT = 16
_BAR_AT = 22
BAR_HEIGHT = 18

#: A segment narrower than this, in percent, has no room for its number.
_ROOM = 7.0

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
class Curve:
    """The course of one number from day to day, and the area below it."""

    name: str
    title: str
    description: str
    #: The points as SVG writes them: x,y x,y …
    line: str
    area: str
    first: str
    last: str
    #: The last number and its total, as text.
    end: str


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


def curve(
    name: str, title: str, description: str, counts: Sequence[int], whole: int, first: str, last: str, end: str
) -> Curve:
    """Return the curve of a number from day to day, as a part of `whole`. A single day is a level line."""
    steps = max(len(counts) - 1, 1)
    points = [(i * CURVE_WIDTH / steps, _height(count, whole)) for i, count in enumerate(counts)]
    if len(points) == 1:
        points.append((float(CURVE_WIDTH), points[0][1]))
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    area = f"0,{CURVE_HEIGHT} {line} {CURVE_WIDTH},{CURVE_HEIGHT}" if points else ""
    return Curve(name, title, description, line, area, first, last, end)


def _height(count: int, whole: int) -> float:
    return CURVE_HEIGHT * (1 - min(max(count / whole, 0.0), 1.0)) if whole else float(CURVE_HEIGHT)


def _percent(value: float) -> str:
    return f"{value:.3f}%"
