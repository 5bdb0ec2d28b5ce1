"""Whether the schedule asks a source in a slot: not while it is paused, and less often while its runs fail."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from config.tables.operations import Schedule
from status_db.failing import AttemptState, attempts
from status_db.inbox.pauses import Pause
from status_db.queries.runs import RunReader
from status_db.store.engine import StoreError


@dataclass(frozen=True, slots=True)
class SlotWait:
    """A slot that is left out, and until when; None until a person resumes the source."""

    code: AttemptState
    reason: str
    until: datetime | None = None
    failures: int = 0


class SourceGate:
    """Reads the pauses and the failed runs of sources."""

    def __init__(self, limits: Schedule, runs: RunReader, paused: Callable[[], Mapping[str, Pause]]) -> None:
        self._limits = limits
        self._runs = runs
        self._paused = paused
        self._known: Mapping[str, Pause] = {}
        self._log = structlog.get_logger("clearance.schedule")

    def wait(self, cohort: str, source: str, now: datetime) -> SlotWait | None:
        """Return why a cohort's slot of a source is left out at `now`; None if it is served. Raises StoreError."""
        if (pause := self.pauses().get(source)) is not None:
            return SlotWait(AttemptState.PAUSED, pause.reason)
        found = attempts(self._runs.failed(cohort, source), self._limits)
        if found.failed is None or not found.waits(now):
            return None
        return SlotWait(found.state, found.failed.message, found.not_before, found.failed.count)

    def pauses(self) -> Mapping[str, Pause]:
        """Return the paused sources; those of the last reading while the desk's database does not respond."""
        try:
            self._known = self._paused()
        except StoreError as error:
            self._log.warning("pauses not read", message=str(error))
        return self._known
