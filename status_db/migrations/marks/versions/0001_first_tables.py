"""The first tables: roster, sources, records, findings, runs, decisions, flips."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "alias",
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("alias", sa.String(length=64), nullable=False),
        sa.Column("student", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.PrimaryKeyConstraint("cohort", "alias", "student", name=op.f("pk_alias")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "cohort",
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("revision", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("cohort", name=op.f("pk_cohort")),
    )
    op.create_table(
        "decision",
        sa.Column("decision", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("student", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("verdict", sa.String(length=40), nullable=False),
        sa.Column("author", sa.String(length=100), nullable=False),
        sa.Column("reason", sa.String(length=100), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("until", columns.Instant(length=32), nullable=True),
        sa.Column("decided_at", columns.Instant(length=32), nullable=False),
        sa.Column("entered_at", columns.Instant(length=32), nullable=False),
        sa.Column("answered_verdict", sa.String(length=40), nullable=False),
        sa.Column("answered_keys", columns.Json(), nullable=False),
        sa.Column("withdrawn_at", columns.Instant(length=32), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=100), nullable=True),
        sa.CheckConstraint("verdict IN ('cleared', 'held', 'unknown', 'exempt')", name=op.f("ck_decision_verdict")),
        sa.PrimaryKeyConstraint("decision", name=op.f("pk_decision")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.create_index(
            "uq_decision_standing",
            ["cohort", "student", "step"],
            unique=True,
            sqlite_where=sa.text("withdrawn_at IS NULL"),
            postgresql_where=sa.text("withdrawn_at IS NULL"),
        )

    op.create_table(
        "flip",
        sa.Column("flip", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("student", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("before", sa.String(length=40), nullable=False),
        sa.Column("after", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.String(length=100), nullable=False),
        sa.Column("cause", sa.String(length=40), nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=True),
        sa.Column("decision", sa.BigInteger(), nullable=True),
        sa.Column("at", columns.Instant(length=32), nullable=False),
        sa.Column("evidence", columns.Obligations(), nullable=True),
        sa.PrimaryKeyConstraint("flip", name=op.f("pk_flip")),
    )
    with op.batch_alter_table("flip", schema=None) as batch_op:
        batch_op.create_index("ix_flip_run", ["run"], unique=False)
        batch_op.create_index("ix_flip_student", ["cohort", "student"], unique=False)

    op.create_table(
        "record",
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("student", sa.String(length=64), nullable=False),
        sa.Column("verdict", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("obligations", columns.Obligations(), nullable=True),
        sa.Column("doubt", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("asked_at", columns.Instant(length=32), nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("verdict IN ('cleared', 'held', 'unknown', 'exempt')", name=op.f("ck_record_verdict")),
        sa.PrimaryKeyConstraint("cohort", "source", "student", name=op.f("pk_record")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("record", schema=None) as batch_op:
        batch_op.create_index("ix_record_student", ["cohort", "student"], unique=False)

    op.create_table(
        "run",
        sa.Column("run", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("slot", columns.Instant(length=32), nullable=True),
        sa.Column("state", sa.String(length=40), nullable=False),
        sa.Column("began", columns.Instant(length=32), nullable=False),
        sa.Column("ended", columns.Instant(length=32), nullable=True),
        sa.Column("by", sa.String(length=100), nullable=False),
        sa.Column("student", sa.String(length=64), nullable=True),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("fault", sa.String(length=40), nullable=True),
        sa.Column("counts", columns.Json(), server_default="{}", nullable=False),
        sa.Column("proofs", columns.Json(), server_default="[]", nullable=False),
        sa.Column("plan_digest", sa.LargeBinary(), nullable=True),
        sa.Column("decided_by", sa.String(length=100), nullable=True),
        sa.Column("decided_at", columns.Instant(length=32), nullable=True),
        sa.PrimaryKeyConstraint("run", name=op.f("pk_run")),
        sa.UniqueConstraint("cohort", "source", "slot", name=op.f("uq_run_cohort_source_slot")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.create_index("ix_run_source", ["cohort", "source", "run"], unique=False)

    op.create_table(
        "source_state",
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("settings_digest", sa.LargeBinary(), nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("revision", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("began", columns.Instant(length=32), nullable=True),
        sa.Column("ended", columns.Instant(length=32), nullable=True),
        sa.Column("fresh_for_seconds", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("held", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("unknown", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("exempt", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("strangers", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("recent_rows", columns.Json(), server_default="[]", nullable=False),
        sa.Column("approved_at", columns.Instant(length=32), nullable=True),
        sa.Column("lease_run", sa.BigInteger(), nullable=True),
        sa.Column("lease_until", columns.Instant(length=32), nullable=True),
        sa.Column("lease_owner", sa.String(length=200), nullable=True),
        sa.PrimaryKeyConstraint("cohort", "source", name=op.f("pk_source_state")),
    )
    op.create_table(
        "status",
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("student", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=40), nullable=False),
        sa.Column("verdict", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("evidence_keys", columns.Json(), nullable=True),
        sa.Column("since", columns.Instant(length=32), nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("verdict IN ('cleared', 'held', 'unknown', 'exempt')", name=op.f("ck_status_verdict")),
        sa.PrimaryKeyConstraint("cohort", "student", "step", name=op.f("pk_status")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("status", schema=None) as batch_op:
        batch_op.create_index(
            "ix_status_not_asked",
            ["cohort", "step", "student"],
            unique=False,
            sqlite_where=sa.text("reason = 'not_asked'"),
            postgresql_where=sa.text("reason = 'not_asked'"),
        )

    op.create_table(
        "stranger",
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("near", sa.String(length=40), nullable=False),
        sa.Column("student", sa.String(length=64), nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("cohort", "source", "key", name=op.f("pk_stranger")),
    )
    op.create_table(
        "student",
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("student", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("level", sa.String(length=40), nullable=False),
        sa.Column("college", sa.String(length=200), nullable=False),
        sa.Column("class", sa.String(length=200), nullable=False),
        sa.Column("campus", sa.String(length=100), nullable=False),
        sa.Column("building", sa.String(length=100), nullable=False),
        sa.Column("category", sa.String(length=100), nullable=False),
        sa.Column("extra", columns.Json(), nullable=False),
        sa.Column("flow", sa.String(length=40), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("joined_at", columns.Instant(length=32), nullable=False),
        sa.Column("left_at", columns.Instant(length=32), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("cohort", "student", name=op.f("pk_student")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("student", schema=None) as batch_op:
        batch_op.create_index(
            "ix_student_flow",
            ["cohort", "flow"],
            unique=False,
            sqlite_where=sa.text("active"),
            postgresql_where=sa.text("active"),
        )

    op.create_table(
        "pending",
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("snapshot", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["run"], ["run.run"], name=op.f("fk_pending_run_run")),
        sa.PrimaryKeyConstraint("run", name=op.f("pk_pending")),
    )
