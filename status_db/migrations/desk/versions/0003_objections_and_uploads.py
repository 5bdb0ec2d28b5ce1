"""The desk's tables of appeals and uploads."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("request", sa.Column("upload", sa.BigInteger(), nullable=True))
    op.create_table(
        "objection",
        sa.Column(
            "objection", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("student", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("item", sa.String(length=300), nullable=False),
        sa.Column("raised_by", sa.String(length=100), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("seen", columns.Json(), nullable=False),
        sa.Column("at", columns.Instant(length=32), nullable=False),
        sa.Column("due", columns.Instant(length=32), nullable=False),
        sa.Column("answered_at", columns.Instant(length=32), nullable=True),
        sa.Column("answered_by", sa.String(length=100), nullable=True),
        sa.Column("outcome", sa.String(length=40), nullable=True),
        sa.Column("answer", sa.Text(), server_default="", nullable=False),
        sa.Column("decision", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("objection", name=op.f("pk_objection")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_objection_student", "objection", ["cohort", "student", "objection"])
    op.create_index(
        "ix_objection_waiting",
        "objection",
        ["cohort", "step", "due"],
        sqlite_where=sa.text("answered_at IS NULL"),
        postgresql_where=sa.text("answered_at IS NULL"),
    )
    op.create_table(
        "upload",
        sa.Column("upload", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=True),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("file", sa.String(length=200), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("rows", columns.Json(), nullable=False),
        sa.Column("at", columns.Instant(length=32), nullable=False),
        sa.Column("confirmed_at", columns.Instant(length=32), nullable=True),
        sa.Column("batch", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("upload", name=op.f("pk_upload")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_upload_account", "upload", ["account", "upload"])
