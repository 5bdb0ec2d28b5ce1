"""Engines that are kept between reads, so that a recheck needs no new connection and no new TLS context.

An engine is kept only after reads without any error. After an error it is discarded with its connections, and the next
read begins with a new one. New settings or a new password in the url replace the engine of the same source. Connections
are closed after a minute without a read, and when the process ends.
"""

import atexit
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import URL, Engine, event
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError

from connectors.databases.base import Backend

#: Seconds without a read after which an engine is closed: shorter than the idle limits of servers and firewalls.
IDLE = 60.0

#: Engines that are kept in one process. The one that was used the longest time ago is closed for another.
MOST = 16


@dataclass(eq=False, slots=True)
class _Kept:
    """An engine, and who uses it."""

    engine: Engine
    #: Everything that its connections depend on.
    made_from: Hashable
    users: int = 0
    used_at: float = 0.0
    discarded: bool = False


@dataclass(slots=True)
class KeptEngines:
    """The engines of one process, by source and database."""

    _kept: dict[Hashable, _Kept] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _timer: threading.Timer | None = None

    @contextmanager
    def using(self, backend: Backend, url: URL, make: Callable[[], Engine]) -> Iterator[Engine]:
        """Yield the engine of a database, by `make` if none is kept; discard it when the body fails."""
        if not backend.keeps_connections:
            engine = make()
            try:
                yield engine
            finally:
                engine.dispose()
            return
        place = (
            backend.source,
            url.drivername,
            url.username,
            url.host,
            url.port,
            url.database,
            backend.options.lenient,
        )
        kept = self._take(place, (url, backend.timeouts, backend.options), lambda: _watched(backend, make()))
        try:
            yield kept.engine
        except BaseException:
            self._discard(place, kept)
            raise
        finally:
            self._give_back(kept)

    def _take(self, place: Hashable, made_from: Hashable, make: Callable[[], Engine]) -> _Kept:
        with self._lock:
            found = self._kept.get(place)
            if found is not None and found.made_from == made_from:
                found.users += 1
                return found
        new = _Kept(make(), made_from, users=1)
        with self._lock:
            outdated = self._kept.pop(place, None)
            self._kept[place] = new
            surplus = sorted((k for k in self._kept.values() if k.users == 0), key=lambda k: k.used_at)
            surplus = surplus[: max(0, len(self._kept) - MOST)]
            self._remove(surplus)
            closing = [k for k in (*surplus, outdated) if k is not None and _ends(k)]
        _close(closing)
        return new

    def _discard(self, place: Hashable, kept: _Kept) -> None:
        with self._lock:
            kept.discarded = True
            if self._kept.get(place) is kept:
                del self._kept[place]

    def _give_back(self, kept: _Kept) -> None:
        with self._lock:
            kept.users -= 1
            kept.used_at = time.monotonic()
            closing = [kept] if kept.discarded and kept.users == 0 else []
            self._watch_idle()
        _close(closing)

    def _watch_idle(self) -> None:
        """Have idle engines closed in a while; the lock is held."""
        if self._timer is None and self._kept:
            self._timer = threading.Timer(IDLE, self._close_idle)
            self._timer.daemon = True
            self._timer.start()

    def _close_idle(self) -> None:
        with self._lock:
            self._timer = None
            before = time.monotonic() - IDLE / 2
            closing = [k for k in self._kept.values() if k.users == 0 and k.used_at < before]
            self._remove(closing)
            self._watch_idle()
        _close(closing)

    def _remove(self, gone: list[_Kept]) -> None:
        for place in [place for place, kept in self._kept.items() if kept in gone]:
            del self._kept[place]

    def close(self) -> None:
        """Close every engine that is not in use; one in use is closed after its read."""
        with self._lock:
            timer, self._timer = self._timer, None
            closing = [kept for kept in self._kept.values() if _ends(kept)]
            self._kept.clear()
        if timer is not None:
            timer.cancel()
        _close(closing)

    def forget(self) -> None:
        """Leave the connections to the parent process, in a child that was forked."""
        for kept in self._kept.values():
            kept.engine.dispose(close=False)
        self._kept, self._lock, self._timer = {}, threading.Lock(), None


def _ends(kept: _Kept) -> bool:
    """Discard an engine that is no longer kept; return whether it can be closed now. The lock is held."""
    kept.discarded = True
    return kept.users == 0


def _close(kept: list[_Kept]) -> None:
    for each in kept:
        with suppress(SQLAlchemyError, OSError):  # a server that has gone cannot be told
            each.engine.dispose()


def _watched(backend: Backend, engine: Engine) -> Engine:
    """Have a kept connection tried, within the time limit of connecting, before it is used again."""

    def returned(_raw: object, record: Any) -> None:  # noqa: ANN401 - as SQLAlchemy calls it
        record.info["returned_at"] = time.monotonic()

    def taken(raw: Any, record: Any, _fairy: object) -> None:  # noqa: ANN401 - as SQLAlchemy calls it
        if (returned_at := record.info.get("returned_at")) is None:
            return
        if time.monotonic() - returned_at > IDLE or not _responds(backend, engine, raw):
            raise DisconnectionError

    event.listen(engine, "checkin", returned)
    event.listen(engine, "checkout", taken)
    return engine


def _responds(backend: Backend, engine: Engine, raw: Any) -> bool:  # noqa: ANN401 - a driver's connection
    """Return whether the server responds on a kept connection."""
    timer = threading.Timer(backend.timeouts.connect.total_seconds(), backend.cut, [raw])
    timer.daemon = True
    timer.start()
    try:
        return bool(engine.dialect.do_ping(raw))
    except (engine.dialect.loaded_dbapi.Error, OSError):
        return False
    finally:
        timer.cancel()


#: The engines of this process.
KEPT = KeptEngines()

atexit.register(KEPT.close)
os.register_at_fork(after_in_child=KEPT.forget)
