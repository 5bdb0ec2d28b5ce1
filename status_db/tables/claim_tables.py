"""The table of claims: work that one process at a time does, whichever machine it runs on."""

from sqlalchemy import Column, Table

from status_db.tables.desk_tables import desk
from status_db.tables.types import Instant, Line

claim = Table(
    "claim",
    desk,
    #: What is claimed, such as `delivery` or `retention:audit`.
    Column("name", Line(100), primary_key=True),
    #: The process that does it, and until when by the database's clock.
    Column("owner", Line(200), nullable=False),
    Column("until", Instant, nullable=False),
)
