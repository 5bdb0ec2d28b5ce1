"""The reviewed versions of a review, when a decision's expiry was recorded, and certificates."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("decision", sa.Column("rests_on", columns.Json(), server_default="{}", nullable=False))
    op.add_column("decision", sa.Column("ended_at", columns.Instant(length=32), nullable=True))
    op.create_table(
        "certificate",
        sa.Column(
            "certificate", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("student", sa.String(length=64), nullable=False),
        sa.Column("number", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=100), nullable=False),
        sa.Column("decision", sa.BigInteger(), nullable=False),
        sa.Column("issued_at", columns.Instant(length=32), nullable=False),
        sa.Column("issued_by", sa.String(length=100), nullable=False),
        sa.Column("collected", sa.String(length=40), nullable=False),
        sa.Column("collector", sa.String(length=300), nullable=False),
        sa.Column("revoked_at", columns.Instant(length=32), nullable=True),
        sa.Column("revoked_by", sa.String(length=100), nullable=True),
        sa.Column("revoked_because", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["decision"], ["decision.decision"], name=op.f("fk_certificate_decision_decision")),
        sa.PrimaryKeyConstraint("certificate", name=op.f("pk_certificate")),
        sa.UniqueConstraint("cohort", "number", name=op.f("uq_certificate_cohort_number")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_certificate_held",
        "certificate",
        ["cohort", "student"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
