"""What the guard knows of a source before an answer, and what it compares of the answer."""

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

#: What has moved is summed over a day. Two nightly runs of a source that starts a little earlier today than yesterday
#: are two nights all the same.
SUM_OVER = timedelta(hours=24) - timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class AtBranches:
    """Whom a source's branches hold: before an answer, as last measured, and after it."""

    #: Branch → students held there; empty where the source names no branches.
    before: Mapping[str, int]
    after: Mapping[str, int]
    #: Branch → students who were held, have a row there still, and stay held.
    staying: Mapping[str, int]

    def groups(self) -> tuple[guard.GuardGroup, ...]:
        """Return each branch beside all the others."""
        gone = {name: max(0, held - self.staying.get(name, 0)) for name, held in self.before.items()}
        everybody, all_gone = sum(self.before.values()), sum(gone.values())
        return tuple(
            guard.GuardGroup("branch", name, held, gone[name], everybody - held, all_gone - gone[name])
            for name, held in sorted(self.before.items())
            if gone[name]
        )


#: Of a source that names no branches.
NO_BRANCHES = AtBranches({}, {}, {})


@dataclass(frozen=True, slots=True)
class SourceHistory:
    """What is stored of a source's past, and of the groups of whoever it may release."""

    #: What the office has announced, by the verdict towards which students will move.
    announced: Mapping[Verdict, guard.Allowance]
    #: Counted since the last approval or within a day, whichever is later.
    lately: guard.GuardCounts
    #: Students who have the step; read where a missing row means held or cleared.
    everybody: int
    #: Students whose record is held; read where the source names branches.
    held: frozenset[str]
    #: Student who may be released → the columns of `GROUPED_BY`.
    columns: Mapping[str, Sequence[str]]
    #: Column → name → students held there.
    sizes: Mapping[str, Mapping[str, int]]


#: Where nobody's step may change.
NO_PAST = SourceHistory({}, guard.NOBODY, 0, frozenset(), {}, {})


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
    """Read a source's past; `released` are the students who may be released, or more.

    `clock` is what time it is, which may be long after the answer was read.
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
        everybody=stored.headcount(rule_settings.flows_with(settings, rule.step)) if counts_silent else 0,
        held=stored.held_students(name) if "branch" in snapshot.fields else frozenset(),
        columns=stored.groups_of(released) if large else {},
        sizes={c: stored.held_by(name, rule.step, c, without_record=without_record) for c in GROUPED_BY if large},
    )


def history(
    past: SourceHistory, settings: Settings, rule: SourceRule, state: SourceState, snapshot: Snapshot
) -> guard.History:
    """Return what the guard knows of a source before this answer, without its groups. Pure."""
    source = settings.source[rule.source]
    effective = {Verdict.HELD: state.held, Verdict.CLEARED: state.done}
    if rule.absent in effective:
        effective[rule.absent] += past.everybody - state.held - state.done - state.unknown - state.exempt
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
    """Return the history for a change that says nothing about how many rows there are in all."""
    return replace(known, recent_rows=(), after_a_night=False, groups=found)


def groups(
    past: SourceHistory, rule: SourceRule, limits: guard.GuardLimits, plan: Plan, held: int, at_branches: AtBranches
) -> tuple[guard.GuardGroup, ...]:
    """Return the groups of which a plan releases students: by the roster's columns and by the source's branches. Pure.

    `held` are all the students that the source holds now. Groups that are too small for a limit may be left out.
    """
    gone = guard.released(plan.changes, rule.means)
    if len(gone) < limits.group_count * limits.group_percent / 100:
        return at_branches.groups()
    found: list[guard.GuardGroup] = []
    shared = [past.columns[student] for student in gone]
    for at, column in enumerate(GROUPED_BY):
        moved = Counter(columns[at] for columns in shared if columns[at])
        sizes = past.sizes[column]
        found += [
            guard.GuardGroup(
                column, name, sizes.get(name, 0), count, max(0, held - sizes.get(name, 0)), len(gone) - count
            )
            for name, count in sorted(moved.items())
        ]
    return (*found, *at_branches.groups())


def at_branches(
    past: SourceHistory, state: SourceState, snapshot: Snapshot, people: Mapping[Cell, str], plan: Plan
) -> AtBranches:
    """Return whom the source's branches hold; `people` are the roster students that its number cells mean. Pure."""
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


def whose(groups: Mapping[Cell, Rows], digests: Mapping[str, bytes], resolved: ResolvedKeys) -> dict[Cell, str]:
    """Return the roster student that each number cell surely means."""
    found: dict[Cell, str] = {}
    for key in groups:
        number = _number(key)
        student = number if number in digests else resolved.students.get(number)
        if student is not None and number not in resolved.doubtful:
            found[key] = student
    return found


def hinted(groups: Iterable[Cell], digests: Mapping[str, bytes], resolved: ResolvedKeys) -> frozenset[Cell]:
    """Return the number cells that have no more than a match hint."""
    if not (resolved.near or resolved.doubtful):
        return frozenset()
    cells = (key for key in groups if key not in digests or key in resolved.doubtful)
    return frozenset(key for key in cells if _number(key) in resolved.near or _number(key) in resolved.doubtful)


def _number(key: Cell) -> str:
    return "" if key is None else normalise_number(key)
