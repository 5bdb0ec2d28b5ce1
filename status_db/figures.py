"""Figures: how many students stand where, by step, by college and by class, within what may be read.

Everything is counted by the database; what comes from it is one row for each figure.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection, Engine, case, func, select, true

from config.settings import Settings
from status_db import tables
from status_db.engine import reading
from status_db.model import State
from status_db.seen import Sight, leaving, steps_seen
from status_db.standing import freshness
from status_db.views import Group, Overview, StepSource, Tally, Where


def overview(
    engine: Engine,
    settings: Settings,
    sight: Sight,
    now: datetime,
    *,
    college: str | None = None,
    classes: bool = False,
) -> Overview:
    """Count what may be read at `now`, of one college or of all; of each class, too, where that is asked for."""
    with reading(engine) as connection:
        fresh = freshness(connection, settings, sight.cohort)
        person = tables.student
        own = true() if college is None else person.c.college == college
        students = connection.execute(select(func.count()).where(leaving(sight), own)).scalar_one()
        seen = steps_seen(settings, sight, fresh, now, person.c.college, where=own)
        sums = (func.sum(seen.c.by_decision), func.sum(seen.c.disputed))
        keys = (seen.c.college, seen.c.step, seen.c.state)
        rows = connection.execute(select(*keys, func.count(), *sums).group_by(*keys)).all()
        groups = _classes(connection, settings, sight, fresh, now, college) if classes else ()
    tallies: dict[tuple[str, str], Counter[State]] = defaultdict(Counter)
    by_decision: Counter[tuple[str, str]] = Counter()
    disputed: Counter[tuple[str, str]] = Counter()
    for name, step, state, count, decided, moved in rows:
        tallies[name, step][State(state)] += count
        by_decision[name, step] += int(decided)
        disputed[name, step] += int(moved)
    by_college: dict[str, dict[str, Tally]] = defaultdict(dict)
    by_step: dict[str, Tally] = {}
    for (name, step), states in sorted(tallies.items()):
        tally = Tally(states, by_decision[name, step], disputed[name, step])
        by_college[name][step] = tally
        by_step[step] = _together(by_step.get(step), tally)
    return Overview(sight.cohort, students, fresh, by_step, by_college, groups)


def _together(one: Tally | None, other: Tally) -> Tally:
    if one is None:
        return other
    states = Counter(one.by_state) + Counter(other.by_state)
    return Tally(states, one.by_decision + other.by_decision, one.disputed + other.disputed)


def _classes(
    connection: Connection,
    settings: Settings,
    sight: Sight,
    fresh: Mapping[str, StepSource],
    now: datetime,
    college: str | None,
) -> tuple[Group, ...]:
    """Count each class: every student once, by where they stand as a whole, and who has to go where."""
    person = tables.student
    own = true() if college is None else person.c.college == college
    seen = steps_seen(settings, sight, fresh, now, person.c.college, person.c["class"], where=own)
    held = case((seen.c.state == State.NOT_DONE, 0), else_=seen.c.to_do)
    where = case(
        (func.sum(held) > 0, Where.HELD.value),
        (func.sum(seen.c.to_do) > 0, Where.NOT_DONE.value),
        (func.sum(seen.c.clear) < func.count(), Where.WAITING.value),
        else_=Where.CLEAR.value,
    )
    going = {step: func.sum(case((seen.c.step == step, seen.c.to_do), else_=0)).label(step) for step in sight.steps}
    each = (
        select(seen.c.college, seen.c["class"], where.label("where"), *going.values())
        .group_by(seen.c.college, seen.c["class"], seen.c.student)
        .subquery()
    )
    keys = (each.c.college, each.c["class"], each.c["where"])
    sums = [func.sum(each.c[step]) for step in going]
    found: dict[tuple[str, str], tuple[Counter[Where], Counter[str]]] = {}
    for name, class_name, where_word, count, *steps in connection.execute(
        select(*keys, func.count(), *sums).group_by(*keys)
    ):
        stands, to_do = found.setdefault((name, class_name), (Counter(), Counter()))
        stands[Where(where_word)] += count
        to_do.update({step: int(going_there) for step, going_there in zip(going, steps, strict=True)})
    return tuple(Group(*key, stands, +to_do) for key, (stands, to_do) in sorted(found.items()))
