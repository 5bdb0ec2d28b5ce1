"""Students' appeals against a step, and steps that reviewers send back. The office answers each once.

An appeal does not change a step: only its source or a decision does. The caller checks who can raise or answer one.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeAlias

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    Select,
    and_,
    bindparam,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from config.tables.notify import NotifyEvent
from foundation.chunks import chunked
from foundation.refusals import Refused
from foundation.translation import tr
from status_db import tables
from status_db.desk import store
from status_db.desk.seals import APPEAL
from status_db.desk.store import DeskEntry, DeskStore
from status_db.inbox.appeal_rows import Appeal, AppealEvidence, AppealKind, AppealOutcome, appeal_from, seen_as_json
from status_db.outbox.rows import Notice, enter
from status_db.store.engine import reading

#: In characters.
LONGEST_TEXT = 500

#: The most appeals of one student that a page lists.
_MOST_OF_STUDENT = 100

# Built once, because every page of a student asks it.
_OF_STUDENT = (
    select(tables.appeal)
    .where(tables.appeal.c.cohort == bindparam("cohort"), tables.appeal.c.student == bindparam("student"))
    .order_by(tables.appeal.c.appeal.desc())
    .limit(_MOST_OF_STUDENT)
)
#: The number of rows read at a time, before their students are compared with the scope.
_CHUNK = 500
#: Returns those of some students of a cohort that are in a scope.
Inside: TypeAlias = Callable[[Sequence[str]], Collection[str]]


class AppealCode(StrEnum):
    """Why an appeal or an answer is refused."""

    #: The text is missing.
    NO_TEXT = "no_text"
    #: The text is too long.
    LONG_TEXT = "long_text"
    #: The same appeal already waits.
    WAITS = "waits"
    #: The student has the largest number of waiting appeals.
    TOO_MANY = "too_many"
    #: The answer needs a decision that is not there.
    NO_DECISION = "no_decision"
    #: It was already answered or withdrawn.
    ANSWERED = "answered"


class AppealRefused(Refused[AppealCode]):
    """An appeal, or an answer, that is refused; the text has the reason and the fix.

    `effective` is the appeal that blocks it: the one that waits, or the one that was answered first.
    """

    def __init__(self, code: AppealCode, text: str, effective: Appeal | None = None) -> None:
        super().__init__(code, text)
        self.effective = effective


class Appeals:
    """Raises, answers and reads appeals. For reads, an engine of `open_reading` is enough. Raises StoreError."""

    def __init__(self, desk: Engine | DeskStore, *, notify_students: bool = False) -> None:
        """With `notify_students`, a message to the student is entered with the answer."""
        self._desk = store.of(desk)
        self._notify_students = notify_students

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
        """Enter a student's appeal against an item, or against the whole step if `item` is empty; return it.

        Raises AppealRefused if the text is empty or too long, while the same appeal waits, and while `limit` appeals of
        the student wait.
        """
        table = tables.appeal
        text = _checked_text(text)
        with self._desk.writing() as entry:
            connection = entry.connection
            own = (table.c.cohort == cohort, table.c.student == student, table.c.kind == AppealKind.APPEAL)
            waiting = _select_appeals(connection, *own, table.c.answered_at.is_(None))
            for one in waiting:
                if (one.step, one.item) == (step, item):
                    raise AppealRefused(
                        AppealCode.WAITS, tr("the same appeal already waits. Wait for the answer."), one
                    )
            if len(waiting) >= limit:
                raise AppealRefused(
                    AppealCode.TOO_MANY,
                    tr("{waiting} appeals already wait. Wait for an answer, or withdraw one.", waiting=len(waiting)),
                )
            what = {"cohort": cohort, "student": student, "step": step, "kind": AppealKind.APPEAL, "item": item}
            return _insert_appeal(entry, what, text, account=account, seen=seen, due=due, now=now)

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
        """Enter a reviewer's request that an office check a step again; return it.

        Raises AppealRefused if the text is empty or too long, and while the same step is sent back.
        """
        table = tables.appeal
        text = _checked_text(text)
        with self._desk.writing() as entry:
            connection = entry.connection
            same = (table.c.cohort == cohort, table.c.student == student, table.c.step == step)
            own = (*same, table.c.kind == AppealKind.SENT_BACK, table.c.answered_at.is_(None))
            waiting = _select_appeals(connection, *own)
            if waiting:
                raise AppealRefused(
                    AppealCode.WAITS, tr("this step is already sent back. Wait for the answer."), waiting[0]
                )
            what = {"cohort": cohort, "student": student, "step": step, "kind": AppealKind.SENT_BACK, "item": ""}
            return _insert_appeal(entry, what, text, account=account, seen=seen, due=due, now=now)

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
        """Enter the office's answer, and return the appeal. `decision` is the decision that settles it.

        Raises AppealRefused for a second answer, with the first; if the text is missing or too long; and if the
        decision is missing. Raises KeyError if there is no such appeal, and ValueError for WITHDRAWN.
        """
        if outcome is AppealOutcome.WITHDRAWN:
            raise ValueError(tr("only the student withdraws an appeal"))
        text = _checked_text(answer, needed=outcome is AppealOutcome.EXPLAINED)
        if outcome is AppealOutcome.DECIDED and decision is None:
            raise AppealRefused(AppealCode.NO_DECISION, tr("no decision settles it. Enter a decision first."))
        named = decision if outcome is AppealOutcome.DECIDED else None
        with self._desk.writing() as entry:
            connection = entry.connection
            _confirm_waiting(connection, appeal)
            closed = _close_appeal(entry, appeal, outcome, text, account=account, now=now, decision=named)
            if self._notify_students and closed.kind is AppealKind.APPEAL:
                data = {"appeal": appeal, "step": closed.step}
                key = f"appeal-answered:{appeal}"
                about = Notice(NotifyEvent.APPEAL_ANSWERED, key, closed.cohort, student=closed.student, data=data)
                enter(connection, tables.desk_outbox, [about], now)
            return closed

    def withdraw(self, appeal: int, student: str, *, account: str, now: datetime) -> Appeal:
        """Withdraw a student's own appeal, and return it.

        Raises KeyError if the student has no such appeal, AppealRefused if it was answered or withdrawn.
        """
        with self._desk.writing() as entry:
            connection = entry.connection
            found = _confirm_waiting(connection, appeal, student)
            if found.kind is not AppealKind.APPEAL:
                raise KeyError(appeal)
            return _close_appeal(entry, appeal, AppealOutcome.WITHDRAWN, "", account=account, now=now, decision=None)

    def one(self, cohort: str, appeal: int) -> Appeal | None:
        """Return one appeal of a cohort; None if there is none."""
        table = tables.appeal
        with reading(self._desk.engine) as connection:
            found = _select_appeals(connection, table.c.cohort == cohort, table.c.appeal == appeal)
        return found[0] if found else None

    def of_student(self, cohort: str, student: str) -> tuple[Appeal, ...]:
        """Return the appeals and sent-back steps of a student, the newest first; a hundred at most."""
        with reading(self._desk.engine) as connection:
            rows = connection.execute(_OF_STUDENT, {"cohort": cohort, "student": student})
            return tuple(appeal_from(row) for row in rows)

    def waiting(self, cohort: str, steps: Collection[str], inside: Inside, limit: int) -> tuple[Appeal, ...]:
        """Return the first appeals that wait at these steps, of students inside, by deadline."""
        table = tables.appeal
        here = (table.c.cohort == cohort, table.c.step.in_(list(steps)), table.c.answered_at.is_(None))
        query = select(table).where(*here).order_by(table.c.due, table.c.appeal)

        def after(row: Row[Any]) -> ColumnElement[bool]:
            same = and_(table.c.due == row.due, table.c.appeal > row.appeal)
            return or_(table.c.due > row.due, same)

        with reading(self._desk.engine) as connection:
            return _first_inside(connection, query, after, inside, limit)

    def count_waiting(self, cohort: str, steps: Collection[str], inside: Inside) -> int:
        """Return the number of appeals that wait at these steps, of students inside."""
        table = tables.appeal
        here = (table.c.cohort == cohort, table.c.step.in_(list(steps)), table.c.answered_at.is_(None))
        query = select(table.c.student, func.count().label("waiting")).where(*here).group_by(table.c.student)
        with reading(self._desk.engine) as connection:
            students: Mapping[str, int] = {row.student: row.waiting for row in connection.execute(query)}
        return sum(students[number] for chunk in chunked(sorted(students), _CHUNK) for number in inside(chunk))

    def sent_back(self, cohort: str, steps: Collection[str], inside: Inside, limit: int) -> tuple[Appeal, ...]:
        """Return the newest steps that reviewers sent back, of students inside, answered or not."""
        table = tables.appeal
        here = (table.c.cohort == cohort, table.c.step.in_(list(steps)), table.c.kind == AppealKind.SENT_BACK)
        query = select(table).where(*here).order_by(table.c.appeal.desc())
        with reading(self._desk.engine) as connection:
            return _first_inside(connection, query, lambda row: table.c.appeal < row.appeal, inside, limit)


def _checked_text(text: str, *, needed: bool = True) -> str:
    text = text.strip()
    if needed and not text:
        raise AppealRefused(AppealCode.NO_TEXT, tr("the text is empty. Enter a text."))
    if len(text) > LONGEST_TEXT:
        raise AppealRefused(
            AppealCode.LONG_TEXT,
            tr("the text is longer than {most} characters. Make it shorter.", most=LONGEST_TEXT),
        )
    return text


def _insert_appeal(
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
    found = _select_appeals(connection, table.c.appeal == appeal, whose)
    if not found:
        raise KeyError(appeal)
    if not found[0].waits:
        raise AppealRefused(
            AppealCode.ANSWERED,
            tr(
                "{answered_by} was first, at {answered_at:%Y-%m-%d %H:%M %Z}. Check the appeal again.",
                answered_by=found[0].answered_by,
                answered_at=found[0].answered_at,
            ),
            found[0],
        )
    return found[0]


def _close_appeal(
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


def _select_appeals(connection: Connection, *conditions: ColumnElement[bool]) -> tuple[Appeal, ...]:
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
    """Read a statement in chunks, until `limit` appeals of students inside are found.

    `after` returns the condition for the rows after a row, in the statement's order.
    """
    found: list[Appeal] = []
    rows: Sequence[Row[Any]] = connection.execute(query.limit(_CHUNK)).all()
    while rows:
        meant = inside([row.student for row in rows])
        found += [appeal_from(row) for row in rows if row.student in meant]
        full = len(rows) == _CHUNK and len(found) < limit
        rows = connection.execute(query.where(after(rows[-1])).limit(_CHUNK)).all() if full else ()
    return tuple(found[:limit])
