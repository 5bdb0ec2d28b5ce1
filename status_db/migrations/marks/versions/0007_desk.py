"""The desk's columns: decisions in batches and from paper, and certificates that wait to be collected."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "batch",
        sa.Column("batch", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("author", sa.String(length=100), nullable=False),
        sa.Column("at", columns.Instant(length=32), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("counts", columns.Json(), server_default="{}", nullable=False),
        sa.Column("undone_at", columns.Instant(length=32), nullable=True),
        sa.Column("undone_by", sa.String(length=100), nullable=True),
        sa.Column("undone_because", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("batch", name=op.f("pk_batch")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_batch_step", "batch", ["cohort", "step", "batch"])
    op.add_column("decision", sa.Column("file_number", sa.String(length=100), nullable=True))
    op.add_column("decision", sa.Column("condition", sa.Text(), nullable=True))
    op.add_column("decision", sa.Column("sheet", sa.String(length=100), nullable=True))
    op.add_column("decision", sa.Column("batch", sa.BigInteger(), nullable=True))
    op.add_column("decision", sa.Column("accepts", columns.Json(), nullable=True))
    op.create_index(
        "ix_decision_batch",
        "decision",
        ["batch"],
        sqlite_where=sa.text("batch IS NOT NULL"),
        postgresql_where=sa.text("batch IS NOT NULL"),
    )
    op.add_column("certificate", sa.Column("collected_at", columns.Instant(length=32), nullable=True))
    op.add_column("certificate", sa.Column("handed_over_by", sa.String(length=100), nullable=True))
