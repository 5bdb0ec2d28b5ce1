"""Long lists in pieces: a database accepts only a limited number of values in one statement."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

T = TypeVar("T")


def chunked(values: Sequence[T], most: int) -> Iterator[Sequence[T]]:
    """Return the values in order, in pieces of at most `most`."""
    for start in range(0, len(values), most):
        yield values[start : start + most]
