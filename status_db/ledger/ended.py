"""Cohorts that have ended: closed, archived, erased. Nothing is written to them until they are opened again."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, select

from foundation.translation import tr
from status_db import tables
from status_db.store.engine import StoreCode, StoreError


class SeasonState(StrEnum):
    """How far the end of a cohort is."""

    OPEN = "open"
    CLOSED = "closed"
    ARCHIVED = "archived"
    #: An erasure was begun and has not ended.
    ERASING = "erasing"
    ERASED = "erased"


class CohortEnded(StoreError):  # noqa: N818 - named by what is so
    """The cohort is closed, so nothing is written to it. The text ends with the fix."""

    code = StoreCode.ENDED


@dataclass(frozen=True, slots=True)
class SeasonEnd:
    """The end of one cohort, as its row has it."""

    cohort: str
    state: SeasonState
    at: datetime
    by: str
    reason: str
    closed_at: datetime
    archive: dict[str, Any] | None
    erasure: dict[str, Any] | None

    @property
    def ended(self) -> bool:
        """Whether nothing can be written."""
        return self.state is not SeasonState.OPEN


def read_end(connection: Connection, cohort: str) -> SeasonEnd | None:
    """Return the end of a cohort; None for one that was never closed."""
    table = tables.season
    row = connection.execute(select(table).where(table.c.cohort == cohort)).one_or_none()
    return _end_from(row) if row is not None else None


def read_ends(connection: Connection) -> dict[str, SeasonEnd]:
    """Return cohort → its end, for those that were ever closed."""
    return {row.cohort: _end_from(row) for row in connection.execute(select(tables.season))}


def _end_from(row: Row[Any]) -> SeasonEnd:
    return SeasonEnd(
        row.cohort, SeasonState(row.state), row.at, row.by, row.reason, row.closed_at, row.archive, row.erasure
    )


def why_ended(connection: Connection, cohort: str) -> str:
    """Return why nothing is written to a cohort any more; empty for an open one."""
    try:
        refuse_ended(connection, cohort)
    except CohortEnded as ended:
        return str(ended)
    return ""


def refuse_ended(connection: Connection, cohort: str) -> None:
    """Raise CohortEnded for a cohort that is closed."""
    end = read_end(connection, cohort)
    if end is None or not end.ended:
        return
    if end.state is SeasonState.CLOSED:
        raise CohortEnded(
            tr(
                "{cohort} was closed on {at:%Y-%m-%d} by {by}, so nothing in it changes any more. To open it again, "
                "run: clearance cohort reopen",
                cohort=cohort,
                at=end.at,
                by=end.by,
            )
        )
    raise CohortEnded(
        tr(
            "{cohort} was closed on {at:%Y-%m-%d} and archived, so nothing in it changes any more. Enter what "
            "concerns this student in the archive's own file, or in the open cohort.",
            cohort=cohort,
            at=end.closed_at,
        )
    )
