"""The applied settings, the query and quality of a source's last answer, and the data for reverting a run."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.add_column("source_state", sa.Column("location_digest", sa.LargeBinary(), nullable=True))
    op.add_column("source_state", sa.Column("one_proven", sa.LargeBinary(), nullable=True))
    op.add_column("source_state", sa.Column("as_of", columns.Instant(length=32), nullable=True))
    op.add_column("source_state", sa.Column("quality", columns.Json(), nullable=True))
    op.create_table(
        "applied_settings",
        sa.Column("cohort", sa.String(length=40), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("meaning", sa.Text(), nullable=False),
        sa.Column("run", sa.BigInteger(), nullable=True),
        sa.Column("at", columns.Instant(length=32), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("cohort", name=op.f("pk_applied_settings")),
    )
    op.create_table(
        "reversal",
        sa.Column("run", sa.BigInteger(), nullable=False),
        sa.Column("records", sa.LargeBinary(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(["run"], ["run.run"], name=op.f("fk_reversal_run_run")),
        sa.PrimaryKeyConstraint("run", name=op.f("pk_reversal")),
    )
