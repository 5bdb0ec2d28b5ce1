"""Seeds: each case of a harness follows from one number, which a failure prints and the environment sets."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from tests import sizes

VARIABLE = "CLEARANCE_TEST_SEED"


def seeds(count: int) -> list[int]:
    """Return the seeds to try: so many, many more in a soak, or the only one that was asked for."""
    asked = os.environ.get(VARIABLE)
    if asked:
        return [int(asked)]
    return list(range(sizes.times(count)))


@contextmanager
def case(seed: int) -> Iterator[Random]:
    """Give a seed's own chance; whatever fails within explains how to have it again."""
    try:
        yield Random(seed)
    except BaseException as error:
        error.add_note(f"Again with {VARIABLE}={seed}")
        raise
