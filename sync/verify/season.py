"""A cohort that has ended: its row, and that an erased one has no rows about students left."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from foundation.translation import tr
from status_db.ledger import raw_rows
from status_db.ledger.ended import SeasonState
from status_db.ledger.reader import LedgerReader
from status_db.ledger.seals import Seals
from status_db.ledger.sets import SEASON
from sync.verify.chain import Chain
from sync.verify.disagreements import DisagreementList

_STATE, _ERASURE, _CLOSED = (raw_rows.SEASON.index(name) for name in ("state", "erasure", "closed_at"))


class SeasonCheck:
    """Checks the row of a cohort's end. Only a row with a valid seal can make missing rows an erasure."""

    def __init__(self, reader: LedgerReader, seals: Seals, found: DisagreementList) -> None:
        self._reader = reader
        self._found = found
        self._row = reader.season()
        row = self._row
        self._valid = row is not None and row.mac is not None and seals.row("season", row.values) == row.mac
        self._state = row.values[_STATE] if row is not None and self._valid else SeasonState.OPEN
        #: Whether rows about students were erased, or are being erased.
        self.erased = self._state in (SeasonState.ERASING, SeasonState.ERASED)

    def check(self, chain: Chain) -> None:
        """Check the row against the newest link, and that nothing is left of an erased cohort."""
        sealed, _ = chain.newest.get(SEASON, (None, 0))
        row = self._row
        if row is None:
            if sealed is not None:
                self._found.add("season", "gone", tr("the end of the cohort"), tr("is missing, but the ledger has it"))
        elif not self._valid or row.mac is None or row.mac.hex() != sealed:
            self._found.add("season", "seal", tr("the end of the cohort"), tr("does not match its seal"))
        if self._state == SeasonState.ERASED and (left := self._reader.any_rows()):
            self._found.add(left, "erased", left, tr("has rows, but the cohort was erased"))

    def notes(self, zone: ZoneInfo) -> tuple[str, ...]:
        """Return what has ended: without rows, only the links can be checked."""
        if self._row is None or not self._valid:
            return ()
        at = _moment(self._row.values[_CLOSED], zone)
        if self._state == SeasonState.ERASING:
            return (tr("an erasure was begun and has not ended. Finish it: clearance cohort purge"),)
        if self._state == SeasonState.ERASED:
            approved = _approved_by(self._row.values[_ERASURE])
            return (
                tr(
                    "the cohort was closed on {at} and erased as {by} approved: only its links were checked",
                    at=at,
                    by=approved,
                ),
            )
        return (tr("the cohort was closed on {at}", at=at),) if self._state != SeasonState.OPEN else ()


def _approved_by(erasure: Any) -> str:  # noqa: ANN401 - as the driver gives it
    try:
        return str(json.loads(erasure)["approved_by"])
    except (ValueError, TypeError, KeyError):
        return ""


def _moment(at: Any, zone: ZoneInfo) -> str:  # noqa: ANN401 - as the driver gives it
    moment = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{moment.astimezone(zone):%Y-%m-%d}"
