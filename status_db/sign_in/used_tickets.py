"""Used tickets of providers: each ticket works once, across all workers."""

from datetime import datetime

from sqlalchemy import Engine, insert, select

from status_db import tables
from status_db.store.engine import writing
from status_db.store.turns import DESK


class Tickets:
    """Stores used tickets by their digest. Raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def use(self, ticket_hash: bytes, now: datetime) -> bool:
        """Record the use of a ticket; return False if it was used before."""
        table = tables.used_ticket
        with writing(self._engine, DESK, "desk") as connection:
            if connection.execute(select(table.c.at).where(table.c.ticket_hash == ticket_hash)).first() is not None:
                return False
            connection.execute(insert(table).values(ticket_hash=ticket_hash, at=now))
            return True
