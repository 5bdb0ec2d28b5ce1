"""The guard: an abnormal change is held back whole, in both directions, until a person has looked. Pure.

It judges one source's own verdicts about roster students, before steps and decisions are combined. A limit is passed
only when both its count and its percentage are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import median

from status_db.model import CLEAR, Means, Verdict
from status_db.objections import Figures, Objection, ObjectionKind
from sync.reconcile import Change, Plan


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may change without a person; percentages are of those it concerns."""

    rows_fall_percent: Decimal = Decimal(30)
    clear_count: int = 20
    clear_percent: Decimal = Decimal(10)
    hold_count: int = 50
    hold_percent: Decimal = Decimal(10)
    unknown_count: int = 50
    unknown_percent: Decimal = Decimal(10)
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


#: What an office has announced that has announced nothing.
NOTHING = Announced(0)


@dataclass(frozen=True, slots=True)
class Counted:
    """Whom the limits count, beyond those announced: in one plan, or of late."""

    #: No longer held: cleared, let off, or left unknown.
    cleared: int = 0
    #: Held, where they counted as clear.
    held: int = 0
    #: Known before, and unknown now.
    unknown: int = 0


#: Where nothing has moved.
NOBODY = Counted()


@dataclass(frozen=True, slots=True)
class History:
    """What the guard knows of a source before this run."""

    #: Rows about roster students in the last good pulls since an approval; at most five.
    recent_rows: Sequence[int]
    #: Roster students it holds, clears and lets off now.
    held: int
    cleared: int
    exempt: int = 0
    #: Counted in its runs since the last approval or within 24 hours, whichever is later.
    lately: Counted = NOBODY
    #: Nothing of this source has ever been applied.
    first: bool = False
    #: The settings that decide what its rows mean are others than those last applied.
    question_changed: bool = False
    #: What the office has announced: a wave of clearing, a wave of holding.
    clearing: Announced = NOTHING
    holding: Announced = NOTHING


def count(plan: Plan, means: Means, history: History) -> Counted:
    """Count whom the limits concern, without those whom the office has announced.

    Who was held and becomes unknown counts like one who is cleared, announced or not: the next answer may clear them,
    and nobody would count that.
    """
    released = sum(1 for c in plan.changes if c.verdict_before is Verdict.HELD and _let_go(c, means))
    lost = plan.count(Verdict.HELD, Verdict.UNKNOWN)
    held = sum(plan.count(before, Verdict.HELD) for before in CLEAR)
    unknown = lost + sum(plan.count(before, Verdict.UNKNOWN) for before in CLEAR)
    return Counted(max(0, released - history.clearing.left) + lost, max(0, held - history.holding.left), unknown)


def _let_go(change: Change, means: Means) -> bool:
    """Say whether a student is let go; by a status, only where no row says so: one that does is shown, not limited."""
    return change.verdict_after in CLEAR and not (means is Means.STATUS and change.after is not None)


def judge(plan: Plan, means: Means, limits: Limits, history: History, *, first_applies: bool) -> tuple[Objection, ...]:
    """Return every reason to hold the plan back: what, how many of how many, and the limit. No reason lets it go."""
    if not (plan.changes or plan.findings):
        return ()
    if history.first:
        if first_applies:
            return ()
        return (Objection(ObjectionKind.FIRST_ANSWER, {"source": plan.source, "records": len(plan.changes)}),)
    if history.question_changed:
        figures: Figures = {"source": plan.source, "records": len(plan.changes), "findings": len(plan.findings)}
        return (Objection(ObjectionKind.SETTINGS_CHANGED, figures),)
    counted, lately = count(plan, means, history), history.lately
    clear = history.cleared + history.exempt
    lost = plan.count(Verdict.HELD, Verdict.UNKNOWN)
    return (
        *_rows(plan, limits, history),
        *_too_many(
            (counted.cleared, lately.cleared, history.held, limits.clear_count, limits.clear_percent),
            limits.sum_percent,
            ("held", "cleared_or_unknown" if lost else "cleared", history.clearing.most),
        ),
        *_too_many(
            (counted.held, lately.held, clear, limits.hold_count, limits.hold_percent),
            limits.sum_percent,
            ("cleared", "held", history.holding.most),
        ),
        *_too_many(
            (counted.unknown, lately.unknown, history.held + clear, limits.unknown_count, limits.unknown_percent),
            limits.sum_percent,
            ("known", "unknown", 0),
        ),
    )


def _rows(plan: Plan, limits: Limits, history: History) -> list[Objection]:
    """Judge how many rows there are. As many may go as students are announced to be cleared, but never all of them."""
    before = median(history.recent_rows) if history.recent_rows else 0
    if before and not plan.roster_rows:
        return [Objection(ObjectionKind.NO_ROWS, {"before": f"{before:g}"})]
    released = sum(plan.count(Verdict.HELD, after) for after in CLEAR)
    if 0 < released <= history.clearing.left:
        return []
    if plan.roster_rows < Decimal(before) * (100 - limits.rows_fall_percent) / 100:
        figures: Figures = {
            "before": f"{before:g}",
            "rows": plan.roster_rows,
            "percent": plain(limits.rows_fall_percent),
        }
        return [Objection(ObjectionKind.ROWS_FALL, figures)]
    return []


def _too_many(
    figures: tuple[int, int, int, int, Decimal], sum_percent: Decimal, words: tuple[str, str, int]
) -> list[Objection]:
    """Judge one direction: at once, and, where that passes, together with what has moved lately."""
    (moved, lately, base, most, part), (now, then, wave) = figures, words
    said: dict[str, str | int] = {"now": now, "then": then, "count": most, "wave": wave}
    if moved > max(Decimal(most), base * part / 100):
        at_once = said | {"students": moved, "base": base, "percent": plain(part)}
        return [Objection(ObjectionKind.AT_ONCE, at_once)]
    total, before = moved + lately, base + lately
    if moved and total > max(Decimal(most), before * sum_percent / 100):
        together = said | {"students": total, "base": before, "percent": plain(sum_percent)}
        return [Objection(ObjectionKind.LATELY, together)]
    return []


def plain(value: Decimal) -> str:
    """Write a figure without needless noughts."""
    return f"{value.normalize():f}"
