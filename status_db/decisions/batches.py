"""Decisions in batches: many rows of a sheet, entered together and withdrawn together.

Invalid rows do not block valid ones. They are skipped only after the operator confirms.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from foundation.translation import tr
from status_db import tables
from status_db.accounts.grants import Act
from status_db.decisions.batch_rows import (
    ImportRow,
    RowCheck,
    RowKind,
    SheetPreview,
    class_of,
    holders_of,
    people_of,
    preview_of,
    request_of,
)
from status_db.decisions.refusals import DecisionCode, DecisionRefused, Overtaken
from status_db.decisions.writer import DecisionRequest, DecisionTransaction, DecisionWriter
from status_db.effective.step_status import decision_from
from status_db.ledger import raw_rows
from status_db.model import Decision
from status_db.store.engine import reading
from status_db.stored_counts import BatchCounts
from status_db.views import EVERYBODY, Scope


class BatchKind(StrEnum):
    """The origin of a batch."""

    #: A sheet with the results of an office.
    IMPORT = "import"
    #: Decisions made on paper.
    PAPER = "paper"
    #: Reviews of a class.
    CLASS = "class"


@dataclass(frozen=True, slots=True)
class RosterName:
    """A student's name and class on the roster."""

    name: str
    class_name: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Decisions that were entered together."""

    id: int
    kind: BatchKind
    step: str
    author: str
    at: datetime
    title: str
    counts: BatchCounts
    undone_at: datetime | None
    undone_by: str
    undone_because: str


@dataclass(frozen=True, slots=True)
class BatchResult:
    """A batch that was entered, with its decisions and the check of every row."""

    batch: Batch
    decisions: tuple[Decision, ...]
    rows: tuple[RowCheck, ...]


@dataclass(frozen=True, slots=True)
class UndoResult:
    """The result of withdrawing a batch, by student number."""

    batch: Batch
    #: The decision was withdrawn, and the one before it is active again.
    withdrawn: tuple[str, ...]
    #: The student already has the certificate: the decision stays.
    issued: tuple[str, ...]
    #: The decision was already withdrawn, replaced or expired.
    moved: tuple[str, ...]


class Batches:
    """Previews, enters and withdraws batches."""

    def __init__(self, writer: DecisionWriter) -> None:
        self._writer = writer

    def preview(
        self, step: str, rows: Sequence[ImportRow], now: datetime, scopes: Sequence[Scope] = EVERYBODY
    ) -> SheetPreview:
        """Return what each row would do."""
        with reading(self._writer.engine) as connection:
            return preview_of(connection, self._writer.settings, self._writer.cohort, step, rows, now, scopes)

    def enter_all(
        self,
        kind: BatchKind,
        step: str,
        rows: Sequence[ImportRow],
        digest: bytes,
        author: str,
        now: datetime,
        scopes: Sequence[Scope] = EVERYBODY,
        *,
        title: str,
        with_conflicts: bool = False,
        without_wrong: bool = False,
    ) -> BatchResult:
        """Enter the rows of a preview, all or nothing.

        With `with_conflicts` rows replace active decisions; otherwise those rows are left out. With `without_wrong`
        invalid rows are skipped. Raises DecisionRefused; Overtaken if the rows would now do something else than the
        preview with this digest.
        """
        writer = self._writer
        with writer.transaction(now, author, (Act.DECIDE,), scopes, step) as at:
            preview = preview_of(at.connection, writer.settings, writer.cohort, step, rows, now, scopes)
            if preview.digest != digest:
                raise Overtaken(
                    tr("the data have changed since the preview. Check the new preview, then confirm it."), None
                )
            if preview.count(RowKind.WRONG) and not without_wrong:
                raise DecisionRefused(
                    DecisionCode.WRONG_ROWS,
                    tr(
                        "{wrong} rows are invalid. Fix them in the sheet, or skip invalid rows.",
                        wrong=preview.count(RowKind.WRONG),
                    ),
                )
            kinds = (RowKind.NEW, RowKind.CONFLICT) if with_conflicts else (RowKind.NEW,)
            chosen = [row for row in preview.rows if row.kind in kinds]
            if not chosen:
                raise DecisionRefused(
                    DecisionCode.NO_CHANGE,
                    tr("no row would change anything. Check the sheet."),
                )
            counts = BatchCounts.from_rows((row.kind for row in preview.rows), len(chosen))
            batch = begin_batch(at, writer.cohort, kind, step, title, digest, counts)
            at.link.seal_behind(tables.batch, batch.id)
            entered = tuple(writer.enter(at, request_of(row.imported, step), batch=batch.id) for row in chosen)
        return BatchResult(batch, entered, preview.rows)

    def undo(
        self, batch: int, author: str, because: str, now: datetime, scopes: Sequence[Scope] = EVERYBODY
    ) -> UndoResult:
        """Withdraw a batch: withdraw each of its active decisions, and enter again the decision that it replaced.

        Students who already have the certificate keep it and their decision. All or nothing. Raises DecisionRefused,
        also if a student of the batch is outside the scopes.
        """
        if not because.strip():
            raise DecisionRefused(DecisionCode.NO_REASON, tr("withdrawing a batch needs a reason. Enter one."))
        writer, batches = self._writer, tables.batch
        with writer.transaction(now, author, (Act.DECIDE,), scopes) as at:
            row = at.connection.execute(
                select(batches).where(batches.c.batch == batch, batches.c.cohort == writer.cohort)
            ).one_or_none()
            if row is None or row.kind == BatchKind.CLASS:
                raise DecisionRefused(
                    DecisionCode.NO_SUCH_BATCH,
                    tr("there is no batch {batch} to withdraw. See: clearance import list", batch=batch),
                )
            if row.undone_at is not None:
                raise DecisionRefused(
                    DecisionCode.UNDONE,
                    tr(
                        "{undone_by} already withdrew batch {batch}. See: clearance import list",
                        undone_by=row.undone_by,
                        batch=batch,
                    ),
                )
            decisions = _decisions_of(at.connection, batch)
            people = people_of(at.connection, writer.cohort, [d.student for d in decisions], scopes)
            if any(d.student not in people for d in decisions):
                raise DecisionRefused(
                    DecisionCode.OF_OTHERS,
                    tr(
                        "batch {batch} is about students that {author} is not allowed to decide about. Ask an "
                        "operator with a wider grant.",
                        batch=batch,
                        author=author,
                    ),
                )
            withdrawn: list[str] = []
            issued: list[str] = []
            moved: list[str] = []
            holders = holders_of(at.connection, writer.cohort, list(people))
            for decision in decisions:
                if decision.student in holders:
                    issued.append(decision.student)
                elif decision.withdrawn_at is not None or not decision.active(now):
                    moved.append(decision.student)
                else:
                    withdrawn.append(decision.student)
                    self._withdraw_decision(at, decision, on_roster=people[decision.student].active)
            (stored,) = raw_rows.sealed(at.connection, batches, raw_rows.BATCH, batches.c.batch == batch)
            news = {"undone_at": now, "undone_by": author, "undone_because": because}
            changed = update(batches).where(batches.c.batch == batch).values(**news).returning(batches)
            undone = _batch(at.connection.execute(changed).one())
            at.link.seal_behind(batches, batch, stored)
            writer.move_revision(at)
        return UndoResult(undone, tuple(withdrawn), tuple(issued), tuple(moved))

    def _withdraw_decision(self, at: DecisionTransaction, decision: Decision, *, on_roster: bool) -> None:
        """Withdraw a decision, and enter again the decision that it replaced, if it could be made now."""
        # Nothing is decided about a student who left the roster meanwhile, though findings are kept, nor about a step
        # that the student no longer has.
        has_step = on_roster and self._writer.finding(at.connection, decision.student, decision.step) is not None
        earlier = _replaced_by(at.connection, self._writer.cohort, decision, at.now) if has_step else None
        if earlier is None:
            self._writer.withdraw(at, decision.student, decision.step)
        else:
            self._writer.enter(at, earlier)

    def batches(self, step: str | None = None, limit: int = 100) -> tuple[Batch, ...]:
        """Return batches, the newest first."""
        table = tables.batch
        query = select(table).where(table.c.cohort == self._writer.cohort).order_by(table.c.batch.desc()).limit(limit)
        if step is not None:
            query = query.where(table.c.step == step)
        with reading(self._writer.engine) as connection:
            return tuple(_batch(row) for row in connection.execute(query))

    def batch(self, number: int) -> tuple[Batch, tuple[Decision, ...]] | None:
        """Return a batch with its decisions; None if there is none."""
        known = tables.batch
        with reading(self._writer.engine) as connection:
            row = connection.execute(
                select(known).where(known.c.batch == number, known.c.cohort == self._writer.cohort)
            ).one_or_none()
            return (_batch(row), _decisions_of(connection, number)) if row is not None else None

    def people(self, numbers: Sequence[str], scopes: Sequence[Scope] = EVERYBODY) -> dict[str, RosterName]:
        """Return the names of these students; numbers not on the roster or outside the scopes are left out."""
        with reading(self._writer.engine) as connection:
            found = people_of(connection, self._writer.cohort, numbers, scopes)
        return {number: RosterName(row.name, class_of(row)) for number, row in found.items()}


def begin_batch(
    at: DecisionTransaction,
    cohort: str,
    kind: BatchKind,
    step: str,
    title: str,
    digest: bytes,
    counts: BatchCounts,
) -> Batch:
    """Write a batch that decisions can reference; the caller seals it when it is complete."""
    table, values = tables.batch, {"cohort": cohort, "kind": kind, "step": step, "author": at.author, "at": at.now}
    made = insert(table).values(**values, title=title[:200], digest=digest, counts=counts.stored()).returning(table)
    return _batch(at.connection.execute(made).one())


def _decisions_of(connection: Connection, batch: int) -> tuple[Decision, ...]:
    table = tables.decision
    found = connection.execute(select(table).where(table.c.batch == batch).order_by(table.c.decision))
    return tuple(decision_from(row) for row in found)


def _replaced_by(connection: Connection, cohort: str, decision: Decision, now: datetime) -> DecisionRequest | None:
    """Return a request for the decision that this one replaced; None if there was none, or it has expired."""
    table = tables.decision
    row = connection.execute(
        select(table)
        .where(
            table.c.cohort == cohort,
            table.c.student == decision.student,
            table.c.step == decision.step,
            table.c.decision < decision.id,
            table.c.withdrawn_at == decision.entered_at,
        )
        .order_by(table.c.decision.desc())
        .limit(1)
    ).one_or_none()
    if row is None or (row.until is not None and row.until <= now):
        return None
    before = decision_from(row)
    return DecisionRequest(
        before.student,
        before.step,
        before.verdict,
        before.reason,
        words=before.words,
        note=f"{before.author}, {before.decided_at:%Y-%m-%d %H:%M} UTC: {before.note}".rstrip(": "),
        until=before.until,
        decided_at=before.decided_at,
        sheet=before.sheet,
        file_number=before.file_number,
        condition=before.condition,
    )


def _batch(row: Row[Any]) -> Batch:
    return Batch(
        id=row.batch,
        kind=BatchKind(row.kind),
        step=row.step,
        author=row.author,
        at=row.at,
        title=row.title,
        counts=BatchCounts.from_stored(row.counts),
        undone_at=row.undone_at,
        undone_by=row.undone_by or "",
        undone_because=row.undone_because,
    )
