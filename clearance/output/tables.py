"""What the command line shows: tables for people, JSON for programs."""

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
from rich.table import Table
from rich.text import Text

from clearance.output.terminal import Terminal
from config.tables.plain_text import json_plain, on_one_line, plain
from connectors import port
from status_db.model import Flip, Obligation, State, yuan
from status_db.stored_counts import BatchCounts, RunCounts

if TYPE_CHECKING:
    # What runs the sources need not be there to show how a student stands.
    from sync.run.outcome import Outcome

#: What is done to every text before it is printed: a suggested command names its cohort, where there are several.
_naming: Callable[[str], str] = str


def speak_of(naming: Callable[[str], str] = str) -> None:
    """Have whatever is printed from now on, by a command and about why it ends, speak of one cohort."""
    global _naming  # noqa: PLW0603 - the outputs of a process are its own, and so is what they speak of
    _naming = naming


def named(text: str) -> str:
    """Return a text as it is printed now."""
    return _naming(text)


class _Output(Terminal):
    """Prints for people."""

    def print(self, *objects: Any, **how: Any) -> None:  # noqa: ANN401 - as rich has it
        """Print, with each suggested command as this cohort's."""
        super().print(*(named(each) if isinstance(each, str) else each for each in objects), **how)


#: What is asked for goes to standard output, everything about it to standard error.
OUT = _Output(width=None if sys.stdout.isatty() else 200)
ERR = _Output(stderr=True)

#: The states as the command line names them, with the tables' colours.
STATES: Mapping[State, tuple[str, str]] = {
    State.CLEARED: ("cleared", "green"),
    State.HELD: ("held", "red"),
    State.NOT_DONE: ("not yet done", "yellow"),
    State.PENDING: ("awaits a decision", "cyan"),
    State.CLOSED: ("review not open", "cyan"),
    State.OPEN: ("review open", "cyan"),
    State.UNKNOWN: ("unknown", "magenta"),
    State.EXEMPT: ("exempt", "dim"),
}


def as_json(value: object) -> None:
    """Print a value as JSON: times in ISO 8601, amounts as text. Where the output is not UTF-8 it is ASCII."""
    simple = to_jsonable_python(_with_amounts(value), bytes_mode="base64")
    # Programs read JSON as UTF-8 whatever the console's encoding is, and ASCII is both.
    is_utf8 = sys.stdout.encoding.lower().replace("-", "") == "utf8"
    print(json_plain(json.dumps(simple, ensure_ascii=not is_utf8, indent=2)))  # noqa: T201 - this is what the command is for


def _with_amounts(value: Any) -> Any:  # noqa: ANN401 - whatever a command shows
    """Return the same with the amount of every obligation written as elsewhere; what an office sent stays as it is."""
    if isinstance(value, RunCounts | BatchCounts):
        return value.stored()
    if is_dataclass(value):
        held = {field.name: _with_amounts(getattr(value, field.name)) for field in fields(value)}
        if isinstance(value, Obligation) and value.amount is not None:
            held["amount"] = yuan(value.amount)
        return held
    if isinstance(value, Mapping):
        return {key: _with_amounts(inside) for key, inside in value.items()}
    return [_with_amounts(inside) for inside in value] if isinstance(value, list | tuple) else value


def line(word: str, style: str, rest: str) -> None:
    """Print a word in a colour, and plain text behind it."""
    OUT.print(Text.assemble((on_one_line(word), style), on_one_line(named(rest))))


def table(columns: Iterable[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """Print a table; cells that are numbers are aligned to the right. Only a `Text` has a style: no cell is markup."""
    listed = [
        [cell if isinstance(cell, Text) else Text("" if cell is None else plain(named(str(cell)))) for cell in row]
        for row in rows
    ]
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
    """Write a moment as the institution's clocks show it."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S") if at else "never"


def owed(obligations: Iterable[Obligation]) -> str:
    """Write what is owed on one line."""
    return "; ".join(
        " ".join(
            part
            for part in (
                o.title or o.kind,
                _money(o.amount) if o.amount is not None else "",
                f"due {o.due}" if o.due else "due date unreadable" if o.due_unreadable else "",
                f"({o.reference})" if o.reference else "",
            )
            if part
        )
        for o in obligations
    )


def _money(amount: Decimal) -> str:
    return f"{'-' if amount < 0 else ''}¥{yuan(abs(amount), grouped=True)}"


def flips(listed: Sequence[Flip], most: int) -> None:
    """Print flips, at most so many."""
    table(
        ("student", "step", "before", "after", "because", "evidence"),
        ((f.student, f.step, f.before, f.after, f.reason, owed(f.evidence)) for f in listed[:most]),
    )
    if len(listed) > most:
        OUT.print(f"… and {len(listed) - most} more; --json lists all.")


_FIGURES: Sequence[tuple[Callable[[RunCounts], int | None], str]] = (
    (lambda counts: counts.rows, "rows"),
    (lambda counts: counts.joined, "joined"),
    (lambda counts: counts.changed, "changed"),
    (lambda counts: counts.left, "left"),
    (lambda counts: counts.unmatched_keys, "strangers"),
    (lambda counts: counts.staying, "who stay"),
    (lambda counts: counts.no_amount, "without an amount"),
    (lambda counts: counts.records, "records"),
    (lambda counts: counts.released, "held → cleared"),
    (lambda counts: counts.newly_held, "cleared → held"),
    (lambda counts: counts.newly_unknown, "known → unknown"),
    (lambda counts: counts.steps_added, "steps added"),
    (lambda counts: counts.steps_removed, "steps removed"),
    (lambda counts: counts.findings, "findings changed"),
    (lambda counts: counts.retired, "sources retired"),
    (lambda counts: counts.flips, "flips"),
)


def figures(counts: RunCounts) -> str:
    """Write a run's figures, those that are not nought."""
    if counts.not_pulled:
        return "not pulled: its fingerprint is the same"
    return ", ".join(f"{value:,} {word}" for figure, word in _FIGURES if (value := figure(counts)))


def outcome(result: "Outcome", seconds: float) -> None:
    """Print how one run ended."""
    style = "red" if result.fault else "green"
    run = f"run {result.run}, " if result.run else ""
    source = f"{result.source} ({result.cohort})" if result.cohort else result.source
    counted = f", {figures(result.counts)}" if figures(result.counts) else ""
    line(f"{result.state.value:<10}", style, f" {source:<12} {run}{seconds:.2f} s{counted}")
    for text in (*result.counts.warnings, *([result.message] if result.message else [])):
        ERR.print(f"           {text}")


@contextmanager
def bar(source: str) -> Iterator[port.Progress]:
    """Give what a connector calls while rows arrive: a bar on a terminal, nothing elsewhere.

    The bar is gone when this ends. Print results after that: what is printed beside a bar is overwritten by it.
    """
    from rich.progress import (  # noqa: PLC0415 - the few commands that ask sources pay for it
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
