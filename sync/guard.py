"""The guard: an abnormal change is held back whole, in both directions, until a person has looked. Pure.

It judges one source's own verdicts about roster students, before steps and decisions are combined. A limit is passed
only when both its count and its percentage are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median

from status_db.model import Means, Verdict
from sync.reconcile import Plan


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may change without a person; percentages are of those it concerns."""

    rows_fall_percent: Decimal = Decimal(30)
    clear_count: int = 20
    clear_percent: Decimal = Decimal(10)
    hold_count: int = 50
    hold_percent: Decimal = Decimal(10)
    sum_percent: Decimal = Decimal(30)


@dataclass(frozen=True, slots=True)
class Announced:
    """A wave that the office has announced: so many may move one way, of whom so many have."""

    most: int
    moved: int = 0

    @property
    def left(self) -> int:
        """How many more may move."""
        return max(0, self.most - self.moved)

    @property
    def covered(self) -> int:
        """How many of those who have moved were expected."""
        return min(self.moved, self.most)


#: What an office has announced that has announced nothing.
NOTHING = Announced(0)


@dataclass(frozen=True, slots=True)
class History:
    """What the guard knows of a source before this run."""

    #: Rows about roster students in the last good pulls since an approval; at most five.
    recent_rows: Sequence[int]
    #: Roster students it holds and clears now.
    held: int
    cleared: int
    #: Moved by its runs since the last approval or within 24 hours, whichever is later.
    released_lately: int = 0
    held_lately: int = 0
    #: Nothing of this source has ever been applied.
    first: bool = False
    #: The settings that decide what its rows mean are others than those last applied.
    question_changed: bool = False
    #: What the office has announced: a wave of clearing, a wave of holding.
    clearing: Announced = NOTHING
    holding: Announced = NOTHING


def judge(plan: Plan, means: Means, limits: Limits, history: History, *, first_applies: bool) -> tuple[str, ...]:
    """Return every reason to hold the plan back: what, how many of how many, and the limit. No reason lets it go."""
    if not (plan.changes or plan.findings):
        return ()
    if history.first:
        if first_applies:
            return ()
        return (f"this is the first answer of {plan.source}: {len(plan.changes)} records wait to be looked at",)
    if history.question_changed and plan.changes and not first_applies:
        return (f"the settings of {plan.source} have changed, and with them {len(plan.changes)} records",)
    reasons: list[str] = []
    released = plan.count(Verdict.HELD, Verdict.CLEARED) + plan.count(Verdict.HELD, Verdict.EXEMPT)
    held = plan.count(Verdict.CLEARED, Verdict.HELD)
    expected = 0 < released <= history.clearing.left
    before = int(median(history.recent_rows)) if history.recent_rows else 0
    if before and not plan.roster_rows:
        reasons.append(f"no rows at all, where there were {before}")
    elif before and plan.roster_rows < before * (100 - limits.rows_fall_percent) / 100 and not expected:
        limit = _percent(limits.rows_fall_percent)
        reasons.append(f"rows about roster students fall from {before} to {plan.roster_rows} (limit {limit})")
    if means is not Means.STATUS:
        # A status clears only by an explicit row, so a clearing wave of it is shown, not limited.
        reasons += _too_many(
            released,
            history.released_lately,
            history.held,
            limits.clear_count,
            limits.clear_percent,
            limits,
            history.clearing,
            "cleared",
        )
    reasons += _too_many(
        held,
        history.held_lately,
        history.cleared,
        limits.hold_count,
        limits.hold_percent,
        limits,
        history.holding,
        "held",
    )
    return tuple(reasons)


def _too_many(
    all_moved: int, all_lately: int, base: int, count: int, percent: Decimal, limits: Limits, wave: Announced, to: str
) -> list[str]:
    """Judge one direction: at once, and, where that passes, together with what has moved lately.

    Whom the office has announced is not counted.
    """
    now = "held" if to == "cleared" else "cleared"
    moved, lately = max(0, all_moved - wave.left), max(0, all_lately - wave.covered)
    beyond = f" beyond the announced wave of {wave.most}" if wave.most else ""
    if moved > max(Decimal(count), base * percent / 100):
        return [
            f"{moved} of {base} {now} students would be {to} at once{beyond} (limit {_percent(percent)} and {count})"
        ]
    total, before = moved + lately, base + lately
    if moved and total > max(Decimal(count), before * limits.sum_percent / 100):
        limit = f"limit {_percent(limits.sum_percent)} and {count}"
        since = f"since the last approval or within 24 h{beyond}"
        return [f"{total} of {before} {now} students would be {to} {since} ({limit})"]
    return []


def _percent(value: Decimal) -> str:
    return f"{value.normalize():f} %"
