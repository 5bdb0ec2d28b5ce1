"""The output of commands: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from pydantic_core import to_jsonable_python
from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from clearance.output.code_words import joined, word
from clearance.output.step_names import step_name
from clearance.output.terminal import Terminal
from config.settings import Settings
from config.tables.plain_text import json_plain, on_one_line, plain
from connectors import port
from foundation.translation import N_, tr
from status_db.model import Flip, Obligation, State, yuan
from status_db.stored_counts import BatchCounts, RunCounts
from status_db.views import FlipView

if TYPE_CHECKING:
    # A command that only reads must not load what runs the sources.
    from sync.run.outcome import Outcome

#: Applied to every text before it is printed. It adds the cohort to suggested commands when there are several.
_add_cohort: Callable[[str], str] = str


def set_cohort_naming(naming: Callable[[str], str] = str) -> None:
    """Set how later output names its cohort in suggested commands."""
    global _add_cohort  # noqa: PLW0603 - a process has one output, and one cohort for it
    _add_cohort = naming


def named(text: str) -> str:
    """Return a text as it is printed."""
    return _add_cohort(text)


class _Output(Terminal):
    """A terminal that names the cohort in suggested commands."""

    def print(self, *objects: Any, **how: Any) -> None:  # noqa: ANN401 - rich's own types
        """Print, and add the cohort to each suggested command."""
        super().print(*(named(each) if isinstance(each, str) else each for each in objects), **how)


#: Results are printed to standard output, messages about them to standard error.
OUT = _Output(width=None if sys.stdout.isatty() else 200)
ERR = _Output(stderr=True)

#: The names of the states on the command line, with their colours.
STATES: Mapping[State, tuple[str, str]] = {
    State.CLEARED: (N_("cleared"), "green"),
    State.HELD: (N_("held"), "red"),
    State.NOT_DONE: (N_("not yet done"), "yellow"),
    State.PENDING: (N_("awaits a decision"), "cyan"),
    State.CLOSED: (N_("review not open"), "cyan"),
    State.OPEN: (N_("review open"), "cyan"),
    State.UNKNOWN: (N_("unknown"), "magenta"),
    State.EXEMPT: (N_("exempt"), "dim"),
}


def as_json(value: object) -> None:
    """Print a value as JSON: times in ISO 8601, amounts as text. Use ASCII when the output is not UTF-8."""
    simple = to_jsonable_python(_with_amounts(value), bytes_mode="base64")
    # Programs read JSON as UTF-8, whatever the console's encoding is. ASCII is valid in both.
    is_utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
    print(json_plain(json.dumps(simple, ensure_ascii=not is_utf8, indent=2)))  # noqa: T201 - JSON must not be wrapped or coloured


def _with_amounts(value: Any) -> Any:  # noqa: ANN401 - any value that a command prints
    """Return the value with the amount of every obligation as text. Texts of an office stay unchanged."""
    if isinstance(value, RunCounts | BatchCounts):
        return value.stored()
    if is_dataclass(value):
        amounts = {field.name: _with_amounts(getattr(value, field.name)) for field in fields(value)}
        if isinstance(value, Obligation) and value.amount is not None:
            amounts["amount"] = yuan(value.amount)
        return amounts
    if isinstance(value, Mapping):
        return {key: _with_amounts(inside) for key, inside in value.items()}
    return [_with_amounts(inside) for inside in value] if isinstance(value, list | tuple) else value


def line(head: str, style: str, rest: str) -> None:
    """Print a word in a colour, followed by plain text."""
    OUT.print(Text.assemble((on_one_line(head), style), on_one_line(named(rest))))


def padded(text: str, width: int) -> str:
    """Return a text that fills so many columns of a terminal. A Chinese character fills two."""
    return text + " " * (width - cell_len(text))


def table(columns: Iterable[str], rows: Iterable[Sequence[object]], *, title: str = "", none: str = "") -> None:
    """Print a table, with numbers aligned to the right; without rows, print the sentence `none` if there is one.

    Cells are plain text; only a `Text` has a style.
    """
    listed = [
        [cell if isinstance(cell, Text) else Text("" if cell is None else plain(named(str(cell)))) for cell in row]
        for row in rows
    ]
    if none and not listed:
        OUT.print(none, markup=False)
        return
    names = list(columns)
    shown = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(names):
        cells = [row[index].plain for row in listed]
        numbers = all(cell.replace(",", "").isdigit() for cell in cells if cell) and bool(cells)
        shown.add_column(name, justify="right" if numbers else "left", overflow="fold")
    for row in listed:
        shown.add_row(*row)
    OUT.print(shown)


def moment(at: datetime | None, zone: ZoneInfo) -> str:
    """Return a moment as local time of the institution."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") if at else tr("never")


def moment_by(at: datetime | None, author: str, zone: ZoneInfo) -> str:
    """Return when something happened and the account; empty when it did not happen."""
    return tr("{at} by {author}", at=moment(at, zone), author=author) if at else ""


def owed(obligations: Iterable[Obligation]) -> str:
    """Return obligations as one line of text."""
    return tr("; ").join(
        " ".join(
            part
            for part in (
                o.title or o.kind,
                _amount_text(o.amount) if o.amount is not None else "",
                tr("due {day}", day=o.due) if o.due else tr("due date unreadable") if o.due_unreadable else "",
                f"({o.reference})" if o.reference else "",
            )
            if part
        )
        for o in obligations
    )


def _amount_text(amount: Decimal) -> str:
    return tr("{sign}¥{amount}", sign="-" if amount < 0 else "", amount=yuan(abs(amount), grouped=True))


def flips(settings: Settings, listed: Sequence[Flip | FlipView], most: int) -> None:
    """Print flips, at most `most` of them."""
    table(
        (tr("student"), tr("step"), tr("before"), tr("after"), tr("because"), tr("evidence")),
        (_flip_cells(settings, flip) for flip in listed[:most]),
    )
    if len(listed) > most:
        OUT.print(tr("… and {more} more; --json lists all.", more=len(listed) - most))


def _flip_cells(settings: Settings, flip: Flip | FlipView) -> Sequence[str]:
    """Return the cells of a flip in a table."""
    step = step_name(settings, flip.step)
    return flip.student, step, word(flip.before), word(flip.after), word(flip.reason), owed(flip.evidence)


_ROWS = N_("{count:,} rows")

_FIGURES: Sequence[tuple[Callable[[RunCounts], int | None], str]] = (
    (lambda counts: counts.rows, _ROWS),
    (lambda counts: counts.joined, N_("{count:,} joined")),
    (lambda counts: counts.changed, N_("{count:,} changed")),
    (lambda counts: counts.left, N_("{count:,} left")),
    (lambda counts: counts.unmatched_keys, N_("{count:,} unmatched")),
    (lambda counts: counts.staying, N_("{count:,} not leaving")),
    (lambda counts: counts.no_amount, N_("{count:,} without an amount")),
    (lambda counts: counts.records, N_("{count:,} records")),
    (lambda counts: counts.released, N_("{count:,} held → cleared")),
    (lambda counts: counts.newly_held, N_("{count:,} cleared → held")),
    (lambda counts: counts.newly_unknown, N_("{count:,} known → unknown")),
    (lambda counts: counts.steps_added, N_("{count:,} steps added")),
    (lambda counts: counts.steps_removed, N_("{count:,} steps removed")),
    (lambda counts: counts.findings, N_("{count:,} findings changed")),
    (lambda counts: counts.retired, N_("{count:,} sources retired")),
    (lambda counts: counts.flips, N_("{count:,} flips")),
)


def figures(counts: RunCounts) -> str:
    """Return a run's figures as text: its rows, also when there are none, and what else is not zero."""
    if counts.not_pulled:
        return tr("not pulled: its fingerprint is unchanged")
    shown = ((text, figure(counts)) for figure, text in _FIGURES)
    return joined(tr(text, count=value) for text, value in shown if value or (value == 0 and text == _ROWS))


def outcome(result: "Outcome", seconds: float) -> None:
    """Print the result of one run."""
    style = "red" if result.fault else "green"
    source = f"{result.source} ({result.cohort})" if result.cohort else result.source
    text = N_("run {run}, {seconds:.2f} s") if result.run else N_("{seconds:.2f} s")
    about = tr(text, run=result.run, seconds=seconds)
    if counted := figures(result.counts):
        about = tr("{run}, {figures}", run=about, figures=counted)
    line(padded(word(result.state), 10), style, f" {source:<12} {about}")
    for text in (*result.counts.warnings, *([result.message] if result.message else [])):
        ERR.print(f"           {text}")


@contextmanager
def bar(source: str) -> Iterator[port.Progress]:
    """Yield the progress callback of a connector: a bar on a terminal, else nothing.

    The bar is removed when this ends. Print results afterwards, because the bar overwrites what is printed next to it.
    """
    from rich.progress import (  # noqa: PLC0415 - only commands that query sources need it
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=ERR, transient=True, redirect_stdout=False, disable=not sys.stderr.isatty()
    ) as progress:
        task = progress.add_task(plain(source), total=None)
        yield lambda done, expected: progress.update(task, completed=done, total=expected)
