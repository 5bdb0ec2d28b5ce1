"""Seals for rows of staff, a table for staff sessions, and chained audit lines."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0006"
down_revision = "0005"

_SEALED = ("account", "grant", "code", "token", "request", "announcement", "objection", "upload")


def upgrade() -> None:
    for table in _SEALED:
        op.add_column(table, sa.Column("mac", sa.LargeBinary(), nullable=True))
    op.create_table(
        "staff_session",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("created_at", columns.Instant(length=32), nullable=False),
        sa.Column("seen_at", columns.Instant(length=32), nullable=False),
        sa.Column("method", sa.String(length=40), server_default="local", nullable=False),
        sa.Column("provider_session", sa.LargeBinary(), nullable=True),
        sa.Column("narrowed", sa.String(length=40), nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["account.account"], name=op.f("fk_staff_session_account_account")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_staff_session")),
    )
    op.create_index(op.f("ix_staff_session_account"), "staff_session", ["account"])
    op.create_index(op.f("ix_staff_session_provider_session"), "staff_session", ["provider_session"])
    # Staff have to sign in again.
    op.execute(sa.text("DELETE FROM session WHERE account IN (SELECT account FROM account WHERE student IS NULL)"))
    op.execute(sa.text('DELETE FROM session WHERE account IN (SELECT account FROM "grant")'))
    op.add_column("audit", sa.Column("chain", sa.String(length=40), nullable=True))
    op.add_column("audit", sa.Column("link", sa.BigInteger(), nullable=True))
    op.add_column("audit", sa.Column("mac", sa.LargeBinary(), nullable=True))
    op.create_index("uq_audit_link", "audit", ["chain", "link"], unique=True)
    op.create_table(
        "audit_head",
        sa.Column("chain", sa.String(length=40), nullable=False),
        sa.Column("link", sa.BigInteger(), nullable=False),
        sa.Column("line_mac", sa.LargeBinary(), nullable=False),
        sa.Column("removed_to", sa.BigInteger(), nullable=False),
        sa.Column("removed_mac", sa.LargeBinary(), nullable=False),
        sa.Column("sets", columns.Json(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("chain", name=op.f("pk_audit_head")),
    )
