"""The finding of every step in the students' flows as configured now.

`tables.status` contains the findings under earlier settings. It has no row for a step that was added since, and still
has rows of steps that were removed; a missing row is easily read as "nothing to do". So all queries read findings
through this module. Only the code that writes marks reads the table.

- A step of the flow without a row is unknown, with the first reason of its kind, since the student joined.
- A row of a step that is not in the flow is ignored.
- A row from a time when the step had another kind is ignored. A manual step and a review have only their first finding:
  earlier results of sources are ignored, also if they held the student, until a decision is made. A synced step whose
  row still waits for a decision or a review is not asked yet. Decisions are kept, and still override the finding.
- A student in a flow that is not configured has no steps, and so is never clear.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    FromClause,
    String,
    Subquery,
    TextualSelect,
    and_,
    case,
    column,
    func,
    literal,
    null,
    select,
    text,
    type_coerce,
)

from config.settings import Settings
from config.tables.steps import Flow
from status_db import tables
from status_db.model import FIRST_FINDING, Reason, StepKind, Verdict

#: The reasons of steps without a source.
_AWAITING = (Reason.AWAITING_DECISION, Reason.AWAITING_REVIEW)

#: A table or an alias of it, whose columns SQLAlchemy's types cannot name.
Rows: TypeAlias = Any


def fits(kind: StepKind, verdict: Verdict, reason: Reason) -> bool:
    """Return whether a step of this kind can have this stored finding."""
    if kind is StepKind.SYNCED:
        return reason not in _AWAITING
    first = FIRST_FINDING[kind]
    return (verdict, reason) == (first.verdict, first.reason)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of `tables.status`, and the step's kind."""

    cohort: ColumnElement[str]
    student: ColumnElement[str]
    step: ColumnElement[str]
    kind: ColumnElement[str]
    verdict: ColumnElement[str]
    reason: ColumnElement[str]
    evidence_keys: ColumnElement[Any]
    since: ColumnElement[datetime]
    run: ColumnElement[int | None]


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps for use in a larger statement: the FROM clause, and the columns, named as those of the table."""

    source: FromClause
    c: Columns
    #: Whether the table has a finding for the step as it is configured now.
    stored: ColumnElement[bool]


def step_rows(settings: Settings, cohort: str) -> Subquery:
    """Return a replacement for `tables.status`: a row for every student of the cohort and every step of their flow.

    It has the table's columns and `kind`. Students who left the roster keep their rows, as in the table.
    """
    steps = steps_beside(settings, tables.student.alias())
    columns = (getattr(steps.c, name).label(name) for name in Columns.__slots__)
    return select(*columns).select_from(steps.source).where(steps.c.cohort == cohort).subquery("step_rows")


def steps_beside(settings: Settings, person: Rows) -> Steps:
    """Return the steps joined to `person`, a students table of the statement; `source` includes it."""
    entry, status = _entries(settings.flow), tables.status.alias()
    source = person.join(entry, entry.c.flow == person.c.flow).outerjoin(status, _own(entry, status, person))
    columns = _columns(entry, status, person.c.cohort, person.c.student, person.c.joined_at)
    return Steps(source, columns, status.c.verdict.is_not(None))


def steps_before(flow: Flow, review: str, cohort: str, student: ColumnElement[str]) -> Steps:
    """Return the steps that a review of this flow waits for, of one student of the enclosing statement.

    Other reviews are left out: whether they are valid does not follow from their finding.
    """
    after = flow.after(review)
    waited = [(flow, entry) for entry in flow.entries if entry.step in after and entry.kind != StepKind.REVIEW.value]
    entry, status = _selected(waited), tables.status.alias()
    own = and_(
        status.c.cohort == cohort, status.c.student == student, status.c.step == entry.c.step, _fits(entry, status)
    )
    # Nothing reads `since` of these rows.
    columns = _columns(entry, status, literal(cohort), student, type_coerce(null(), tables.Instant))
    return Steps(entry.outerjoin(status, own), columns, status.c.verdict.is_not(None))


def since(settings: Settings, person: Rows, step: str) -> ColumnElement[datetime]:
    """Return when a step's finding last changed, of a student of the enclosing statement."""
    entry, status = _entries(settings.flow), tables.status.alias()
    found = (
        select(status.c.since)
        .select_from(entry.join(status, _own(entry, status, person)))
        .where(entry.c.flow == person.c.flow, entry.c.step == step)
        .correlate(person)
    )
    return func.coalesce(found.scalar_subquery(), person.c.joined_at)


def _entries(flows: Iterable[Flow]) -> Subquery:
    return _selected([(flow, entry) for flow in flows for entry in flow.entries])


def _selected(entries: Iterable[tuple[Flow, Any]]) -> Subquery:
    """Return the settings' steps as rows: flow, step, kind, and the reason of the first finding."""
    rows = tuple(
        (flow.key, one.step, one.kind, FIRST_FINDING[StepKind(one.kind)].reason.value) for flow, one in entries
    )
    return _literal_rows(rows).subquery()


@lru_cache(maxsize=64)
def _literal_rows(rows: tuple[tuple[str, str, str, str], ...]) -> TextualSelect:
    """Return a statement for these rows.

    It is plain text: SQLAlchemy compiles a statement with VALUES each time, and a large one takes longer to compile
    than to run.
    """
    names = ("flow", "step", "kind", "first")
    lines = [
        "SELECT " + ", ".join(f"{_sql_literal(value)} AS {name}" for name, value in zip(names, row, strict=True))
        for row in rows
    ]
    nothing = "SELECT '' AS flow, '' AS step, '' AS kind, '' AS first WHERE 1 = 0"
    return text(" UNION ALL ".join(lines) or nothing).columns(*(column(name, String) for name in names))


def _sql_literal(value: str) -> str:
    """Return a key of the settings as a literal; an unescaped colon would begin a parameter."""
    escaped = value.replace("'", "''").replace(":", "\\:")
    return f"CAST('{escaped}' AS VARCHAR(200))"


def _own(entry: Subquery, status: Rows, person: Rows) -> ColumnElement[bool]:
    return and_(
        status.c.cohort == person.c.cohort,
        status.c.student == person.c.student,
        status.c.step == entry.c.step,
        _fits(entry, status),
    )


def _fits(entry: Subquery, status: Rows) -> ColumnElement[bool]:
    """Return the twin of `fits`."""
    return case(
        (entry.c.kind == StepKind.SYNCED, status.c.reason.not_in(_AWAITING)),
        else_=and_(status.c.verdict == Verdict.UNKNOWN, status.c.reason == entry.c.first),
    )


def _columns(
    entry: Subquery,
    status: Rows,
    cohort: ColumnElement[str],
    student: ColumnElement[str],
    joined_at: ColumnElement[datetime],
) -> Columns:
    return Columns(
        cohort=cohort,
        student=student,
        step=entry.c.step,
        kind=entry.c.kind,
        verdict=func.coalesce(status.c.verdict, literal(Verdict.UNKNOWN.value, String)),
        reason=func.coalesce(status.c.reason, entry.c.first),
        evidence_keys=status.c.evidence_keys,
        since=func.coalesce(status.c.since, joined_at),
        run=status.c.run,
    )
