"""All students with a flow, and everything stored about them: the input of a plan for changed settings."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select

from status_db import tables
from status_db.effective.step_status import record_from
from status_db.marks.current import finding_of
from status_db.model import (
    Finding,
    Reason,
    Record,
    Verdict,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PlacedStudent:
    """An active student with a flow, and everything stored about them."""

    student: str
    flow: str
    joined_at: datetime
    #: Roster column → value, the extra ones included.
    columns: Mapping[str, str]
    #: Step → finding.
    steps: Mapping[str, Finding]
    #: Source → record.
    records: Mapping[str, Record]
    #: Step → the verdict of the decision that counts now.
    decided: Mapping[str, Verdict]


def placed_students(connection: Connection, cohort: str, now: datetime, columns: Sequence[str]) -> list[PlacedStudent]:
    """Return every active student with a flow; this reads the whole cohort."""
    person, status, record, decision = tables.student, tables.status, tables.record, tables.decision
    steps: dict[str, dict[str, Finding]] = defaultdict(dict)
    for row in connection.execute(select(status).where(status.c.cohort == cohort)):
        steps[row.student][row.step] = finding_of(Verdict(row.verdict), Reason(row.reason), row.evidence_keys)
    records: dict[str, dict[str, Record]] = defaultdict(dict)
    for row in connection.execute(select(record).where(record.c.cohort == cohort)):
        records[row.student][row.source] = record_from(row)
    decided: dict[str, dict[str, Verdict]] = defaultdict(dict)
    counts = (decision.c.withdrawn_at.is_(None), or_(decision.c.until.is_(None), decision.c.until > now))
    for row in connection.execute(select(decision).where(decision.c.cohort == cohort, *counts)):
        decided[row.student][row.step] = Verdict(row.verdict)
    people = connection.execute(
        select(person).where(person.c.cohort == cohort, person.c.active, person.c.flow.is_not(None))
    )
    return [
        PlacedStudent(
            student=row.student,
            flow=row.flow,
            joined_at=row.joined_at,
            columns={column: row._mapping[column] for column in columns} | dict(row.extra),  # noqa: SLF001 - SQLAlchemy's public name for it
            steps=steps.get(row.student, {}),
            records=records.get(row.student, {}),
            decided=decided.get(row.student, {}),
        )
        for row in people
    ]
