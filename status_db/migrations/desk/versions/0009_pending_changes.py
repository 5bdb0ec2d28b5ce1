"""Account changes that a second administrator confirms, and an index of the audit log by event."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "pending_change",
        sa.Column(
            "pending_change",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("content", columns.Json(), nullable=False),
        sa.Column("asked_by", sa.String(length=100), nullable=False),
        sa.Column("asked_at", columns.Instant(length=32), nullable=False),
        sa.Column("decided_by", sa.String(length=100), nullable=True),
        sa.Column("decided_at", columns.Instant(length=32), nullable=True),
        sa.Column("outcome", sa.String(length=40), nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["account.account"], name=op.f("fk_pending_change_account_account")),
        sa.PrimaryKeyConstraint("pending_change", name=op.f("pk_pending_change")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_pending_change_account"), "pending_change", ["account"])
    op.create_index("ix_audit_deed", "audit", ["deed", "line"])
