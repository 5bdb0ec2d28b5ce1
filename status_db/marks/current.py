"""The current marks, read for planning: all inside one consistent read, so that a plan names one revision.

Cost follows change: the stored records of one source are read as student and digest; everything else is read only for
the students that the new answer affects.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, or_, select, true

from config.meaning import Meaning
from foundation.chunks import chunked
from status_db import tables
from status_db.effective.step_status import record_from
from status_db.marks import applied_settings
from status_db.marks.stored.past_runs import PastRuns
from status_db.marks.stored.roster_numbers import RosterNumbers
from status_db.model import (
    CLOCKS_DIFFER,
    ROSTER,
    SETTINGS,
    Finding,
    Reason,
    Record,
    RunState,
    Verdict,
    is_ahead,
)  # fmt: skip

#: More students than these are read without naming them.
_MOST_NAMED = 20_000

#: The roster columns by which the guard checks groups.
GROUPED_BY = ("college", "campus", "building")

#: How many values fit into one IN on every database.
_CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class SourceState:
    """What is stored about a source itself."""

    settings_digest: bytes | None
    #: Digest of the last good snapshot, when its records are all that is stored.
    fingerprint: bytes | None
    #: Digest of the source's own fingerprint of that answer.
    reported_fingerprint: bytes | None
    #: When an answer was last read whole.
    compared_at: datetime | None
    revision: int
    began: datetime | None
    held: int
    unknown: int
    exempt: int
    done: int
    unmatched_keys: int
    recent_rows: tuple[int, ...]
    approved_at: datetime | None
    #: Digest of where it was asked for the last good answer; None before the first.
    location_digest: bytes | None = None
    #: The question for which asking about one student was proven to agree with the whole answer.
    one_proven: bytes | None = None
    #: The quality of the last good pull's rows, as plain values; None before one was measured.
    quality: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class CurrentPerson:
    """A roster student with one step's stored finding."""

    student: str
    joined_at: datetime
    finding: Finding
    #: The verdict of the decision that counts now.
    decided: Verdict | None
    #: The roster columns asked for, in that order.
    columns: tuple[Any, ...]


class CurrentState:
    """One cohort's current marks in one consistent read."""

    def __init__(self, connection: Connection, cohort: str, others: Collection[str] = ()) -> None:
        """`others` are the other open cohorts: a source can contain rows about their students too."""
        self._connection = connection
        self._cohort = cohort
        self._others = tuple(others)
        #: Students by their numbers.
        self.numbers = RosterNumbers(connection, cohort, others)
        #: The past runs.
        self.runs = PastRuns(connection, cohort)

    def revision(self) -> int:
        """Return the cohort's revision; 0 for one that was never written."""
        table = tables.cohort
        found = self._connection.execute(select(table.c.revision).where(table.c.cohort == self._cohort)).scalar()
        return found or 0

    def meaning(self) -> Meaning | None:
        """Return what the settings meant when they were last applied; None where none are recorded."""
        found = applied_settings.read(self._connection, self._cohort)
        return found.meaning if found is not None else None

    def roster_revisions(self) -> str:
        """Return the revisions of the rosters that a source's keys are compared with: this one, each other open one."""
        table = tables.source_state
        rows = self._connection.execute(
            select(table.c.cohort, table.c.revision).where(
                table.c.cohort.in_([self._cohort, *self._others]), table.c.source == ROSTER
            )
        )
        found = {row.cohort: row.revision for row in rows}
        return ",".join(str(found.get(cohort) or 0) for cohort in (self._cohort, *self._others))

    def source(self, source: str) -> SourceState:
        """Return what is stored about a source; a blank state for one that was never asked."""
        table = tables.source_state
        row = self._connection.execute(
            select(table).where(table.c.cohort == self._cohort, table.c.source == source)
        ).one_or_none()
        if row is None:
            return SourceState(None, None, None, None, 0, None, 0, 0, 0, 0, 0, (), None)
        return SourceState(
            row.settings_digest,
            row.fingerprint,
            row.told,
            row.compared_at,
            row.revision,
            row.began,
            row.held,
            row.unknown,
            row.exempt,
            row.done,
            row.unmatched_keys,
            tuple(row.recent_rows),
            row.approved_at,
            row.location_digest,
            row.one_proven,
            row.quality,
        )

    def digests(self, source: str) -> dict[str, bytes]:
        """Return student → digest for every stored record of a source."""
        table = tables.record
        # Plain tuples straight from the driver: an unchanged run reads no other rows in large numbers.
        with self._connection.execute(
            select(table.c.student, table.c.digest).where(table.c.cohort == self._cohort, table.c.source == source)
        ) as result:
            return dict(result.cursor.fetchall())

    def digest_of(self, source: str, student: str) -> dict[str, bytes]:
        """Return student → digest for one student's record of a source, if there is one."""
        table = tables.record
        return {
            row.student: row.digest
            for row in self._connection.execute(
                select(table.c.student, table.c.digest).where(
                    table.c.cohort == self._cohort, table.c.source == source, table.c.student == student
                )
            )
        }

    def asked_about(self, source: str, student: str, now: datetime | None = None) -> datetime | None:
        """Return when the latest stored answer about this student began; None before the first.

        An answer that lies ahead of `now` was stored under a wrong clock and is left out.
        """
        table = tables.run
        moments = self._connection.execute(
            select(table.c.began).where(
                table.c.cohort == self._cohort,
                table.c.source == source,
                table.c.student == student,
                table.c.state.in_((RunState.APPLIED, RunState.UNCHANGED)),
            )
        ).scalars()
        known = [m for m in (*moments, self.source(source).began) if m is not None]
        return max((m for m in known if now is None or not is_ahead(m, now)), default=None)

    def with_step(self, step: str, student: str | None = None) -> frozenset[str]:
        """Return all roster students with the step in their flow; with `student`, at most that one."""
        person, status = tables.student, tables.status
        whom = true() if student is None else status.c.student == student
        return frozenset(
            self._connection.execute(
                select(status.c.student)
                .join(person, and_(person.c.cohort == status.c.cohort, person.c.student == status.c.student))
                .where(status.c.cohort == self._cohort, status.c.step == step, person.c.active, whom)
            ).scalars()
        )

    def headcount(self, flows: Collection[str]) -> int:
        """Return how many leaving students these flows have."""
        table = tables.student
        return self._connection.execute(
            select(func.count()).where(table.c.cohort == self._cohort, table.c.active, table.c.flow.in_(list(flows)))
        ).scalar_one()

    def people(
        self, step: str, students: Collection[str], columns: Sequence[str], now: datetime
    ) -> list[CurrentPerson]:
        """Return the named students that have the step, and all students for whom it has not been asked about yet."""
        found = {person.student: person for person in self._read_people(step, None, columns, now)}
        missing = [s for s in students if s not in found]
        if len(missing) > _MOST_NAMED:
            wanted = set(missing)
            found |= {p.student: p for p in self._read_people(step, (), columns, now) if p.student in wanted}
        else:
            for chunk in chunked(sorted(missing), _CHUNK):
                found |= {p.student: p for p in self._read_people(step, chunk, columns, now)}
        return list(found.values())

    def _read_people(
        self, step: str, students: Sequence[str] | None, columns: Sequence[str], now: datetime
    ) -> Iterator[CurrentPerson]:
        """Read people of a step: the named ones, all of them (none named), or those not asked about (None)."""
        person, status, decision = tables.student, tables.status, tables.decision
        query = (
            select(
                status.c.student,
                person.c.joined_at,
                status.c.verdict,
                status.c.reason,
                status.c.evidence_keys,
                decision.c.verdict.label("decided"),
                decision.c.until,
                *(person.c[column] for column in columns),
            )
            .join(person, and_(person.c.cohort == status.c.cohort, person.c.student == status.c.student))
            .outerjoin(
                decision,
                and_(
                    decision.c.cohort == status.c.cohort,
                    decision.c.student == status.c.student,
                    decision.c.step == status.c.step,
                    decision.c.withdrawn_at.is_(None),
                ),
            )
            .where(status.c.cohort == self._cohort, status.c.step == step, person.c.active)
        )
        if students is None:
            # Written as a constant, so that both databases use the partial index.
            query = query.where(status.c.reason == tables.NOT_ASKED)
        elif students:
            query = query.where(status.c.student.in_(list(students)))
        reasons, verdicts = {r.value: r for r in Reason}, {v.value: v for v in Verdict}
        bare: dict[tuple[str, str], Finding] = {}
        for row in self._connection.execute(query):
            student, joined_at, verdict, reason, keys, decided, until, *rest = row
            finding = bare.get((verdict, reason)) if keys is None else None
            if finding is None:
                finding = finding_of(verdicts[verdict], reasons[reason], keys)
                if keys is None:
                    bare[verdict, reason] = finding
            counts = decided is not None and (until is None or until > now)
            yield CurrentPerson(student, joined_at, finding, Verdict(decided) if counts else None, tuple(rest))

    def records(self, sources: Collection[str], students: Collection[str]) -> dict[tuple[str, str], Record]:
        """Return (source, student) → stored record."""
        table = tables.record
        query = select(table).where(table.c.cohort == self._cohort, table.c.source.in_(list(sources)))
        found: dict[tuple[str, str], Record] = {}
        if len(students) > _MOST_NAMED:
            wanted = set(students)
            for row in self._connection.execute(query):
                if row.student in wanted:
                    found[row.source, row.student] = record_from(row)
            return found
        for chunk in chunked(sorted(students), _CHUNK):
            for row in self._connection.execute(query.where(table.c.student.in_(chunk))):
                found[row.source, row.student] = record_from(row)
        return found

    def some_held(self, source: str, most: int) -> dict[str, Record]:
        """Return some of the students whom a source holds, each with its record."""
        table = tables.record
        query = select(table).where(
            table.c.cohort == self._cohort, table.c.source == source, table.c.verdict == Verdict.HELD
        )
        return {row.student: record_from(row) for row in self._connection.execute(query.limit(most))}

    def anybody(self) -> bool:
        """Return whether the roster ever had a student."""
        table = tables.student
        found = select(table.c.student).where(table.c.cohort == self._cohort).limit(1)
        return self._connection.execute(found).first() is not None

    def asked_sources(self) -> set[str]:
        """Return every source of which an answer was applied, without the roster."""
        table = tables.source_state
        asked = select(table.c.source).where(table.c.cohort == self._cohort, table.c.settings_digest.is_not(None))
        return set(self._connection.execute(asked).scalars()) - {ROSTER, SETTINGS}

    def ahead_of(self, now: datetime) -> dict[str, datetime]:
        """Return what was stored under a clock that was ahead: source → its answer's moment, `roster` → a joining."""
        state, person = tables.source_state, tables.student
        limit = now + CLOCKS_DIFFER
        asked = select(state.c.source, state.c.began).where(state.c.cohort == self._cohort, state.c.began > limit)
        found = {row.source: row.began for row in self._connection.execute(asked)}
        joined = select(func.max(person.c.joined_at)).where(person.c.cohort == self._cohort, person.c.active)
        latest = self._connection.execute(joined).scalar()
        if latest is not None and is_ahead(latest, now):
            found[ROSTER] = max(latest, found.get(ROSTER, latest))
        return found

    def described(self, students: Collection[str]) -> dict[str, tuple[str, str, str]]:
        """Return student → name, college and class, for those of the students who are listed."""
        table = tables.student
        found: dict[str, tuple[str, str, str]] = {}
        for chunk in chunked(sorted(students), _CHUNK):
            query = select(table.c.student, table.c.name, table.c.college, table.c["class"])
            for row in self._connection.execute(
                query.where(table.c.cohort == self._cohort, table.c.student.in_(chunk))
            ):
                found[row[0]] = (row[1], row[2], row[3])
        return found

    def held_students(self, source: str) -> frozenset[str]:
        """Return the roster students whose stored record of a source is held."""
        record, person = tables.record, tables.student
        query = (
            select(record.c.student)
            .join(person, and_(person.c.cohort == record.c.cohort, person.c.student == record.c.student))
            .where(
                record.c.cohort == self._cohort,
                record.c.source == source,
                record.c.verdict == Verdict.HELD,
                person.c.active,
                person.c.flow.is_not(None),
            )
        )
        return frozenset(self._connection.execute(query).scalars())

    def held_by(self, source: str, step: str, column: str, *, without_record: bool) -> dict[str, int]:
        """Return how many of a step's students a source holds, by a roster column.

        `without_record` counts the students without a record as held: no row means held there.
        """
        person, status, record = tables.student, tables.status, tables.record
        held = record.c.verdict == Verdict.HELD
        query = (
            select(person.c[column], func.count())
            .select_from(status)
            .join(person, and_(person.c.cohort == status.c.cohort, person.c.student == status.c.student))
            .outerjoin(
                record,
                and_(
                    record.c.cohort == status.c.cohort,
                    record.c.student == status.c.student,
                    record.c.source == source,
                ),
            )
            .where(
                status.c.cohort == self._cohort,
                status.c.step == step,
                person.c.active,
                or_(held, record.c.student.is_(None)) if without_record else held,
            )
            .group_by(person.c[column])
        )
        return {name or "": count for name, count in self._connection.execute(query)}

    def groups_of(self, students: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return student → the values of the columns of `GROUPED_BY`."""
        table = tables.student
        query = select(table.c.student, *(table.c[column] for column in GROUPED_BY))
        found: dict[str, tuple[str, ...]] = {}
        for chunk in chunked(sorted(students), _CHUNK):
            rows = self._connection.execute(query.where(table.c.cohort == self._cohort, table.c.student.in_(chunk)))
            found |= {student: tuple(shared) for student, *shared in rows}
        return found

    def unmatched_keys(self, source: str) -> list[tuple[str, str, str]]:
        """Return the listed unmatched keys of a source: key, near, student; in key order."""
        table = tables.unmatched_key
        return [
            (row.key, row.near, row.student)
            for row in self._connection.execute(
                select(table.c.key, table.c.near, table.c.student)
                .where(table.c.cohort == self._cohort, table.c.source == source)
                .order_by(table.c.key)
            )
        ]

    def roster(self) -> Mapping[str, Row[Any]]:
        """Return every student ever listed in this cohort, by number."""
        table = tables.student
        return {
            row.student: row for row in self._connection.execute(select(table).where(table.c.cohort == self._cohort))
        }


def finding_of(verdict: Verdict, reason: Reason, keys: list[str] | None) -> Finding:
    """Rebuild a finding for a comparison: its verdict, its reason and its obligations' keys."""
    return Finding(verdict, reason, tables.obligations_of_keys(keys))
