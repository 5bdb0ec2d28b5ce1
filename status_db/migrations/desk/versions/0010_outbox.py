"""The outbox of notifications to accounts and about appeals, and the addresses of accounts."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "desk_outbox",
        sa.Column("notice", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("cohort", sa.String(length=40), nullable=True),
        sa.Column("source", sa.String(length=40), nullable=True),
        sa.Column("student", sa.String(length=64), nullable=True),
        sa.Column("account", sa.String(length=100), nullable=True),
        sa.Column("data", columns.Json(), nullable=False),
        sa.Column("created", columns.Instant(length=32), nullable=False),
        sa.Column("due", columns.Instant(length=32), nullable=False),
        sa.Column("tries", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("progress", columns.Json(), server_default="{}", nullable=False),
        sa.Column("claimed_by", sa.String(length=200), nullable=True),
        sa.Column("claimed_until", columns.Instant(length=32), nullable=True),
        sa.Column("delivered", columns.Instant(length=32), nullable=True),
        sa.Column("failed", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("notice", name=op.f("pk_desk_outbox")),
        sa.UniqueConstraint("key", name=op.f("uq_desk_outbox_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_desk_outbox_due", "desk_outbox", ["delivered", "due"])
    op.create_table(
        "account_address",
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("mail", sa.String(length=254), nullable=True),
        sa.Column("wecom", sa.String(length=64), nullable=True),
        sa.Column("dingtalk", sa.String(length=64), nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["account.account"], name=op.f("fk_account_address_account_account")),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_account_address")),
    )
