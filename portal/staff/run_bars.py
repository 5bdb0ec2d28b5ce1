"""The last runs of a source as bars: the tone and pattern show how a run ended, the height how many rows it read."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from portal.i18n import labels
from portal.page.context import Context
from status_db.model import ROSTER, RunState
from status_db.views import RunView

#: The bars of a source.
BARS = 30

#: The drawing area, stretched to the available room.
WIDTH, HEIGHT = 300, 40
_STEP = WIDTH / BARS

#: A run without rows is a stub, so that it can be seen.
_LEAST = 6.0

#: Patterns over the tones.
_PATTERNS = {"bad": "cross", "todo": "hatch", "wait": "lines"}


@dataclass(frozen=True, slots=True)
class RunBar:
    """One run."""

    x: str
    y: str
    width: str
    height: str
    tone: str
    pattern: str
    title: str


@dataclass(frozen=True, slots=True)
class RunBars:
    """The last runs, the oldest first, and the same in words."""

    bars: tuple[RunBar, ...]
    title: str
    description: str


def bars_of(context: Context, runs: Sequence[RunView]) -> RunBars | None:
    """Return the bars of these runs, which are the newest first; None without a run."""
    if not runs:
        return None
    shown = list(reversed(runs[:BARS]))
    most = max((rows_of(run) or 0 for run in shown), default=0)
    first = BARS - len(shown)
    language = context.language
    counted = Counter(run.state for run in shown)
    counted_states = language.listed(
        f"{labels.say(language, labels.RUN_STATES, state)} {counted[state]}" for state in RunState if counted[state]
    )
    return RunBars(
        tuple(_bar(context, run, first + at, most) for at, run in enumerate(shown)),
        language.ngettext("最近 %(num)s 次同步", len(shown)),
        counted_states,
    )


def rows_of(run: RunView) -> int | None:
    """Return how many rows about students of the roster a run read; None if it read none of them."""
    return run.counts.rows if run.source == ROSTER else run.counts.roster_rows


def _bar(context: Context, run: RunView, at: int, most: int) -> RunBar:
    rows, tone = rows_of(run), labels.RUN_TONES.get(run.state, "wait")
    height = max(_LEAST, HEIGHT * (rows or 0) / most) if most else _LEAST
    state = labels.say(context.language, labels.RUN_STATES, run.state)
    began = context.language.moment(run.began, context.now)
    title = f"{run.run} · {began} · {state}"
    if rows is not None:
        title += " · " + context.language.ngettext("%(num)s 行", rows)
    return RunBar(
        f"{at * _STEP + 1:.1f}",
        f"{HEIGHT - height:.1f}",
        f"{_STEP - 2:.1f}",
        f"{height:.1f}",
        tone,
        _PATTERNS.get(tone, ""),
        title,
    )
