"""The roll: the students of a cohort page by page, each with where the steps stand that somebody may read.

A page follows the last student of the one before by number, so that whoever reads to the end meets everybody once,
whoever joins or changes meanwhile.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, exists, false, or_, select

from config.settings import Settings
from status_db import tables
from status_db.engine import reading
from status_db.model import Reason, State, StepStatus, Verdict
from status_db.seen import inside
from status_db.standing import freshness, steps_of_each
from status_db.views import Scope

#: So many students are looked at together.
_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which students, of those somebody may read about."""

    #: Who has such a state at this step, or at any one that may be read; None for everybody.
    state: State | None = None
    #: Roster column → its value.
    columns: Mapping[str, str] = field(default_factory=dict)
    #: Those whose numbers come after this one.
    after: str = ""


@dataclass(frozen=True, slots=True)
class RollLine:
    """One student, and the steps that may be read, in the order of the flow."""

    student: str
    name: str
    level: str
    college: str
    class_name: str
    steps: tuple[StepStatus, ...]


@dataclass(frozen=True, slots=True)
class RollPage:
    """Some students in the order of their numbers."""

    lines: tuple[RollLine, ...]
    #: Whether there may be more after the last of them.
    more: bool


class Roll:
    """Reads the roll. Raises StoreError."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    def page(
        self, cohort: str, steps: Mapping[str, Sequence[Scope]], wanted: Wanted, limit: int, now: datetime
    ) -> RollPage:
        """Return at most `limit` students who leave and have one of these steps within its scopes, as of `now`."""
        lines: list[RollLine] = []
        with reading(self._engine) as connection:
            fresh = freshness(connection, self._settings, cohort)
            after = wanted.after
            while True:
                rows = self._rows(connection, cohort, steps, wanted, after, now)
                flows = {row.student: self._settings.flow_named(row.flow) for row in rows}
                found = steps_of_each(connection, self._settings, cohort, flows, fresh, now)
                for row in rows:
                    line = _line(row, steps, found[row.student])
                    if not line.steps or not _is_wanted(line, wanted.state, now):
                        continue
                    if len(lines) == limit:
                        return RollPage(tuple(lines), more=True)
                    lines.append(line)
                if len(rows) < _AT_ONCE:
                    return RollPage(tuple(lines), more=False)
                after = rows[-1].student

    def _rows(
        self,
        connection: Connection,
        cohort: str,
        steps: Mapping[str, Sequence[Scope]],
        wanted: Wanted,
        after: str,
        now: datetime,
    ) -> Sequence[Row[Any]]:
        """Return the next students who may be wanted: whose scopes and columns fit, and whose state may."""
        person = tables.student
        may = {step: inside(scopes) for step, scopes in steps.items()}
        query = (
            select(
                person.c.student,
                person.c.name,
                person.c.level,
                person.c.college,
                person.c["class"].label("class_name"),
                person.c.flow,
                *(condition.label(f"may_{step}") for step, condition in may.items()),
            )
            .where(
                person.c.cohort == cohort,
                person.c.active,
                person.c.flow.is_not(None),
                person.c.student > after,
                or_(false(), *may.values()),
                *(person.c[column] == value for column, value in wanted.columns.items()),
            )
            .order_by(person.c.student)
            .limit(_AT_ONCE)
        )
        if wanted.state is not None:
            query = query.where(_may_stand(cohort, list(steps), wanted.state, now))
        return connection.execute(query).all()


def _may_stand(cohort: str, steps: list[str], state: State, now: datetime) -> ColumnElement[bool]:
    """Leave out of the question who cannot be in this state: by finding, or by a decision."""
    status, decision, student = tables.status, tables.decision, tables.student.c.student
    found = exists().where(
        status.c.cohort == cohort, status.c.student == student, status.c.step.in_(steps), _found_as(state)
    )
    decided = exists().where(
        decision.c.cohort == cohort,
        decision.c.student == student,
        decision.c.step.in_(steps),
        decision.c.withdrawn_at.is_(None),
        or_(decision.c.until.is_(None), decision.c.until > now),
    )
    return or_(found, decided)


def _found_as(state: State) -> ColumnElement[bool]:
    verdict, reason = tables.status.c.verdict, tables.status.c.reason
    match state:
        case State.HELD | State.NOT_DONE:
            ordinary = reason == Reason.NOT_DONE
            return and_(verdict == Verdict.HELD, ordinary if state is State.NOT_DONE else ~ordinary)
        case State.PENDING | State.OPEN | State.CLOSED | State.UNKNOWN:
            return verdict == Verdict.UNKNOWN
        case _:
            return verdict == str(state)


def _line(row: Row[Any], steps: Mapping[str, object], found: Sequence[StepStatus]) -> RollLine:
    may = row._mapping  # noqa: SLF001 - SQLAlchemy's public name for a row by column
    readable = tuple(status for status in found if status.step in steps and may[f"may_{status.step}"])
    return RollLine(row.student, row.name, row.level, row.college, row.class_name, readable)


def _is_wanted(line: RollLine, state: State | None, now: datetime) -> bool:
    return state is None or any(status.at(now).state is state for status in line.steps)
