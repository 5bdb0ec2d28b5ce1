"""Claims: work of the schedules that one process at a time does."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "claim",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=False),
        sa.Column("until", columns.Instant(length=32), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_claim")),
    )
