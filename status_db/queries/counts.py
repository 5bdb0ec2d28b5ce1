"""Counts of students by step, college and class, within an account's visibility.

The database counts; it returns one row for each count.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Integer, Select, String, case, func, literal, select, true, union_all

from config.settings import Settings
from status_db import tables
from status_db.effective.step_status import freshness
from status_db.effective.visible import Rows, Visibility, leaving, steps_seen
from status_db.model import State
from status_db.store.engine import reading
from status_db.views import Overview, StepCounts, StepSource, StudentGroup, Where

#: Instead of a step: the student's overall state.
_WHOLE = ""


def overview(
    engine: Engine,
    settings: Settings,
    visibility: Visibility,
    now: datetime,
    *,
    college: str | None = None,
    classes: bool = False,
) -> Overview:
    """Count the visible steps at `now`, of one college or of all; with `classes`, also of each class."""
    with reading(engine) as connection:
        fresh = freshness(connection, settings, visibility.cohort)
        return counted(connection, settings, visibility, fresh, now, college=college, classes=classes)


def counted(
    connection: Connection,
    settings: Settings,
    visibility: Visibility,
    fresh: Mapping[str, StepSource],
    now: datetime,
    *,
    college: str | None = None,
    classes: bool = False,
) -> Overview:
    """Count the same inside an open read, with the given freshness of each step."""
    person = tables.student
    own = true() if college is None else person.c.college == college
    class_name = person.c["class"] if classes else literal("", String).label("class")
    students = connection.execute(select(func.count()).where(leaving(visibility), own)).scalar_one()
    # A WITH clause, so that the database evaluates it once for both.
    seen = steps_seen(settings, visibility, fresh, now, person.c.college, class_name, where=own).cte("seen")
    parts = [_by_step(seen), _by_student(seen)] if classes else [_by_step(seen)]
    rows = connection.execute(union_all(*parts)).all()
    counts: dict[tuple[str, str], _StepSums] = defaultdict(_StepSums)
    groups: dict[tuple[str, str], tuple[Counter[Where], Counter[str]]] = defaultdict(lambda: (Counter(), Counter()))
    for name, of_class, step, word, count, to_do, decided, moved in rows:
        if step == _WHOLE:
            groups[name, of_class][0][Where(word)] += count
            continue
        state, step_counts = State(word), counts[name, step]
        step_counts.states[state] += count
        step_counts.by_decision += int(decided)
        step_counts.cleared_by_decision += int(decided) if state is State.CLEARED else 0
        step_counts.disputed += int(moved)
        if classes and to_do:
            groups[name, of_class][1][step] += int(to_do)
    by_college: dict[str, dict[str, StepCounts]] = defaultdict(dict)
    by_step: dict[str, _StepSums] = defaultdict(_StepSums)
    for (name, step), step_counts in sorted(counts.items()):
        by_college[name][step] = step_counts.step_counts()
        by_step[step].add(step_counts)
    return Overview(
        cohort=visibility.cohort,
        students=students,
        freshness=fresh,
        by_step={step: step_counts.step_counts() for step, step_counts in by_step.items()},
        by_college=by_college,
        classes=tuple(StudentGroup(*key, where, to_do) for key, (where, to_do) in sorted(groups.items())),
    )


@dataclass(slots=True)
class _StepSums:
    states: Counter[State] = field(default_factory=Counter)
    by_decision: int = 0
    cleared_by_decision: int = 0
    disputed: int = 0

    def add(self, other: "_StepSums") -> None:
        self.states.update(other.states)
        self.by_decision += other.by_decision
        self.cleared_by_decision += other.cleared_by_decision
        self.disputed += other.disputed

    def step_counts(self) -> StepCounts:
        return StepCounts(self.states, self.by_decision, self.cleared_by_decision, self.disputed)


def _by_step(seen: Rows) -> Select[Any]:
    """Count each class's students by step and state."""
    keys = (seen.c.college, seen.c["class"], seen.c.step, seen.c.state)
    sums = (func.sum(seen.c.to_do), func.sum(seen.c.by_decision), func.sum(seen.c.disputed))
    return select(*keys, func.count(), *sums).group_by(*keys)


def _by_student(seen: Rows) -> Select[Any]:
    """Count each class's students by their overall state."""
    owed = case((seen.c.state == State.NOT_DONE, 0), else_=seen.c.to_do)
    where = case(
        (func.sum(owed) > 0, Where.HELD.value),
        (func.sum(seen.c.to_do) > 0, Where.NOT_DONE.value),
        (func.sum(seen.c.clear) < func.count(), Where.WAITING.value),
        else_=Where.CLEAR.value,
    )
    # A student has one college and one class: an aggregate saves the database from sorting by them.
    each = (
        select(
            func.min(seen.c.college).label("college"),
            func.min(seen.c["class"]).label("class"),
            where.label("where"),
        )
        .group_by(seen.c.student)
        .subquery()
    )
    keys = (each.c.college, each.c["class"], each.c["where"])
    nothing = literal(0, Integer)
    return select(keys[0], keys[1], literal(_WHOLE, String), keys[2], func.count(), nothing, nothing, nothing).group_by(
        *keys
    )
