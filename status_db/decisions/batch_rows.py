"""The rows of a sheet, and what each of them would do: looked at before anything is entered.

What is confirmed is the very preview that was looked at, by its digest: rows that have come to mean something else
since are looked at again.
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

#: So many students are looked up by one question.
_CHUNK = 2_000


class RowKind(StrEnum):
    """What a row would do."""

    #: Decide what nobody has decided.
    NEW = "new"
    #: Say nothing but what is decided already.
    SAME = "same"
    #: Take the place of another decision that stands.
    CONFLICT = "conflict"
    #: Nothing: it says nothing.
    BLANK = "blank"
    #: Nothing: something is wrong with it.
    WRONG = "wrong"


class RowFault(StrEnum):
    """What is wrong with a row."""

    #: Nobody on the roster, or outside of what the operator may decide.
    NOBODY = "nobody"
    #: The number is one student's and the name another's.
    NAME = "name"
    #: The number stands in the sheet more than once.
    TWICE = "twice"
    #: The student does not leave this year, or has no such step.
    NO_STEP = "no_step"
    #: The word for the result, the reason or a date is none that is known: `said` is that word.
    RESULT = "result"
    REASON = "reason"
    DATE = "date"
    #: A text is longer than there is room for: `said` is its column.
    LONG = "long"
    #: The student has the certificate already.
    ISSUED = "issued"
    #: It may not be decided so; `said` says why.
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One row, as a sheet tells it."""

    #: Its number in the sheet.
    line: int
    #: The student's number, in its one exact form; empty when there is none.
    student: str
    #: As the sheet has it; None where the sheet has no names.
    name: str | None
    #: None where the row says nothing.
    verdict: Verdict | None
    reason: str = ""
    words: str = ""
    note: str = ""
    file_number: str = ""
    condition: str = ""
    until: datetime | None = None
    decided_at: datetime | None = None
    sheet: str = ""
    #: What could not be read of it, and the word that stands there.
    wrong: RowFault | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class RowCheck:
    """One row, and what it would do."""

    told: ImportRow
    kind: RowKind
    #: As the roster has it; empty where there is nobody.
    name: str = ""
    class_name: str = ""
    wrong: RowFault | None = None
    said: str = ""
    #: The decision whose place it would take, or that says the same.
    effective: Decision | None = None
    #: What stands there, as `StepStatus.version_tag` names it.
    version_tag: str = ""
    #: What the machine finds there, and why; None where the student has no such step.
    found: Verdict | None = None
    found_because: str = ""


@dataclass(frozen=True, slots=True)
class SheetPreview:
    """What a sheet would do, row by row; and the digest by which it is confirmed."""

    rows: tuple[RowCheck, ...]
    digest: bytes

    def count(self, kind: RowKind) -> int:
        """Return how many rows are of a kind."""
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
    # A row that says nothing contradicts nobody, whoever it is about.
    numbers = [row.student for row in rows if row.student and not _is_blank(row)]
    twice = {number for number, times in Counter(numbers).items() if times > 1}
    people = people_of(connection, cohort, [row.student for row in rows if row.student], scopes)
    holders = holders_of(connection, cohort, list(people))
    findings, effective = _found(connection, settings, cohort, step, list(people))
    judged: list[RowCheck] = []
    for told in rows:
        person, decision = people.get(told.student), effective.get(told.student)
        active = decision if decision is not None and decision.active(now) else None
        row = RowCheck(told, RowKind.NEW, effective=active)
        finding = findings.get(told.student)
        if finding is not None:
            row = replace(row, found=Verdict(finding.verdict), found_because=finding.reason)
        row = replace(row, version_tag=version_tag_of(finding.run if finding else None, active))
        if person is not None:
            row = replace(row, name=person.name, class_name=class_of(person))
        if _is_blank(told):
            judged.append(replace(row, kind=RowKind.BLANK))
        elif person is None:
            judged.append(replace(row, kind=RowKind.WRONG, wrong=RowFault.NOBODY, version_tag=""))
        elif told.student in twice:
            judged.append(replace(row, kind=RowKind.WRONG, wrong=RowFault.TWICE))
        elif told.name is not None and not same_name(told.name, person.name):
            judged.append(replace(row, kind=RowKind.WRONG, wrong=RowFault.NAME, said=told.name))
        else:
            judged.append(_weighed(row, settings, step, person, now, issued=told.student in holders))
    return SheetPreview(tuple(judged), _digest(step, judged))


def _weighed(
    row: RowCheck, settings: Settings, step: str, person: Row[Any], now: datetime, *, issued: bool
) -> RowCheck:
    """Say what a row about somebody known would do."""
    told = row.told
    if told.wrong is not None:
        return replace(row, kind=RowKind.WRONG, wrong=told.wrong, said=told.said)
    flow = settings.flow_named(person.flow) if person.active else None
    kind = next((e.kind for e in flow.entries if e.step == step), None) if flow else None
    if kind is None or kind == StepKind.REVIEW.value:
        return replace(row, kind=RowKind.WRONG, wrong=RowFault.NO_STEP)
    if issued:
        return replace(row, kind=RowKind.WRONG, wrong=RowFault.ISSUED)
    reasons = settings.step_named(step).reasons
    if reasons and told.reason not in reasons:
        return replace(row, kind=RowKind.WRONG, wrong=RowFault.REASON, said=told.reason)
    try:
        refuse_override(settings, wish_of(told, step), person, now)
    except DecisionRefused as refused:
        return replace(row, kind=RowKind.WRONG, wrong=RowFault.REFUSED, said=str(refused))
    if row.effective is None:
        return row
    return replace(row, kind=RowKind.SAME if _says_the_same(told, row.effective) else RowKind.CONFLICT)


def people_of(
    connection: Connection, cohort: str, numbers: Sequence[str], scopes: Sequence[Scope]
) -> dict[str, Row[Any]]:
    """Return the roster's rows of these students; who is nobody, or outside the scopes, is left out."""
    table = tables.student
    found: dict[str, Row[Any]] = {}
    for chunk in chunked(sorted(set(numbers)), _CHUNK):
        query = select(table.c.student, table.c.name, table.c["class"], table.c.flow, table.c.active).where(
            table.c.cohort == cohort, table.c.student.in_(chunk), inside(scopes)
        )
        found |= {row.student: row for row in connection.execute(query)}
    return found


def holders_of(connection: Connection, cohort: str, numbers: Sequence[str]) -> set[str]:
    """Return who of these holds a certificate."""
    table = tables.certificate
    held = (table.c.cohort == cohort, table.c.revoked_at.is_(None))
    found: set[str] = set()
    for chunk in chunked(sorted(set(numbers)), _CHUNK):
        found |= set(connection.execute(select(table.c.student).where(*held, table.c.student.in_(chunk))).scalars())
    return found


def _found(
    connection: Connection, settings: Settings, cohort: str, step: str, numbers: Sequence[str]
) -> tuple[dict[str, Row[Any]], dict[str, Decision]]:
    """Return for each of these students what is found of the step, by which run, and the decision that stands."""
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


def _is_blank(told: ImportRow) -> bool:
    return told.verdict is None and told.wrong is None


def _says_the_same(told: ImportRow, effective: Decision) -> bool:
    """Say whether a decision says all that a row does; what a row leaves empty asks for nothing."""
    if (told.verdict, told.reason) != (effective.verdict, effective.reason):
        return False
    more = (
        (told.words, effective.words),
        (told.note, effective.note),
        (told.file_number, effective.file_number),
        (told.condition, effective.condition),
        (told.until, effective.until),
    )
    return all(said in ("", None, stands) for said, stands in more)


def class_of(person: Row[Any]) -> str:
    """Return the class on a row of the roster."""
    class_name: str = person._mapping["class"]  # noqa: SLF001 - SQLAlchemy's public name for a row by column
    return class_name


def wish_of(told: ImportRow, step: str) -> DecisionRequest:
    """Return the decision that a row asks for."""
    return DecisionRequest(
        told.student,
        step,
        told.verdict or Verdict.UNKNOWN,
        told.reason,
        words=told.words,
        note=told.note,
        until=told.until,
        decided_at=told.decided_at,
        sheet=told.sheet,
        file_number=told.file_number,
        condition=told.condition,
    )


def _digest(step: str, rows: Sequence[RowCheck]) -> bytes:
    return digest_of(part.encode() for part in (step, *(text for row in rows for text in _said(row))))


def _said(row: RowCheck) -> Iterator[str]:
    """Give every word of a row that decides what it does."""
    told = row.told
    yield from (str(told.line), told.student, told.name or "", told.verdict or "", told.reason, told.words, told.note)
    yield from (told.file_number, told.condition, told.sheet)
    yield from (moment.isoformat() if moment else "" for moment in (told.until, told.decided_at))
    yield from (row.kind, row.wrong or "", row.version_tag, str(row.effective.id if row.effective else 0))
