"""How much the harnesses play: every day a part that takes seconds, in a soak all that there is time for.

docs/reliability.md lists what each proves at which size.
"""

import os

#: Set by `make soak`.
SOAK = bool(os.environ.get("CLEARANCE_TEST_SOAK"))

#: Set by `make property`: for so long each property is tried, in rounds of its daily size.
MINUTES = float(os.environ.get("CLEARANCE_TEST_MINUTES") or 0)

#: The same examples every time, where a test says so: in its daily size alone.
DAILY = not SOAK and not MINUTES

_SOAK_TIMES = 25

#: What Hypothesis tries of each property where nothing else is said.
EXAMPLES = 100

#: How many rounds went before, where tests run for a time: what is drawn from a seed of its own draws from another.
round_ = 0


def times(daily: int) -> int:
    """Return how often to try: so often every day, twenty-five times as often in a soak."""
    return daily * (_SOAK_TIMES if SOAK else 1)
