"""Erasing a cohort: every row about its students, in batches, so that an interrupted erasure continues.

The roster is erased last, because it names the students whose requests, appeals and accounts are erased before. The
links of the ledger stay. No row of another cohort is touched.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, Table, and_, delete, func, or_, select, tuple_, update

from status_db import tables
from status_db.desk.seals import ACCOUNT, SEALED
from status_db.desk.store import DeskEntry, DeskStore
from status_db.ledger.raw_rows import ABOUT_STUDENTS, of_cohort
from status_db.store.engine import reading, store_errors, writing

#: Rows of one transaction.
AT_ONCE = 2_000

#: The desk's tables with rows about a cohort's students.
_OF_DESK: tuple[Table, ...] = (tables.appeal, tables.upload, tables.request, tables.desk_outbox)

_ACCOUNT, _STUDENT = tables.account, tables.student


class Erasing:
    """Erases one cohort's rows about students. Every method raises StoreError."""

    def __init__(self, marks: Engine, desk: DeskStore, cohort: str, at_once: int = AT_ONCE) -> None:
        self._marks = marks
        self._desk = desk
        self._cohort = cohort
        self._at_once = at_once

    def counts(self) -> dict[str, int]:
        """Return table → how many rows are left to erase; for accounts, those whose identity or access is erased."""
        found: dict[str, int] = {}
        with reading(self._desk.engine) as connection:
            for table in _OF_DESK:
                query = select(func.count()).select_from(table).where(table.c.cohort == self._cohort)
                found[table.name] = connection.execute(query).scalar_one()
        numbers = self._own_students()
        found["identity"] = self._identities(numbers)
        found["account"] = self._accounts(numbers)
        with reading(self._marks) as connection:
            for table in ABOUT_STUDENTS:
                query = select(func.count()).select_from(table).where(of_cohort(table, self._cohort))
                found[table.name] = connection.execute(query).scalar_one()
        return {name: count for name, count in found.items() if count}

    def erase(self, now: datetime, step: Callable[[str], None] = lambda _name: None) -> None:
        """Erase everything. `step` is called before each table. It can be called again after an interruption."""
        for table in _OF_DESK:
            step(table.name)
            self._erase_of_desk(table)
        step("account")
        self._close_accounts(now)
        for table in ABOUT_STUDENTS:
            step(table.name)
            self._erase_of_marks(table)

    def overwrite(self) -> None:
        """Have the databases give back the space: SQLite writes its files again, without what was erased.

        PostgreSQL marks the space as free, to be overwritten.
        """
        for engine in dict.fromkeys((self._marks, self._desk.engine)):
            with store_errors(engine), engine.connect() as connection:
                if engine.dialect.name == "sqlite":
                    connection.exec_driver_sql("VACUUM")
                    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").all()
                else:
                    apart = connection.execution_options(isolation_level="AUTOCOMMIT")
                    apart.exec_driver_sql("VACUUM")

    def _erase_of_desk(self, table: Table) -> None:
        (key,) = table.primary_key
        while True:
            with self._desk.writing() as entry, _secure(entry.connection):
                oldest = select(key).where(table.c.cohort == self._cohort).order_by(key).limit(self._at_once)
                these = key.in_(list(entry.connection.execute(oldest).scalars()))
                removed = _remove(entry, table, these)
            if removed < self._at_once:
                return

    def _erase_of_marks(self, table: Table) -> None:
        keys = list(table.primary_key)
        while True:
            with writing(self._marks, self._cohort) as connection, _secure(connection):
                query = select(*keys).where(of_cohort(table, self._cohort)).order_by(*keys).limit(self._at_once)
                found = [tuple(row) for row in connection.execute(query)]
                if not found:
                    return
                these = keys[0].in_([row[0] for row in found]) if len(keys) == 1 else tuple_(*keys).in_(found)
                # The cohort is named again: no key of another cohort can ever be among them.
                connection.execute(delete(table).where(of_cohort(table, self._cohort), these))

    def _own_students(self) -> list[str]:
        """Return the students of this cohort that are on the roster of no other."""
        other = _STUDENT.alias()
        elsewhere = select(other.c.student).where(other.c.cohort != self._cohort)
        mine = select(_STUDENT.c.student).where(_STUDENT.c.cohort == self._cohort, _STUDENT.c.student.not_in(elsewhere))
        with reading(self._marks) as connection:
            return list(connection.execute(mine.order_by(_STUDENT.c.student)).scalars())

    def _close_accounts(self, now: datetime) -> None:
        """Erase the identity hashes of the students' accounts, and deactivate them: retention then removes them."""
        numbers = self._own_students()
        for at in range(0, len(numbers), self._at_once):
            these = and_(_ACCOUNT.c.student.in_(numbers[at : at + self._at_once]), _of_students_alone())
            with self._desk.writing() as entry, _secure(entry.connection), entry.changing(ACCOUNT, these):
                entry.connection.execute(
                    update(_ACCOUNT)
                    .where(these, or_(_ACCOUNT.c.identity.is_not(None), _ACCOUNT.c.active))
                    .values(identity=None, identity_at=None, active=False, closed_at=now)
                )

    def _identities(self, numbers: list[str]) -> int:
        return self._count_accounts(numbers, _ACCOUNT.c.identity.is_not(None))

    def _accounts(self, numbers: list[str]) -> int:
        return self._count_accounts(numbers, _ACCOUNT.c.active)

    def _count_accounts(self, numbers: list[str], where: ColumnElement[bool]) -> int:
        count = 0
        with reading(self._desk.engine) as connection:
            for at in range(0, len(numbers), self._at_once):
                these = and_(_ACCOUNT.c.student.in_(numbers[at : at + self._at_once]), _of_students_alone(), where)
                count += connection.execute(select(func.count()).select_from(_ACCOUNT).where(these)).scalar_one()
        return count


def _of_students_alone() -> ColumnElement[bool]:
    """Return the condition for accounts without a grant: decisions name the others."""
    return _ACCOUNT.c.account.not_in(select(tables.grant.c.account))


def _remove(entry: DeskEntry, table: Table, these: ColumnElement[bool]) -> int:
    sealed = SEALED.get(table.name)
    with entry.changing(sealed, these) if sealed is not None else nullcontext():
        return _removed(entry.connection, table, these)


def _removed(connection: Connection, table: Table, these: ColumnElement[bool]) -> int:
    return connection.execute(delete(table).where(these)).rowcount


@contextmanager
def _secure(connection: Connection) -> Iterator[None]:
    """Have SQLite overwrite with zeros what is deleted meanwhile."""
    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        connection.exec_driver_sql("PRAGMA secure_delete = ON").all()
    try:
        yield
    finally:
        if sqlite:
            connection.exec_driver_sql("PRAGMA secure_delete = OFF").all()
