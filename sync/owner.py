"""Which process holds a source: named so that another process of the same machine can tell whether it still lives."""

import os
import socket
from pathlib import Path


def _born(pid: int) -> str:
    """Return when a process started, in the kernel's ticks, where the system tells: numbers of processes come again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def this_process() -> str:
    """Name this process."""
    return f"{socket.gethostname()} process {os.getpid()} {_born(os.getpid())}".strip()


def is_gone(owner: str) -> bool:
    """Say whether the process of that name is surely gone; of another machine's nobody here can say so."""
    host, _, rest = owner.partition(" process ")
    if host != socket.gethostname() or not rest:
        return False
    pid, _, born = rest.partition(" ")
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, ValueError):
        return False
    return bool(born) and born != _born(int(pid))
