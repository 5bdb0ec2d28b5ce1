"""A student's steps in an open read or write: each finding, with its decision.

`StepStatus.at` in `status_db.effective_status` returns the effective status of the two.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, func, select

from config.settings import Settings
from config.tables.steps import Flow
from status_db import tables
from status_db.effective.step_rows import fits
from status_db.effective_status import StepStatus
from status_db.model import (
    FIRST_FINDING,
    Certificate,
    Decision,
    Finding,
    Obligation,
    Reason,
    Record,
    StepKind,
    Verdict,
    evidence_behind,
)
from status_db.views import FlipView, StepSource, StudentView

# Built once, because every page of a student asks them: SQLAlchemy takes longer to build and to recognise such a
# statement than SQLite takes to run it.
_COHORT: BindParameter[str] = bindparam("cohort")
_STUDENTS: BindParameter[list[str]] = bindparam("students", expanding=True)
_STATES = select(
    tables.source_state.c.source,
    func.coalesce(tables.source_state.c.as_of, tables.source_state.c.began).label("since"),
    tables.source_state.c.fresh_for_seconds,
).where(tables.source_state.c.cohort == _COHORT)
_RECORDS = select(tables.record).where(tables.record.c.cohort == _COHORT, tables.record.c.student.in_(_STUDENTS))
_DECISIONS = select(tables.decision).where(
    tables.decision.c.cohort == _COHORT,
    tables.decision.c.student.in_(_STUDENTS),
    tables.decision.c.withdrawn_at.is_(None),
)
_FINDINGS = select(tables.status).where(tables.status.c.cohort == _COHORT, tables.status.c.student.in_(_STUDENTS))
_HOLDERS = select(tables.certificate.c.student).where(
    tables.certificate.c.cohort == _COHORT,
    tables.certificate.c.student.in_(_STUDENTS),
    tables.certificate.c.revoked_at.is_(None),
)
_HELD = (
    select(tables.certificate)
    .where(
        tables.certificate.c.cohort == _COHORT,
        tables.certificate.c.student == bindparam("student"),
        tables.certificate.c.revoked_at.is_(None),
    )
    .order_by(tables.certificate.c.certificate)
)


def freshness(connection: Connection, settings: Settings, cohort: str) -> dict[str, StepSource]:
    """Return the freshness of each synced step, over all its sources."""
    rows = connection.execute(_STATES, {"cohort": cohort}).all()
    asked = {r.source: (r.since, r.since + timedelta(seconds=r.fresh_for_seconds)) for r in rows if r.since}
    fresh: dict[str, StepSource] = {}
    for step in {source.step for source in settings.source.values()}:
        times = [asked.get(name) for name in settings.sources_of(step)]
        known = [t for t in times if t is not None]
        if len(known) < len(times):
            fresh[step] = StepSource(step, None, None)
        else:
            began, until = zip(*known, strict=True)
            fresh[step] = StepSource(step, min(began), min(until), max(began))
    return fresh


def steps_of(
    connection: Connection,
    settings: Settings,
    cohort: str,
    number: str,
    flow: Flow,
    fresh: Mapping[str, StepSource],
    now: datetime,
) -> tuple[StepStatus, ...]:
    """Return a student's steps in the order of the flow; what reviews wait for is computed for `now`."""
    evidence = evidence_of(connection, settings, cohort, [number])
    return steps_of_many(connection, cohort, {number: flow}, fresh, now, evidence)[number]


def evidence_of(
    connection: Connection,
    settings: Settings,
    cohort: str,
    students: Collection[str],
    steps: Collection[str] | None = None,
) -> Callable[[Row[Any]], tuple[Obligation, ...]]:
    """Return a function from a finding's row to its obligations: in full for `steps` (None: all), else only keys."""
    query, wanted = _RECORDS, {"cohort": cohort, "students": list(students)}
    if steps is not None:
        query = query.where(tables.record.c.source.in_([name for step in steps for name in settings.sources_of(step)]))
    records = {(row.student, row.source): record_from(row) for row in connection.execute(query, wanted)}

    def evidence(row: Row[Any]) -> tuple[Obligation, ...]:
        if steps is not None and row.step not in steps:
            return by_keys(row)
        # In the settings' order, which is the order on the pages.
        sources = settings.sources_of(row.step)
        there = [records[row.student, name] for name in sources if (row.student, name) in records]
        return evidence_behind(Verdict(row.verdict), there)

    return evidence


def by_keys(row: Row[Any]) -> tuple[Obligation, ...]:
    """Return a finding's obligations with only their keys, for callers that only count them."""
    return tables.obligations_of_keys(row.evidence_keys)


def steps_of_many(
    connection: Connection,
    cohort: str,
    flows: Mapping[str, Flow],
    fresh: Mapping[str, StepSource],
    now: datetime,
    evidence: Callable[[Row[Any]], tuple[Obligation, ...]] = by_keys,
) -> dict[str, tuple[StepStatus, ...]]:
    """Return student → steps, as `steps_of` does for one; `evidence` returns the obligations of a finding's row.

    Every step of the flow is included: `step_rows` defines the finding of a step without a row.
    """
    wanted = {"cohort": cohort, "students": list(flows)}
    decisions = {(row.student, row.step): decision_from(row) for row in connection.execute(_DECISIONS, wanted)}
    found = {(row.student, row.step): row for row in connection.execute(_FINDINGS, wanted)}
    # The students who have a certificate.
    issued = set(connection.execute(_HOLDERS, wanted).scalars())
    own = {
        (number, entry.step): row
        for number, flow in flows.items()
        for entry in flow.entries
        if (row := found.get((number, entry.step))) is not None
        and fits(StepKind(entry.kind), Verdict(row.verdict), Reason(row.reason))
    }
    joined = _joined_at(
        connection, cohort, {n for n, flow in flows.items() for e in flow.entries if (n, e.step) not in own}
    )
    by_student: dict[str, tuple[StepStatus, ...]] = {}
    for number, flow in flows.items():
        steps: dict[str, StepStatus] = {}
        for entry in flow.entries:
            key, kind = (number, entry.step), StepKind(entry.kind)
            row, source = own.get(key), fresh.get(entry.step) if kind is StepKind.SYNCED else None
            # In the settings a step waits only for steps before it.
            after = [steps[s] for s in flow.after(entry.step)]
            steps[entry.step] = StepStatus(
                step=entry.step,
                kind=kind,
                finding=_finding(row, evidence) if row else FIRST_FINDING[kind],
                since=row.since if row else joined[number],
                as_of=source.as_of if source else None,
                fresh_until=source.fresh_until if source else None,
                latest=source.latest if source else None,
                decision=decisions.get(key),
                run=row.run if row else None,
                waits_for=tuple(step.step for step in after if not step.counts_as_clear(now)),
                reviewable_versions={step.step: step.version_tag(now) for step in after},
                waits_for_news={s.step: s.as_of for s in after if s.as_of is not None and s.at(now).wants_news},
                issued=number in issued,
            )
        by_student[number] = tuple(steps.values())
    return by_student


def _finding(row: Row[Any], evidence: Callable[[Row[Any]], tuple[Obligation, ...]]) -> Finding:
    return Finding(Verdict(row.verdict), Reason(row.reason), evidence(row))


def _joined_at(connection: Connection, cohort: str, numbers: Collection[str]) -> dict[str, datetime]:
    """Return when each of these students joined the roster."""
    if not numbers:
        return {}
    person = tables.student
    query = select(person.c.student, person.c.joined_at)
    rows = connection.execute(query.where(person.c.cohort == cohort, person.c.student.in_(sorted(numbers))))
    return {row.student: row.joined_at for row in rows}


def held_certificates(connection: Connection, cohort: str, number: str) -> tuple[Certificate, ...]:
    """Return a student's certificates, at most one of each kind, in the order of their issue; none that is revoked."""
    return tuple(certificate_from(row) for row in connection.execute(_HELD, {"cohort": cohort, "student": number}))


def record_from(row: Row[Any]) -> Record:
    """Return the record of a row."""
    return Record(row.student, Verdict(row.verdict), Reason(row.reason), row.obligations, row.doubt, row.digest)


def decision_from(row: Row[Any]) -> Decision:
    """Return the decision of a row."""
    return Decision(
        id=row.decision,
        student=row.student,
        step=row.step,
        verdict=Verdict(row.verdict),
        author=row.author,
        reason=row.reason,
        decided_at=row.decided_at,
        entered_at=row.entered_at,
        answered_verdict=Verdict(row.answered_verdict),
        answered_keys=tuple(row.answered_keys),
        words=row.words,
        note=row.note,
        until=row.until,
        withdrawn_at=row.withdrawn_at,
        withdrawn_by=row.withdrawn_by or "",
        reviewed_versions=row.reviewed_versions,
        accepts=row.accepts or {},
        file_number=row.file_number or "",
        condition=row.condition or "",
        sheet=row.sheet or "",
        batch=row.batch,
    )


def certificate_from(row: Row[Any]) -> Certificate:
    """Return the certificate of a row."""
    return Certificate(
        id=row.certificate,
        student=row.student,
        number=row.number,
        kind=row.kind,
        issued_at=row.issued_at,
        issued_by=row.issued_by,
        collected=row.collected,
        collector=row.collector,
        revoked_at=row.revoked_at,
        revoked_by=row.revoked_by or "",
        revoked_because=row.revoked_because,
        collected_at=row.collected_at,
        handed_over_by=row.handed_over_by or "",
    )


def student_from(
    row: Row[Any],
    steps: tuple[StepStatus, ...],
    flips: tuple[FlipView, ...] = (),
    certificates: tuple[Certificate, ...] = (),
) -> StudentView:
    """Return the student of a row, with these steps, history and certificates."""
    return StudentView(
        cohort=row.cohort,
        student=row.student,
        name=row.name,
        level=row.level,
        college=row.college,
        class_name=row._mapping["class"],  # noqa: SLF001 - SQLAlchemy's public name for a row by column
        campus=row.campus,
        building=row.building,
        category=row.category,
        extra=row.extra,
        active=row.active,
        flow=row.flow,
        steps=steps,
        flips=flips,
        certificates=certificates,
    )
