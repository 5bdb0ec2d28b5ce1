"""The measured rows as tables in docs/performance.md, and as a picture."""

import re
from collections.abc import Sequence
from html import escape
from math import log10
from pathlib import Path
from statistics import median

from benchmarks.speed.rows import Row

_HEAD = "| what | floor | CPU, times the floor | spread | target | CPU | clock | memory |\n" + 8 * "|---" + "|\n"

#: Whether a target is met, or there is none → the colour of the bar.
_COLOURS = {True: "#3b7d5a", False: "#b5651d"}


def table(rows: Sequence[Row]) -> str:
    """Return rows as a table in Markdown."""
    return _HEAD + "".join(map(_line, rows))


def _line(row: Row) -> str:
    target = "" if row.target is None else f"≤ {row.target:g}"
    if row.work is None or row.least is None:
        return f"| {row.what} | {row.floor} | not measured: {row.skipped} | | {target} | | | |\n"
    low, high = row.spread
    memory = f"{median(row.work.grown_mb):.0f} MB" if row.work.grown_mb else ""
    return (
        f"| {row.what} | {row.floor} | {row.ratio:.2f} | {low:.2f}–{high:.2f} | {target} "
        f"| {_seconds(median(row.work.cpu))} | {_seconds(median(row.work.wall))} | {memory} |\n"
    )


def _seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.0f} ms"


def write_tables(page: Path, rows: Sequence[Row], stated: str) -> None:
    """Replace the table of each section, between its two marks, in a page that has them."""
    text = page.read_text(encoding="utf-8")
    for section in dict.fromkeys(row.section for row in rows):
        mark = section.lower()
        own = f"{stated}\n\n{table([row for row in rows if row.section == section])}"
        between = re.compile(rf"(?s)(<!-- {mark} -->\n).*?(<!-- /{mark} -->)")
        text, replaced = between.subn(lambda found, own=own: found[1] + own + found[2], text)  # type: ignore[misc]
        if not replaced:
            raise SystemExit(f"{page} has no marks <!-- {mark} --> and <!-- /{mark} -->")
    page.write_text(text, encoding="utf-8")


def write_picture(file: Path, rows: Sequence[Row]) -> None:
    """Draw each ratio as a bar on a logarithmic scale, with its target as a line."""
    drawn = [row for row in rows if row.work is not None]
    most = max(row.ratio for row in drawn)
    least = min(0.1, *(row.ratio for row in drawn))

    def x(ratio: float) -> float:
        return 330 + 360 * (log10(ratio) - log10(least)) / (log10(most) - log10(least))

    lines = []
    for at, row in enumerate(drawn):
        y = 30 + 24 * at
        met = row.target is None or row.ratio <= row.target
        lines += [
            f'<text x="320" y="{y + 12}" text-anchor="end">{escape(row.what)}</text>',
            f'<rect x="330" y="{y}" width="{max(1.0, x(row.ratio) - 330):.1f}" height="15" fill="{_COLOURS[met]}"/>',
            f'<text x="{x(row.ratio) + 5:.1f}" y="{y + 12}">{row.ratio:.2f}×</text>',
        ]
        if row.target is not None:
            lines.append(f'<path d="M{x(row.target):.1f} {y - 3}v21" stroke="#111" stroke-width="2"/>')
    height = 40 + 24 * len(drawn)
    file.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" font-family="sans-serif" font-size="12">\n'
        f'<rect width="760" height="{height}" fill="#fff"/>\n'
        '<text x="10" y="18">CPU, times the floor of the same run; the black line is the target</text>\n'
        + "\n".join(lines)
        + "\n</svg>\n",
        encoding="utf-8",
    )
