"""The table of what has ended: a cohort that is closed, archived and erased."""

from sqlalchemy import Column, LargeBinary, Table

from status_db.tables.marks_tables import marks
from status_db.tables.types import Instant, Json, Line, Prose, Word

season = Table(
    "season",
    marks,
    #: One row for each cohort that was ever closed; sealed, and in every later link of its ledger.
    Column("cohort", Word, primary_key=True),
    #: open (opened again), closed, archived, erasing, erased
    Column("state", Word, nullable=False),
    #: Since when, and who did it.
    Column("at", Instant, nullable=False),
    Column("by", Line(100), nullable=False),
    Column("reason", Prose(), nullable=False),
    #: When it was closed; its retention period begins then.
    Column("closed_at", Instant, nullable=False),
    #: The archive: file, size, SHA-256, recipients, and when and by whom it was verified. NULL before there is one.
    Column("archive", Json),
    #: The deletion record. NULL before the erasure is begun.
    Column("erasure", Json),
    Column("mac", LargeBinary),
)
