"""Cohorts that are closed, archived and erased."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "season",
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("at", columns.Instant(length=32), nullable=False),
        sa.Column("by", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("closed_at", columns.Instant(length=32), nullable=False),
        sa.Column("archive", columns.Json(), nullable=True),
        sa.Column("erasure", columns.Json(), nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("cohort", name=op.f("pk_season")),
    )
