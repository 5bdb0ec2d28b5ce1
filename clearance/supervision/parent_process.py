"""The end of a process with the end of its parent."""

import ctypes
import os
import signal
import sys

#: prctl(2): the signal that this process receives when the thread that started it ends.
_PR_SET_PDEATHSIG = 1


def end_with(parent: int, number: signal.Signals) -> None:
    """Have this process receive a signal when its parent ends. Only Linux has that; elsewhere nothing happens."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
    if os.getppid() != parent:
        # It ended before this was set.
        sys.exit(128 + number)
