"""Reminders that a class teacher sends: one message a day to each student, entered in the desk's outbox."""

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import func, select

from config.tables.notify import NotifyEvent
from status_db import tables
from status_db.desk.store import DeskStore
from status_db.outbox.rows import Notice, enter, missing
from status_db.store.engine import reading


class Reminders:
    """Enters reminders. Raises StoreError."""

    def __init__(self, desk: DeskStore, *, enabled: bool) -> None:
        self._desk = desk
        #: Whether the settings have mail, and a column with the students' addresses.
        self.enabled = enabled

    def send(self, cohort: str, students: Iterable[str], day: date, now: datetime) -> int:
        """Enter a reminder for each of these students that has none of this day. Return how many are new."""
        wanted = [
            Notice(NotifyEvent.REMINDER, _key(cohort, number, day), cohort, student=number) for number in students
        ]
        with self._desk.writing() as entry:
            new = missing(entry.connection, tables.desk_outbox, wanted)
            enter(entry.connection, tables.desk_outbox, new, now)
        return len(new)

    def sent(self, cohort: str, students: Iterable[str], day: date) -> int:
        """Return how many of these students have been sent a reminder on this day."""
        outbox, keys = tables.desk_outbox, [_key(cohort, number, day) for number in students]
        with reading(self._desk.engine) as connection:
            found = connection.scalar(select(func.count()).select_from(outbox).where(outbox.c.key.in_(keys)))
        return int(found or 0)


def _key(cohort: str, student: str, day: date) -> str:
    return f"reminder:{cohort}:{student}:{day.isoformat()}"
