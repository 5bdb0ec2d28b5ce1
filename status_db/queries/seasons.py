"""Which cohorts have ended. Read-only."""

from sqlalchemy import Engine

from status_db.ledger.ended import SeasonState, read_ends
from status_db.store.engine import reading


def ended_cohorts(engine: Engine) -> dict[str, SeasonState]:
    """Return cohort → how far its end is, for those that are closed. Raises StoreError."""
    with reading(engine) as connection:
        return {cohort: end.state for cohort, end in read_ends(connection).items() if end.ended}
