"""Entering a notification, in the transaction of its cause. Each thing is entered once: its key is unique."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from config.tables.notify import NotifyEvent
from status_db import tables
from status_db.model import Flip, Verdict


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people are notified of."""

    event: NotifyEvent
    #: The same for the same thing, whoever enters it.
    key: str
    cohort: str | None = None
    source: str | None = None
    #: Only for an event of one student.
    student: str | None = None
    #: Only for an event that one account receives.
    account: str | None = None
    #: Counts, codes and names of colleges; never a student's.
    data: Mapping[str, Any] = field(default_factory=dict)


def enter(connection: Connection, table: Table, notices: Iterable[Notice], now: datetime) -> None:
    """Enter notices; those that were entered before stay as they are."""
    rows = [
        {
            "event": notice.event.value,
            "key": notice.key,
            "cohort": notice.cohort,
            "source": notice.source,
            "student": notice.student,
            "account": notice.account,
            "data": dict(notice.data),
            "created": now,
            "due": now,
        }
        for notice in notices
    ]
    if not rows:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(insert(table).on_conflict_do_nothing(), rows)


def missing(connection: Connection, table: Table, notices: Iterable[Notice]) -> list[Notice]:
    """Return the notices that are not entered yet."""
    wanted = {notice.key: notice for notice in notices}
    known = connection.execute(select(table.c.key).where(table.c.key.in_(list(wanted)))).scalars()
    return [notice for key, notice in wanted.items() if key not in set(known)]


def close_again(connection: Connection, event: NotifyEvent, cohort: str | None, now: datetime) -> None:
    """Record that a condition has ended, so that the same one counts as a new one when it returns."""
    table = tables.outbox
    rows = connection.execute(
        select(table.c.notice, table.c.key).where(
            table.c.event == event.value,
            table.c.cohort.is_(None) if cohort is None else table.c.cohort == cohort,
            table.c.key.not_like("%:ended %"),
        )
    ).all()
    for row in rows:
        key = f"{row.key}:ended {now.timestamp():.0f} {row.notice}"
        connection.execute(table.update().where(table.c.notice == row.notice).values(key=key[-255:]))


def enter_flips(
    connection: Connection,
    cohort: str,
    flips: Iterable[Flip],
    now: datetime,
    *,
    run: int | None,
    decision: int | None,
) -> None:
    """Enter a message to each student with a step that became held, or that is no longer held.

    A first result is not one of them: when a source first answers, every student's step changes.
    """
    cause = f"run {run}" if run is not None else f"decision {decision} {now.timestamp():.0f}"
    enter(
        connection,
        tables.outbox,
        (
            Notice(
                NotifyEvent.STEP_CHANGED,
                f"step-changed:{cohort}:{flip.student}:{flip.step}:{cause}",
                cohort,
                student=flip.student,
                data={"step": flip.step, "before": str(flip.before), "after": str(flip.after)},
            )
            for flip in flips
            if Verdict.HELD in (flip.before, flip.after) and flip.before is not Verdict.UNKNOWN
        ),
        now,
    )
