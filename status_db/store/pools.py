"""How many connections a process may have to PostgreSQL: each engine has its own pool, and institutions share a budget.

An institution has at most four engines in a process: the marks and the desk, each to read and to write.
"""

from typing import TypedDict

_ENGINES = 4

#: The fewest connections of an engine: a statement that reads while another one is read must not wait for itself.
_FEWEST = 2

#: Beyond those that are kept open, while they are in use.
_OVERFLOW = 10


class PoolSizes(TypedDict):
    """The options of a pool."""

    #: Connections that stay open.
    pool_size: int
    #: Connections beyond these, closed after their use.
    max_overflow: int


#: The most connections of each engine, where several institutions share this process.
_most: list[int] = []


def share(institutions: int, connections: int) -> int:
    """Divide the budget of this process among its institutions; return the most connections that it can then have.

    This is more than the budget where an engine would get fewer than two. Engines that are already open keep theirs.
    """
    _most[:] = [max(_FEWEST, connections // (_ENGINES * max(institutions, 1)))]
    return _most[0] * _ENGINES * institutions


def sizes(kept: int) -> PoolSizes:
    """Return the size of an engine's pool: `kept` connections stay open where it shares its process with no other."""
    if not _most:
        return PoolSizes(pool_size=kept, max_overflow=_OVERFLOW)
    most = min(_most[0], kept + _OVERFLOW)
    # A quiet institution keeps one connection of each engine.
    return PoolSizes(pool_size=1, max_overflow=most - 1)
