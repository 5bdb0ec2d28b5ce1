"""Retention: since when an account is deactivated and a document's hash is kept, and the runs of each rule."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("account", sa.Column("identity_at", columns.Instant(), nullable=True))
    op.add_column("account", sa.Column("closed_at", columns.Instant(), nullable=True))
    op.create_table(
        "retention_run",
        sa.Column(
            "retention_run",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("rule", sa.String(40), nullable=False),
        sa.Column("at", columns.Instant(), nullable=False),
        sa.Column("cutoff", columns.Instant(), nullable=False),
        sa.Column("removed", sa.BigInteger(), nullable=False),
        sa.Column("oldest", columns.Instant(), nullable=True),
        sa.Column("unfinished", sa.Boolean(), nullable=False),
        sa.Column("by", sa.String(100), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("retention_run", name=op.f("pk_retention_run")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_retention_run_rule", "retention_run", ["rule", "retention_run"])
