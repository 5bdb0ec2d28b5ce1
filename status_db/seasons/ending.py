"""Closing a cohort, opening it again, and recording its archive. Each change is a link of the cohort's ledger.

A cohort can be opened again until it is archived. After that it can only be erased.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, update

from foundation.refusals import Refused
from foundation.translation import tr
from status_db import tables
from status_db.ledger import raw_rows
from status_db.ledger.chain import Ledger, LinkKind
from status_db.ledger.ended import SeasonEnd, SeasonState, read_end
from status_db.ledger.pending_link import PendingLink
from status_db.model import RunState
from status_db.store.engine import reading


class EndingCode(StrEnum):
    """Why a cohort cannot be closed, opened, archived or erased."""

    #: There is no cohort with this key in the database.
    UNKNOWN = "unknown"
    #: A run waits for approval.
    RUN_WAITS = "run_waits"
    #: The cohort is not closed.
    NOT_CLOSED = "not_closed"
    #: The cohort is archived already.
    ARCHIVED = "archived"
    #: There is no verified archive.
    NOT_VERIFIED = "not_verified"
    #: The retention period has not ended, or it never ends.
    TOO_EARLY = "too_early"
    #: The archive is not the recorded one, or cannot be read.
    WRONG_ARCHIVE = "wrong_archive"
    #: A file could not be written.
    NOT_WRITTEN = "not_written"
    #: A second person must approve it.
    NOT_APPROVED = "not_approved"


class EndingRefused(Refused[EndingCode]):
    """The end of a cohort was refused, and nothing was changed. The text ends with the fix."""


class SeasonEnding:
    """Ends one cohort. Every method raises StoreError."""

    def __init__(self, engine: Engine, cohort: str, ledger: Ledger) -> None:
        self._engine = engine
        self._cohort = cohort
        self._ledger = ledger

    def current(self) -> SeasonEnd | None:
        """Return the end of the cohort; None for one that was never closed."""
        with reading(self._engine) as connection:
            return read_end(connection, self._cohort)

    def close(self, now: datetime, by: str, reason: str) -> tuple[SeasonEnd, bool]:
        """Close the cohort; return its end, and whether this call closed it. Raises EndingRefused."""
        end = self.current()
        if end is not None and end.ended:
            return end, False
        with self._ledger.linking(self._engine, at=now, kind=LinkKind.SEASON) as (connection, link):
            before = read_end(connection, self._cohort)
            if before is not None and before.ended:
                return before, False
            self._refuse_waiting(connection)
            closed = SeasonEnd(self._cohort, SeasonState.CLOSED, now, by[:100], reason, now, None, None)
            self._write(connection, link, closed)
        return closed, True

    def reopen(self, now: datetime, by: str, reason: str) -> bool:
        """Open the cohort again; return whether it was closed. Raises EndingRefused once it is archived."""
        end = self.current()
        if end is None or not end.ended:
            return False
        with self._ledger.linking(self._engine, at=now, kind=LinkKind.SEASON) as (connection, link):
            before = self._closed(connection)
            if before.state is not SeasonState.CLOSED:
                raise EndingRefused(
                    EndingCode.ARCHIVED,
                    tr(
                        "{cohort} is archived, so it stays closed: the archive would lack a later change. Enter it in "
                        "the student's own file.",
                        cohort=self._cohort,
                    ),
                )
            self._write(connection, link, replace(before, state=SeasonState.OPEN, at=now, by=by[:100], reason=reason))
        return True

    def archived(self, now: datetime, by: str, archive: Mapping[str, Any]) -> SeasonEnd:
        """Record the archive that was made. A new one replaces one from before. Raises EndingRefused."""
        with self._ledger.linking(self._engine, at=now, kind=LinkKind.SEASON) as (connection, link):
            before = self._closed(connection)
            self._refuse_erased(before)
            after = replace(before, state=SeasonState.ARCHIVED, at=now, by=by[:100], archive=dict(archive))
            self._write(connection, link, after)
        return after

    def verified(self, now: datetime, by: str, sha256: str) -> SeasonEnd:
        """Record that the archive with this checksum was read back. Raises EndingRefused for any other archive."""
        with self._ledger.linking(self._engine, at=now, kind=LinkKind.SEASON) as (connection, link):
            before = self._closed(connection)
            self._refuse_erased(before)
            if before.archive is None or before.archive["sha256"] != sha256:
                raise EndingRefused(
                    EndingCode.WRONG_ARCHIVE,
                    tr(
                        "This is not the archive that was made last for {cohort}: its checksum differs. Verify that "
                        "one, or make another: clearance cohort archive",
                        cohort=self._cohort,
                    ),
                )
            noted = before.archive | {"verified_at": now.isoformat(), "verified_by": by[:100]}
            after = replace(before, archive=noted)
            self._write(connection, link, after)
        return after

    def begin_erasing(self, now: datetime, by: str, record: Mapping[str, Any]) -> SeasonEnd:
        """Record that the erasure begins, with the record of what it will erase. Raises EndingRefused."""
        with self._ledger.linking(self._engine, at=now, kind=LinkKind.SEASON) as (connection, link):
            before = self._closed(connection)
            if before.erasure is not None:
                return before
            after = replace(before, state=SeasonState.ERASING, at=now, by=by[:100], erasure=dict(record))
            self._write(connection, link, after)
        return after

    def end_erasing(self, now: datetime, record: Mapping[str, Any]) -> SeasonEnd:
        """Record that everything is erased, with the whole deletion record."""
        with self._ledger.linking(self._engine, at=now, kind=LinkKind.SEASON) as (connection, link):
            before = self._closed(connection)
            after = replace(before, state=SeasonState.ERASED, at=now, erasure=dict(record))
            self._write(connection, link, after)
        return after

    def _closed(self, connection: Connection) -> SeasonEnd:
        end = read_end(connection, self._cohort)
        if end is None or not end.ended:
            raise EndingRefused(
                EndingCode.NOT_CLOSED,
                tr("{cohort} is open. Close it first: clearance cohort close", cohort=self._cohort),
            )
        return end

    def _refuse_erased(self, end: SeasonEnd) -> None:
        if end.erasure is not None:
            raise EndingRefused(
                EndingCode.ARCHIVED,
                tr(
                    "{cohort} is erased or being erased, so its archive stays as it is. See: clearance cohort list",
                    cohort=self._cohort,
                ),
            )

    def _refuse_waiting(self, connection: Connection) -> None:
        run = tables.run
        waits = select(run.c.run, run.c.source).where(run.c.cohort == self._cohort, run.c.state == RunState.SUSPENDED)
        for number, source in connection.execute(waits.order_by(run.c.run).limit(1)):
            raise EndingRefused(
                EndingCode.RUN_WAITS,
                tr(
                    "Run {number} of {source} waits for approval, and could not be approved after the end. Decide it "
                    "first: clearance runs show {number}",
                    number=number,
                    source=source,
                ),
            )

    def _write(self, connection: Connection, link: PendingLink, end: SeasonEnd) -> None:
        """Write the row, sealed, and add it to the link."""
        table = tables.season
        row = {name: getattr(end, name) for name in raw_rows.SEASON}
        plain = {name: value for name, value in row.items() if name != "cohort"}
        known = connection.execute(update(table).where(table.c.cohort == self._cohort).values(**plain))
        if not known.rowcount:
            connection.execute(insert(table).values(**row))
        # Sealed as the driver returns it, so that every database has the same seal.
        (stored,) = raw_rows.sealed(connection, table, raw_rows.SEASON, table.c.cohort == self._cohort)
        mac = link.seal_season(stored.values)
        connection.execute(update(table).where(table.c.cohort == self._cohort).values(mac=mac))
