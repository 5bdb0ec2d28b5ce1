"""The source's own fingerprint of its last answer, and when an answer was last read completely."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("source_state", sa.Column("told", sa.LargeBinary(), nullable=True))
    op.add_column("source_state", sa.Column("compared_at", columns.Instant(length=32), nullable=True))
