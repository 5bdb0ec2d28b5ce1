"""The roster's marks: the listed students, their other numbers, and each student's steps from the beginning."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, delete, func, select, update

from status_db import tables
from status_db.effective.history import write_flips
from status_db.ledger import raw_rows
from status_db.ledger.chain import PendingLink
from status_db.ledger.sets import ROSTER_SET, records_of
from status_db.marks.apply import Marks, write_findings
from status_db.marks.runs import Lease, Pull, RunEnding
from status_db.model import FIRST_FINDING, NOT_IN_FLOW, RENUMBERED, Cause, Finding, Flip, StepKind, Verdict
from status_db.store import bulk


@dataclass(frozen=True, slots=True)
class Listing:
    """One student's row, with the table's column values."""

    student: str
    #: name, level, college, class, campus, building, category
    columns: tuple[str, ...]
    extra: Mapping[str, str]
    flow: str | None
    aliases: tuple[tuple[str, str], ...]
    digest: bytes


@dataclass(frozen=True, slots=True)
class RosterWrites:
    """A roster plan, spelled out as rows."""

    base: int
    #: Students whose steps start again: new, back on the list, or in another flow.
    joined: Sequence[Listing]
    #: Those of them that were stored before.
    returning: Collection[str]
    changed: Sequence[Listing]
    left: Sequence[str]
    #: Flow → its steps and their kinds, in order.
    flows: Mapping[str, Sequence[tuple[str, StepKind]]]
    #: What changed particulars do to steps already found: student, step, finding.
    findings: Sequence[tuple[str, str, Finding]]
    flips: Sequence[Flip]


_COLUMNS = (
    "cohort", "student", "name", "level", "college", "class", "campus", "building", "category", "extra", "flow",
    "active", "joined_at", "left_at", "digest",
)  # fmt: skip


class RosterMarks(Marks):
    """Writes one cohort's roster."""

    def apply_roster(
        self, lease: Lease, writes: RosterWrites, pull: Pull, ending: RunEnding, *, approved: bool = False
    ) -> None:
        """Write a roster plan whole, and close its run, in one transaction. Raises as Marks.apply does."""
        cohort, now = lease.cohort, ending.at
        with self._linking(lease, ending) as (connection, entry):
            self._move(connection, writes.base)
            self._close(connection, lease, ending)
            writes = _with_former_numbers(connection, cohort, writes)
            self._end_old_steps(connection, entry, lease, writes, now)
            joined = sorted(writes.joined, key=lambda listing: listing.student)
            # An answer counts for these students only if it was asked from now on: earlier answers, as while the list
            # waited for approval, were not compared with students outside the roster.
            numbers = {listing.student: raw_rows.aliases_covered(listing.aliases) for listing in joined}
            seal = entry.sealing(tables.student, ROSTER_SET, lambda values: numbers[values[1]])
            rows = (_student_row(cohort, x, now) for x in joined)
            bulk.upsert(connection, tables.student, _COLUMNS, rows, seal)
            first = ("cohort", "student", "step", "verdict", "reason", "since")
            bulk.insert(connection, tables.status, first, _first_statuses(cohort, joined, writes.flows, now))
            self._write_particulars(connection, entry, cohort, writes.changed)
            self._write_aliases(connection, cohort, writes)
            self._deactivate(connection, entry, cohort, writes.left, now)
            write_findings(connection, cohort, writes.findings, now, lease.run)
            write_flips(connection, entry, cohort, writes.flips, now, Cause.ROSTER, run=lease.run)
            if writes.returning or writes.left:
                self._recount(connection, entry, cohort)
            self._note_pull(connection, lease, pull, now, {}, approved=approved)
            self._note_meaning(connection, entry, lease, pull, now)

    def _end_old_steps(
        self, connection: Connection, entry: PendingLink, lease: Lease, writes: RosterWrites, now: datetime
    ) -> None:
        """Remove the findings of returning students, with a flip wherever what counts changes."""
        status, decision = tables.status, tables.decision
        flips: list[Flip] = []
        person = tables.student
        entry.gone(ROSTER_SET, raw_rows.macs(connection, person, writes.returning, person.c.cohort == lease.cohort))
        flow_of = {listing.student: listing.flow for listing in writes.joined}
        for student in sorted(writes.returning):
            rows = connection.execute(
                select(
                    status.c.step,
                    status.c.verdict,
                    decision.c.decision,
                    decision.c.verdict.label("decided"),
                    decision.c.until,
                )
                .outerjoin(
                    decision,
                    and_(
                        decision.c.cohort == status.c.cohort,
                        decision.c.student == status.c.student,
                        decision.c.step == status.c.step,
                        decision.c.withdrawn_at.is_(None),
                    ),
                )
                .where(status.c.cohort == lease.cohort, status.c.student == student)
                .order_by(status.c.step)
            ).all()
            kinds = dict(writes.flows.get(flow_of[student] or "", ()))
            for row in rows:
                before = Verdict(row.verdict)
                if row.decision is not None and (row.until is None or row.until > now):
                    before = Verdict(row.decided)
                if row.step not in kinds:
                    flips.append(Flip(student, row.step, before, Verdict.EXEMPT, NOT_IN_FLOW))
                elif row.decision is None and before is not Verdict.UNKNOWN:
                    first = FIRST_FINDING[kinds[row.step]]
                    flips.append(Flip(student, row.step, before, first.verdict, first.reason))
            self._drop_records(connection, entry, lease.cohort, student)
            connection.execute(delete(status).where(status.c.cohort == lease.cohort, status.c.student == student))
        write_flips(connection, entry, lease.cohort, flips, now, Cause.ROSTER, run=lease.run)

    def _drop_records(self, connection: Connection, entry: PendingLink, cohort: str, student: str) -> None:
        """Drop the records of a student: they belong to an earlier listing."""
        record = tables.record
        gone = connection.execute(
            delete(record)
            .where(record.c.cohort == cohort, record.c.student == student)
            .returning(record.c.source, record.c.mac)
        )
        for source, mac in gone.all():
            entry.gone(records_of(source), [mac])

    def _write_particulars(
        self, connection: Connection, entry: PendingLink, cohort: str, changed: Sequence[Listing]
    ) -> None:
        """Replace the particulars of students who stay in their flow, and seal each row as it is then."""
        columns = [c for c in _COLUMNS if c not in ("active", "joined_at", "left_at", "flow")]
        stored = raw_rows.people(connection, cohort, [listing.student for listing in changed])
        rows: list[tuple[Any, ...]] = []
        for listing in changed:
            news = _particulars_row(cohort, listing)
            if listing.student in stored:
                row = dict(zip(raw_rows.STUDENT, stored[listing.student].values, strict=False))
                row |= dict(zip(columns, news, strict=True)) | {"extra": tables.json_text(dict(listing.extra))}
                after = (*row.values(), *raw_rows.aliases_covered(listing.aliases))
                mac = entry.seal_again("student", ROSTER_SET, stored[listing.student], after)
                rows.append((*news, mac))
        bulk.update(connection, tables.student, [*columns, "mac"], rows)

    def _deactivate(
        self, connection: Connection, entry: PendingLink, cohort: str, left: Sequence[str], now: datetime
    ) -> None:
        at_active, at_left = raw_rows.STUDENT.index("active"), raw_rows.STUDENT.index("left_at")
        rows: list[tuple[Any, ...]] = []
        for student, stored in raw_rows.people(connection, cohort, left).items():
            after = list(stored.values)
            after[at_active], after[at_left] = False, now
            mac = entry.seal_again("student", ROSTER_SET, stored, after)
            rows.append((cohort, student, False, now, mac))
        bulk.update(connection, tables.student, ("cohort", "student", "active", "left_at", "mac"), rows)
        for student in left:
            self._drop_records(connection, entry, cohort, student)

    def _write_aliases(self, connection: Connection, cohort: str, writes: RosterWrites) -> None:
        listings = [*writes.joined, *writes.changed]
        known = [listing.student for listing in writes.changed] + list(writes.returning)
        bulk.delete(connection, tables.alias, ("cohort", "student"), ((cohort, student) for student in known))
        rows = sorted((cohort, alias, x.student, kind) for x in listings for alias, kind in x.aliases)
        bulk.insert(connection, tables.alias, ("cohort", "alias", "student", "kind"), rows)

    def _recount(self, connection: Connection, entry: PendingLink, cohort: str) -> None:
        """Count each source's records again, after some were removed with their students."""
        state, record, status, person = tables.source_state, tables.record, tables.status, tables.student
        entry.watch_states(connection.execute(select(state.c.source).where(state.c.cohort == cohort)).scalars().all())
        rows = connection.execute(
            select(record.c.source, record.c.verdict, func.count().label("records"))
            .join(state, and_(state.c.cohort == record.c.cohort, state.c.source == record.c.source))
            .join(
                status,
                and_(
                    status.c.cohort == record.c.cohort,
                    status.c.student == record.c.student,
                    status.c.step == state.c.step,
                ),
            )
            .join(person, and_(person.c.cohort == record.c.cohort, person.c.student == record.c.student))
            .where(record.c.cohort == cohort, person.c.active)
            .group_by(record.c.source, record.c.verdict)
        ).all()
        columns = {"held": "held", "unknown": "unknown", "exempt": "exempt", "cleared": "done"}
        counts: dict[str, dict[str, int]] = {}
        for row in rows:
            counts.setdefault(row.source, dict.fromkeys(columns.values(), 0))[columns[row.verdict]] = row.records
        connection.execute(update(state).where(state.c.cohort == cohort).values(held=0, unknown=0, exempt=0, done=0))
        for source, values in counts.items():
            connection.execute(update(state).where(state.c.cohort == cohort, state.c.source == source).values(**values))


def _with_former_numbers(connection: Connection, cohort: str, writes: RosterWrites) -> RosterWrites:
    """Add the corrected numbers, which the registrar's list does not have, to the list's own."""
    alias = tables.alias
    query = select(alias.c.student, alias.c.alias).where(alias.c.cohort == cohort, alias.c.kind == RENUMBERED)
    former: dict[str, list[str]] = {}
    for student, number in connection.execute(query):
        former.setdefault(student, []).append(number)

    def kept(listing: Listing) -> Listing:
        numbers = former.get(listing.student)
        if not numbers:
            return listing
        aliases = dict(listing.aliases) | dict.fromkeys(numbers, RENUMBERED)
        return replace(listing, aliases=tuple(sorted(aliases.items())))

    if not former:
        return writes
    return replace(writes, joined=[*map(kept, writes.joined)], changed=[*map(kept, writes.changed)])


def _student_row(cohort: str, listing: Listing, joined_at: datetime) -> tuple[Any, ...]:
    return (
        cohort, listing.student, *listing.columns, dict(listing.extra), listing.flow, True, joined_at, None,
        listing.digest,
    )  # fmt: skip


def _particulars_row(cohort: str, listing: Listing) -> tuple[Any, ...]:
    return (cohort, listing.student, *listing.columns, dict(listing.extra), listing.digest)


def _first_statuses(
    cohort: str, joined: Sequence[Listing], flows: Mapping[str, Sequence[tuple[str, StepKind]]], now: datetime
) -> Iterator[tuple[Any, ...]]:
    for listing in joined:
        for step, kind in sorted(flows.get(listing.flow or "", ())):
            first = FIRST_FINDING[kind]
            yield cohort, listing.student, step, str(first.verdict), str(first.reason), now
