"""A command as a child: `python -m clearance.supervision.child PARENT SECONDS WORDS…` ends when its parent ends.

On Linux it receives SIGTERM at that moment. A signal can be lost, such as one that arrives while a module is imported
or a destructor runs. Therefore the child also looks for its parent, and SECONDS after the parent's end it kills itself
with all that it has started.
"""

import os
import signal
import sys
import threading
import time
from typing import NoReturn

from clearance.supervision.parent_process import end_with

#: How often a child looks for its parent, in seconds.
_LOOKS = 1.0


def end_after(parent: int, seconds: float) -> None:
    """Kill this process and its group so many seconds after its parent has ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOKS)
        time.sleep(seconds)
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def main() -> NoReturn:
    """Run the command."""
    parent, seconds, *words = sys.argv[1:]
    end_with(int(parent), signal.SIGTERM)
    end_after(int(parent), float(seconds))
    from clearance.main import main as run  # noqa: PLC0415 - it takes a moment, in which the parent can end

    run(words)


if __name__ == "__main__":
    main()
