"""A dossier: all data about one student for the operators that decide: the sources' records, and the decisions.

It contains every step. The page leaves out the steps that the account cannot see.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from config.settings import Settings
from status_db import tables
from status_db.effective.step_status import decision_from, record_from
from status_db.model import Decision, Record
from status_db.views import StudentView


@dataclass(frozen=True, slots=True)
class SourceFinding:
    """One source's record of the student."""

    source: str
    #: When it last answered; None before that.
    as_of: datetime | None
    #: The stored record; None if the source has none of the student.
    record: Record | None = None
    #: Since when the record is the same, and the run that stored it.
    since: datetime | None = None
    run: int | None = None


@dataclass(frozen=True, slots=True)
class Dossier:
    """The dossier of one student."""

    student: StudentView
    #: Step → the records of its sources, in the settings' order.
    findings: Mapping[str, tuple[SourceFinding, ...]]
    #: Every decision, withdrawn ones too, the newest first.
    decisions: tuple[Decision, ...]


def dossier_of(connection: Connection, settings: Settings, student: StudentView) -> Dossier:
    """Return a student with the sources' records and the decisions, inside the same read."""
    return Dossier(
        student,
        _findings_by_step(connection, settings, student),
        decisions_of(connection, student.cohort, student.student),
    )


def _findings_by_step(
    connection: Connection, settings: Settings, student: StudentView
) -> dict[str, tuple[SourceFinding, ...]]:
    record, state = tables.record, tables.source_state
    asked: dict[str, datetime | None] = {
        row.source: row.began
        for row in connection.execute(select(state.c.source, state.c.began).where(state.c.cohort == student.cohort))
    }
    stored = {
        row.source: row
        for row in connection.execute(
            select(record).where(record.c.cohort == student.cohort, record.c.student == student.student)
        )
    }

    def source_finding(name: str) -> SourceFinding:
        row = stored.get(name)
        if row is None:
            return SourceFinding(name, asked.get(name))
        return SourceFinding(name, asked.get(name), record_from(row), row.asked_at, row.run)

    return {step.step: tuple(map(source_finding, settings.sources_of(step.step))) for step in student.steps}


def decisions_of(connection: Connection, cohort: str, number: str | None = None) -> tuple[Decision, ...]:
    """Return the decisions on a student or on all students, also withdrawn ones, the newest first."""
    table = tables.decision
    query = select(table).where(table.c.cohort == cohort)
    if number is not None:
        query = query.where(table.c.student == number)
    return tuple(decision_from(row) for row in connection.execute(query.order_by(table.c.decision.desc())))
