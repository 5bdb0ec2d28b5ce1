"""The tables of the pages: sign-in data, requests, the audit log and announcements."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "announcement",
        sa.Column(
            "announcement", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("cohort", sa.String(length=40), nullable=True),
        sa.Column("step", sa.String(length=40), nullable=True),
        sa.Column("scope", columns.Json(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("title_en", sa.String(length=200), server_default="", nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("body_en", sa.Text(), server_default="", nullable=False),
        sa.Column("contact", sa.String(length=200), server_default="", nullable=False),
        sa.Column("opens", columns.Instant(length=32), nullable=False),
        sa.Column("closes", columns.Instant(length=32), nullable=True),
        sa.Column("author", sa.String(length=100), nullable=False),
        sa.Column("at", columns.Instant(length=32), nullable=False),
        sa.Column("withdrawn_at", columns.Instant(length=32), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=100), nullable=True),
        sa.PrimaryKeyConstraint("announcement", name=op.f("pk_announcement")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "attempt",
        sa.Column("what", sa.LargeBinary(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last", columns.Instant(length=32), nullable=False),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_attempt")),
    )
    op.create_table(
        "audit",
        sa.Column("line", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", columns.Instant(length=32), nullable=False),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("deed", sa.String(length=40), nullable=False),
        sa.Column("cohort", sa.String(length=40), nullable=True),
        sa.Column("student", sa.String(length=64), nullable=True),
        sa.Column("run", sa.BigInteger(), nullable=True),
        sa.Column("detail", columns.Json(), nullable=False),
        sa.Column("address", sa.String(length=100), nullable=False),
        sa.PrimaryKeyConstraint("line", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("ix_audit_account", ["account", "line"], unique=False)
        batch_op.create_index("ix_audit_student", ["student", "line"], unique=False)

    op.create_table(
        "request",
        sa.Column("request", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("student", sa.String(length=64), nullable=True),
        sa.Column("run", sa.BigInteger(), nullable=True),
        sa.Column("says", sa.String(length=40), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("at", columns.Instant(length=32), nullable=False),
        sa.Column("served_at", columns.Instant(length=32), nullable=True),
        sa.Column("outcome", sa.String(length=40), nullable=True),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("request", name=op.f("pk_request")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("request", schema=None) as batch_op:
        batch_op.create_index("ix_request_run", ["cohort", "run"], unique=False)
        batch_op.create_index("ix_request_student", ["cohort", "student", "request"], unique=False)
        batch_op.create_index(
            "ix_request_waiting",
            ["cohort", "request"],
            unique=False,
            sqlite_where=sa.text("served_at IS NULL"),
            postgresql_where=sa.text("served_at IS NULL"),
        )

    op.create_table(
        "used_ticket",
        sa.Column("ticket_hash", sa.LargeBinary(), nullable=False),
        sa.Column("at", columns.Instant(length=32), nullable=False),
        sa.PrimaryKeyConstraint("ticket_hash", name=op.f("pk_used_ticket")),
    )
    op.create_table(
        "code",
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("made_at", columns.Instant(length=32), nullable=False),
        sa.Column("made_by", sa.String(length=100), nullable=False),
        sa.Column("until", columns.Instant(length=32), nullable=False),
        sa.Column("used_at", columns.Instant(length=32), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["account.account"], name=op.f("fk_code_account_account")),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_code")),
    )
    with op.batch_alter_table("code", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_code_account"), ["account"], unique=False)

    op.create_table(
        "token",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("made_at", columns.Instant(length=32), nullable=False),
        sa.Column("made_by", sa.String(length=100), nullable=False),
        sa.Column("until", columns.Instant(length=32), nullable=False),
        sa.Column("withdrawn_at", columns.Instant(length=32), nullable=True),
        sa.Column("used_at", columns.Instant(length=32), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["account.account"], name=op.f("fk_token_account_account")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_token")),
    )
    with op.batch_alter_table("token", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_token_account"), ["account"], unique=False)

    with op.batch_alter_table("account", schema=None) as batch_op:
        batch_op.add_column(sa.Column("password_at", columns.Instant(length=32), nullable=True))
        batch_op.add_column(sa.Column("identity", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("second_factor", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("second_factor_step", sa.BigInteger(), nullable=True))
        batch_op.alter_column("password_hash", existing_type=sa.String(length=300), nullable=True)
        batch_op.create_index("ix_account_student", ["student"], unique=False)

    with op.batch_alter_table("grant", schema=None) as batch_op:
        batch_op.add_column(sa.Column("cohort", sa.String(length=40), nullable=True))

    with op.batch_alter_table("session", schema=None) as batch_op:
        batch_op.add_column(sa.Column("method", sa.String(length=40), server_default="local", nullable=False))
        batch_op.add_column(sa.Column("provider_session", sa.LargeBinary(), nullable=True))
        batch_op.add_column(sa.Column("narrowed", sa.String(length=40), nullable=True))
        batch_op.create_index(batch_op.f("ix_session_provider_session"), ["provider_session"], unique=False)
