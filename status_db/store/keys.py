"""Keys in files of their own: 32 random bytes as hex, never in the database, a backup or a log."""

import contextlib
import os
import secrets
import shlex
import stat
from pathlib import Path

from foundation.private_files import flush, make_folder, rights_of_others, write_new
from status_db.store.engine import StoreCode, StoreError

KEY_BYTES = 32


class KeyRefused(StoreError):  # noqa: N818 - named by the reaction
    """A key that cannot be read or made; the text ends with the way out."""

    code = StoreCode.KEY


def read(file: Path, name: str) -> bytes | None:
    """Return the key in a file; None when there is no such file. `name` says whose key it is.

    Raises KeyRefused, also where other users of this machine may read or change the file.
    """
    try:
        with file.open(encoding="ascii") as handle:
            _refuse_shared(os.fstat(handle.fileno()), file, name)
            text = handle.read().strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise KeyRefused(
            f"{name} {file} cannot be read ({why}). Let the user who runs this read it, and nobody else."
        ) from None
    with contextlib.suppress(ValueError):
        key = bytes.fromhex(text)
        if len(key) == KEY_BYTES:
            return key
    # The text itself may be most of a key: it is not repeated.
    raise KeyRefused(f"{name} {file} is not {KEY_BYTES} bytes as hex. Put the right file back from where you keep it.")


def _refuse_shared(found: os.stat_result, file: Path, name: str) -> None:
    if rights_of_others(found):
        raise KeyRefused(
            f"{name} {file} is open to other users of this machine (mode {stat.S_IMODE(found.st_mode):03o}): whoever "
            f"has it can forge what it proves. If nobody else can have read it, run: chmod 600 {shlex.quote(str(file))}"
        )


def make(file: Path, name: str, setting: str) -> bytes:
    """Make a key, readable by this user alone, and return it; another process's, if one was quicker.

    The file is whole and durable before it is there at all: what was sealed with a key nobody has would be lost.
    `setting` names the key and table of the settings that move the file. Raises KeyRefused.
    """
    try:
        make_folder(file.parent)
        fresh = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
        try:
            write_new(fresh, f"{secrets.token_hex(KEY_BYTES)}\n".encode("ascii"))
            # Unlike a rename, this fails where the file is there already.
            with contextlib.suppress(FileExistsError):
                os.link(fresh, file)
        finally:
            fresh.unlink(missing_ok=True)
        flush(file.parent)
    except OSError as error:
        raise KeyRefused(
            f"{name} {file} cannot be made ({error.strerror}). "
            f"Let this user write to that folder, or name another file as {setting}."
        ) from error
    made = read(file, name)
    if made is None:
        raise KeyRefused(f"{name} {file} was taken away while it was made. Leave it there; run this again.")
    return made
