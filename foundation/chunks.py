"""Long lists in pieces: a database takes only so many values in one statement."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def chunked(values: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """Give the values in their order, at most so many at a time; nothing where there are none."""
    for start in range(0, len(values), most):
        yield values[start : start + most]
