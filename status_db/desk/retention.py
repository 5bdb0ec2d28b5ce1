"""Retention: rules remove rows that are old enough, in batches; each run of a rule is recorded.

Decisions, flips, the ledger and certificates have no rule: they prove which students were cleared, and who cleared
them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Table,
    and_,
    delete,
    func,
    insert,
    not_,
    select,
    true,
    update,
)

from status_db import tables
from status_db.desk import store as desk_store
from status_db.desk.seals import ACCOUNT, RETENTION_RUN, SEALED
from status_db.desk.store import DeskEntry, DeskStore
from status_db.model import RunState
from status_db.store.engine import reading, writing

#: Rows of one transaction, and transactions of one run of a rule: the next run continues.
AT_ONCE = 1000
_BATCHES = 500


@dataclass(frozen=True, slots=True)
class RetentionRun:
    """One run of a rule; a dry run only counts."""

    rule: str
    at: datetime
    cutoff: datetime
    removed: int
    #: The age of the oldest row that stayed.
    oldest: datetime | None
    #: Rows older than the cutoff were left for the next run.
    unfinished: bool
    by: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """The rows that a rule removes: rows of a table that match `about` and have an `age` before the cutoff."""

    table: Table
    age: ColumnElement[datetime]
    about: ColumnElement[bool] = true()  # noqa: RUF009 - a constant of SQL
    #: Removes up to the given number of rows that are old enough, and returns how many.
    remove: Callable[[DeskEntry, "_Rule", datetime, int], int] | None = None

    @property
    def key(self) -> Column[Any]:
        """The table's key."""
        (key,) = self.table.primary_key.columns
        return key

    def old(self, cutoff: datetime) -> ColumnElement[bool]:
        """Return the condition for rows that are old enough."""
        return and_(self.about, self.age < cutoff)

    def first(self, connection: Connection, cutoff: datetime, most: int) -> list[Any]:
        """Return the keys of the rows to remove next: the oldest of those that are old enough, at most `most`."""
        oldest = select(self.key).where(self.old(cutoff)).order_by(self.age, self.key).limit(most)
        return list(connection.execute(oldest).scalars())


def _remove_rows(entry: DeskEntry, rule: _Rule, cutoff: datetime, most: int) -> int:
    return _delete(entry, rule.table, rule.key.in_(rule.first(entry.connection, cutoff, most)))


def _delete(entry: DeskEntry, table: Table, these: ColumnElement[bool]) -> int:
    sealed = SEALED.get(table.name)
    with entry.changing(sealed, these) if sealed is not None else nullcontext():
        return entry.connection.execute(delete(table).where(these)).rowcount


def _remove_lines(entry: DeskEntry, _rule: _Rule, cutoff: datetime, most: int) -> int:
    return entry.remove_lines(cutoff, most)


def _remove_identities(entry: DeskEntry, rule: _Rule, cutoff: datetime, most: int) -> int:
    these = tables.account.c.account.in_(rule.first(entry.connection, cutoff, most))
    with entry.changing(ACCOUNT, these):
        changed = update(tables.account).where(these).values(identity=None, identity_at=None)
        return entry.connection.execute(changed).rowcount


def _remove_accounts(entry: DeskEntry, rule: _Rule, cutoff: datetime, most: int) -> int:
    names = rule.first(entry.connection, cutoff, most)
    for table in _OF_AN_ACCOUNT:
        _delete(entry, table, table.c.account.in_(names))
    return _delete(entry, tables.account, tables.account.c.account.in_(names))


_SESSION, _ATTEMPT, _TICKET, _CODE = tables.session, tables.attempt, tables.used_ticket, tables.code
_STAFF, _DRAFT = tables.staff_session, tables.draft
_TOKEN, _UPLOAD, _REQUEST, _AUDIT, _ACCOUNT = (
    tables.token, tables.upload, tables.request, tables.audit, tables.account,
)  # fmt: skip

#: Tables whose rows belong to an account and are removed with it. An account with a grant stays.
_OF_AN_ACCOUNT = tuple(
    table
    for table in tables.desk.sorted_tables
    if table is not tables.grant and any(key.references(_ACCOUNT) for key in table.foreign_keys)
)

#: Closed accounts of students. Accounts with grants stay: decisions and certificates name them.
_CLOSED = and_(
    not_(_ACCOUNT.c.active),
    _ACCOUNT.c.closed_at.is_not(None),
    _ACCOUNT.c.student.is_not(None),
    _ACCOUNT.c.account.not_in(select(tables.grant.c.account)),
)

#: The rules of the desk's tables, by their key in [retention].
_DESK_RULES: Mapping[str, tuple[_Rule, ...]] = {
    "sessions": (
        _Rule(_SESSION, _SESSION.c.created_at),
        _Rule(_STAFF, _STAFF.c.created_at),
        _Rule(_DRAFT, _DRAFT.c.until),
    ),
    "login_attempts": (_Rule(_ATTEMPT, _ATTEMPT.c.last),),
    "used_tickets": (_Rule(_TICKET, _TICKET.c.at),),
    "one_time_codes": (_Rule(_CODE, func.coalesce(_CODE.c.used_at, _CODE.c.until)),),
    "tokens": (_Rule(_TOKEN, func.coalesce(_TOKEN.c.withdrawn_at, _TOKEN.c.until)),),
    "uploads": (
        _Rule(
            _UPLOAD,
            func.coalesce(_UPLOAD.c.confirmed_at, _UPLOAD.c.at),
            _UPLOAD.c.upload.not_in(
                select(_REQUEST.c.upload).where(_REQUEST.c.served_at.is_(None), _REQUEST.c.upload.is_not(None))
            ),
        ),
    ),
    "requests": (_Rule(_REQUEST, _REQUEST.c.served_at, _REQUEST.c.served_at.is_not(None)),),
    "audit": (_Rule(_AUDIT, _AUDIT.c.at, remove=_remove_lines),),
    "closed_accounts": (_Rule(_ACCOUNT, _ACCOUNT.c.closed_at, _CLOSED, _remove_accounts),),
    "identities": (_Rule(_ACCOUNT, _ACCOUNT.c.identity_at, _ACCOUNT.c.identity.is_not(None), _remove_identities),),
}

#: Rules with a time that begins with the first run that finds a row: the column for it, and the condition for rows.
_BEGINS: Mapping[str, tuple[Column[datetime], ColumnElement[bool]]] = {
    "closed_accounts": (_ACCOUNT.c.closed_at, not_(_ACCOUNT.c.active)),
    "identities": (_ACCOUNT.c.identity_at, _ACCOUNT.c.identity.is_not(None)),
}

#: States in which a run may still need its kept answer.
_UNDER_WAY = (RunState.RUNNING, RunState.SUSPENDED)


def _snapshots(cohort: str) -> _Rule:
    """Return the rule for kept answers of runs of a cohort that have ended."""
    run, pending = tables.run, tables.pending
    over = select(run.c.run).where(run.c.cohort == cohort, run.c.state.not_in(_UNDER_WAY))
    age = select(func.coalesce(run.c.decided_at, run.c.ended, run.c.began)).where(run.c.run == pending.c.run)
    return _Rule(pending, age.scalar_subquery(), pending.c.run.in_(over))


class RetentionRunner:
    """Carries out the rules, each batch in its own transaction. Every method raises StoreError."""

    def __init__(
        self,
        desk: Engine | DeskStore,
        marks: Engine,
        cohorts: Sequence[str],
        spans: Mapping[str, timedelta | None],
        pages: DeskStore | None = None,
    ) -> None:
        """`spans`: rule → how long its rows are kept; None where they are never removed.

        `pages` is the store for the audit lines of the students' pages, which have their own chain.
        """
        self._desk = desk_store.of(desk)
        self._pages = pages
        self._marks = marks
        self._cohorts = cohorts
        self._spans = spans

    def rules(self) -> tuple[str, ...]:
        """Return the rules that remove something, in their order."""
        return tuple(name for name, span in self._spans.items() if span is not None)

    def kept_forever(self) -> tuple[str, ...]:
        """Return the rules that are set to remove nothing."""
        return tuple(name for name, span in self._spans.items() if span is None)

    def carry_out(self, rule: str, now: datetime, by: str, *, dry_run: bool = False) -> RetentionRun:
        """Carry out one rule, and record the run; with `dry_run` count what it would remove, and write nothing."""
        span = self._spans[rule]
        assert span is not None  # noqa: S101 - rules() returns only rules with a span
        cutoff = now - span
        if not dry_run:
            self._record_begin(rule, now)
        removed, unfinished = 0, False
        parts = tuple(self._table_rules(rule))
        for cohort, part in parts:
            if dry_run:
                removed += self._count_old(self._engine_of(cohort), part, cutoff)
                continue
            done, left = (
                self._remove_from_desk(part, cutoff)
                if cohort is None
                else self._remove_from_marks(cohort, part, cutoff)
            )
            removed, unfinished = removed + done, unfinished or left
        but_before = cutoff if dry_run else None
        ages = [age for cohort, part in parts if (age := _oldest(self._engine_of(cohort), part, but_before))]
        run = RetentionRun(rule, now, cutoff, removed, min(ages, default=None), unfinished, by[:100])
        if not dry_run:
            table = tables.retention_run
            with self._desk.writing() as entry:
                values = {name: getattr(run, name) for name in RetentionRun.__slots__}
                noted = insert(table).values(values).returning(table.c.retention_run)
                entry.added(RETENTION_RUN, entry.connection.execute(noted).scalar_one())
        return run

    def _record_begin(self, rule: str, now: datetime) -> None:
        """Record the time for rows of a rule with a time that begins with the first run that finds them."""
        begins = _BEGINS.get(rule)
        if begins is None:
            return
        column, where = begins
        with reading(self._desk.engine) as connection:
            if connection.execute(select(_ACCOUNT.c.account).where(where, column.is_(None)).limit(1)).first() is None:
                return
        with self._desk.writing() as entry:
            found = select(_ACCOUNT.c.account).where(where, column.is_(None))
            these = _ACCOUNT.c.account.in_(list(entry.connection.execute(found).scalars()))
            with entry.changing(ACCOUNT, these):
                entry.connection.execute(update(_ACCOUNT).where(these).values({column: now}))

    def due(self, slot: datetime) -> tuple[str, ...]:
        """Return the rules that have not been carried out since a scheduled moment."""
        last = RetentionRuns(self._desk.engine).last()
        return tuple(rule for rule in self.rules() if rule not in last or last[rule].at < slot)

    def _table_rules(self, rule: str) -> Iterator[tuple[str | None, _Rule]]:
        """Yield the parts of a rule: for the desk, or for each cohort."""
        if rule in _DESK_RULES:
            yield from ((None, part) for part in _DESK_RULES[rule])
            return
        for cohort in self._cohorts:
            yield cohort, _snapshots(cohort)

    def _engine_of(self, cohort: str | None) -> Engine:
        return self._desk.engine if cohort is None else self._marks

    @staticmethod
    def _count_old(engine: Engine, rule: _Rule, cutoff: datetime) -> int:
        with reading(engine) as connection:
            query = select(func.count()).select_from(rule.table).where(rule.old(cutoff))
            return connection.execute(query).scalar_one()

    def _remove_from_desk(self, rule: _Rule, cutoff: datetime) -> tuple[int, bool]:
        """Remove rows in batches; return how many, and whether some are left for the next run."""
        chained = [self._pages] if rule.table is tables.audit and self._pages is not None else []

        def remove(store: DeskStore) -> int:
            with store.writing() as entry:
                return (rule.remove or _remove_rows)(entry, rule, cutoff, AT_ONCE)

        done = [_in_batches(partial(remove, store)) for store in (self._desk, *chained)]
        return sum(removed for removed, _ in done), any(unfinished for _, unfinished in done)

    def _remove_from_marks(self, cohort: str, rule: _Rule, cutoff: datetime) -> tuple[int, bool]:
        """Remove rows of the marks in the same way."""

        def remove() -> int:
            with writing(self._marks, cohort) as connection:
                these = rule.key.in_(rule.first(connection, cutoff, AT_ONCE))
                return connection.execute(delete(rule.table).where(these)).rowcount

        return _in_batches(remove)


def _in_batches(remove: Callable[[], int]) -> tuple[int, bool]:
    """Remove batch after batch; return how many rows were removed, and whether some are left for the next run."""
    removed = 0
    for _ in range(_BATCHES):
        count = remove()
        removed += count
        if count < AT_ONCE:
            return removed, False
    return removed, True


def _oldest(engine: Engine, rule: _Rule, but_before: datetime | None) -> datetime | None:
    """Return the age of the oldest row that stays; for a dry run, of the oldest that would stay."""
    stays = and_(rule.about, rule.age >= but_before) if but_before is not None else rule.about
    with reading(engine) as connection:
        row = connection.execute(
            select(rule.age.label("age")).select_from(rule.table).where(stays).order_by(rule.age).limit(1)
        ).first()
        return row.age if row is not None else None


class RetentionRuns:
    """Reads the runs of rules. An engine of `open_reading` is enough. Raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def last(self) -> dict[str, RetentionRun]:
        """Return rule → its last run."""
        table = tables.retention_run
        newest = select(func.max(table.c.retention_run)).group_by(table.c.rule)
        with reading(self._engine) as connection:
            rows = connection.execute(select(table).where(table.c.retention_run.in_(newest)))
            return {row.rule: _run_from_row(row) for row in rows}

    def removed(self) -> dict[str, int]:
        """Return rule → how many rows it has removed in total."""
        table = tables.retention_run
        with reading(self._engine) as connection:
            rows = connection.execute(select(table.c.rule, func.sum(table.c.removed)).group_by(table.c.rule))
            return {rule: int(total) for rule, total in rows}

    def listed(self, limit: int = 1000) -> tuple[RetentionRun, ...]:
        """Return the newest runs, the newest first."""
        table = tables.retention_run
        with reading(self._engine) as connection:
            rows = connection.execute(select(table).order_by(table.c.retention_run.desc()).limit(limit))
            return tuple(map(_run_from_row, rows))


def _run_from_row(row: object) -> RetentionRun:
    return RetentionRun(**{name: getattr(row, name) for name in RetentionRun.__slots__})
