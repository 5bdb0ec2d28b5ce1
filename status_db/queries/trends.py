"""Trends, computed from the flips: how many students were clear at the end of each day, and after how many days.

Only students who leave now are counted, with their current college and the steps of their current flow. A step is clear
from the flip to cleared or exempt until a flip to held or unknown; before the first flip it is not clear. If neither a
finding nor a decision is stored for a step as configured now, its flips belong to another step and do not count.
Staleness and lapsed reviews are not flips: the counts of today include them, the past does not.
"""

from collections import Counter, OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from threading import Lock
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

#: Every time zone's offset is a multiple of this, so a quarter of an hour is within one day in every zone.
_QUARTER = 900


_TEXT = literal("", String)

#: The trends that a process keeps: one for each cohort, college and set of grants that are looked at in turn.
_KEPT_TRENDS = 64


class _Quarter(FunctionElement[int]):
    """The number of quarters of an hour from 1970 UTC to a time."""

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
    """The numbers of clear students at the end of a day, or now for today."""

    day: date
    #: Students with all visible steps of their flow clear.
    clear: int
    #: Step → students for whom it was clear.
    by_step: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Span:
    """The days from the opening to all clear, of the students of one college or of all."""

    #: Empty for all students.
    college: str
    students: int
    #: Students who are all clear now; `quartiles` is about them.
    clear: int
    #: The quartiles of their days; None if no student is clear yet.
    quartiles: tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Trend:
    """The progress of the season."""

    #: The number of students who leave: the base for the counts of each day.
    students: int
    #: Step → students with the step in their flow.
    with_step: Mapping[str, int]
    #: From the first day with a roster to today, without gaps; empty before there is a roster.
    days: tuple[Day, ...]
    #: All students, then each college by name.
    spans: tuple[Span, ...]


def trend(
    engine: Engine, settings: Settings, visibility: Visibility, now: datetime, college: str | None = None
) -> Trend:
    """Return the progress of the season within the visibility, in days of the institution's time zone.

    Days to all clear count from the first day of the window of the student's level, or from the day of the first roster
    if it has none. Students who were clear before that count as 0 days.
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
        day = None if quarter is None else _local_date(int(quarter), zone)
        match what:
            case _RowKind.STEP:
                with_step[name] = number
            case _RowKind.CLEAR_STEPS if day:
                by_step[name][day] += int(number)
            case _RowKind.CLEAR_STUDENTS if day:
                of_all[day] += int(number)
            case _RowKind.TAKEN:
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
    spans = tuple(_days_to_clear(name, counts) for name, counts in sorted(taken.items()))
    return Trend(sum(taken[""].values()), with_step, tuple(days), spans)


class Trends:
    """Trends for the pages, each kept until the ledger has a newer entry or the day ends. Raises StoreError.

    A trend reads every flip of a season, and only an entry of the ledger changes what it returns on the same day.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine, self._settings = engine, settings
        self._kept: OrderedDict[tuple[str, str, str | None, date, int], Trend] = OrderedDict()
        self._lock = Lock()

    def of(self, visibility: Visibility, now: datetime, college: str | None, link: int) -> Trend:
        """Return the progress of the season; `link` is the number of the newest entry of the cohort's ledger."""
        today = now.astimezone(self._settings.institution.timezone).date()
        key = (visibility.cohort, repr(sorted(visibility.steps.items())), college, today, link)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = trend(self._engine, self._settings, visibility, now, college)
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > _KEPT_TRENDS:
                self._kept.popitem(last=False)
        return found


def _first_list(connection: Connection, cohort: str) -> datetime | None:
    run = tables.run
    began: datetime | None = connection.execute(
        select(func.min(run.c.ended)).where(
            run.c.cohort == cohort, run.c.source == ROSTER, run.c.state == RunState.APPLIED
        )
    ).scalar_one()
    return began


class _RowKind(StrEnum):
    """The kind of a row of the season."""

    #: The number of students with a step.
    STEP = "step"
    #: The change of a step's clear students in a quarter of an hour; the change of the students who are all clear.
    CLEAR_STEPS = "clear_steps"
    CLEAR_STUDENTS = "clear_students"
    #: The students of a college and level who became all clear in a quarter of an hour; without one, those who are not.
    TAKEN = "taken"


def _season(settings: Settings, visibility: Visibility, college: str | None) -> Rows:
    """Select all rows in one statement, whose parts the database evaluates once: kind, name, level, quarter, number."""
    present = _present(settings, visibility, college).cte("present")
    who = (present.c.student, present.c.college, present.c.level)
    needed = select(*who, func.count().label("steps")).group_by(*who).cte("needed")
    changes = _changes(visibility, present).cte("moved")
    quarter, nothing = _Quarter(changes.c.at), cast(null(), BigInteger)
    running = _running(changes, needed).subquery()
    became = and_(running.c.change > 0, running.c.clear == running.c.steps)
    ceased = and_(running.c.change < 0, running.c.clear == running.c.steps - 1)
    moment = _Quarter(running.c.at)
    taken = _taken(changes, needed).subquery()
    return union_all(
        select(_row_kind(_RowKind.STEP), present.c.step, _TEXT, nothing, func.count()).group_by(present.c.step),
        select(_row_kind(_RowKind.CLEAR_STEPS), changes.c.step, _TEXT, quarter, func.sum(changes.c.change)).group_by(
            changes.c.step, quarter
        ),
        select(_row_kind(_RowKind.CLEAR_STUDENTS), _TEXT, _TEXT, moment, func.sum(case((became, 1), else_=-1)))
        .where(or_(became, ceased))
        .group_by(moment),
        select(_row_kind(_RowKind.TAKEN), *taken.c, func.count()).group_by(*taken.c),
    )


def _row_kind(what: _RowKind) -> ColumnElement[str]:
    return literal(what.value, String)


def _present(settings: Settings, visibility: Visibility, college: str | None) -> Rows:
    """Select the visible steps of the students who leave now, and whether each has a finding or a decision."""
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


def _changes(visibility: Visibility, present: Rows) -> Rows:
    """Select every change of those steps to clear (+1) and from clear (−1)."""
    flip = tables.flip
    # A step that left the flow is not clear; if it returns, it begins again.
    after = and_(flip.c.after.in_(CLEAR), flip.c.reason != NOT_IN_FLOW)
    change = case((after, 1), else_=0) - case((flip.c.before.in_(CLEAR), 1), else_=0)
    mine = and_(flip.c.cohort == visibility.cohort, flip.c.student == present.c.student, flip.c.step == present.c.step)
    return (
        select(present.c.student, present.c.step, flip.c.flip, flip.c.at, change.label("change"))
        .join(flip, mine)
        .where(present.c.known == 1, change != 0)
    )


def _running(changes: Rows, needed: Rows) -> Rows:
    """Select for every change the number of the student's clear steps after it, and of all steps."""
    clear = func.sum(changes.c.change).over(partition_by=changes.c.student, order_by=changes.c.flip)
    return select(changes.c.at, changes.c.change, clear.label("clear"), needed.c.steps).join(
        needed, needed.c.student == changes.c.student
    )


def _taken(changes: Rows, needed: Rows) -> Rows:
    """Select each student's college and level, and, if they are all clear, the quarter of the last change."""
    last = (
        select(changes.c.student, func.sum(changes.c.change).label("clear"), func.max(changes.c.at).label("at"))
        .group_by(changes.c.student)
        .subquery()
    )
    quarter = case((last.c.clear == needed.c.steps, _Quarter(last.c.at)))
    return select(needed.c.college, needed.c.level, quarter.label("quarter")).select_from(
        needed.outerjoin(last, last.c.student == needed.c.student)
    )


def _days_to_clear(college: str, counts: Mapping[int | None, int]) -> Span:
    clear = sum(count for days, count in counts.items() if days is not None)
    students = sum(counts.values())
    if not clear:
        return Span(college, students, 0, None)
    by_days = sorted((days, count) for days, count in counts.items() if days is not None)
    quarter, half, most = (_reached(by_days, -(-clear * part // 4)) for part in (1, 2, 3))
    return Span(college, students, clear, (quarter, half, most))


def _reached(by_days: Sequence[tuple[int, int]], needed_count: int) -> int:
    """Return after how many days this many students were clear."""
    total = 0
    for days, count in by_days:
        total += count
        if total >= needed_count:
            return days
    raise AssertionError(needed_count)


def _local_date(quarter: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(quarter * _QUARTER, UTC).astimezone(zone).date()
