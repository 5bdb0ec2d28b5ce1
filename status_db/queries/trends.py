"""Trends: how many were clear at the end of each day, and how long it took them, out of the flips.

Counted are the students who leave now, each in the college of now, and the steps of their flow of now. A step is clear
from the flip that made it cleared or exempt until one that made it held or unknown; nobody is clear before the first
flip. Where neither a finding nor a decision is stored for a step as it is configured now, its flips are those of
another step, and do not count. Staleness, and a review that lapses because what it rested on has moved, are no flips:
they are told of today, by the figures, and not of the past.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Engine,
    String,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from config.settings import Settings
from status_db import tables
from status_db.effective.step_rows import steps_beside
from status_db.effective.visible import Rows, Visibility, leaving, may_read
from status_db.model import CLEAR, NOT_IN_FLOW, ROSTER, RunState
from status_db.store.engine import reading

#: Every zone's offset is a whole number of these, so that each lies inside one day of every zone.
_QUARTER = 900


_TEXT = literal("", String)


class _Quarter(FunctionElement[int]):
    """The number of a moment's quarter of an hour, since 1970 in UTC."""

    type = BigInteger()
    inherit_cache = True
    name = "quarter"


@compiles(_Quarter, "postgresql")
def _quarter_postgresql(element: _Quarter, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - as SQLAlchemy calls it
    (at,) = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"CAST(FLOOR(EXTRACT(EPOCH FROM {at}) / {_QUARTER}) AS BIGINT)"


@compiles(_Quarter, "sqlite")
def _quarter_sqlite(element: _Quarter, compiler: SQLCompiler, **kw: Any) -> str:  # noqa: ANN401 - as SQLAlchemy calls it
    (at,) = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"(CAST(strftime('%s', {at}) AS INTEGER) / {_QUARTER})"


@dataclass(frozen=True, slots=True)
class Day:
    """How many were clear when a day ended, or now, of today."""

    day: date
    #: All clear: every step that may be read, of those in their flow.
    clear: int
    #: Step → how many were clear there.
    by_step: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Span:
    """How many days it took the students of one college, or all of them, from the opening to all clear."""

    #: Empty for everybody.
    college: str
    students: int
    #: Those who are all clear now; the days below are theirs.
    clear: int
    #: A quarter of them took at most so many days, half, three quarters; None where nobody is clear yet.
    quartiles: tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Trend:
    """The season so far."""

    #: How many leave: what the figures of each day are to be seen against.
    students: int
    #: Step → how many have it in their flow.
    with_step: Mapping[str, int]
    #: From the first day with a list to today, without a gap; nothing before there was a list.
    days: tuple[Day, ...]
    #: Everybody, then each college by name.
    spans: tuple[Span, ...]


def trend(
    engine: Engine, settings: Settings, visibility: Visibility, now: datetime, college: str | None = None
) -> Trend:
    """Return how the season went within what may be read, in days of the institution's zone.

    Days to all clear are counted from the first day of the student's level's window, or from the day of the first list
    where it has none; who was clear by then took 0 days.
    """
    zone = settings.institution.timezone
    with reading(engine) as connection:
        began = _first_list(connection, visibility.cohort)
        rows = connection.execute(_season(settings, visibility, college)).all()
    if began is None:
        return Trend(0, {}, (), ())
    first, today = began.astimezone(zone).date(), now.astimezone(zone).date()
    opens = {level: window.opens for level, window in settings.cohort_named(visibility.cohort).windows.items()}
    with_step: dict[str, int] = {}
    by_step: dict[str, Counter[date]] = defaultdict(Counter)
    of_all: Counter[date] = Counter()
    taken: dict[str, Counter[int | None]] = defaultdict(Counter)
    for what, name, level, quarter, number in rows:
        day = None if quarter is None else _day(int(quarter), zone)
        match what:
            case _What.STEP:
                with_step[name] = number
            case _What.CLEAR_STEPS if day:
                by_step[name][day] += int(number)
            case _What.CLEAR_STUDENTS if day:
                of_all[day] += int(number)
            case _What.TAKEN:
                took = None if day is None else max(0, (day - opens.get(level, first)).days)
                for group in ("", name):
                    taken[group][took] += number
    days: list[Day] = []
    clear, sums = 0, dict.fromkeys(with_step, 0)
    for ahead in range((today - first).days + 1):
        day = first + timedelta(days=ahead)
        clear += of_all[day]
        sums = {step: count + by_step[step][day] for step, count in sums.items()}
        days.append(Day(day, clear, sums))
    spans = tuple(_span(name, counts) for name, counts in sorted(taken.items()))
    return Trend(sum(taken[""].values()), with_step, tuple(days), spans)


def _first_list(connection: Connection, cohort: str) -> datetime | None:
    run = tables.run
    began: datetime | None = connection.execute(
        select(func.min(run.c.ended)).where(
            run.c.cohort == cohort, run.c.source == ROSTER, run.c.state == RunState.APPLIED
        )
    ).scalar_one()
    return began


class _What(StrEnum):
    """What a row of the season tells."""

    #: How many have a step.
    STEP = "step"
    #: By how many a step's clear ones grew in a quarter of an hour; by how many the students who are all clear did.
    CLEAR_STEPS = "clear_steps"
    CLEAR_STUDENTS = "clear_students"
    #: How many of a college and level became all clear in a quarter of an hour; without one, how many are not.
    TAKEN = "taken"


def _season(settings: Settings, visibility: Visibility, college: str | None) -> Rows:
    """Read all of it in one statement, whose parts the database works out once: what, name, level, quarter, number."""
    present = _present(settings, visibility, college).cte("present")
    who = (present.c.student, present.c.college, present.c.level)
    needed = select(*who, func.count().label("steps")).group_by(*who).cte("needed")
    moved = _moved(visibility, present).cte("moved")
    quarter, nothing = _Quarter(moved.c.at), cast(null(), BigInteger)
    running = _running(moved, needed).subquery()
    became = and_(running.c.change > 0, running.c.clear == running.c.steps)
    ceased = and_(running.c.change < 0, running.c.clear == running.c.steps - 1)
    moment = _Quarter(running.c.at)
    taken = _taken(moved, needed).subquery()
    return union_all(
        select(_what(_What.STEP), present.c.step, _TEXT, nothing, func.count()).group_by(present.c.step),
        select(_what(_What.CLEAR_STEPS), moved.c.step, _TEXT, quarter, func.sum(moved.c.change)).group_by(
            moved.c.step, quarter
        ),
        select(_what(_What.CLEAR_STUDENTS), _TEXT, _TEXT, moment, func.sum(case((became, 1), else_=-1)))
        .where(or_(became, ceased))
        .group_by(moment),
        select(_what(_What.TAKEN), *taken.c, func.count()).group_by(*taken.c),
    )


def _what(what: _What) -> ColumnElement[str]:
    return literal(what.value, String)


def _present(settings: Settings, visibility: Visibility, college: str | None) -> Rows:
    """Read the steps that may be read, of those who leave now, and whether anything is known about each."""
    person, decision = tables.student, tables.decision
    status = steps_beside(settings, person)
    own = true() if college is None else person.c.college == college
    decided = exists(
        select(decision.c.decision).where(
            decision.c.cohort == person.c.cohort,
            decision.c.student == person.c.student,
            decision.c.step == status.c.step,
            decision.c.withdrawn_at.is_(None),
        )
    )
    known = case((or_(status.stored, decided), 1), else_=0).label("known")
    return (
        select(person.c.student, person.c.college, person.c.level, status.c.step, known)
        .select_from(status.source)
        .where(leaving(visibility), may_read(visibility, status.c.step), own)
    )


def _moved(visibility: Visibility, present: Rows) -> Rows:
    """Read every change between clear and not clear of those steps, as +1 and −1."""
    flip = tables.flip
    # A step that left the flow is no longer the student's; should it come back, it begins anew.
    after = and_(flip.c.after.in_(CLEAR), flip.c.reason != NOT_IN_FLOW)
    change = case((after, 1), else_=0) - case((flip.c.before.in_(CLEAR), 1), else_=0)
    mine = and_(flip.c.cohort == visibility.cohort, flip.c.student == present.c.student, flip.c.step == present.c.step)
    return (
        select(present.c.student, present.c.step, flip.c.flip, flip.c.at, change.label("change"))
        .join(flip, mine)
        .where(present.c.known == 1, change != 0)
    )


def _running(moved: Rows, needed: Rows) -> Rows:
    """Read for every change how many of the student's steps are clear after it, and how many there are."""
    clear = func.sum(moved.c.change).over(partition_by=moved.c.student, order_by=moved.c.flip)
    return select(moved.c.at, moved.c.change, clear.label("clear"), needed.c.steps).join(
        needed, needed.c.student == moved.c.student
    )


def _taken(moved: Rows, needed: Rows) -> Rows:
    """Read each student's college and level, and when they became all clear, where they are: at the last change."""
    last = (
        select(moved.c.student, func.sum(moved.c.change).label("clear"), func.max(moved.c.at).label("at"))
        .group_by(moved.c.student)
        .subquery()
    )
    quarter = case((last.c.clear == needed.c.steps, _Quarter(last.c.at)))
    return select(needed.c.college, needed.c.level, quarter.label("quarter")).select_from(
        needed.outerjoin(last, last.c.student == needed.c.student)
    )


def _span(college: str, counts: Mapping[int | None, int]) -> Span:
    clear = sum(count for days, count in counts.items() if days is not None)
    students = sum(counts.values())
    if not clear:
        return Span(college, students, 0, None)
    by_days = sorted((days, count) for days, count in counts.items() if days is not None)
    quarter, half, most = (_reached(by_days, -(-clear * part // 4)) for part in (1, 2, 3))
    return Span(college, students, clear, (quarter, half, most))


def _reached(by_days: Sequence[tuple[int, int]], wanted: int) -> int:
    """Return within how many days so many were clear."""
    so_far = 0
    for days, count in by_days:
        so_far += count
        if so_far >= wanted:
            return days
    raise AssertionError(wanted)


def _day(quarter: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(quarter * _QUARTER, UTC).astimezone(zone).date()
