"""A dossier: all that is kept about one student, for who decides: what each source said, and what was decided.

It holds every step. Whoever shows it leaves out what may not be seen.
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
    """What one source says about the student."""

    source: str
    #: When it was last asked with success; None before that.
    as_of: datetime | None
    #: What is stored of its answer; None where it has said nothing about the student.
    record: Record | None = None
    #: Since when it says so, and the run that stored it.
    since: datetime | None = None
    run: int | None = None


@dataclass(frozen=True, slots=True)
class Dossier:
    """One student."""

    student: StudentView
    #: Step → its sources, in the settings' order.
    said: Mapping[str, tuple[SourceFinding, ...]]
    #: Every decision, withdrawn ones too, the newest first.
    decisions: tuple[Decision, ...]


def dossier_of(connection: Connection, settings: Settings, student: StudentView) -> Dossier:
    """Add to a student, inside the read that found them, what each source said and what was decided."""
    return Dossier(
        student, _said(connection, settings, student), decisions_of(connection, student.cohort, student.student)
    )


def _said(connection: Connection, settings: Settings, student: StudentView) -> dict[str, tuple[SourceFinding, ...]]:
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

    def says(name: str) -> SourceFinding:
        row = stored.get(name)
        if row is None:
            return SourceFinding(name, asked.get(name))
        return SourceFinding(name, asked.get(name), record_from(row), row.asked_at, row.run)

    return {step.step: tuple(map(says, settings.sources_of(step.step))) for step in student.steps}


def decisions_of(connection: Connection, cohort: str, number: str | None = None) -> tuple[Decision, ...]:
    """Return a student's decisions or everybody's, withdrawn ones too, the newest first."""
    table = tables.decision
    query = select(table).where(table.c.cohort == cohort)
    if number is not None:
        query = query.where(table.c.student == number)
    return tuple(decision_from(row) for row in connection.execute(query.order_by(table.c.decision.desc())))
