"""The conditions over time: a source that fails or is out of date, a run that expires, an old backup, the morning.

Each is entered with a key that contains what it is about, so that it is entered once, however often it is looked at.
"""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, func, select

from config.settings import Settings
from config.tables.notify import NotifyEvent
from config.timetable import Timetable
from status_db import tables
from status_db.backups import manifest as manifests
from status_db.backups.manifest import BackupError
from status_db.marks.approvals import APPROVAL_OPEN_FOR
from status_db.model import ROSTER, RunState
from status_db.outbox.delivery import Outbox
from status_db.outbox.rows import Notice
from status_db.outbox.run_notices import is_reported_as_failing
from status_db.store.engine import reading
from sync import rule_settings
from sync.notify.digest import ClassDigests

#: A digest that could not be sent in the morning is not sent in the afternoon.
_DIGEST_WITHIN = timedelta(hours=4)


class Watch:
    """Looks at the conditions of all open cohorts, and enters what is new."""

    def __init__(
        self,
        settings: Settings,
        marks: Engine,
        outbox: Outbox,
        desk_outbox: Outbox,
        digests: ClassDigests,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings = settings
        self._marks = marks
        self._outbox = outbox
        self._desk_outbox = desk_outbox
        self._digests = digests
        self._clock = clock
        cron = settings.notify.class_digest
        self._mornings = Timetable(None, cron, settings.institution.timezone) if cron else None
        #: The morning whose digests this process has entered.
        self._entered: datetime | None = None

    def look(self) -> int:
        """Enter what is new; return how many notices. Raises StoreError."""
        now = self._clock()
        with reading(self._marks) as connection:
            found = [
                notice
                for cohort in self._settings.open_cohorts()
                for notice in (*self._sources(connection, cohort, now), *self._lapsing(connection, cohort, now))
            ]
        found += self._backups(now)
        return self._outbox.enter(found, now) + self._enter_digests(now)

    def _sources(self, connection: Connection, cohort: str, now: datetime) -> Iterator[Notice]:
        """Yield what fails for too long, and what is out of date without that being known already."""
        notices = rule_settings.notices(self._settings)
        state = tables.source_state
        rows = connection.execute(
            select(
                state.c.source, func.coalesce(state.c.as_of, state.c.began).label("as_of"), state.c.fresh_for_seconds
            )
            .where(state.c.cohort == cohort, state.c.source.in_([ROSTER, *self._settings.source]))
            .order_by(state.c.source)
        ).all()
        for row in rows:
            failing = notices.failing(connection, cohort, row.source, now) if notices is not None else None
            if failing is not None:
                yield failing
                continue
            if row.as_of is None or now < row.as_of + timedelta(seconds=row.fresh_for_seconds):
                continue
            if is_reported_as_failing(connection, cohort, row.source):
                # One fault is one message: whoever knows that it fails knows that its data grow old.
                continue
            as_of = row.as_of.isoformat()
            yield Notice(
                NotifyEvent.SOURCE_STALE,
                f"source-stale:{cohort}:{row.source}:{as_of}",
                cohort,
                row.source,
                data={"as_of": as_of},
            )

    def _lapsing(self, connection: Connection, cohort: str, now: datetime) -> Iterator[Notice]:
        """Yield the suspended runs that expire soon."""
        run = tables.run
        since = now - APPROVAL_OPEN_FOR + self._settings.notify.approval_reminder
        waiting = select(run.c.run, run.c.source, run.c.ended).where(
            run.c.cohort == cohort,
            run.c.state == RunState.SUSPENDED,
            run.c.ended <= since,
            run.c.ended > now - APPROVAL_OPEN_FOR,
        )
        for row in connection.execute(waiting):
            expires = row.ended + APPROVAL_OPEN_FOR
            data = {"run": row.run, "expires": expires.isoformat()}
            key = f"approval-lapses:{row.run}:{expires.isoformat()}"
            yield Notice(NotifyEvent.APPROVAL_LAPSES, key, cohort, row.source, data=data)

    def _backups(self, now: datetime) -> Iterator[Notice]:
        """Yield that the newest backup is too old."""
        folder = self._settings.notify.backups
        if folder is None:
            return
        newest: datetime | None = None
        try:
            names = sorted((one for one in folder.iterdir() if manifests.is_name(one.name)), reverse=True)
        except OSError:
            names = []
        for name in names:
            try:
                newest = manifests.read(name).made_at
                break
            except BackupError:
                continue
        if newest is not None and now - newest < self._settings.notify.backup_within:
            return
        made = newest.isoformat() if newest is not None else None
        # Without any backup, it is repeated each week.
        key = f"backup-old:{made}" if made else f"backup-old:none:{now:%G-%V}"
        yield Notice(NotifyEvent.BACKUP_OLD, key, data={"newest": made})

    def _enter_digests(self, now: datetime) -> int:
        """Enter the digests of the current morning, one for each class teacher."""
        if self._mornings is None:
            return 0
        morning = self._mornings.at(now)
        if morning == self._entered or now - morning > _DIGEST_WITHIN:
            return 0
        entered = self._desk_outbox.enter(
            [
                Notice(NotifyEvent.CLASS_DIGEST, f"class-digest:{morning.isoformat()}:{account}", account=account)
                for account in self._digests.teachers()
            ],
            now,
        )
        self._entered = morning
        return entered
