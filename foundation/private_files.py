"""Files and folders for their owner alone: made so, put on the disk for good, and looked at.

A umask of 077 would do for what a command makes; this holds for whoever calls these functions, whatever their umask.
On Windows a file's rights are no mode, and nothing is found there.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

#: Only the owner may read, and for a folder enter.
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700

#: What a command's umask keeps back from everybody else.
UMASK = 0o077

#: Rights of others: any at all, and those to change what is there.
ANY, CHANGE = 0o077, 0o022


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are not there, for their owner alone. Raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def make_file(file: Path) -> None:
    """Make an empty file for its owner alone, where there is none; whoever opens it says why that cannot be."""
    with suppress(OSError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))


def write_new(file: Path, content: bytes) -> None:
    """Write a file that is not there yet, for its owner alone, and wait until it is on the disk. Raises OSError."""
    # So, and not changed afterwards: a stick may know no owners.
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb") as opened:
        opened.write(content)
    flush(file)


def flush(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk. Raises OSError."""
    if os.name == "nt" and path.is_dir():
        # Windows flushes a folder by itself, and opens none as a file.
        return
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rights_of_others(found: os.stat_result, mask: int = ANY) -> int:
    """Return which of these rights others have: 0 for none."""
    return stat.S_IMODE(found.st_mode) & mask if os.name == "posix" else 0
