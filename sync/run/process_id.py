"""Names of lease owners: another process of the same machine can check whether an owner still runs."""

import itertools
import os
import socket
from pathlib import Path

_turns = itertools.count(1)


def _started_at(pid: int) -> str:
    """Return when a process started, in kernel ticks; empty where unknown. Process numbers are reused."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def this_process() -> str:
    """Return the name of this process."""
    return f"{socket.gethostname()} process {os.getpid()} {_started_at(os.getpid())}".strip()


def next_turn() -> str:
    """Return the name of this process with a new turn number: no two leases have the same owner."""
    return f"{this_process()} #{next(_turns)}"


def is_gone(owner: str) -> bool:
    """Return whether the process of that name has certainly ended; False for a process of another machine."""
    host, _, rest = owner.partition(" process ")
    if host != socket.gethostname() or not rest:
        return False
    pid, *words = rest.split()
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, ValueError):
        return False
    born = next((word for word in words if not word.startswith("#")), "")
    return bool(born) and born != _started_at(int(pid))
