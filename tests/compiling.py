"""Statements compiled once in each process: each test opens engines of its own, which would compile them again.

Importing this has the engines of the status database share what they compile, by kind of database. SQLAlchemy keeps one
cache an engine, keyed by the engine's own dialect; here the key names the kind in its place.
"""

from typing import Any

import sqlalchemy
from sqlalchemy import Engine
from sqlalchemy.util import LRUCache

from status_db.store import engine as opening

#: More statements than the program has, so that those of queries made at random are dropped first.
_KEPT: LRUCache[Any, Any] = LRUCache(4000)


class _Shared(dict[Any, Any]):
    """The one cache, as an engine of one kind sees it."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind

    def get(self, key: Any, default: Any = None) -> Any:
        return _KEPT.get((self._kind, *key[1:]), default)

    def __setitem__(self, key: Any, compiled: Any) -> None:
        _KEPT[(self._kind, *key[1:])] = compiled


def create_engine(*args: Any, **kwargs: Any) -> Engine:
    """Return an engine that compiles nothing which another one of its kind has compiled."""
    engine = sqlalchemy.create_engine(*args, **kwargs)
    kind = f"{engine.dialect.name}+{engine.dialect.driver}"
    engine.update_execution_options(compiled_cache=_Shared(kind))
    return engine


setattr(opening, "create_engine", create_engine)  # noqa: B010 - it is not that module's to give
