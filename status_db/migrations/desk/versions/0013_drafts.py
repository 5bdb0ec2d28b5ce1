"""Forms that were being filled when a session ended, kept for half an hour."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "draft",
        sa.Column("draft_hash", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("page", sa.String(length=1000), nullable=False),
        sa.Column("action", sa.String(length=1000), nullable=False),
        sa.Column("fields", columns.Json(), nullable=False),
        sa.Column("until", columns.Instant(length=32), nullable=False),
        sa.ForeignKeyConstraint(["account"], ["account.account"], name=op.f("fk_draft_account_account")),
        sa.PrimaryKeyConstraint("draft_hash", name=op.f("pk_draft")),
    )
    op.create_index(op.f("ix_draft_account"), "draft", ["account"], unique=False)
