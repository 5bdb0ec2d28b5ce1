"""Claims: each names work that one process at a time does, on any of several machines.

A claim lasts a while by the database's clock, and passes to another process as soon as its own has ended.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from sqlalchemy import Engine, delete, insert, select, update

from status_db import tables
from status_db.store.clock import time_there
from status_db.store.engine import writing

#: The name of the lock of the writers of claims on PostgreSQL.
_LOCK = "claims"


class Claims:
    """Claims in the desk's database. Every method raises StoreError."""

    def __init__(self, engine: Engine, owner: str, gone: Callable[[str], bool]) -> None:
        """`gone` returns whether another owner's process has certainly ended."""
        self._engine = engine
        self._owner = owner
        self._gone = gone

    @contextmanager
    def held(self, name: str, lasting: timedelta) -> Iterator[bool]:
        """Claim work at most for this long; yield whether it was free. The claim ends with the block."""
        mine = self._take(name, lasting)
        try:
            yield mine
        finally:
            if mine:
                self._release(name)

    def _take(self, name: str, lasting: timedelta) -> bool:
        table = tables.claim
        with writing(self._engine, _LOCK, "desk") as connection:
            there = time_there(connection)
            values = {"owner": self._owner, "until": there + lasting}
            known = connection.execute(select(table).where(table.c.name == name)).one_or_none()
            if known is None:
                connection.execute(insert(table).values(name=name, **values))
                return True
            if known.owner != self._owner and known.until > there and not self._gone(known.owner):
                return False
            connection.execute(update(table).where(table.c.name == name).values(values))
        return True

    def _release(self, name: str) -> None:
        table = tables.claim
        with writing(self._engine, _LOCK, "desk") as connection:
            connection.execute(delete(table).where(table.c.name == name, table.c.owner == self._owner))
