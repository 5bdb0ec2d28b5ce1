"""Objections of students to what stands at a step, and reviewers' sendings back of one: an office answers each, once.

They say nothing about what counts: a step stays as it is until its source or a decision says otherwise. Who may raise
or answer one is for the caller to see to. (What the guard objects to is another matter: `status_db.guard_reasons`.)
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Connection, Engine, Row, Select, and_, func, insert, or_, select, true, update

from foundation.chunks import chunked
from foundation.refusals import Refused
from status_db import tables
from status_db.desk import store
from status_db.desk.seals import APPEAL
from status_db.desk.store import DeskEntry, DeskStore
from status_db.inbox.appeal_rows import Appeal, AppealEvidence, AppealKind, AppealOutcome, appeal_from, seen_as_json
from status_db.store.engine import reading

#: In characters.
LONGEST_TEXT = 500

#: Nobody's page lists more of one student.
_MOST_OF_STUDENT = 100
#: So many are read at a time, before it is known which of them stand inside a scope.
_CHUNK = 500
#: Says which of some students of a cohort are meant.
Inside: TypeAlias = Callable[[Sequence[str]], Collection[str]]


class AppealCode(StrEnum):
    """Why something is not taken."""

    NO_TEXT = "no_text"
    LONG_TEXT = "long_text"
    #: The same was raised already, and waits.
    WAITS = "waits"
    #: The student has as many waiting as may be.
    TOO_MANY = "too_many"
    NO_DECISION = "no_decision"
    #: It was answered or taken back already.
    ANSWERED = "answered"


class AppealRefused(Refused[AppealCode]):
    """An objection, or an answer, that is not taken so; the text says why, and what would do.

    `effective` is the one that is in its way: the one that waits, or the one that was answered first.
    """

    def __init__(self, code: AppealCode, text: str, effective: Appeal | None = None) -> None:
        super().__init__(code, text)
        self.effective = effective


class Appeals:
    """Raises, answers and reads them. An engine of `open_reading` will do for what only reads. Raises StoreError."""

    def __init__(self, desk: Engine | DeskStore) -> None:
        self._desk = store.of(desk)

    def raise_(
        self,
        cohort: str,
        student: str,
        step: str,
        item: str,
        text: str,
        *,
        account: str,
        seen: AppealEvidence,
        due: datetime,
        now: datetime,
        limit: int,
    ) -> Appeal:
        """Enter a student's objection to an item, or to the step as a whole where it is empty; return it.

        Raises ObjectionRefused without words or with too many, while the same waits, and while `limit` of the student's
        wait.
        """
        table = tables.appeal
        said = _said(text)
        with self._desk.writing() as entry:
            connection = entry.connection
            own = (table.c.cohort == cohort, table.c.student == student, table.c.kind == AppealKind.APPEAL)
            waiting = _read(connection, *own, table.c.answered_at.is_(None))
            for one in waiting:
                if (one.step, one.item) == (step, item):
                    raise AppealRefused(AppealCode.WAITS, "this was objected to already. Wait for the answer.", one)
            if len(waiting) >= limit:
                raise AppealRefused(
                    AppealCode.TOO_MANY,
                    f"{len(waiting)} objections wait already. Wait for an answer, or take one back.",
                )
            what = {"cohort": cohort, "student": student, "step": step, "kind": AppealKind.APPEAL, "item": item}
            return _enter(entry, what, said, account=account, seen=seen, due=due, now=now)

    def send_back(
        self,
        cohort: str,
        student: str,
        step: str,
        text: str,
        *,
        account: str,
        seen: AppealEvidence,
        due: datetime,
        now: datetime,
    ) -> Appeal:
        """Enter that a reviewer wants an office to look again at a step; return it.

        Raises ObjectionRefused without words or with too many, and while the same step is sent back already.
        """
        table = tables.appeal
        said = _said(text)
        with self._desk.writing() as entry:
            connection = entry.connection
            same = (table.c.cohort == cohort, table.c.student == student, table.c.step == step)
            waiting = _read(connection, *same, table.c.kind == AppealKind.SENT_BACK, table.c.answered_at.is_(None))
            if waiting:
                raise AppealRefused(
                    AppealCode.WAITS, "this step was sent back already. Wait for the answer.", waiting[0]
                )
            what = {"cohort": cohort, "student": student, "step": step, "kind": AppealKind.SENT_BACK, "item": ""}
            return _enter(entry, what, said, account=account, seen=seen, due=due, now=now)

    def answer(
        self,
        appeal: int,
        outcome: AppealOutcome,
        answer: str,
        *,
        account: str,
        now: datetime,
        decision: int | None = None,
    ) -> Appeal:
        """Enter the office's answer, and return what it answered. `decision` is the one that settles it.

        Raises ObjectionRefused for the second answer, with the first; where nothing is explained, or too much said; and
        for a decision that is not named. A missing objection raises KeyError, WITHDRAWN a ValueError.
        """
        if outcome is AppealOutcome.WITHDRAWN:
            raise ValueError("only the student takes an objection back")
        said = _said(answer, needed=outcome is AppealOutcome.EXPLAINED)
        if outcome is AppealOutcome.DECIDED and decision is None:
            raise AppealRefused(AppealCode.NO_DECISION, "there is no decision that settles it. Enter one first.")
        named = decision if outcome is AppealOutcome.DECIDED else None
        with self._desk.writing() as entry:
            connection = entry.connection
            _confirm_waiting(connection, appeal)
            return _end(entry, appeal, outcome, said, account=account, now=now, decision=named)

    def withdraw(self, appeal: int, student: str, *, account: str, now: datetime) -> Appeal:
        """Take back a student's own objection, and return it.

        Raises KeyError where there is none of this student's, ObjectionRefused where it was answered or taken back.
        """
        with self._desk.writing() as entry:
            connection = entry.connection
            found = _confirm_waiting(connection, appeal, student)
            if found.kind is not AppealKind.APPEAL:
                raise KeyError(appeal)
            return _end(entry, appeal, AppealOutcome.WITHDRAWN, "", account=account, now=now, decision=None)

    def one(self, cohort: str, appeal: int) -> Appeal | None:
        """Return one of a cohort."""
        table = tables.appeal
        with reading(self._desk.engine) as connection:
            found = _read(connection, table.c.cohort == cohort, table.c.appeal == appeal)
        return found[0] if found else None

    def of_student(self, cohort: str, student: str) -> tuple[Appeal, ...]:
        """Return those about a student, sent back ones too, the newest first; a hundred at most."""
        table = tables.appeal
        with reading(self._desk.engine) as connection:
            rows = connection.execute(
                select(table)
                .where(table.c.cohort == cohort, table.c.student == student)
                .order_by(table.c.appeal.desc())
                .limit(_MOST_OF_STUDENT)
            )
            return tuple(appeal_from(row) for row in rows)

    def waiting(self, cohort: str, steps: Collection[str], inside: Inside, limit: int) -> tuple[Appeal, ...]:
        """Return the first that wait at these steps, of students who are inside, whichever is due first."""
        table = tables.appeal
        here = (table.c.cohort == cohort, table.c.step.in_(list(steps)), table.c.answered_at.is_(None))
        query = select(table).where(*here).order_by(table.c.due, table.c.appeal)

        def after(row: Row[Any]) -> ColumnElement[bool]:
            same = and_(table.c.due == row.due, table.c.appeal > row.appeal)
            return or_(table.c.due > row.due, same)

        with reading(self._desk.engine) as connection:
            return _first_inside(connection, query, after, inside, limit)

    def count_waiting(self, cohort: str, steps: Collection[str], inside: Inside) -> int:
        """Return how many wait at these steps, of students who are inside."""
        table = tables.appeal
        here = (table.c.cohort == cohort, table.c.step.in_(list(steps)), table.c.answered_at.is_(None))
        query = select(table.c.student, func.count().label("waiting")).where(*here).group_by(table.c.student)
        with reading(self._desk.engine) as connection:
            students: Mapping[str, int] = {row.student: row.waiting for row in connection.execute(query)}
        return sum(students[number] for chunk in chunked(sorted(students), _CHUNK) for number in inside(chunk))

    def sent_back(self, cohort: str, steps: Collection[str], inside: Inside, limit: int) -> tuple[Appeal, ...]:
        """Return the newest that reviewers sent back to these steps, of students who are inside, answered or not."""
        table = tables.appeal
        here = (table.c.cohort == cohort, table.c.step.in_(list(steps)), table.c.kind == AppealKind.SENT_BACK)
        query = select(table).where(*here).order_by(table.c.appeal.desc())
        with reading(self._desk.engine) as connection:
            return _first_inside(connection, query, lambda row: table.c.appeal < row.appeal, inside, limit)


def _said(text: str, *, needed: bool = True) -> str:
    said = text.strip()
    if needed and not said:
        raise AppealRefused(AppealCode.NO_TEXT, "it says nothing. Write what is meant.")
    if len(said) > LONGEST_TEXT:
        raise AppealRefused(AppealCode.LONG_TEXT, f"it is longer than {LONGEST_TEXT} characters. Make it shorter.")
    return said


def _enter(
    entry: DeskEntry,
    what: Mapping[str, Any],
    text: str,
    *,
    account: str,
    seen: AppealEvidence,
    due: datetime,
    now: datetime,
) -> Appeal:
    table = tables.appeal
    values = {**what, "text": text, "raised_by": account[:100], "seen": seen_as_json(seen), "at": now, "due": due}
    row = entry.connection.execute(insert(table).values(**values).returning(table)).one()
    entry.added(APPEAL, row.appeal)
    return appeal_from(row)


def _confirm_waiting(connection: Connection, appeal: int, student: str | None = None) -> Appeal:
    table = tables.appeal
    whose = true() if student is None else table.c.student == student
    found = _read(connection, table.c.appeal == appeal, whose)
    if not found:
        raise KeyError(appeal)
    if not found[0].waits:
        raise AppealRefused(
            AppealCode.ANSWERED,
            f"{found[0].answered_by} was first, at {found[0].answered_at:%Y-%m-%d %H:%M %Z}. Look at it again.",
            found[0],
        )
    return found[0]


def _end(
    entry: DeskEntry,
    appeal: int,
    outcome: AppealOutcome,
    answer: str,
    *,
    account: str,
    now: datetime,
    decision: int | None,
) -> Appeal:
    table = tables.appeal
    values = {"outcome": outcome, "answer": answer, "answered_by": account[:100], "answered_at": now}
    ended = update(table).where(table.c.appeal == appeal).values(**values, decision=decision)
    with entry.changing(APPEAL, table.c.appeal == appeal):
        row = entry.connection.execute(ended.returning(table)).one()
    return appeal_from(row)


def _read(connection: Connection, *conditions: ColumnElement[bool]) -> tuple[Appeal, ...]:
    table = tables.appeal
    rows = connection.execute(select(table).where(*conditions).order_by(table.c.appeal))
    return tuple(appeal_from(row) for row in rows)


def _first_inside(
    connection: Connection,
    query: Select[Any],
    after: Callable[[Row[Any]], ColumnElement[bool]],
    inside: Inside,
    limit: int,
) -> tuple[Appeal, ...]:
    """Read a statement piece by piece, until so many are found of students who are inside.

    `after` says what comes behind a row, in the statement's order.
    """
    found: list[Appeal] = []
    rows: Sequence[Row[Any]] = connection.execute(query.limit(_CHUNK)).all()
    while rows:
        meant = inside([row.student for row in rows])
        found += [appeal_from(row) for row in rows if row.student in meant]
        full = len(rows) == _CHUNK and len(found) < limit
        rows = connection.execute(query.where(after(rows[-1])).limit(_CHUNK)).all() if full else ()
    return tuple(found[:limit])
