"""Seals for the rows that decisions depend on: expected changes, votes and batches."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    for table in ("wave", "opinion", "batch"):
        op.add_column(table, sa.Column("mac", sa.LargeBinary(), nullable=True))
