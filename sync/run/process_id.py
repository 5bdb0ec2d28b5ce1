"""Who holds a source: named so that another process of the same machine can tell whether it still lives."""

import itertools
import os
import socket
from pathlib import Path

_turns = itertools.count(1)


def _born(pid: int) -> str:
    """Return when a process started, in the kernel's ticks, where the system tells: numbers of processes come again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def this_process() -> str:
    """Name this process."""
    return f"{socket.gethostname()} process {os.getpid()} {_born(os.getpid())}".strip()


def next_turn() -> str:
    """Name this process and which of its turns this is: no two leases have the same owner."""
    return f"{this_process()} #{next(_turns)}"


def is_gone(owner: str) -> bool:
    """Say whether the process of that name is surely gone; of another machine's nobody here can say so."""
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
    return bool(born) and born != _born(int(pid))
