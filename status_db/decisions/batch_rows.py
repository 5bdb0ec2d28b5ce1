"""The rows of a sheet, and the preview of what each of them would do.

The operator confirms a preview by its digest. If a row would do something else by then, a new preview is needed.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, select

from config.settings import Settings
from foundation.chunks import chunked
from status_db import tables
from status_db.decisions.overrides import refuse_override
from status_db.decisions.person_names import same_name
from status_db.decisions.refusals import DecisionRefused
from status_db.decisions.writer import DecisionRequest
from status_db.effective.step_rows import step_rows
from status_db.effective.step_status import decision_from
from status_db.effective.visible import inside
from status_db.model import Decision, StepKind, Verdict, digest_of, version_tag_of
from status_db.views import Scope

#: The number of students in one query.
_CHUNK = 2_000


class RowKind(StrEnum):
    """What a row would do."""

    #: Enter a decision where there is none.
    NEW = "new"
    #: Nothing: the same decision exists.
    SAME = "same"
    #: Replace another active decision.
    CONFLICT = "conflict"
    #: Nothing: the row is empty.
    BLANK = "blank"
    #: Nothing: the row is invalid.
    WRONG = "wrong"


class RowFault(StrEnum):
    """Why a row is invalid."""

    #: The student is not on the roster, or the operator is not allowed to decide about them.
    NO_SUCH_STUDENT = "no_such_student"
    #: The name does not match the student number.
    NAME = "name"
    #: The sheet contains the number more than once.
    TWICE = "twice"
    #: The student does not leave this year, or does not have the step.
    NO_STEP = "no_step"
    #: The result, the reason or a date is not valid: `detail` is its text.
    RESULT = "result"
    REASON = "reason"
    DATE = "date"
    #: A text is too long: `detail` is its column.
    LONG = "long"
    #: The student already has the certificate.
    ISSUED = "issued"
    #: The decision is refused: `detail` is the reason.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One row of a sheet."""

    #: Its line number in the sheet.
    line: int
    #: The student number in its normal form; empty if there is none.
    student: str
    #: The name in the sheet; None if the sheet has no names.
    name: str | None
    #: None if the row is empty.
    verdict: Verdict | None
    reason: str = ""
    words: str = ""
    note: str = ""
    file_number: str = ""
    condition: str = ""
    until: datetime | None = None
    decided_at: datetime | None = None
    sheet: str = ""
    #: What could not be read, and the text in that cell.
    wrong: RowFault | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class RowCheck:
    """One row, and what it would do."""

    #: The row of the sheet.

    imported: ImportRow
    kind: RowKind
    #: The name on the roster; empty if the student is not on it.
    name: str = ""
    class_name: str = ""
    wrong: RowFault | None = None
    detail: str = ""
    #: The active decision, which the row would replace or repeat.
    effective: Decision | None = None
    #: The step's `StepStatus.version_tag`.
    version_tag: str = ""
    #: The finding's verdict and reason; None if the student does not have the step.
    found: Verdict | None = None
    found_because: str = ""


@dataclass(frozen=True, slots=True)
class SheetPreview:
    """What a sheet would do, row by row, and the digest that confirms it."""

    rows: tuple[RowCheck, ...]
    digest: bytes

    def count(self, kind: RowKind) -> int:
        """Return the number of rows of a kind."""
        return sum(row.kind is kind for row in self.rows)


def preview_of(
    connection: Connection,
    settings: Settings,
    cohort: str,
    step: str,
    rows: Sequence[ImportRow],
    now: datetime,
    scopes: Sequence[Scope],
) -> SheetPreview:
    """Return what each row would do."""
    # Empty rows are not duplicates.
    numbers = [row.student for row in rows if row.student and not _is_blank(row)]
    duplicates = {number for number, times in Counter(numbers).items() if times > 1}
    people = people_of(connection, cohort, [row.student for row in rows if row.student], scopes)
    holders = holders_of(connection, cohort, list(people))
    findings, effective = _current_state(connection, settings, cohort, step, list(people))
    checks: list[RowCheck] = []
    for row in rows:
        person, decision = people.get(row.student), effective.get(row.student)
        active = decision if decision is not None and decision.active(now) else None
        check = RowCheck(row, RowKind.NEW, effective=active)
        finding = findings.get(row.student)
        if finding is not None:
            check = replace(check, found=Verdict(finding.verdict), found_because=finding.reason)
        check = replace(check, version_tag=version_tag_of(finding.run if finding else None, active))
        if person is not None:
            check = replace(check, name=person.name, class_name=class_of(person))
        if _is_blank(row):
            checks.append(replace(check, kind=RowKind.BLANK))
        elif person is None:
            checks.append(replace(check, kind=RowKind.WRONG, wrong=RowFault.NO_SUCH_STUDENT, version_tag=""))
        elif row.student in duplicates:
            checks.append(replace(check, kind=RowKind.WRONG, wrong=RowFault.TWICE))
        elif row.name is not None and not same_name(row.name, person.name):
            checks.append(replace(check, kind=RowKind.WRONG, wrong=RowFault.NAME, detail=row.name))
        else:
            checks.append(_check_decision(check, settings, step, person, now, issued=row.student in holders))
    return SheetPreview(tuple(checks), _digest(step, checks))


def _check_decision(
    check: RowCheck, settings: Settings, step: str, person: Row[Any], now: datetime, *, issued: bool
) -> RowCheck:
    """Return the check of a row about a student on the roster."""
    row = check.imported
    if row.wrong is not None:
        return replace(check, kind=RowKind.WRONG, wrong=row.wrong, detail=row.detail)
    flow = settings.flow_named(person.flow) if person.active else None
    kind = next((e.kind for e in flow.entries if e.step == step), None) if flow else None
    if kind is None or kind == StepKind.REVIEW.value:
        return replace(check, kind=RowKind.WRONG, wrong=RowFault.NO_STEP)
    if issued:
        return replace(check, kind=RowKind.WRONG, wrong=RowFault.ISSUED)
    reasons = settings.step_named(step).reasons
    if reasons and row.reason not in reasons:
        return replace(check, kind=RowKind.WRONG, wrong=RowFault.REASON, detail=row.reason)
    try:
        refuse_override(settings, request_of(row, step), person, now)
    except DecisionRefused as refused:
        return replace(check, kind=RowKind.WRONG, wrong=RowFault.REFUSED, detail=str(refused))
    if check.effective is None:
        return check
    return replace(check, kind=RowKind.SAME if _is_same(row, check.effective) else RowKind.CONFLICT)


def people_of(
    connection: Connection, cohort: str, numbers: Sequence[str], scopes: Sequence[Scope]
) -> dict[str, Row[Any]]:
    """Return the roster's rows of these students; numbers not on the roster or outside the scopes are left out."""
    table = tables.student
    found: dict[str, Row[Any]] = {}
    for chunk in chunked(sorted(set(numbers)), _CHUNK):
        query = select(table.c.student, table.c.name, table.c["class"], table.c.flow, table.c.active).where(
            table.c.cohort == cohort, table.c.student.in_(chunk), inside(scopes)
        )
        found |= {row.student: row for row in connection.execute(query)}
    return found


def holders_of(connection: Connection, cohort: str, numbers: Sequence[str]) -> set[str]:
    """Return those of these students who have a certificate."""
    table = tables.certificate
    held = (table.c.cohort == cohort, table.c.revoked_at.is_(None))
    found: set[str] = set()
    for chunk in chunked(sorted(set(numbers)), _CHUNK):
        found |= set(connection.execute(select(table.c.student).where(*held, table.c.student.in_(chunk))).scalars())
    return found


def _current_state(
    connection: Connection, settings: Settings, cohort: str, step: str, numbers: Sequence[str]
) -> tuple[dict[str, Row[Any]], dict[str, Decision]]:
    """Return each student's finding of the step with its run, and their decision that is not withdrawn."""
    status, decision = step_rows(settings, cohort), tables.decision
    findings: dict[str, Row[Any]] = {}
    effective: dict[str, Decision] = {}
    for chunk in chunked(sorted(set(numbers)), _CHUNK):
        at = (status.c.step == step, status.c.student.in_(chunk))
        known = select(status.c.student, status.c.run, status.c.verdict, status.c.reason).where(*at)
        findings |= {row.student: row for row in connection.execute(known)}
        on = (decision.c.cohort == cohort, decision.c.step == step, decision.c.student.in_(chunk))
        rows = connection.execute(select(decision).where(*on, decision.c.withdrawn_at.is_(None)))
        effective |= {row.student: decision_from(row) for row in rows}
    return findings, effective


def _is_blank(row: ImportRow) -> bool:
    return row.verdict is None and row.wrong is None


def _is_same(row: ImportRow, effective: Decision) -> bool:
    """Return whether a decision has all values of a row; empty cells of the row are not compared."""
    if (row.verdict, row.reason) != (effective.verdict, effective.reason):
        return False
    more = (
        (row.words, effective.words),
        (row.note, effective.note),
        (row.file_number, effective.file_number),
        (row.condition, effective.condition),
        (row.until, effective.until),
    )
    return all(requested in ("", None, current) for requested, current in more)


def class_of(person: Row[Any]) -> str:
    """Return the class of a roster row."""
    class_name: str = person._mapping["class"]  # noqa: SLF001 - SQLAlchemy's public name for a row by column
    return class_name


def request_of(row: ImportRow, step: str) -> DecisionRequest:
    """Return the decision that a row requests."""
    return DecisionRequest(
        row.student,
        step,
        row.verdict or Verdict.UNKNOWN,
        row.reason,
        words=row.words,
        note=row.note,
        until=row.until,
        decided_at=row.decided_at,
        sheet=row.sheet,
        file_number=row.file_number,
        condition=row.condition,
    )


def _digest(step: str, checks: Sequence[RowCheck]) -> bytes:
    return digest_of(part.encode() for part in (step, *(text for check in checks for text in _digest_texts(check))))


def _digest_texts(check: RowCheck) -> Iterator[str]:
    """Yield every value of a row that decides what it does."""
    row = check.imported
    yield from (str(row.line), row.student, row.name or "", row.verdict or "", row.reason, row.words, row.note)
    yield from (row.file_number, row.condition, row.sheet)
    yield from (moment.isoformat() if moment else "" for moment in (row.until, row.decided_at))
    yield from (check.kind, check.wrong or "", check.version_tag, str(check.effective.id if check.effective else 0))
