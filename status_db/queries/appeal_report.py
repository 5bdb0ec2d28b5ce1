"""Counts of appeals: by step, how many wait, how many are overdue, and how the others were answered.

Appeals are in the desk's database and the roster is in the marks database, so one statement cannot read both. The
roster is queried for the student numbers of the appeals, to find the students in the scopes.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, select

from foundation.chunks import chunked
from status_db import tables
from status_db.effective.visible import Visibility, inside
from status_db.store.engine import reading
from status_db.views import Scope

#: The number of student numbers in one query of the roster.
_CHUNK = 5_000

_SECOND, _HOUR = timedelta(seconds=1), Decimal(3600)

#: Withdrawn by its author: not an answer of the office.
_WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class AppealCounts:
    """The counts of appeals of one kind against one step."""

    step: str
    #: objection (a student's), sent_back (a reviewer's)
    kind: str
    #: Without an answer; and of these, past the deadline.
    waiting: int
    overdue: int
    #: rechecked, decided, explained, withdrawn → count
    outcomes: Mapping[str, int]
    #: Median time from appeal to answer, in hours with one decimal; None if there is no answer.
    median_hours: Decimal | None

    @property
    def raised(self) -> int:
        """The number of all appeals."""
        return self.waiting + sum(self.outcomes.values())


class AppealReports:
    """Counts appeals. Engines of `open_reading` are enough: of the desk's database, and of the marks'.

    Raises StoreError.
    """

    def __init__(self, desk: Engine, marks: Engine) -> None:
        self._desk = desk
        self._marks = marks

    def report(self, visibility: Visibility, now: datetime) -> tuple[AppealCounts, ...]:
        """Count at `now` the appeals against visible steps of visible students, by step and kind."""
        table = tables.appeal
        query: Select[Any] = select(
            table.c.student, table.c.step, table.c.kind, table.c.at, table.c.due, table.c.answered_at, table.c.outcome
        ).where(table.c.cohort == visibility.cohort, table.c.step.in_(list(visibility.steps)))
        with reading(self._desk) as connection:
            rows = connection.execute(query).all()
        seen = self._visible_students(visibility, rows)
        by_kind: dict[tuple[str, str], list[Row[Any]]] = defaultdict(list)
        for row in rows:
            if row.student in seen[row.step]:
                by_kind[row.step, row.kind].append(row)
        steps = list(visibility.steps)
        return tuple(
            _appeal_counts(step, kind, found, now)
            for (step, kind), found in sorted(by_kind.items(), key=lambda item: (steps.index(item[0][0]), item[0][1]))
        )

    def _visible_students(self, visibility: Visibility, rows: Iterable[Row[Any]]) -> Mapping[str, Collection[str]]:
        """Return step → the visible students among those of its appeals."""
        raised: dict[str, set[str]] = {step: set() for step in visibility.steps}
        for row in rows:
            raised[row.step].add(row.student)
        with reading(self._marks) as connection:
            return {
                step: students if {} in scopes else _inside_scopes(connection, visibility.cohort, students, scopes)
                for step, scopes in visibility.steps.items()
                if (students := raised[step])
            }


def _inside_scopes(connection: Connection, cohort: str, students: Collection[str], scopes: Sequence[Scope]) -> set[str]:
    """Return those of these students who are in one of the scopes."""
    person = tables.student
    found: set[str] = set()
    for chunk in chunked(sorted(students), _CHUNK):
        query = select(person.c.student).where(person.c.cohort == cohort, person.c.student.in_(chunk), inside(scopes))
        found.update(connection.execute(query).scalars())
    return found


def _appeal_counts(step: str, kind: str, rows: Sequence[Row[Any]], now: datetime) -> AppealCounts:
    waiting = [row for row in rows if row.answered_at is None]
    answered = [row for row in rows if row.answered_at is not None]
    took = [(row.answered_at - row.at) // _SECOND / _HOUR for row in answered if row.outcome != _WITHDRAWN]
    return AppealCounts(
        step=step,
        kind=kind,
        waiting=len(waiting),
        overdue=sum(row.due < now for row in waiting),
        outcomes=Counter(row.outcome for row in answered),
        median_hours=median(took).quantize(Decimal("0.1")) if took else None,
    )
