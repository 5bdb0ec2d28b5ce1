"""How long tests wait for what must come. It is a test's last resort and no test's subject.

It is long enough for a machine that does fifteen other things; a test that asks how long something takes compares with
what would take far longer.
"""

import time
from collections.abc import Callable

#: In seconds.
PATIENCE = 300


def until(holds: Callable[[], bool]) -> None:
    """Return once it holds; fail after `PATIENCE`."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "it never came about"
        time.sleep(0.01)
