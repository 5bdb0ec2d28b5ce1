"""Whether a database has changed since an earlier moment, whoever writes to it, and the answers kept until then."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any, TypeVar

from sqlalchemy import BindParameter, Connection, Engine, bindparam, func, select, text

from status_db import tables
from status_db.model import CLOCKS_DIFFER
from status_db.store.engine import StoreError, reading, store_errors

#: Answers that a process keeps, of all cohorts. A page of a list has 50 students.
_MOST = 64

#: The offset of every time zone is a multiple of this, so a day never ends inside it.
_QUARTER = timedelta(minutes=15)

# Two equal snapshots contain the same finished transactions. A standby has replayed its log up to a position.
_SNAPSHOT = text(
    "SELECT CASE WHEN pg_is_in_recovery() THEN CAST(pg_last_wal_replay_lsn() AS text) "
    "ELSE CAST(pg_current_snapshot() AS text) END"
)

_COHORT: BindParameter[str] = bindparam("cohort")
_LINK = select(func.max(tables.ledger.c.link)).where(tables.ledger.c.cohort == _COHORT)
_ANSWERED = (
    select(
        tables.source_state.c.source,
        tables.source_state.c.began,
        tables.source_state.c.as_of,
        tables.source_state.c.fresh_for_seconds,
    )
    .where(tables.source_state.c.cohort == _COHORT)
    .order_by(tables.source_state.c.source)
)
_NEXT_END = select(func.min(tables.decision.c.until)).where(
    tables.decision.c.cohort == _COHORT,
    tables.decision.c.withdrawn_at.is_(None),
    tables.decision.c.until > bindparam("now", type_=tables.decision.c.until.type),
)

T = TypeVar("T")


class Changes:
    """The state of one database, as a value: while it is equal, every query returns the same rows."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        #: SQLite counts for each connection the commits of the others; this one is used for nothing else.
        self._counting: Any = None
        self._lock = Lock()

    def state(self) -> object:
        """Return the state. Where it cannot be read, return a value that equals no other."""
        with suppress(StoreError), store_errors(self._engine):
            if self._engine.dialect.name == "sqlite":
                return self._commits_of_others()
            with self._engine.connect() as connection:
                return connection.execute(_SNAPSHOT).scalar_one()
        return object()

    def _commits_of_others(self) -> object:
        if (self._engine.url.database or "").removeprefix("file:") in ("", ":memory:"):
            # A database in memory is another one for each connection.
            return object()
        with self._lock:
            if self._counting is None:
                connection = self._engine.raw_connection()
                connection.detach()
                self._counting = connection.dbapi_connection
            return self._counting.execute("PRAGMA data_version").fetchone()[0]

    def close(self) -> None:
        """Close the connection that counts."""
        with self._lock:
            if self._counting is not None:
                self._counting.close()
                self._counting = None


@dataclass(frozen=True, slots=True)
class _Kept:
    """One answer, the state of the marks that it was read in, and the times at which it is right."""

    answer: Any
    state: object
    since: datetime
    until: datetime


class KeptAnswers:
    """Answers about the marks, each kept until they change, or until a time at which the same rows mean something else.

    Those times are the end of a decision, of an answer's freshness, and of a day. On PostgreSQL, where a snapshot
    changes with every program on the server, the newest link of the cohort's ledger and the sources' times are the
    state: every transaction that changes a mark adds a link. A copy that only reads can be shared by threads.
    """

    def __init__(self, engine: Engine, changes: Changes) -> None:
        """`changes` are those of the engine; whoever made them closes them."""
        self._engine = engine
        self._changes = changes
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._lock = Lock()

    def ask(self, cohort: str, question: str, now: datetime, answer: Callable[[], T]) -> T:
        """Return the kept answer to a question about a cohort at `now`, or ask it.

        `question` has all that the answer depends on, except the marks.
        """
        state, key = self._state(cohort), (cohort, question)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept.state == state and kept.since <= now < kept.until:
                self._kept.move_to_end(key)
                found: T = kept.answer
                return found
        # The state is older than the answer: if they differ, the next question finds another state.
        found = answer()
        until = self._until(cohort, now)
        with self._lock:
            self._kept[key] = _Kept(found, state, now, until)
            self._kept.move_to_end(key)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return found

    def _state(self, cohort: str) -> object:
        if self._engine.dialect.name == "sqlite":
            return self._changes.state()
        with reading(self._engine) as connection:
            link = connection.execute(_LINK, {"cohort": cohort}).scalar()
            return link, tuple(map(tuple, self._answered(connection, cohort)))

    def _until(self, cohort: str, now: datetime) -> datetime:
        """Return the next time at which the same rows can mean something else."""
        day = datetime.fromtimestamp((now.timestamp() // _QUARTER.total_seconds() + 1) * _QUARTER.total_seconds(), UTC)
        moments = [day]
        with reading(self._engine) as connection:
            ends = connection.execute(_NEXT_END, {"cohort": cohort, "now": now}).scalar()
            moments += [ends] if ends is not None else []
            for _, began, as_of, seconds in self._answered(connection, cohort):
                for since in (as_of, began):
                    if since is not None:
                        # Until then a time in the future is a wrong clock's.
                        moments += [since - CLOCKS_DIFFER, since + timedelta(seconds=seconds)]
        return min(moment for moment in moments if moment > now)

    @staticmethod
    def _answered(connection: Connection, cohort: str) -> list[Any]:
        return list(connection.execute(_ANSWERED, {"cohort": cohort}))


def asked(
    kept: KeptAnswers | None, cohort: str, question: tuple[object, ...], now: datetime, answer: Callable[[], T]
) -> T:
    """Return the answer to a question, from those that are kept, if any are. `question` has all that it depends on."""
    return answer() if kept is None else kept.ask(cohort, repr(question), now, answer)
