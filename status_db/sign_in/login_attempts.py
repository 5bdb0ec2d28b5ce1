"""Failed login attempts, counted over all processes, so that guessing is slow.

Attempts are counted by account, device and address; only their keyed hashes are stored.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Engine, case, delete, insert, select, update

from status_db import tables
from status_db.desk.key import DeskKey
from status_db.store.engine import reading, writing
from status_db.store.turns import DESK


@dataclass(frozen=True, slots=True)
class Limit:
    """The number of free failures, and the wait after them, which doubles with each failure."""

    free: int
    first: timedelta
    longest: timedelta
    #: Failures are forgotten after this time without another failure.
    forget: timedelta

    def wait(self, failures: int, last: datetime, now: datetime) -> timedelta:
        """Return how long the next attempt must wait; zero if it need not wait."""
        if failures <= self.free or now - last >= max(self.forget, self.longest):
            return timedelta(0)
        doublings: int = 2 ** min(failures - self.free - 1, 16)
        return max(last + min(self.first * doublings, self.longest) - now, timedelta(0))


class LoginAttempts:
    """Counts attempts. Every method raises StoreError if the database fails, or KeyRefused."""

    def __init__(self, engine: Engine, key: DeskKey) -> None:
        self._engine = engine
        self._key = key

    def begin(self, limits: Mapping[str, Limit], now: datetime) -> timedelta:
        """Count an attempt as a failure under each name, and return zero; if a name must wait, only return its wait.

        An attempt is counted before the password is compared, so that parallel attempts are all counted.
        """
        named = {self._key.hashed("attempt", what): limit for what, limit in limits.items()}
        with reading(self._engine) as connection:
            if wait := _longest(_failures(connection, named), named, now):
                return wait
        with writing(self._engine, DESK, "desk") as connection:
            counted = _failures(connection, named)
            if wait := _longest(counted, named, now):
                return wait
            for what, limit in named.items():
                _count_failure(connection, what, counted.get(what), limit, now)
        return timedelta(0)

    def succeeded(self, forgotten: Iterable[str], spared: Iterable[str] = ()) -> None:
        """Delete all failures of the names `forgotten`; subtract this attempt from the names `spared`."""
        table = tables.attempt
        with writing(self._engine, DESK, "desk") as connection:
            connection.execute(delete(table).where(table.c.what.in_(self._hashes(forgotten))))
            one_less = case((table.c.failures > 0, table.c.failures - 1), else_=0)
            connection.execute(update(table).where(table.c.what.in_(self._hashes(spared))).values(failures=one_less))

    def _hashes(self, names: Iterable[str]) -> list[bytes]:
        return [self._key.hashed("attempt", what) for what in names]


def _failures(connection: Connection, named: Iterable[bytes]) -> dict[bytes, tuple[int, datetime]]:
    table = tables.attempt
    rows = connection.execute(select(table).where(table.c.what.in_(list(named))))
    return {row.what: (row.failures, row.last) for row in rows}


def _longest(counted: Mapping[bytes, tuple[int, datetime]], named: Mapping[bytes, Limit], now: datetime) -> timedelta:
    waits = (named[what].wait(failures, last, now) for what, (failures, last) in counted.items())
    return max(waits, default=timedelta(0))


def _count_failure(
    connection: Connection, what: bytes, before: tuple[int, datetime] | None, limit: Limit, now: datetime
) -> None:
    table = tables.attempt
    if before is None:
        connection.execute(insert(table).values(what=what, failures=1, last=now))
        return
    failures, last = before
    forgotten = now - last >= max(limit.forget, limit.longest)
    connection.execute(
        update(table).where(table.c.what == what).values(failures=1 if forgotten else failures + 1, last=now)
    )
