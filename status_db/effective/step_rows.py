"""What is found of every step that students have in their flow as configured now, whatever the table of findings holds.

`tables.status` holds what was found under the settings of its time. Read by itself it has no row where the settings
have a step more, and rows of steps that the flow has no longer, and a missing row is easily taken for no obstacle. So
whatever asks how students stand reads it through here alone; only what writes marks reads the table.

- A step of the flow without a row of its own is unknown, for the first reason of its kind, since the student joined.
- A row of a step that the flow does not have is not there.
- A row that was made while the step was of another kind says nothing about the step as it is now. A manual step and a
  review have their first finding and no other: what sources found there before is ignored, also where it held the
  student, until somebody decides. A synced step whose row still waits for a decision or a review has not been asked
  about. A decision is kept in either direction, and lies above the finding as ever.
- Who is in a flow that the settings do not have has no steps at all, and so is never clear.
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

#: The reasons of steps that no source speaks about.
_AWAITING = (Reason.AWAITING_DECISION, Reason.AWAITING_REVIEW)

#: A table or an alias of it, whose columns SQLAlchemy's types cannot name.
Rows: TypeAlias = Any


def fits(kind: StepKind, verdict: Verdict, reason: Reason) -> bool:
    """Say whether a stored finding is one that a step of this kind may have."""
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
    """Steps to be read in a larger statement: what to select from, and the columns, named as those of the table."""

    source: FromClause
    c: Columns
    #: Whether the table has a finding for the step as it is configured now.
    stored: ColumnElement[bool]


def step_rows(settings: Settings, cohort: str) -> Subquery:
    """Return a stand-in for `tables.status`: a row for every step of everybody of the cohort whose flow is configured.

    It has the table's columns and `kind`. Students who left the list keep their rows, as they do in the table.
    """
    steps = steps_beside(settings, tables.student.alias())
    columns = (getattr(steps.c, name).label(name) for name in Columns.__slots__)
    return select(*columns).select_from(steps.source).where(steps.c.cohort == cohort).subquery("step_rows")


def steps_beside(settings: Settings, person: Rows) -> Steps:
    """Return the same beside `person`, a table of students that the statement reads anyhow; it is part of `source`."""
    entry, status = _entries(settings.flow), tables.status.alias()
    source = person.join(entry, entry.c.flow == person.c.flow).outerjoin(status, _own(entry, status, person))
    columns = _columns(entry, status, person.c.cohort, person.c.student, person.c.joined_at)
    return Steps(source, columns, status.c.verdict.is_not(None))


def steps_before(flow: Flow, review: str, cohort: str, student: ColumnElement[str]) -> Steps:
    """Return what a review of this flow waits for, of one student whom the statement around it names.

    Other reviews are left out: whether they stand is more than their finding says.
    """
    after = flow.after(review)
    waited = [(flow, entry) for entry in flow.entries if entry.step in after and entry.kind != StepKind.REVIEW.value]
    entry, status = _selected(waited), tables.status.alias()
    own = and_(
        status.c.cohort == cohort, status.c.student == student, status.c.step == entry.c.step, _fits(entry, status)
    )
    # Since when is not asked of them.
    columns = _columns(entry, status, literal(cohort), student, type_coerce(null(), tables.Instant))
    return Steps(entry.outerjoin(status, own), columns, status.c.verdict.is_not(None))


def since(settings: Settings, person: Rows, step: str) -> ColumnElement[datetime]:
    """Return since when a step is found as it is, of a student in the statement around it."""
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
    """Return the settings' steps as rows: flow, step, kind, and the reason before anything is found."""
    rows = tuple(
        (flow.key, one.step, one.kind, FIRST_FINDING[StepKind(one.kind)].reason.value) for flow, one in entries
    )
    return _named(rows).subquery()


@lru_cache(maxsize=64)
def _named(rows: tuple[tuple[str, str, str, str], ...]) -> TextualSelect:
    """Return these rows as a statement.

    They are written out as text: SQLAlchemy compiles a statement with VALUES again each time, and a large one with many
    selections takes longer to compile than to run.
    """
    names = ("flow", "step", "kind", "first")
    lines = [
        "SELECT " + ", ".join(f"{_quoted(value)} AS {name}" for name, value in zip(names, row, strict=True))
        for row in rows
    ]
    nothing = "SELECT '' AS flow, '' AS step, '' AS kind, '' AS first WHERE 1 = 0"
    return text(" UNION ALL ".join(lines) or nothing).columns(*(column(name, String) for name in names))


def _quoted(value: str) -> str:
    """Write a key of the settings as a literal; a colon would begin a parameter."""
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
