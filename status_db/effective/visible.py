"""The part of a cohort that an account can see, in SQL: each step of each student that it can read, and its state.

Counts and lists use this one statement, so that all of them include the same students.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Integer,
    Label,
    Select,
    and_,
    case,
    exists,
    false,
    literal,
    or_,
    select,
    true,
    union_all,
)

from config.settings import Settings
from status_db import tables
from status_db.effective.clear_sql import (
    active,
    counts_as_clear,
    disputed,
    overtaken_by_debt,
    review_conditions,
    state_of,
)
from status_db.effective.step_rows import steps_beside
from status_db.model import CLEAR, Reason, State, StepKind, Verdict, as_of_text
from status_db.views import EVERYBODY, Scope, StepSource

#: The states in which a student has something to do.
TO_DO = (State.HELD, State.NOT_DONE)

#: A statement whose columns SQLAlchemy's types cannot name.
Rows: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Visibility:
    """What an account can read: the cohort, and the scopes of each step."""

    cohort: str
    #: Step → the scopes in which it can be read; a step that is missing cannot be read.
    steps: Mapping[str, Sequence[Scope]]

    def scopes(self) -> tuple[Scope, ...]:
        """Return every scope in which a step can be read."""
        return tuple(scope for scopes in self.steps.values() for scope in scopes)

    def only(self, step: str) -> "Visibility":
        """Return the visibility of one step; of no step if it cannot be read."""
        return Visibility(self.cohort, {step: self.steps[step]} if step in self.steps else {})

    def within(self, column: str, value: str) -> "Visibility":
        """Return the visibility of the students that have this value in a roster column."""
        steps = {
            step: tuple({**scope, column: (value,)} for scope in scopes if value in scope.get(column, (value,)))
            for step, scopes in self.steps.items()
        }
        return Visibility(self.cohort, {step: scopes for step, scopes in steps.items() if scopes})


def everything(settings: Settings, cohort: str, scopes: Sequence[Scope] = EVERYBODY) -> Visibility:
    """Return the visibility of every step in the same scopes."""
    return Visibility(cohort, {step.key: scopes for step in settings.step})


def inside(scopes: Iterable[Scope], person: Any = tables.student) -> ColumnElement[bool]:  # noqa: ANN401 - a table or an alias of it
    """Return whether a student of the roster is in one of the scopes."""
    different = {repr(sorted((c, sorted(v)) for c, v in scope.items())): scope for scope in scopes}
    return or_(
        false(),
        *(
            and_(true(), *(person.c[column].in_(list(values)) for column, values in scope.items()))
            for scope in different.values()
        ),
    )


def leaving(visibility: Visibility, person: Any = tables.student) -> ColumnElement[bool]:  # noqa: ANN401 - a table or an alias of it
    """Return whether a student leaves with the cohort, and the account can read any of their steps."""
    return and_(
        person.c.cohort == visibility.cohort,
        person.c.active,
        person.c.flow.is_not(None),
        inside(visibility.scopes(), person),
    )


def steps_seen(
    settings: Settings,
    visibility: Visibility,
    fresh: Mapping[str, StepSource],
    now: datetime,
    *columns: ColumnElement[Any],
    where: ColumnElement[bool] | None = None,
) -> Rows:
    """Return a statement with one row for each student and step that can be read.

    It has the given columns of the roster, then student, step, state, and as 0 or 1: clear (it counts as clear), to_do
    (the student has something to do), stale, by_decision, disputed, doubtful. `where` limits the students.
    """
    return union_all(*_statements(settings, visibility, fresh, now, columns, where))


def any_step(
    settings: Settings,
    visibility: Visibility,
    fresh: Mapping[str, StepSource],
    now: datetime,
    listed: Any,  # noqa: ANN401 - an alias of the roster's table
    condition: Callable[[Mapping[str, ColumnElement[Any]]], ColumnElement[bool]],
) -> ColumnElement[bool]:
    """Return whether any visible step of a student of `listed` meets a condition on the columns of `steps_seen`."""
    here = tables.student.c.student == listed.c.student
    return or_(
        false(),
        *(
            exists(
                part.where(condition({c.name: c.element for c in part.selected_columns if isinstance(c, Label)}))
            ).correlate(listed)
            for part in _statements(settings, visibility, fresh, now, (), here)
        ),
    )


def _statements(
    settings: Settings,
    visibility: Visibility,
    fresh: Mapping[str, StepSource],
    now: datetime,
    columns: Sequence[ColumnElement[Any]],
    where: ColumnElement[bool] | None,
) -> list[Select[Any]]:
    stale = {
        step: as_of_text(source.as_of)
        for step, source in sorted(fresh.items())
        if source.stale(now) and source.as_of is not None
    }
    narrowed = true() if where is None else where
    ordinary = _ordinary(settings, visibility, stale, now, columns, narrowed)
    return [ordinary, *_reviews(settings, visibility, stale, now, columns, narrowed)]


def may_read(visibility: Visibility, step: ColumnElement[str]) -> ColumnElement[bool]:
    """Return whether this step of this student can be read; steps with the same scopes share a condition."""
    together: dict[str, tuple[Sequence[Scope], list[str]]] = {}
    for name, scopes in visibility.steps.items():
        together.setdefault(repr(scopes), (scopes, []))[1].append(name)
    return or_(false(), *(and_(step.in_(names), inside(scopes)) for scopes, names in together.values()))


def _ordinary(
    settings: Settings,
    visibility: Visibility,
    stale: Collection[str],
    now: datetime,
    columns: Sequence[ColumnElement[Any]],
    where: ColumnElement[bool],
) -> Select[Any]:
    """Select the steps that are not reviews."""
    person, decision = tables.student, tables.decision
    status = steps_beside(settings, person)
    here = and_(
        decision.c.cohort == status.c.cohort,
        decision.c.student == status.c.student,
        decision.c.step == status.c.step,
        active(decision, now),
    )
    decided, new_debt = decision.c.decision.is_not(None), overtaken_by_debt(status, decision)
    state = state_of(status, decision)
    return (
        select(
            *columns,
            person.c.student,
            status.c.step,
            state.label("state"),
            _as_integer(counts_as_clear(status, decision, stale)).label("clear"),
            _as_integer(or_(state.in_(TO_DO), new_debt)).label("to_do"),
            _as_integer(and_(~decided, status.c.kind == StepKind.SYNCED, status.c.step.in_(stale))).label("stale"),
            _as_integer(decided).label("by_decision"),
            _as_integer(disputed(status, decision)).label("disputed"),
            _as_integer(and_(~decided, status.c.reason == Reason.DOUBTFUL)).label("doubtful"),
        )
        .select_from(status.source.outerjoin(decision, here))
        .where(leaving(visibility), may_read(visibility, status.c.step), status.c.kind != StepKind.REVIEW, where)
    )


def _reviews(
    settings: Settings,
    visibility: Visibility,
    stale: Mapping[str, str],
    now: datetime,
    columns: Sequence[ColumnElement[Any]],
    where: ColumnElement[bool],
) -> list[Select[Any]]:
    """Select the reviews, flow by flow: in each flow a review waits for other steps."""
    person, review = tables.student, tables.decision
    found: list[Select[Any]] = []
    for flow in settings.flow:
        for step in (entry.step for entry in flow.entries if entry.kind == StepKind.REVIEW.value):
            given = and_(
                review.c.cohort == person.c.cohort,
                review.c.student == person.c.student,
                review.c.step == step,
                active(review, now),
            )
            is_open, valid = review_conditions(visibility.cohort, person.c.student, flow, step, review, stale, now)
            counts = and_(review.c.decision.is_not(None), valid)
            undecided = case((is_open, literal(State.OPEN.value)), else_=literal(State.CLOSED.value))
            state = case((counts, review.c.verdict), else_=undecided)
            found.append(
                select(
                    *columns,
                    person.c.student,
                    literal(step).label("step"),
                    state.label("state"),
                    _as_integer(and_(counts, review.c.verdict.in_(CLEAR))).label("clear"),
                    _as_integer(and_(counts, review.c.verdict == Verdict.HELD)).label("to_do"),
                    literal(0, Integer).label("stale"),
                    _as_integer(counts).label("by_decision"),
                    literal(0, Integer).label("disputed"),
                    literal(0, Integer).label("doubtful"),
                )
                .select_from(person.outerjoin(review, given))
                .where(leaving(visibility), person.c.flow == flow.key, may_read(visibility, literal(step)), where)
            )
    return found


def _as_integer(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)
