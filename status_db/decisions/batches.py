"""Decisions in batches: many rows of a sheet, looked at first, entered together, and taken back together.

What is confirmed is the very preview that was looked at, by its digest: rows that have come to mean something else
since are looked at again. Wrong rows never stop the right ones, and never vanish among them but by the operator's word.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from foundation.chunks import chunked
from status_db import tables
from status_db.accounts.grants import Act
from status_db.decisions.person_names import same_name
from status_db.decisions.refusals import DecisionCode, DecisionRefused, Overtaken
from status_db.decisions.writer import Decisions, Wish
from status_db.effective.step_rows import step_rows
from status_db.effective.step_status import decision_from
from status_db.effective.visible import inside
from status_db.ledger import raw_rows
from status_db.ledger.chain import Entry
from status_db.model import Decision, StepKind, Verdict, digest_of, footing_of
from status_db.store.engine import reading
from status_db.views import EVERYBODY, Scope

#: So many students are looked up by one question.
_CHUNK = 2_000


class BatchKind(StrEnum):
    """How a batch came."""

    #: A sheet with the results of an office.
    IMPORT = "import"
    #: What was decided on paper.
    PAPER = "paper"
    #: Reviews of a class.
    CLASS = "class"


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


class Wrong(StrEnum):
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
class Told:
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
    wrong: Wrong | None = None
    said: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """One row, and what it would do."""

    told: Told
    kind: RowKind
    #: As the roster has it; empty where there is nobody.
    name: str = ""
    class_name: str = ""
    wrong: Wrong | None = None
    said: str = ""
    #: The decision whose place it would take, or that says the same.
    standing: Decision | None = None
    #: What stands there, as `StepStatus.footing` names it.
    footing: str = ""
    #: What the machine finds there, and why; None where the student has no such step.
    found: Verdict | None = None
    found_because: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """A student as the roster has them."""

    name: str
    class_name: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a sheet would do, row by row; and the digest by which it is confirmed."""

    rows: tuple[Judged, ...]
    digest: bytes

    def count(self, kind: RowKind) -> int:
        """Return how many rows are of a kind."""
        return sum(row.kind is kind for row in self.rows)


@dataclass(frozen=True, slots=True)
class Batch:
    """Decisions that were entered together."""

    id: int
    kind: BatchKind
    step: str
    author: str
    at: datetime
    title: str
    #: How many rows were of which kind, and how many of them were entered.
    counts: Mapping[str, int]
    undone_at: datetime | None
    undone_by: str
    undone_because: str


@dataclass(frozen=True, slots=True)
class Entered:
    """A batch that was entered, with the decisions of it and every row it came from."""

    batch: Batch
    decisions: tuple[Decision, ...]
    rows: tuple[Judged, ...]


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of a batch's decisions when it was taken back."""

    batch: Batch
    #: Whose decision was withdrawn; what stood before it stands again.
    withdrawn: tuple[str, ...]
    #: Who has the certificate already: theirs stay.
    issued: tuple[str, ...]
    #: Whose decision had been withdrawn, replaced or ended already.
    moved: tuple[str, ...]


class Batches(Decisions):
    """Looks at sheets and enters them, through the one door of decisions."""

    def preview(self, step: str, rows: Sequence[Told], now: datetime, scopes: Sequence[Scope] = EVERYBODY) -> Preview:
        """Say what each row would do."""
        with reading(self._engine) as connection:
            return self._judged(connection, step, rows, now, scopes)

    def enter_all(
        self,
        kind: BatchKind,
        step: str,
        rows: Sequence[Told],
        digest: bytes,
        author: str,
        now: datetime,
        scopes: Sequence[Scope] = EVERYBODY,
        *,
        title: str,
        with_conflicts: bool = False,
        without_wrong: bool = False,
    ) -> Entered:
        """Enter what a preview showed, all or nothing.

        `with_conflicts` lets rows take the place of decisions that stand; without it those rows are left out.
        `without_wrong` lets the right rows in without the wrong ones. Raises DecisionRefused; Overtaken when the rows
        would not do what the preview with this digest showed.
        """
        with self._deciding(now, author, (Act.DECIDE,), scopes, step) as (connection, entry):
            preview = self._judged(connection, step, rows, now, scopes)
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
            counts = dict(Counter(row.kind.value for row in preview.rows)) | {"entered": len(chosen)}
            batch = self._begin(connection, entry, kind, step, author, now, title, digest, counts)
            entered = tuple(
                self._entered(connection, entry, _wish(row.told, step), author, now, batch=batch.id) for row in chosen
            )
        return Entered(batch, entered, preview.rows)

    def _begin(
        self,
        connection: Connection,
        entry: Entry,
        kind: BatchKind,
        step: str,
        author: str,
        now: datetime,
        title: str,
        digest: bytes,
        counts: Mapping[str, int],
    ) -> Batch:
        table, values = tables.batch, {"cohort": self._cohort, "kind": kind, "step": step, "author": author, "at": now}
        made = insert(table).values(**values, title=title[:200], digest=digest, counts=dict(counts)).returning(table)
        batch = _batch(connection.execute(made).one())
        entry.seal_behind(table, batch.id)
        return batch

    def undo(self, batch: int, author: str, because: str, now: datetime, scopes: Sequence[Scope] = EVERYBODY) -> Undone:
        """Take a batch back: each decision of it that still stands is withdrawn, and what it replaced stands again.

        Who has the certificate already keeps it, and the decision under it. All or nothing. Raises DecisionRefused,
        also when a student of the batch stands outside the scopes.
        """
        if not because.strip():
            raise DecisionRefused(DecisionCode.NO_REASON, "a batch is taken back for a reason. Say why.")
        table, batches = tables.decision, tables.batch
        with self._deciding(now, author, (Act.DECIDE,), scopes) as (connection, entry):
            row = connection.execute(
                select(batches).where(batches.c.batch == batch, batches.c.cohort == self._cohort)
            ).one_or_none()
            if row is None or row.kind == BatchKind.CLASS:
                raise DecisionRefused(
                    DecisionCode.NO_SUCH_BATCH, f"there is no batch {batch} to take back. See: clearance import list"
                )
            if row.undone_at is not None:
                raise DecisionRefused(
                    DecisionCode.UNDONE, f"{row.undone_by} took batch {batch} back already. See: clearance import list"
                )
            found = connection.execute(select(table).where(table.c.batch == batch).order_by(table.c.decision)).all()
            decisions = [decision_from(one) for one in found]
            people = self._people(connection, [d.student for d in decisions], scopes)
            if any(d.student not in people for d in decisions):
                raise DecisionRefused(
                    DecisionCode.OF_OTHERS,
                    f"batch {batch} is about students that {author} may not decide about. Who may is to take it back.",
                )
            withdrawn: list[str] = []
            issued: list[str] = []
            moved: list[str] = []
            holders = self._holders(connection, list(people))
            for decision in decisions:
                if decision.student in holders:
                    issued.append(decision.student)
                elif decision.withdrawn_at is not None or not decision.active(now):
                    moved.append(decision.student)
                else:
                    withdrawn.append(decision.student)
                    finding = self._finding_if_any(connection, decision.student, decision.step)
                    # Who has left meanwhile has no step for it to stand on.
                    earlier = self._replaced_by(connection, decision, now) if finding is not None else None
                    if earlier is None:
                        self._taken_back(connection, entry, decision.student, decision.step, author, now)
                    else:
                        self._entered(connection, entry, earlier, author, now)
            (stored,) = raw_rows.sealed(connection, batches, raw_rows.BATCH, batches.c.batch == batch)
            news = {"undone_at": now, "undone_by": author, "undone_because": because}
            changed = update(batches).where(batches.c.batch == batch).values(**news).returning(batches)
            undone = _batch(connection.execute(changed).one())
            entry.seal_behind(batches, batch, stored)
            self._move(connection)
        return Undone(undone, tuple(withdrawn), tuple(issued), tuple(moved))

    def batches(self, step: str | None = None, limit: int = 100) -> tuple[Batch, ...]:
        """Return batches, the newest first."""
        table = tables.batch
        query = select(table).where(table.c.cohort == self._cohort).order_by(table.c.batch.desc()).limit(limit)
        if step is not None:
            query = query.where(table.c.step == step)
        with reading(self._engine) as connection:
            return tuple(_batch(row) for row in connection.execute(query))

    def batch(self, number: int) -> tuple[Batch, tuple[Decision, ...]] | None:
        """Return a batch with its decisions; None where there is none."""
        table, known = tables.decision, tables.batch
        with reading(self._engine) as connection:
            row = connection.execute(
                select(known).where(known.c.batch == number, known.c.cohort == self._cohort)
            ).one_or_none()
            if row is None:
                return None
            found = connection.execute(select(table).where(table.c.batch == number).order_by(table.c.decision))
            return _batch(row), tuple(decision_from(one) for one in found)

    def people(self, numbers: Sequence[str], scopes: Sequence[Scope] = EVERYBODY) -> dict[str, Named]:
        """Return who these students are; who is nobody, or outside the scopes, is left out."""
        with reading(self._engine) as connection:
            found = self._people(connection, numbers, scopes)
        return {number: Named(row.name, _class_of(row)) for number, row in found.items()}

    def _replaced_by(self, connection: Connection, decision: Decision, now: datetime) -> Wish | None:
        """Return what a decision took the place of, to be said again; None where there was nothing, or it has ended."""
        table = tables.decision
        row = connection.execute(
            select(table)
            .where(
                table.c.cohort == self._cohort,
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
        return Wish(
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

    def _judged(
        self, connection: Connection, step: str, rows: Sequence[Told], now: datetime, scopes: Sequence[Scope]
    ) -> Preview:
        # A row that says nothing contradicts nobody, whoever it is about.
        numbers = [row.student for row in rows if row.student and not _is_blank(row)]
        twice = {number for number, times in Counter(numbers).items() if times > 1}
        people = self._people(connection, [row.student for row in rows if row.student], scopes)
        holders = self._holders(connection, list(people))
        findings, standing = self._found(connection, step, list(people))
        judged: list[Judged] = []
        for told in rows:
            person, decision = people.get(told.student), standing.get(told.student)
            active = decision if decision is not None and decision.active(now) else None
            row = Judged(told, RowKind.NEW, standing=active)
            finding = findings.get(told.student)
            if finding is not None:
                row = replace(row, found=Verdict(finding.verdict), found_because=finding.reason)
            row = replace(row, footing=footing_of(finding.run if finding else None, active))
            if person is not None:
                row = replace(row, name=person.name, class_name=_class_of(person))
            if _is_blank(told):
                judged.append(replace(row, kind=RowKind.BLANK))
            elif person is None:
                judged.append(replace(row, kind=RowKind.WRONG, wrong=Wrong.NOBODY, footing=""))
            elif told.student in twice:
                judged.append(replace(row, kind=RowKind.WRONG, wrong=Wrong.TWICE))
            elif told.name is not None and not same_name(told.name, person.name):
                judged.append(replace(row, kind=RowKind.WRONG, wrong=Wrong.NAME, said=told.name))
            else:
                judged.append(self._weighed(row, step, person, now, issued=told.student in holders))
        return Preview(tuple(judged), _digest(step, judged))

    def _weighed(self, row: Judged, step: str, person: Row[Any], now: datetime, *, issued: bool) -> Judged:
        """Say what a row about somebody known would do."""
        told = row.told
        if told.wrong is not None:
            return replace(row, kind=RowKind.WRONG, wrong=told.wrong, said=told.said)
        flow = self._settings.flow_named(person.flow) if person.active else None
        kind = next((e.kind for e in flow.entries if e.step == step), None) if flow else None
        if kind is None or kind == StepKind.REVIEW.value:
            return replace(row, kind=RowKind.WRONG, wrong=Wrong.NO_STEP)
        if issued:
            return replace(row, kind=RowKind.WRONG, wrong=Wrong.ISSUED)
        reasons = self._settings.step_named(step).reasons
        if reasons and told.reason not in reasons:
            return replace(row, kind=RowKind.WRONG, wrong=Wrong.REASON, said=told.reason)
        try:
            self._may_be_decided(_wish(told, step), person, now)
        except DecisionRefused as refused:
            return replace(row, kind=RowKind.WRONG, wrong=Wrong.REFUSED, said=str(refused))
        if row.standing is None:
            return row
        return replace(row, kind=RowKind.SAME if _says_the_same(told, row.standing) else RowKind.CONFLICT)

    def _people(self, connection: Connection, numbers: Sequence[str], scopes: Sequence[Scope]) -> dict[str, Row[Any]]:
        table = tables.student
        found: dict[str, Row[Any]] = {}
        for chunk in _chunks(numbers):
            query = select(table.c.student, table.c.name, table.c["class"], table.c.flow, table.c.active).where(
                table.c.cohort == self._cohort, table.c.student.in_(chunk), inside(scopes)
            )
            found |= {row.student: row for row in connection.execute(query)}
        return found

    def _holders(self, connection: Connection, numbers: Sequence[str]) -> set[str]:
        """Return who of these holds a certificate."""
        table = tables.certificate
        held = (table.c.cohort == self._cohort, table.c.revoked_at.is_(None))
        found: set[str] = set()
        for chunk in _chunks(numbers):
            found |= set(connection.execute(select(table.c.student).where(*held, table.c.student.in_(chunk))).scalars())
        return found

    def _found(
        self, connection: Connection, step: str, numbers: Sequence[str]
    ) -> tuple[dict[str, Row[Any]], dict[str, Decision]]:
        """Return for each of these students what is found of the step, by which run, and the decision that stands."""
        status, decision = step_rows(self._settings, self._cohort), tables.decision
        findings: dict[str, Row[Any]] = {}
        standing: dict[str, Decision] = {}
        for chunk in _chunks(numbers):
            at = (status.c.step == step, status.c.student.in_(chunk))
            known = select(status.c.student, status.c.run, status.c.verdict, status.c.reason).where(*at)
            findings |= {row.student: row for row in connection.execute(known)}
            on = (decision.c.cohort == self._cohort, decision.c.step == step, decision.c.student.in_(chunk))
            rows = connection.execute(select(decision).where(*on, decision.c.withdrawn_at.is_(None)))
            standing |= {row.student: decision_from(row) for row in rows}
        return findings, standing


def _is_blank(told: Told) -> bool:
    return told.verdict is None and told.wrong is None


def _says_the_same(told: Told, standing: Decision) -> bool:
    """Say whether a decision says all that a row does; what a row leaves empty asks for nothing."""
    if (told.verdict, told.reason) != (standing.verdict, standing.reason):
        return False
    more = (
        (told.words, standing.words),
        (told.note, standing.note),
        (told.file_number, standing.file_number),
        (told.condition, standing.condition),
        (told.until, standing.until),
    )
    return all(said in ("", None, stands) for said, stands in more)


def _class_of(person: Row[Any]) -> str:
    class_name: str = person._mapping["class"]  # noqa: SLF001 - SQLAlchemy's public name for a row by column
    return class_name


def _wish(told: Told, step: str) -> Wish:
    return Wish(
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


def _digest(step: str, rows: Sequence[Judged]) -> bytes:
    return digest_of(part.encode() for part in (step, *(text for row in rows for text in _said(row))))


def _said(row: Judged) -> Iterator[str]:
    """Give every word of a row that decides what it does."""
    told = row.told
    yield from (str(told.line), told.student, told.name or "", told.verdict or "", told.reason, told.words, told.note)
    yield from (told.file_number, told.condition, told.sheet)
    yield from (moment.isoformat() if moment else "" for moment in (told.until, told.decided_at))
    yield from (row.kind, row.wrong or "", row.footing, str(row.standing.id if row.standing else 0))


def _chunks(numbers: Sequence[str]) -> Iterator[Sequence[str]]:
    return chunked(sorted(set(numbers)), _CHUNK)


def _batch(row: Row[Any]) -> Batch:
    return Batch(
        id=row.batch,
        kind=BatchKind(row.kind),
        step=row.step,
        author=row.author,
        at=row.at,
        title=row.title,
        counts=row.counts,
        undone_at=row.undone_at,
        undone_by=row.undone_by or "",
        undone_because=row.undone_because,
    )
