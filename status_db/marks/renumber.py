"""Correction of a student number within a season: what is stored under the old number moves to the new one.

The history is not rewritten: flips and runs keep the number they were written with, and the old number stays with the
student as another number of theirs, so that offices' rows and the history under it still match. Sealed rows are sealed
again in one transaction; its link records the two numbers.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, Table, delete, exists, insert, select, update

from foundation.translation import tr
from status_db import tables
from status_db.desk import store
from status_db.desk.seals import ACCOUNT, APPEAL, REQUEST
from status_db.desk.store import DeskStore
from status_db.effective.history import write_flips
from status_db.ledger import raw_rows
from status_db.ledger.chain import Ledger, LinkKind, PendingLink
from status_db.ledger.sets import ROSTER_SET, records_of
from status_db.model import NOT_IN_FLOW, RENUMBERED, ROSTER, Cause, Flip, Verdict, normalise_number
from status_db.store.engine import StoreCode, StoreError, reading


class RenumberRefused(StoreError):  # noqa: N818 - named by the reaction
    """A number that cannot be corrected; nothing was changed. The text ends with the fix."""

    code = StoreCode.NUMBER


@dataclass(frozen=True, slots=True)
class RenumberResult:
    """What moved to the new number."""

    old: str
    new: str
    decisions: int
    certificates: int
    #: False where the marks had it already, as after an interrupted first attempt.
    moved: bool = True


class Renumbering:
    """Corrects numbers in one cohort."""

    def __init__(self, marks: Engine, desk: Engine | DeskStore, cohort: str, ledger: Ledger) -> None:
        self._marks = marks
        self._desk = store.of(desk)
        self._cohort = cohort
        self._ledger = ledger

    def renumber(self, old: str, new: str, now: datetime) -> RenumberResult:
        """Replace `old` with `new`. Raises RenumberRefused.

        The marks are changed first, then accounts and appeals. After an interruption, a second call continues.
        """
        old, new = normalise_number(old), normalise_number(new)
        if not new or old == new:
            raise RenumberRefused(
                tr("The old and the new number are the same. Write: clearance roster renumber OLD NEW")
            )
        done = self._done_before(old, new)
        if done is None:
            with self._ledger.linking(self._marks, at=now, kind=LinkKind.RENUMBER) as (connection, entry):
                done = self._renumber(connection, entry, old, new, now)
        with self._desk.writing() as on_desk:
            # The student's account shows the page of the new number.
            for sealed in (APPEAL, REQUEST, ACCOUNT):
                table = sealed.table
                of_cohort = [table.c.cohort == self._cohort] if "cohort" in table.c else []
                rows = on_desk.connection.execute(
                    select(*table.primary_key).where(*of_cohort, table.c.student == old)
                ).scalars()
                (key,) = table.primary_key
                these = key.in_(list(rows))
                with on_desk.changing(sealed, these):
                    on_desk.connection.execute(update(table).where(these).values(student=new))
        return done

    def _done_before(self, old: str, new: str) -> RenumberResult | None:
        alias = tables.alias
        here = (alias.c.cohort == self._cohort, alias.c.alias == old, alias.c.student == new)
        with reading(self._marks) as connection:
            found = connection.execute(select(exists().where(*here, alias.c.kind == RENUMBERED))).scalar_one()
        return RenumberResult(old, new, 0, 0, moved=False) if found else None

    def _renumber(
        self, connection: Connection, entry: PendingLink, old: str, new: str, now: datetime
    ) -> RenumberResult:
        people = raw_rows.people(connection, self._cohort, [old, new])
        self._refuse_merge(connection, people, old, new)
        self._step_on(connection, entry)
        entry.add_digests({f"renumbered:{old}:{new}": self._ledger.seals(connection).digest("renumbered", (old, new))})
        flips = self._renumber_flips(connection, old, new, now, merged=new in people)
        if new in people:
            self._remove_student(connection, entry, old, people[old])
        else:
            self._rename_rows(connection, old, new)
            self._move_records(connection, entry, old, new)
        decisions = self._reassign(connection, entry, tables.decision, old, new)
        certificates = self._reassign(connection, entry, tables.certificate, old, new)
        self._keep_number(connection, old, new)
        before = people.get(new) or people[old]
        after = raw_rows.people(connection, self._cohort, [new])[new]
        person = tables.student
        mac = entry.seal_again("student", ROSTER_SET, before, after.values)
        connection.execute(update(person).where(*self._rows_of(person, new)).values(mac=mac))
        unmatched_key = tables.unmatched_key
        connection.execute(update(unmatched_key).where(*self._rows_of(unmatched_key, old)).values(student=new))
        write_flips(connection, entry, self._cohort, flips, now, Cause.ROSTER)
        return RenumberResult(old, new, decisions, certificates)

    def _rows_of(self, table: Table, number: str) -> tuple[ColumnElement[bool], ...]:
        return table.c.cohort == self._cohort, table.c.student == number

    def _refuse_merge(self, connection: Connection, people: dict[str, raw_rows.SealedRow], old: str, new: str) -> None:
        if old not in people:
            raise RenumberRefused(
                tr(
                    "{old} is not on the roster of {cohort}. Check the number: clearance status {old}",
                    old=old,
                    cohort=self._cohort,
                )
            )
        if new not in people:
            return
        active = raw_rows.STUDENT.index("active")
        if people[old].values[active] and people[new].values[active]:
            raise RenumberRefused(
                tr(
                    "{old} and {new} are both on the roster of {cohort}: these are two students. If they are one, "
                    "have the registrar remove one of them from the list, sync the roster, then run this again.",
                    old=old,
                    new=new,
                    cohort=self._cohort,
                )
            )
        if self._has_rows(connection, tables.decision, new):
            raise RenumberRefused(
                tr(
                    "{new} has decisions of its own, so those of {old} cannot be moved to it. Withdraw the decisions "
                    "of {old}, and enter them under {new}.",
                    old=old,
                    new=new,
                )
            )
        if self._has_rows(connection, tables.certificate, new):
            raise RenumberRefused(
                tr(
                    "{new} has certificates of its own, so those of {old} cannot be moved to it. Withdraw the "
                    "certificates of {old}, and enter them under {new}.",
                    old=old,
                    new=new,
                )
            )

    def _has_rows(self, connection: Connection, table: Table, number: str) -> bool:
        return bool(connection.execute(select(exists().where(*self._rows_of(table, number)))).scalar_one())

    def _step_on(self, connection: Connection, entry: PendingLink) -> None:
        """Increase the revisions, so that earlier plans are made again and answers are compared again."""
        cohort, state = tables.cohort, tables.source_state
        entry.watch_states([ROSTER])
        connection.execute(update(cohort).where(cohort.c.cohort == self._cohort).values(revision=cohort.c.revision + 1))
        mine = (state.c.cohort == self._cohort, state.c.source == ROSTER)
        connection.execute(update(state).where(*mine).values(revision=state.c.revision + 1))

    def _renumber_flips(self, connection: Connection, old: str, new: str, now: datetime, *, merged: bool) -> list[Flip]:
        """Return the flips that end what counts under the old number and begin it under the new one."""
        status, decision = tables.status, tables.decision
        query = select(status.c.student, status.c.step, status.c.verdict, status.c.reason).where(
            status.c.cohort == self._cohort, status.c.student.in_([old, new])
        )
        found = {(row.student, row.step): (Verdict(row.verdict), row.reason) for row in connection.execute(query)}
        effective = select(decision).where(*self._rows_of(decision, old), decision.c.withdrawn_at.is_(None))
        decided = {
            row.step: Verdict(row.verdict)
            for row in connection.execute(effective)
            if row.until is None or row.until > now
        }
        flips: list[Flip] = []
        for step in sorted({step for _, step in found} | set(decided)):
            was = found.get((old, step), (Verdict.UNKNOWN, ""))[0]
            counted = decided.get(step, was)
            flips.append(Flip(old, step, counted, Verdict.EXEMPT, NOT_IN_FLOW))
            before = found.get((new, step), (Verdict.UNKNOWN, ""))[0] if merged else Verdict.UNKNOWN
            after = decided.get(step, before if merged else was)
            if before is not after:
                flips.append(Flip(new, step, before, after, RENUMBERED))
        return flips

    def _rename_rows(self, connection: Connection, old: str, new: str) -> None:
        for table in (tables.student, tables.status, tables.alias):
            connection.execute(update(table).where(*self._rows_of(table, old)).values(student=new))

    def _remove_student(self, connection: Connection, entry: PendingLink, old: str, stored: raw_rows.SealedRow) -> None:
        """Remove a student that has left under the old number and is listed under the new one."""
        entry.gone(ROSTER_SET, [stored.mac])
        record = tables.record
        gone = connection.execute(
            delete(record).where(*self._rows_of(record, old)).returning(record.c.source, record.c.mac)
        )
        for source, mac in gone.all():
            entry.gone(records_of(source), [mac])
        for table in (tables.status, tables.alias, tables.student):
            connection.execute(delete(table).where(*self._rows_of(table, old)))

    def _move_records(self, connection: Connection, entry: PendingLink, old: str, new: str) -> None:
        record = tables.record
        source_at, student_at = raw_rows.RECORD.index("source"), raw_rows.RECORD.index("student")
        for stored in raw_rows.sealed(connection, record, raw_rows.RECORD, *self._rows_of(record, old)):
            source, values = stored.values[source_at], list(stored.values)
            values[student_at] = new
            mac = entry.seal_again("record", records_of(source), stored, values)
            connection.execute(
                update(record)
                .where(*self._rows_of(record, old), record.c.source == source)
                .values(student=new, mac=mac)
            )

    def _reassign(self, connection: Connection, entry: PendingLink, table: Table, old: str, new: str) -> int:
        """Move decisions, or certificates, and seal each again."""
        (key,) = table.primary_key
        columns = raw_rows.SEALED[table.name]
        found = raw_rows.sealed(connection, table, columns, *self._rows_of(table, old))
        connection.execute(update(table).where(*self._rows_of(table, old)).values(student=new))
        seal = entry.seal_decision if table is tables.decision else entry.seal_certificate
        for stored in found:
            seal(stored.values[columns.index(key.name)], stored)
        return len(found)

    def _keep_number(self, connection: Connection, old: str, new: str) -> None:
        alias = tables.alias
        for number in (old, new):
            # The new number may have been an alias of theirs, and is now their own.
            connection.execute(delete(alias).where(*self._rows_of(alias, new), alias.c.alias == number))
        connection.execute(insert(alias).values(cohort=self._cohort, alias=old, student=new, kind=RENUMBERED))
