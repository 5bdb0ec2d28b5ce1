"""What the end of a run notifies of: it was suspended, its source fails, or its source is back.

All of it is entered in the transaction that closes the run.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from config.tables.notify import NotifyEvent
from status_db import tables
from status_db.failed_runs import failed_runs
from status_db.failing import ANSWERED, SOURCE_FAULTS
from status_db.guard_reasons import GuardReason, GuardReasonKind, packed
from status_db.model import ROSTER, SETTINGS, RunState, Verdict
from status_db.outbox.rows import Notice, enter

#: The most colleges that a notification names.
_MOST_COLLEGES = 5

#: A guard reason names a student in these figures.
_OF_A_STUDENT = ("first",)


@dataclass(frozen=True, slots=True)
class RunNotices:
    """When a source counts as failing, and whether students are notified of their steps."""

    tries: int
    failing_for: timedelta
    to_students: bool = False

    def suspended(
        self,
        connection: Connection,
        cohort: str,
        source: str,
        run: int,
        digest: bytes,
        reasons: Iterable[GuardReason],
        moved: Iterable[tuple[str, Verdict, Verdict, int]],
        now: datetime,
    ) -> None:
        """Enter that a run waits for approval. A run that now would change something else is entered again."""
        reasons = tuple(reasons)
        first = any(reason.kind is GuardReasonKind.FIRST_ANSWER for reason in reasons)
        event = NotifyEvent.FIRST_ANSWER if first else NotifyEvent.RUN_SUSPENDED
        changes = sorted(moved, key=lambda change: -change[3])
        data = {
            "run": run,
            "reasons": _without_students(reasons),
            "students": sum(change[3] for change in changes),
            "moved": [[c, str(before), str(after), n] for c, before, after, n in changes[:_MOST_COLLEGES]],
        }
        key = f"{event.value.replace('_', '-')}:{run}:{digest.hex()[:8]}"
        enter(connection, tables.outbox, [Notice(event, key, cohort, source, data=data)], now)

    def ended(
        self, connection: Connection, cohort: str, source: str, state: RunState, fault: str | None, now: datetime
    ) -> None:
        """Enter that a source fails, or that it is back. The run is closed already, in this transaction."""
        if source == SETTINGS:
            return
        if state is RunState.FAILED and fault in SOURCE_FAULTS:
            if (found := self.failing(connection, cohort, source, now)) is not None:
                enter(connection, tables.outbox, [found], now)
        elif state in ANSWERED and (state is not RunState.SKIPPED or fault == "suspended"):
            self._is_back(connection, cohort, source, now)

    def failing(self, connection: Connection, cohort: str, source: str, now: datetime) -> Notice | None:
        """Return the notice of a source that fails now; None if it does not, or if that was entered before."""
        failed = failed_runs(connection, cohort, source)
        if failed is None or (failed.count < self.tries and now - failed.since < self.failing_for):
            return None
        latest = _latest(connection, cohort, source)
        if latest is not None and latest.event == NotifyEvent.SOURCE_FAILING:
            return None
        key = f"source-failing:{_scope(cohort, source)}:{latest.notice if latest is not None else 0}"
        data = {"tries": failed.count, "since": failed.since.isoformat(), "fault": failed.fault}
        return Notice(NotifyEvent.SOURCE_FAILING, key, cohort, source, data=data)

    def _is_back(self, connection: Connection, cohort: str, source: str, now: datetime) -> None:
        latest = _latest(connection, cohort, source)
        if latest is None or latest.event != NotifyEvent.SOURCE_FAILING:
            return
        key = f"source-back:{_scope(cohort, source)}:{latest.notice}"
        data = {"since": latest.data["since"]}
        enter(connection, tables.outbox, [Notice(NotifyEvent.SOURCE_BACK, key, cohort, source, data=data)], now)


def is_reported_as_failing(connection: Connection, cohort: str, source: str) -> bool:
    """Return whether people know that a source fails."""
    latest = _latest(connection, cohort, source)
    return latest is not None and bool(latest.event == NotifyEvent.SOURCE_FAILING)


def _scope(cohort: str, source: str) -> str:
    """Return whose failure it is: a source is asked once for all cohorts, and each cohort has a roster of its own."""
    return f"{source}:{cohort}" if source == ROSTER else source


def _latest(connection: Connection, cohort: str, source: str) -> Row[Any] | None:
    """Return the last notice that a source fails or is back."""
    table = tables.outbox
    both = (NotifyEvent.SOURCE_FAILING.value, NotifyEvent.SOURCE_BACK.value)
    conditions: list[ColumnElement[bool]] = [table.c.source == source, table.c.event.in_(both)]
    if source == ROSTER:
        conditions.append(table.c.cohort == cohort)
    return connection.execute(select(table).where(*conditions).order_by(table.c.notice.desc()).limit(1)).first()


def _without_students(reasons: Iterable[GuardReason]) -> list[Any]:
    return [
        [kind, {name: _hidden(name, value) for name, value in figures.items()}] for kind, figures in packed(reasons)
    ]


def _hidden(name: str, value: object) -> object:
    return "…" if name in _OF_A_STUDENT else value
