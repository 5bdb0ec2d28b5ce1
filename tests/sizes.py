"""How much the harnesses play: every day a part that takes seconds, in a soak all that there is time for.

docs/reliability.md says what each proves at which size.
"""

import os

#: Set by `make soak`.
SOAK = bool(os.environ.get("CLEARANCE_TEST_SOAK"))

_SOAK_TIMES = 25


def times(daily: int) -> int:
    """Return how often to try: so often every day, twenty-five times as often in a soak."""
    return daily * (_SOAK_TIMES if SOAK else 1)
