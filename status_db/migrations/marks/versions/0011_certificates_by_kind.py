"""A student can have a certificate of each kind."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.drop_index("uq_certificate_held", table_name="certificate")
    op.create_index(
        "uq_certificate_held",
        "certificate",
        ["cohort", "student", "kind"],
        unique=True,
        sqlite_where=sa.text("revoked_at IS NULL"),
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
