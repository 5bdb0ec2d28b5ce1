"""Decisions in batches: many rows of a sheet, entered together, and taken back together.

Wrong rows never stop the right ones, and never vanish among them but by the operator's word.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

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
    wish_of,
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
    """How a batch came."""

    #: A sheet with the results of an office.
    IMPORT = "import"
    #: What was decided on paper.
    PAPER = "paper"
    #: Reviews of a class.
    CLASS = "class"


@dataclass(frozen=True, slots=True)
class RosterName:
    """A student as the roster has them."""

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
    """A batch that was entered, with the decisions of it and every row it came from."""

    batch: Batch
    decisions: tuple[Decision, ...]
    rows: tuple[RowCheck, ...]


@dataclass(frozen=True, slots=True)
class UndoResult:
    """What became of a batch's decisions when it was taken back."""

    batch: Batch
    #: Whose decision was withdrawn; what stood before it stands again.
    withdrawn: tuple[str, ...]
    #: Who has the certificate already: theirs stay.
    issued: tuple[str, ...]
    #: Whose decision had been withdrawn, replaced or ended already.
    moved: tuple[str, ...]


class Batches:
    """Looks at sheets, enters them and takes them back."""

    def __init__(self, writer: DecisionWriter) -> None:
        self._writer = writer

    def preview(
        self, step: str, rows: Sequence[ImportRow], now: datetime, scopes: Sequence[Scope] = EVERYBODY
    ) -> SheetPreview:
        """Say what each row would do."""
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
        """Enter what a preview showed, all or nothing.

        `with_conflicts` lets rows take the place of decisions that stand; without it those rows are left out.
        `without_wrong` lets the right rows in without the wrong ones. Raises DecisionRefused; Overtaken when the rows
        would not do what the preview with this digest showed.
        """
        writer = self._writer
        with writer.transaction(now, author, (Act.DECIDE,), scopes, step) as at:
            preview = preview_of(at.connection, writer.settings, writer.cohort, step, rows, now, scopes)
            if preview.digest != digest:
                raise Overtaken(
                    "what stands has changed since the preview: look at the new one, then confirm it.", None
                )
            if preview.count(RowKind.WRONG) and not without_wrong:
                raise DecisionRefused(
                    DecisionCode.WRONG_ROWS,
                    f"{preview.count(RowKind.WRONG)} rows are wrong. Mend them in the sheet, or say that the others go "
                    "in without them.",
                )
            kinds = (RowKind.NEW, RowKind.CONFLICT) if with_conflicts else (RowKind.NEW,)
            chosen = [row for row in preview.rows if row.kind in kinds]
            if not chosen:
                raise DecisionRefused(
                    DecisionCode.NO_CHANGE,
                    "no row would change anything: there is nothing to enter. Look at the sheet.",
                )
            counts = BatchCounts.from_rows((row.kind for row in preview.rows), len(chosen))
            batch = begin_batch(at, writer.cohort, kind, step, title, digest, counts)
            at.link.seal_behind(tables.batch, batch.id)
            entered = tuple(writer.enter(at, wish_of(row.told, step), batch=batch.id) for row in chosen)
        return BatchResult(batch, entered, preview.rows)

    def undo(
        self, batch: int, author: str, because: str, now: datetime, scopes: Sequence[Scope] = EVERYBODY
    ) -> UndoResult:
        """Take a batch back: each decision of it that still stands is withdrawn, and what it replaced stands again.

        Who has the certificate already keeps it, and the decision under it. All or nothing. Raises DecisionRefused,
        also when a student of the batch stands outside the scopes.
        """
        if not because.strip():
            raise DecisionRefused(DecisionCode.NO_REASON, "a batch is taken back for a reason. Say why.")
        writer, batches = self._writer, tables.batch
        with writer.transaction(now, author, (Act.DECIDE,), scopes) as at:
            row = at.connection.execute(
                select(batches).where(batches.c.batch == batch, batches.c.cohort == writer.cohort)
            ).one_or_none()
            if row is None or row.kind == BatchKind.CLASS:
                raise DecisionRefused(
                    DecisionCode.NO_SUCH_BATCH, f"there is no batch {batch} to take back. See: clearance import list"
                )
            if row.undone_at is not None:
                raise DecisionRefused(
                    DecisionCode.UNDONE, f"{row.undone_by} took batch {batch} back already. See: clearance import list"
                )
            decisions = _decisions_of(at.connection, batch)
            people = people_of(at.connection, writer.cohort, [d.student for d in decisions], scopes)
            if any(d.student not in people for d in decisions):
                raise DecisionRefused(
                    DecisionCode.OF_OTHERS,
                    f"batch {batch} is about students that {author} may not decide about. Ask somebody who may.",
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
                    self._take_back(at, decision)
            (stored,) = raw_rows.sealed(at.connection, batches, raw_rows.BATCH, batches.c.batch == batch)
            news = {"undone_at": now, "undone_by": author, "undone_because": because}
            changed = update(batches).where(batches.c.batch == batch).values(**news).returning(batches)
            undone = _batch(at.connection.execute(changed).one())
            at.link.seal_behind(batches, batch, stored)
            writer.move_revision(at)
        return UndoResult(undone, tuple(withdrawn), tuple(issued), tuple(moved))

    def _take_back(self, at: DecisionTransaction, decision: Decision) -> None:
        """Withdraw a decision, and enter again what it had replaced."""
        # Who has left meanwhile has no step for it to stand on.
        has_step = self._writer.finding(at.connection, decision.student, decision.step) is not None
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
        """Return a batch with its decisions; None where there is none."""
        known = tables.batch
        with reading(self._writer.engine) as connection:
            row = connection.execute(
                select(known).where(known.c.batch == number, known.c.cohort == self._writer.cohort)
            ).one_or_none()
            return (_batch(row), _decisions_of(connection, number)) if row is not None else None

    def people(self, numbers: Sequence[str], scopes: Sequence[Scope] = EVERYBODY) -> dict[str, RosterName]:
        """Return who these students are; who is nobody, or outside the scopes, is left out."""
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
    """Write a batch that decisions can name; the caller seals it once it is complete."""
    table, values = tables.batch, {"cohort": cohort, "kind": kind, "step": step, "author": at.author, "at": at.now}
    made = insert(table).values(**values, title=title[:200], digest=digest, counts=counts.stored()).returning(table)
    return _batch(at.connection.execute(made).one())


def _decisions_of(connection: Connection, batch: int) -> tuple[Decision, ...]:
    table = tables.decision
    found = connection.execute(select(table).where(table.c.batch == batch).order_by(table.c.decision))
    return tuple(decision_from(row) for row in found)


def _replaced_by(connection: Connection, cohort: str, decision: Decision, now: datetime) -> DecisionRequest | None:
    """Return what a decision took the place of, to be said again; None where there was nothing, or it has ended."""
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
