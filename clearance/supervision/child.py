"""A command as a child: `python -m clearance.supervision.child PARENT WORDS…` ends when its parent ends."""

import ctypes
import os
import signal
import sys
from typing import NoReturn

#: prctl(2): the signal that this process receives when the thread that started it ends.
_PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Have this process receive SIGTERM when its parent ends. Only Linux has that; elsewhere nothing happens."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        # It ended before this was set.
        sys.exit(128 + signal.SIGTERM)


def main() -> NoReturn:
    """Run the command."""
    parent, *words = sys.argv[1:]
    end_with(int(parent))
    from clearance.main import main as run  # noqa: PLC0415 - it takes a moment, in which the parent can end

    run(words)


if __name__ == "__main__":
    main()
