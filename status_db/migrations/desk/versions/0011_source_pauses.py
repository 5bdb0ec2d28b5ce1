"""Sources that are paused, and the source of a request to sync one."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("request", sa.Column("source", sa.String(40), nullable=True))
    op.create_table(
        "source_pause",
        sa.Column(
            "source_pause",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("account", sa.String(100), nullable=False),
        sa.Column("at", columns.Instant(), nullable=False),
        sa.Column("resumed_by", sa.String(100), nullable=True),
        sa.Column("resumed_at", columns.Instant(), nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("source_pause", name=op.f("pk_source_pause")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_source_pause_source"), "source_pause", ["source"])
