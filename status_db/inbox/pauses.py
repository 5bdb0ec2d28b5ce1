"""Paused sources: an administrator stops the schedule from asking a source, and lets it go on."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Engine, insert, select, update

from foundation.refusals import Refused
from foundation.translation import tr
from status_db import tables
from status_db.desk import store
from status_db.desk.seals import SOURCE_PAUSE
from status_db.desk.store import DeskStore
from status_db.store.engine import reading


class PauseCode(StrEnum):
    """Why a source cannot be paused or resumed."""

    #: The source is paused already.
    PAUSED = "paused"
    #: The source is not paused, so it cannot be resumed.
    NOT_PAUSED = "not_paused"
    #: The pause has no reason.
    NO_REASON = "no_reason"


class PauseRefused(Refused[PauseCode]):
    """A pause that is refused; the text ends with the fix."""


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause that has not ended."""

    source: str
    reason: str
    account: str
    at: datetime


class Pauses:
    """Pauses and resumes sources. For reads, an engine of `open_reading` is enough. Raises StoreError."""

    def __init__(self, desk: Engine | DeskStore) -> None:
        self._desk = store.of(desk)

    def current(self) -> Mapping[str, Pause]:
        """Return source → its pause. A row that another program wrote or changed pauses nothing."""
        table = tables.source_pause
        query = select(table).where(table.c.resumed_at.is_(None)).order_by(table.c.source_pause)
        with reading(self._desk.engine) as connection:
            rows = connection.execute(query).all()
        return {
            row.source: Pause(row.source, row.reason, row.account, row.at)
            for row in rows
            if self._desk.vouches(SOURCE_PAUSE, row)
        }

    def pause(self, source: str, *, reason: str, account: str, now: datetime) -> None:
        """Pause a source until it is resumed. Raises PauseRefused."""
        if not reason.strip():
            raise PauseRefused(
                PauseCode.NO_REASON, tr("a pause needs a reason, because others will see it. Write one.")
            )
        table = tables.source_pause
        paused = select(table.c.at).where(table.c.source == source, table.c.resumed_at.is_(None))
        with self._desk.writing() as entry:
            if entry.connection.execute(paused).first() is not None:
                raise PauseRefused(
                    PauseCode.PAUSED, tr("{source} is paused already. See: clearance sources", source=source)
                )
            values = {"source": source, "reason": reason.strip(), "account": account, "at": now}
            added = insert(table).values(**values).returning(table.c.source_pause)
            entry.added(SOURCE_PAUSE, entry.connection.execute(added).scalar_one())

    def resume(self, source: str, *, account: str, now: datetime) -> None:
        """End the pause of a source. Raises PauseRefused."""
        table = tables.source_pause
        mine = (table.c.source == source, table.c.resumed_at.is_(None))
        with self._desk.writing() as entry:
            paused = entry.connection.execute(select(table.c.source_pause).where(*mine)).scalars().all()
            if not paused:
                raise PauseRefused(
                    PauseCode.NOT_PAUSED, tr("{source} is not paused. See: clearance sources", source=source)
                )
            with entry.changing(SOURCE_PAUSE, table.c.source_pause.in_(paused)):
                entry.connection.execute(update(table).where(*mine).values(resumed_by=account, resumed_at=now))
