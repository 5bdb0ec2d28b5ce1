"""Private files and folders: create them for their owner only, flush them to the disk, and check their permissions.

The functions do not depend on the caller's umask. On Windows permissions are not a mode, so none are reported there.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

#: Only the owner can read the file, or enter the folder.
PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700

#: The umask of commands: no permissions for others.
UMASK = 0o077

#: Permissions of others: any, and those to change content.
ANY, CHANGE = 0o077, 0o022


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents, for their owner only. Raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)


def make_file(file: Path) -> None:
    """Create an empty file for its owner only, if it is missing. An error is left to the caller that opens the file."""
    with suppress(OSError):
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE))


def write_new(file: Path, content: bytes) -> None:
    """Write a new file for its owner only, and wait until it is on the disk. Raises OSError."""
    # The mode is set at creation: some file systems cannot change it later.
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE), "wb") as opened:
        opened.write(content)
    flush(file)


def flush(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk. Raises OSError."""
    if os.name == "nt" and path.is_dir():
        # Windows flushes folders itself, and cannot open them as files.
        return
    handle = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def rights_of_others(found: os.stat_result, mask: int = ANY) -> int:
    """Return which of these permissions others have: 0 for none."""
    return stat.S_IMODE(found.st_mode) & mask if os.name == "posix" else 0
