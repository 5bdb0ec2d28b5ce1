"""Rechecks that another program requests, of one source, and the tokens that can request them."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("request", sa.Column("begun_at", columns.Instant(length=32), nullable=True))
    op.add_column("token", sa.Column("recheck", columns.Json(), nullable=True))
