"""What the harnesses share: a seed that is printed, and can be given again."""

import os
import secrets
from random import Random

import pytest

#: Give it the number that a failed test has printed.
SEED_VARIABLE = "CLEARANCE_TEST_SEED"


@pytest.fixture
def chance() -> Random:
    """Return this test's chance; its seed is printed, and shown with a failure."""
    seed = int(os.environ.get(SEED_VARIABLE) or secrets.randbelow(10**9))
    print(f"{SEED_VARIABLE}={seed}")  # noqa: T201 - shown by pytest with a failure
    return Random(seed)
