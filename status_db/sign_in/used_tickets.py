"""Tickets of providers that have been used: none opens twice, whichever of several workers it comes to."""

from datetime import datetime

from sqlalchemy import Engine, insert, select

from status_db import tables
from status_db.store.engine import writing
from status_db.store.turns import DESK


class Tickets:
    """Remembers tickets by their digest. Raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def use(self, ticket_hash: bytes, now: datetime) -> bool:
        """Note that a ticket is used now; False when it has been used before."""
        table = tables.used_ticket
        with writing(self._engine, DESK, "desk") as connection:
            if connection.execute(select(table.c.at).where(table.c.ticket_hash == ticket_hash)).first() is not None:
                return False
            connection.execute(insert(table).values(ticket_hash=ticket_hash, at=now))
            return True
