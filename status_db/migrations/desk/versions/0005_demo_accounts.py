"""A mark for accounts made by the demo: their passwords are public, so they cannot be used in production."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("account", sa.Column("demo", sa.Boolean(), server_default=sa.false(), nullable=False))
