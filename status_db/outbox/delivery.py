"""Delivering what is in an outbox: rows are claimed, and each recipient's result is recorded at once.

A claim lasts a while by the database's clock, and passes to another process as soon as its process has ended. So a
notice is sent at least once; a second time only if the process stopped between sending and recording.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, Table, delete, func, or_, select, update

from config.tables.notify import NotifyEvent
from status_db import tables
from status_db.outbox.rows import Notice, enter, missing
from status_db.store.clock import time_there
from status_db.store.engine import reading, writing
from status_db.store.schema_version import Part

#: A claim lasts this long; a pass must not last longer.
CLAIM_FOR = timedelta(minutes=5)

#: How long a row is kept after it was delivered or given up.
KEPT_FOR = timedelta(days=90)

#: The name of the lock of an outbox's writers on PostgreSQL.
_LOCK = "outbox"

#: The most rows that one pass takes.
_MOST = 500


@dataclass(frozen=True, slots=True)
class RecipientState:
    """How far the delivery to one recipient is."""

    sent: datetime | None = None
    tries: int = 0
    #: When it is tried again; None when it was sent or given up.
    due: datetime | None = None
    #: Why the last try failed.
    failed: str = ""

    @property
    def over(self) -> bool:
        """Whether it was sent or given up."""
        return self.due is None


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One notice, and how far its delivery is."""

    part: Part
    number: int
    notice: Notice
    created: datetime
    due: datetime
    tries: int
    progress: Mapping[str, RecipientState]
    delivered: datetime | None
    failed: str

    @property
    def state(self) -> str:
        """Return `waits`, `delivered` or `failed`."""
        if self.delivered is None:
            return "waits"
        return "failed" if self.failed else "delivered"


class Outbox:
    """The outbox of one database. Every method raises StoreError."""

    def __init__(self, engine: Engine, part: Part) -> None:
        self._engine = engine
        self._part: Part = part
        self._table: Table = tables.outbox if part == "marks" else tables.desk_outbox

    def enter(self, notices: Iterable[Notice], now: datetime) -> int:
        """Enter notices of a condition, each once; return how many are new."""
        wanted = list(notices)
        with reading(self._engine) as connection:
            fresh = missing(connection, self._table, wanted)
        if fresh:
            with writing(self._engine, _LOCK, self._part) as connection:
                enter(connection, self._table, fresh, now)
        return len(fresh)

    def claim(self, now: datetime, owner: str, gone: Callable[[str], bool]) -> tuple[OutboxRow, ...]:
        """Claim the rows that are due, the oldest first, and return them."""
        table = self._table
        due = (table.c.delivered.is_(None), table.c.due <= now)
        with reading(self._engine) as connection:
            # Most of the time there is none, and then nothing is locked.
            if connection.execute(select(table.c.notice).where(*due).limit(1)).first() is None:
                return ()
        with writing(self._engine, _LOCK, self._part) as connection:
            there = time_there(connection)
            query = select(table).where(*due).order_by(table.c.notice).limit(_MOST)
            rows = [row for row in connection.execute(query) if _is_free(row, there, gone)]
            if rows:
                these = table.c.notice.in_([row.notice for row in rows])
                until = there + CLAIM_FOR
                connection.execute(update(table).where(these).values(claimed_by=owner, claimed_until=until))
        return tuple(self._row(row) for row in rows)

    def record(self, numbers: Sequence[int], owner: str, recipient: str, state: RecipientState) -> None:
        """Record the result of one message to one recipient, for every row in it."""
        table = self._table
        with writing(self._engine, _LOCK, self._part) as connection:
            for number in numbers:
                mine = (table.c.notice == number, table.c.claimed_by == owner)
                row = connection.execute(select(table.c.progress, table.c.tries).where(*mine)).one_or_none()
                if row is None:
                    continue
                values = {
                    "progress": {**row.progress, recipient: _to_json(state)},
                    "tries": max(row.tries, state.tries),
                }
                connection.execute(update(table).where(*mine).values(**values))

    def release(self, rows: Iterable[tuple[int, datetime]], owner: str) -> None:
        """Let go of rows that wait for a later moment."""
        table = self._table
        with writing(self._engine, _LOCK, self._part) as connection:
            for number, due in rows:
                mine = (table.c.notice == number, table.c.claimed_by == owner)
                connection.execute(update(table).where(*mine).values(due=due, claimed_by=None, claimed_until=None))

    def close(self, number: int, owner: str, now: datetime, failed: str) -> bool:
        """Close a row: delivered to all, or given up for a reason. False if another process has it."""
        table = self._table
        with writing(self._engine, _LOCK, self._part) as connection:
            done = connection.execute(
                update(table)
                .where(table.c.notice == number, table.c.claimed_by == owner)
                .values(delivered=now, failed=failed, claimed_by=None, claimed_until=None)
            )
            return bool(done.rowcount == 1)

    def last_sent(self, since: datetime) -> dict[str, datetime]:
        """Return recipient → when a message was last sent, after a moment."""
        table = self._table
        recent = or_(table.c.delivered.is_(None), table.c.delivered > since)
        found: dict[str, datetime] = {}
        with reading(self._engine) as connection:
            for progress in connection.execute(
                select(table.c.progress).where(recent, table.c.progress != {})
            ).scalars():
                for recipient, kept in progress.items():
                    sent = _from_json(kept).sent
                    if sent is not None and sent > since:
                        found[recipient] = max(found.get(recipient, sent), sent)
        return found

    def prune(self, now: datetime) -> int:
        """Remove rows that were closed long ago; return how many."""
        table = self._table
        old = table.c.delivered < now - KEPT_FOR
        with reading(self._engine) as connection:
            if connection.execute(select(table.c.notice).where(old).limit(1)).first() is None:
                return 0
        with writing(self._engine, _LOCK, self._part) as connection:
            return connection.execute(delete(table).where(old)).rowcount

    def listed(self, limit: int) -> tuple[OutboxRow, ...]:
        """Return the newest rows, the newest first."""
        table = self._table
        with reading(self._engine) as connection:
            rows = connection.execute(select(table).order_by(table.c.notice.desc()).limit(limit))
            return tuple(self._row(row) for row in rows)

    def queue(self, now: datetime) -> tuple[int, timedelta]:
        """Return how many notices wait, and for how long the oldest has been due."""
        table = self._table
        with reading(self._engine) as connection:
            count, oldest = connection.execute(
                select(func.count(), func.min(table.c.due)).where(table.c.delivered.is_(None))
            ).one()
        return count, max(now - oldest, timedelta(0)) if oldest is not None else timedelta(0)

    def failed_since(self, moment: datetime) -> int:
        """Return how many notices were given up since a moment, without those to single students."""
        table = self._table
        with reading(self._engine) as connection:
            query = select(func.count()).where(
                table.c.delivered >= moment, table.c.failed != "", table.c.student.is_(None)
            )
            return connection.execute(query).scalar_one()

    def _row(self, row: Row[Any]) -> OutboxRow:
        notice = Notice(NotifyEvent(row.event), row.key, row.cohort, row.source, row.student, row.account, row.data)
        progress = {recipient: _from_json(kept) for recipient, kept in row.progress.items()}
        return OutboxRow(
            self._part, row.notice, notice, row.created, row.due, row.tries, progress, row.delivered, row.failed
        )


def waiting(connection: Connection, table: Table) -> int:
    """Return how many notices wait."""
    return connection.execute(select(func.count()).where(table.c.delivered.is_(None))).scalar_one()


def _is_free(row: Row[Any], there: datetime, gone: Callable[[str], bool]) -> bool:
    return row.claimed_by is None or row.claimed_until <= there or gone(row.claimed_by)


def _to_json(state: RecipientState) -> dict[str, Any]:
    kept = {
        "sent": state.sent.isoformat() if state.sent else None,
        "tries": state.tries,
        "due": state.due.isoformat() if state.due else None,
        "failed": state.failed,
    }
    return {key: value for key, value in kept.items() if value}


def _from_json(kept: Mapping[str, Any]) -> RecipientState:
    sent, due = kept.get("sent"), kept.get("due")
    return RecipientState(
        datetime.fromisoformat(sent) if sent else None,
        kept.get("tries", 0),
        datetime.fromisoformat(due) if due else None,
        kept.get("failed", ""),
    )
