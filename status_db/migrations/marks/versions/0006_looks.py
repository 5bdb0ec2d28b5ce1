"""The impact of a suspended run, for display, stored with its answer."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("pending", sa.Column("look", sa.Text(), nullable=True))
