"""What the guard knows about a source before an answer, and what it compares in the answer."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from config.settings import Settings
from connectors.port import Cell, Snapshot
from status_db.marks.current import GROUPED_BY, CurrentState, SourceState
from status_db.marks.expected_changes import ExpectedChange
from status_db.model import Verdict, is_ahead, normalise_number
from sync import rule_settings
from sync.rule import guard, quality
from sync.rule.answer import ResolvedKeys
from sync.rule.reconcile import Plan
from sync.rule.records import Rows, SourceRule

#: Moves are summed over a day. Two nightly runs count as two nights also where the second starts a little earlier.
SUM_OVER = timedelta(hours=24) - timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class AtBranches:
    """How many students a source's branches hold: before an answer, as last measured, and after it."""

    #: Branch → students held there; empty where the source names no branches.
    before: Mapping[str, int]
    after: Mapping[str, int]
    #: Branch → students that were held, still have a row there, and stay held.
    staying: Mapping[str, int]

    def groups(self) -> tuple[guard.GuardGroup, ...]:
        """Return each branch compared with all the others."""
        released = {name: max(0, held - self.staying.get(name, 0)) for name, held in self.before.items()}
        all_held, all_released = sum(self.before.values()), sum(released.values())
        return tuple(
            guard.GuardGroup("branch", name, held, released[name], all_held - held, all_released - released[name])
            for name, held in sorted(self.before.items())
            if released[name]
        )


#: For a source that names no branches.
NO_BRANCHES = AtBranches({}, {}, {})


@dataclass(frozen=True, slots=True)
class SourceHistory:
    """What is stored about a source's past, and about the groups of the students that it may release."""

    #: The office's announcements, by the verdict towards which students will move.
    announced: Mapping[Verdict, guard.Allowance]
    #: Counted since the last approval or within a day, from the later moment.
    lately: guard.GuardCounts
    #: How many students have the step; read where a missing row means held or cleared.
    with_step: int
    #: Students with a held record; read where the source names branches.
    held: frozenset[str]
    #: Student that may be released → the columns of `GROUPED_BY`.
    columns: Mapping[str, Sequence[str]]
    #: Column → name → students held there.
    sizes: Mapping[str, Mapping[str, int]]


#: Where no student's step may change.
NO_PAST = SourceHistory({}, guard.NO_MOVES, 0, frozenset(), {}, {})


def read_past(
    stored: CurrentState,
    expected_changes: Iterable[ExpectedChange],
    settings: Settings,
    rule: SourceRule,
    state: SourceState,
    snapshot: Snapshot,
    clock: datetime | None,
    released: Collection[str],
) -> SourceHistory:
    """Read a source's past; `released` contains at least the students that may be released.

    `clock` is the current time, which may be long after the answer was read.
    """
    name, now, limits = rule.source, clock or snapshot.ended, rule_settings.limits(settings.source[rule.source])
    since = now - SUM_OVER
    if state.approved_at is not None and not is_ahead(state.approved_at, now):
        since = max(since, state.approved_at)
    moved = stored.runs.counted_since(name, since, now)
    counts_silent = rule.absent in (Verdict.HELD, Verdict.CLEARED)
    large = len(released) >= limits.group_count * limits.group_percent / 100
    without_record = rule.absent is Verdict.HELD
    return SourceHistory(
        announced={
            expected_change.towards: guard.Allowance(
                expected_change.most, stored.runs.announced_since(name, expected_change.at)[expected_change.towards]
            )
            for expected_change in expected_changes
        },
        lately=guard.GuardCounts(moved[Verdict.CLEARED], moved[Verdict.HELD], moved[Verdict.UNKNOWN]),
        with_step=stored.headcount(rule_settings.flows_with(settings, rule.step)) if counts_silent else 0,
        held=stored.held_students(name) if "branch" in snapshot.fields else frozenset(),
        columns=stored.groups_of(released) if large else {},
        sizes={c: stored.held_by(name, rule.step, c, without_record=without_record) for c in GROUPED_BY if large},
    )


def history(
    past: SourceHistory, settings: Settings, rule: SourceRule, state: SourceState, snapshot: Snapshot
) -> guard.History:
    """Return what the guard knows about a source before this answer, without its groups. Pure."""
    source = settings.source[rule.source]
    effective = {Verdict.HELD: state.held, Verdict.CLEARED: state.done}
    if rule.absent in effective:
        effective[rule.absent] += past.with_step - state.held - state.done - state.unknown - state.exempt
    return guard.History(
        recent_rows=state.recent_rows,
        held=effective[Verdict.HELD],
        cleared=effective[Verdict.CLEARED],
        exempt=state.exempt,
        lately=past.lately,
        first=state.settings_digest is None,
        question_changed=not (state.settings_digest is None or rule.is_known_as(state.settings_digest))
        or state.location_digest not in (None, *rule_settings.locations(source)),
        clearing=past.announced.get(Verdict.CLEARED, guard.NOTHING),
        holding=past.announced.get(Verdict.HELD, guard.NOTHING),
        after_a_night=state.began is not None and snapshot.began - state.began > rule_settings.limits(source).night,
        quality=quality.from_json(state.quality),
    )


def without_rows(known: guard.History, found: Sequence[guard.GuardGroup] = ()) -> guard.History:
    """Return the history for a change that does not show how many rows there are in all."""
    return replace(known, recent_rows=(), after_a_night=False, groups=found)


def groups(
    past: SourceHistory, rule: SourceRule, limits: guard.GuardLimits, plan: Plan, held: int, at_branches: AtBranches
) -> tuple[guard.GuardGroup, ...]:
    """Return the groups from which a plan releases students: by the roster's columns and the source's branches. Pure.

    `held` is the number of students that the source holds now. Groups that are too small for a limit may be left out.
    """
    released_students = guard.released(plan.changes, rule.means)
    if len(released_students) < limits.group_count * limits.group_percent / 100:
        return at_branches.groups()
    found: list[guard.GuardGroup] = []
    shared = [past.columns[student] for student in released_students]
    for at, column in enumerate(GROUPED_BY):
        moved = Counter(columns[at] for columns in shared if columns[at])
        sizes = past.sizes[column]
        found += [
            guard.GuardGroup(
                column,
                name,
                sizes.get(name, 0),
                count,
                max(0, held - sizes.get(name, 0)),
                len(released_students) - count,
            )
            for name, count in sorted(moved.items())
        ]
    return (*found, *at_branches.groups())


def at_branches(
    past: SourceHistory, state: SourceState, snapshot: Snapshot, people: Mapping[Cell, str], plan: Plan
) -> AtBranches:
    """Return how many students the branches hold; `people` are the roster students of the number cells. Pure."""
    if "branch" not in snapshot.fields:
        return NO_BRANCHES
    at = list(snapshot.fields).index("branch")
    rows_at: dict[str, set[str]] = {}
    for row in snapshot.rows:
        name = "" if row[at] is None else " ".join(str(row[at]).split())
        if name and (student := people.get(row[0])) is not None:
            rows_at.setdefault(name, set()).add(student)
    after = quality.held_after(past.held, ((c.student, c.verdict_after) for c in plan.changes if c.concerned))
    before = quality.from_json(state.quality)
    return AtBranches(
        before.branches if before is not None else {},
        quality.held_by_branch(rows_at, after),
        quality.held_by_branch(rows_at, past.held & after),
    )


def students_of_keys(
    groups: Mapping[Cell, Rows], digests: Mapping[str, bytes], resolved: ResolvedKeys
) -> dict[Cell, str]:
    """Return the roster student that each number cell certainly means."""
    found: dict[Cell, str] = {}
    for key in groups:
        number = _normalised_key(key)
        student = number if number in digests else resolved.students.get(number)
        if student is not None and number not in resolved.doubtful:
            found[key] = student
    return found


def hinted(groups: Iterable[Cell], digests: Mapping[str, bytes], resolved: ResolvedKeys) -> frozenset[Cell]:
    """Return the number cells that have only a match hint."""
    if not (resolved.near or resolved.doubtful):
        return frozenset()
    cells = (key for key in groups if key not in digests or key in resolved.doubtful)
    return frozenset(
        key for key in cells if _normalised_key(key) in resolved.near or _normalised_key(key) in resolved.doubtful
    )


def _normalised_key(key: Cell) -> str:
    return "" if key is None else normalise_number(key)
