"""The result of a request: the plan of a revert, before it is applied."""

import sqlalchemy as sa
from alembic import op

from status_db.migrations import columns

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("request", sa.Column("found", columns.Json(), nullable=True))
