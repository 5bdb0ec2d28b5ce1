"""The cohorts that are closed, as the pages know them: looked up at most every few seconds."""

import time
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy import Engine

from status_db.ledger.ended import SeasonState
from status_db.queries.seasons import ended_cohorts
from status_db.store.engine import StoreError

#: How long a page can show a closed cohort as open. Writing is refused at once, in the transaction.
_FRESH_SECONDS = 2.0


@dataclass(slots=True)
class Seasons:
    """Which cohorts are closed. An engine of `open_reading` is enough."""

    engine: Engine
    _known: dict[str, SeasonState] = field(default_factory=dict)
    _at: float = float("-inf")

    def look(self) -> None:
        """Look them up, unless that was done a moment ago. Without the marks, the last answer stays."""
        now = time.monotonic()
        if now - self._at >= _FRESH_SECONDS:
            with suppress(StoreError):
                self._known = ended_cohorts(self.engine)
            self._at = now

    def ended(self, cohort: str) -> bool:
        """Return whether a cohort is closed, as last looked up."""
        return cohort in self._known
