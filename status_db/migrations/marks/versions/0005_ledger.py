"""The ledger: its links, and a seal for each row that they cover."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "ledger",
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("link", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=True),
        sa.Column("decision", sa.BigInteger(), nullable=True),
        sa.Column("at", columns.Instant(length=32), nullable=False),
        sa.Column("sets", columns.Json(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("cohort", "link", name=op.f("pk_ledger")),
    )
    op.create_index("ix_ledger_run", "ledger", ["cohort", "run"], unique=False)
    # What stands gets its seals with the first link, from whoever holds the key.
    for table in ("record", "student", "decision", "certificate", "pending"):
        op.add_column(table, sa.Column("mac", sa.LargeBinary(), nullable=True))
    # Every flip of before lies under the first link.
    op.add_column("flip", sa.Column("link", sa.BigInteger(), server_default="1", nullable=False))
