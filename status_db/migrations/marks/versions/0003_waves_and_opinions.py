"""Expected changes, and votes on suspended runs."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "opinion",
        sa.Column("opinion", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("says", sa.String(length=40), nullable=False),
        sa.Column("author", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", columns.Instant(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["run.run"], name=op.f("fk_opinion_run_run")),
        sa.PrimaryKeyConstraint("opinion", name=op.f("pk_opinion")),
        sa.UniqueConstraint("run", "digest", "says", "author", name=op.f("uq_opinion_run_digest_says_author")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_opinion_run"), "opinion", ["run"])
    op.create_table(
        "wave",
        sa.Column("wave", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("towards", sa.String(length=40), nullable=False),
        sa.Column("most", sa.BigInteger(), nullable=False),
        sa.Column("until", columns.Instant(length=32), nullable=False),
        sa.Column("author", sa.String(length=100), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", columns.Instant(length=32), nullable=False),
        sa.Column("withdrawn_at", columns.Instant(length=32), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=100), nullable=True),
        sa.CheckConstraint("towards IN ('cleared', 'held', 'unknown', 'exempt')", name=op.f("ck_wave_towards")),
        sa.PrimaryKeyConstraint("wave", name=op.f("pk_wave")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_wave_source", "wave", ["cohort", "source"])
