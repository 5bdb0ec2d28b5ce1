"""Expected changes: an office announces that many students will move, so that the guard allows them and no more.

Operators write here, through the command line and the desk; the sync reads.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from foundation.refusals import Refused
from foundation.translation import tr
from status_db import tables
from status_db.ledger import raw_rows
from status_db.ledger.chain import Ledger, LinkKind, PendingLink
from status_db.ledger.reader import vouched
from status_db.ledger.seals import Seals
from status_db.model import Verdict
from status_db.store.engine import reading


class ExpectedChangeCode(StrEnum):
    """Why an expected change is refused."""

    #: The end is in the past.
    END_IN_PAST = "end_in_past"
    #: It moves no student: the number or the direction is missing.
    MOVES_NONE = "moves_none"
    #: It does not exist, or was withdrawn.
    GONE = "gone"


class ExpectedChangeRefused(Refused[ExpectedChangeCode]):
    """An expected change that cannot be announced or withdrawn; the text states why, and the fix."""


@dataclass(frozen=True, slots=True)
class ExpectedChange:
    """How many students can move towards a verdict, by one source, within a time."""

    id: int
    source: str
    #: CLEARED or HELD.
    towards: Verdict
    #: The limit of students in all, since it was announced.
    most: int
    until: datetime
    author: str
    note: str
    at: datetime
    withdrawn_at: datetime | None = None

    def active(self, now: datetime) -> bool:
        """Return whether the guard expects it at `now`."""
        return self.withdrawn_at is None and self.until > now


class ExpectedChanges:
    """Announces and withdraws the expected changes of one cohort."""

    def __init__(self, engine: Engine, cohort: str, ledger: Ledger) -> None:
        self._engine = engine
        self._cohort = cohort
        self._ledger = ledger

    def announce(
        self, source: str, towards: Verdict, most: int, until: datetime, *, author: str, note: str, now: datetime
    ) -> ExpectedChange:
        """Announce an expected change, and withdraw an earlier one of that source in that direction.

        Raises ExpectedChangeRefused when its end is in the past, or it would move no student.
        """
        if until <= now:
            raise ExpectedChangeRefused(ExpectedChangeCode.END_IN_PAST, tr("its end is in the past. Give a later one."))
        if most < 1 or towards not in (Verdict.CLEARED, Verdict.HELD):
            raise ExpectedChangeRefused(
                ExpectedChangeCode.MOVES_NONE,
                tr(
                    "an expected change must move at least one student, to cleared or to held. Give a number and a "
                    "direction."
                ),
            )
        table = tables.expected_change
        with self._ledger.linking(self._engine, at=now, kind=LinkKind.EXPECTED) as (connection, entry):
            same = (
                table.c.cohort == self._cohort,
                table.c.source == source,
                table.c.towards == towards,
                table.c.withdrawn_at.is_(None),
            )
            for stored in raw_rows.sealed(connection, table, raw_rows.EXPECTED_CHANGE, *same):
                _withdraw_stored(connection, entry, stored, author, now)
            announced = insert(table).values(
                cohort=self._cohort,
                source=source,
                towards=towards,
                most=most,
                until=until,
                author=author,
                note=note,
                at=now,
            )
            expected_change = _expected_change(connection.execute(announced.returning(table)).one())
            entry.seal_behind(table, expected_change.id)
            return expected_change

    def withdraw(self, number: int, *, author: str, now: datetime) -> ExpectedChange:
        """Withdraw an expected change: the ordinary limits apply. Raises ExpectedChangeRefused when there is none."""
        table = tables.expected_change
        effective = (table.c.expected_change == number, table.c.cohort == self._cohort, table.c.withdrawn_at.is_(None))
        with self._ledger.linking(self._engine, at=now, kind=LinkKind.EXPECTED) as (connection, entry):
            stored = raw_rows.sealed(connection, table, raw_rows.EXPECTED_CHANGE, *effective)
            if not stored:
                raise ExpectedChangeRefused(
                    ExpectedChangeCode.GONE,
                    tr("there is no expected change {number} to withdraw. See: clearance expect list", number=number),
                )
            _withdraw_stored(connection, entry, stored[0], author, now)
            return _expected_change(connection.execute(select(table).where(table.c.expected_change == number)).one())

    def listed(self) -> tuple[ExpectedChange, ...]:
        """Return every expected change ever announced, the newest first."""
        table = tables.expected_change
        query = select(table).where(table.c.cohort == self._cohort).order_by(table.c.expected_change.desc())
        with reading(self._engine) as connection:
            return tuple(_expected_change(row) for row in connection.execute(query))


def _withdraw_stored(
    connection: Connection, entry: PendingLink, stored: raw_rows.SealedRow, author: str, now: datetime
) -> None:
    table, number = tables.expected_change, stored.values[raw_rows.EXPECTED_CHANGE.index("expected_change")]
    connection.execute(
        update(table).where(table.c.expected_change == number).values(withdrawn_at=now, withdrawn_by=author)
    )
    entry.seal_behind(table, number, stored)


def expected(
    connection: Connection, cohort: str, source: str, now: datetime, seals: Callable[[], Seals] | None = None
) -> Sequence[ExpectedChange]:
    """Return the expected changes of a source at `now`, at most one in each direction.

    With `seals`, one with a wrong seal is left out.
    """
    table = tables.expected_change
    query = select(table).where(
        table.c.cohort == cohort, table.c.source == source, table.c.withdrawn_at.is_(None), table.c.until > now
    )
    found = [_expected_change(row) for row in connection.execute(query.order_by(table.c.expected_change))]
    if not found or seals is None:
        return found
    numbers = table.c.expected_change.in_([expected_change.id for expected_change in found])
    return [w for w in found if w.id in vouched(connection, table, raw_rows.EXPECTED_CHANGE, seals(), numbers)]


def _expected_change(row: Row[Any]) -> ExpectedChange:
    return ExpectedChange(
        row.expected_change,
        row.source,
        Verdict(row.towards),
        row.most,
        row.until,
        row.author,
        row.note,
        row.at,
        row.withdrawn_at,
    )
