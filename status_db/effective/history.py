"""The history: every change of an effective status. Rows are added and never changed; sync and desk both write here."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from status_db import tables
from status_db.ledger.chain import PendingLink
from status_db.model import Cause, Flip
from status_db.store import bulk


def write_flips(
    connection: Connection,
    entry: PendingLink,
    cohort: str,
    flips: Iterable[Flip],
    now: datetime,
    cause: Cause,
    *,
    run: int | None = None,
    decision: int | None = None,
) -> None:
    """Add flips to the history, in the ledger link that is being written."""
    columns = (
        "cohort", "student", "step", "before", "after", "reason", "cause", "run", "decision", "at", "evidence", "link",
    )  # fmt: skip
    rows = (
        (
            cohort, f.student, f.step, str(f.before), str(f.after), str(f.reason), str(cause), run, decision, now,
            f.evidence or None, entry.link,
        )
        for f in flips
    )  # fmt: skip
    bulk.insert(connection, tables.flip, columns, rows, entry.seal_flip)
