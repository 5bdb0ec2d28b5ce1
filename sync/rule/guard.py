"""The guard: an abnormal change is suspended as a whole, in both directions, until a person approves it. Pure.

It judges one source's own verdicts about roster students, before steps and decisions are combined. A limit with a count
and a percentage is exceeded only when both are exceeded.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from statistics import median

from status_db.guard_reasons import Figures, GuardReason, GuardReasonKind
from status_db.model import CLEAR, Means, Verdict
from sync.rule.quality import Quality
from sync.rule.reconcile import Change, Plan


@dataclass(frozen=True, slots=True)
class GuardLimits:
    """How much can change without an approval; percentages are of the students concerned. Defaults: see settings."""

    rows_fall_percent: Decimal
    rows_fall_count: int
    #: An answer without rows is suspended when there were this many rows, or more.
    no_rows_after: int
    clear_count: int
    clear_percent: Decimal
    hold_count: int
    hold_percent: Decimal
    unknown_count: int
    unknown_percent: Decimal
    sum_percent: Decimal
    #: After this time without a good pull, only `sum_percent` limits the moves of one answer.
    night: timedelta
    #: This many held students, or more, are never all released at once.
    all_of: int
    group_count: int
    group_percent: Decimal
    group_times: Decimal
    quality_points: Decimal
    quality_rows: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """An expected change of an office: how many students can move in one direction, and how many have moved."""

    most: int
    moved: int = 0

    @property
    def left(self) -> int:
        """How many more can move."""
        return max(0, self.most - self.moved)


#: No expected change.
NOTHING = Allowance(0)


@dataclass(frozen=True, slots=True)
class GuardCounts:
    """How many students the limits count, beyond expected changes: in one plan, or recently."""

    #: No longer held: cleared, exempt or unknown.
    cleared: int = 0
    #: Held, where they counted as clear.
    held: int = 0
    #: Known before, and unknown now.
    unknown: int = 0


#: Where nothing has moved.
NO_MOVES = GuardCounts()


@dataclass(frozen=True, slots=True)
class GuardGroup:
    """Students with the same value in a column: how many of them are affected at once, compared with all others."""

    #: The column: of the roster, or `branch`.
    column: str
    name: str
    #: Held now (for a roster: leaving now), and how many of them an answer would release (for a roster: drop).
    size: int
    moved: int
    others: int
    others_moved: int


@dataclass(frozen=True, slots=True)
class History:
    """What the guard knows about a source before this run."""

    #: Rows about roster students in the last good pulls since an approval; at most five.
    recent_rows: Sequence[int]
    #: How many roster students are now held, cleared and exempt.
    held: int
    cleared: int
    exempt: int = 0
    #: Counted in its runs since the last approval or within 24 hours, from the later moment.
    lately: GuardCounts = NO_MOVES
    #: No answer of this source has been applied yet.
    first: bool = False
    #: The settings for the meaning of its rows differ from those last applied.
    question_changed: bool = False
    #: The office's expected changes: one towards cleared, one towards held.
    clearing: Allowance = NOTHING
    holding: Allowance = NOTHING
    #: Longer than `GuardLimits.night` has passed since the last good pull began.
    after_a_night: bool = False
    #: The groups with released students; those without any may be left out.
    groups: Sequence[GuardGroup] = ()
    #: The quality of the last good pull's rows; None when it is not known.
    quality: Quality | None = None


def released(changes: Iterable[Change], means: Means) -> frozenset[str]:
    """Return the students that a plan releases: held before; cleared, exempt or unknown after.

    Students that an explicit row of a status source releases are shown, and not limited.
    """
    return frozenset(
        c.student
        for c in changes
        if c.verdict_before is Verdict.HELD and (c.verdict_after is Verdict.UNKNOWN or _let_go(c, means))
    )


def count(plan: Plan, means: Means, history: History) -> GuardCounts:
    """Count the students that the limits concern, without expected changes.

    A held student that becomes unknown counts as cleared, expected or not: the next answer may clear the student, and
    that move would not be counted.
    """
    lost = plan.count(Verdict.HELD, Verdict.UNKNOWN)
    freed = len(released(plan.changes, means)) - lost
    held = sum(plan.count(before, Verdict.HELD) for before in CLEAR)
    unknown = lost + sum(plan.count(before, Verdict.UNKNOWN) for before in CLEAR)
    return GuardCounts(max(0, freed - history.clearing.left) + lost, max(0, held - history.holding.left), unknown)


def _let_go(change: Change, means: Means) -> bool:
    """Return whether a student is released. In a status source a student with a row is shown, and not limited."""
    return change.verdict_after in CLEAR and not (means is Means.STATUS and change.after is not None)


def judge(
    plan: Plan,
    means: Means,
    limits: GuardLimits,
    history: History,
    *,
    first_applies: bool,
    quality: Quality | None = None,
) -> tuple[GuardReason, ...]:
    """Return every reason to suspend the plan: what, how many of how many, and the limit. Without one, it passes.

    `quality` is that of the answer's rows; None for an answer that is not whole.
    """
    if not (plan.changes or plan.findings):
        return ()
    if history.first:
        if first_applies:
            return ()
        return (GuardReason(GuardReasonKind.FIRST_ANSWER, {"source": plan.source, "records": len(plan.changes)}),)
    asked: tuple[GuardReason, ...] = ()
    if history.question_changed:
        # It waits in any case; the person that approves it also sees the reasons that would suspend any other answer.
        figures: Figures = {"source": plan.source, "records": len(plan.changes), "findings": len(plan.findings)}
        asked = (GuardReason(GuardReasonKind.SETTINGS_CHANGED, figures),)
    counted, lately = count(plan, means, history), history.lately
    clear = history.cleared + history.exempt
    lost = plan.count(Verdict.HELD, Verdict.UNKNOWN)
    no_longer_held = "cleared_or_unknown" if lost else "cleared"
    ways = (
        (counted.cleared, lately.cleared, history.held, limits.clear_count, limits.clear_percent,
         ("held", no_longer_held, history.clearing.most)),
        (counted.held, lately.held, clear, limits.hold_count, limits.hold_percent,
         ("cleared", "held", history.holding.most)),
        (counted.unknown, lately.unknown, history.held + clear, limits.unknown_count, limits.unknown_percent,
         ("known", "unknown", 0)),
    )  # fmt: skip
    return (
        *asked,
        *_row_reasons(plan, limits, history),
        *(reason for way in ways for reason in _too_many(way, limits, after_a_night=history.after_a_night)),
        *_all_of_few(len(released(plan.changes, means)), limits, history, no_longer_held),
        *of_groups(history.groups, limits, GuardReasonKind.GROUP, {"now": "held", "then": no_longer_held}),
        *_quality_reasons(quality, limits, history),
    )


def _row_reasons(plan: Plan, limits: GuardLimits, history: History) -> list[GuardReason]:
    """Judge the number of rows about roster students."""
    before = median(history.recent_rows) if history.recent_rows else 0
    rows = plan.roster_rows
    if not rows:
        figures: Figures = {"before": f"{before:g}"}
        return [GuardReason(GuardReasonKind.NO_ROWS, figures)] if before >= limits.no_rows_after else []
    if history.after_a_night and history.recent_rows:
        # Five nightly pulls are a week, and a third of all debts can be settled in a week.
        before = min(before, history.recent_rows[-1])
    if Decimal(before) - rows > limits.rows_fall_count and rows < Decimal(before) * _remaining_share(
        limits.rows_fall_percent
    ):
        figures = {
            "before": f"{before:g}",
            "rows": rows,
            "percent": plain(limits.rows_fall_percent),
            "count": limits.rows_fall_count,
        }
        return [GuardReason(GuardReasonKind.ROWS_FALL, figures)]
    return []


def _remaining_share(percent: Decimal) -> Decimal:
    return (100 - percent) / 100


def _too_many(
    way: tuple[int, int, int, int, Decimal, tuple[str, str, int]], limits: GuardLimits, *, after_a_night: bool
) -> list[GuardReason]:
    """Judge one direction: the moves at once and, where they pass, together with the recent moves."""
    moved, lately, base, most, part, (now, then, expected_change) = way
    words: dict[str, str | int] = {"now": now, "then": then, "count": most, "wave": expected_change}
    if not after_a_night and moved > max(Decimal(most), base * part / 100):
        at_once = words | {"students": moved, "base": base, "percent": plain(part)}
        return [GuardReason(GuardReasonKind.AT_ONCE, at_once)]
    total, before = moved + lately, base + lately
    if moved and total > max(Decimal(most), before * limits.sum_percent / 100):
        together = words | {"students": total, "base": before, "percent": plain(limits.sum_percent)}
        return [GuardReason(GuardReasonKind.LATELY, together)]
    return []


def _all_of_few(gone: int, limits: GuardLimits, history: History, then: str) -> list[GuardReason]:
    """Judge whether an answer releases all held students."""
    if limits.all_of <= history.held <= gone:
        return [
            GuardReason(
                GuardReasonKind.ALL_OF_FEW, {"students": gone, "now": "held", "then": then, "all_of": limits.all_of}
            )
        ]
    return []


def of_groups(
    groups: Iterable[GuardGroup], limits: GuardLimits, kind: GuardReasonKind, words: Mapping[str, str]
) -> tuple[GuardReason, ...]:
    """Return a reason for each group with nearly all students affected, and far more than others; the largest first."""
    found = [g for g in groups if _is_outlier(g, limits)]
    return tuple(
        GuardReason(
            kind,
            {
                **words,
                "column": g.column,
                "group": g.name,
                "students": g.moved,
                "base": g.size,
                "others": g.others_moved,
                "others_base": g.others,
                "percent": plain(limits.group_percent),
                "count": limits.group_count,
            },
        )
        for g in sorted(found, key=lambda g: (-g.moved, g.column, g.name))
    )


def _is_outlier(group: GuardGroup, limits: GuardLimits) -> bool:
    return (
        group.size >= limits.group_count
        and group.moved >= group.size * limits.group_percent / 100
        and group.moved * group.others >= limits.group_times * group.others_moved * group.size
    )


def _quality_reasons(quality: Quality | None, limits: GuardLimits, history: History) -> list[GuardReason]:
    """Compare how many rows are uncertain, without an amount or unreadable with the last good pull."""
    before = history.quality
    if quality is None or before is None:
        return []
    reasons: list[GuardReason] = []
    grown = quality.poor_percent - before.poor_percent
    if quality.poor - before.poor >= limits.quality_rows and grown >= limits.quality_points:
        figures: Figures = {
            "before": before.poor,
            "before_rows": before.rows,
            "poor": quality.poor,
            "rows": quality.rows,
            "hinted": quality.hinted,
            "no_amount": quality.no_amount,
            "unreadable": quality.unreadable,
            "points": plain(limits.quality_points),
            "count": limits.quality_rows,
        }
        reasons.append(GuardReason(GuardReasonKind.QUALITY, figures))
    if _about_others(before, quality):
        figures = {"before": before.about, "before_rows": before.rows, "about": quality.about, "rows": quality.rows}
        reasons.append(GuardReason(GuardReasonKind.OTHER_PEOPLE, figures))
    return reasons


def _about_others(before: Quality, now: Quality) -> bool:
    """Return whether a list that was mostly about the roster is now mostly about others, as last year's list is.

    A small office's list has too few rows for the other limits. A library's rows are always mostly about students that
    do not leave.
    """
    return (
        before.about >= 2
        and now.about * 2 <= before.about
        and before.about * 2 > before.rows
        and (now.rows - now.about) > before.rows - before.about
        and now.about * 2 < now.rows
    )


def plain(value: Decimal) -> str:
    """Return a figure without trailing zeros."""
    return f"{value.normalize():f}"
