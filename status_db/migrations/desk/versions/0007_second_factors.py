"""Second factors: passkeys, recovery codes, codes to set up the first one, and the factors verified in each session."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("code", sa.Column("kind", sa.String(length=40), server_default="password", nullable=False))
    op.create_table(
        "passkey",
        sa.Column("passkey", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("transports", columns.Json(), nullable=False),
        sa.Column("made_at", columns.Instant(length=32), nullable=False),
        sa.Column("used_at", columns.Instant(length=32), nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["account.account"], name=op.f("fk_passkey_account_account")),
        sa.PrimaryKeyConstraint("passkey", name=op.f("pk_passkey")),
        sa.UniqueConstraint("credential_id", name=op.f("uq_passkey_credential_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_passkey_account"), "passkey", ["account"])
    op.create_table(
        "recovery_code",
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("made_at", columns.Instant(length=32), nullable=False),
        sa.Column("used_at", columns.Instant(length=32), nullable=True),
        sa.Column("mac", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["account.account"], name=op.f("fk_recovery_code_account_account")),
        sa.PrimaryKeyConstraint("code_hash", name=op.f("pk_recovery_code")),
    )
    op.create_index(op.f("ix_recovery_code_account"), "recovery_code", ["account"])
    op.create_table(
        "factor_step",
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("account", sa.String(length=100), nullable=False),
        sa.Column("challenge", sa.LargeBinary(), nullable=True),
        sa.Column("at", columns.Instant(length=32), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["account"], ["account.account"], name=op.f("fk_factor_step_account_account")),
        sa.PrimaryKeyConstraint("token_hash", "kind", name=op.f("pk_factor_step")),
    )
    op.create_index(op.f("ix_factor_step_account"), "factor_step", ["account"])
