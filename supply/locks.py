"""The packages in the lock files."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = {
    "run": ROOT / "requirements" / "run.lock",
    "cluster": ROOT / "requirements" / "cluster.lock",
    "dev": ROOT / "requirements" / "dev.lock",
}

_LINE = re.compile(r"^(?P<name>[a-z0-9._-]+)==(?P<version>[^\s;\\]+)", re.MULTILINE)


def locked(lock: str) -> Iterator[tuple[str, str]]:
    """Return each package of a lock with its version."""
    for found in _LINE.finditer(LOCKS[lock].read_text(encoding="utf-8")):
        yield found["name"], found["version"]
