"""Keys in separate files: 32 random bytes as hex, never in the database, a backup or a log."""

import contextlib
import os
import secrets
import shlex
import stat
from pathlib import Path

from foundation.private_files import flush, make_folder, rights_of_others, write_new
from foundation.translation import tr
from status_db.store.engine import StoreCode, StoreError

KEY_BYTES = 32


class KeyRefused(StoreError):  # noqa: N818 - named by the reaction
    """A key that cannot be read or created; the text ends with the fix."""

    code = StoreCode.KEY


def read(file: Path, name: str) -> bytes | None:
    """Return the key in a file; None when there is no such file. `name` is the key's name in messages.

    Raises KeyRefused, also where other users of this machine can read or change the file.
    """
    try:
        with file.open(encoding="ascii") as handle:
            _refuse_shared(os.fstat(handle.fileno()), file, name)
            text = handle.read().strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else tr("it is not text")
        raise KeyRefused(
            tr(
                "{name} {file} cannot be read ({why}). Make it readable for the user that runs this, and for no other.",
                name=name,
                file=file,
                why=why,
            )
        ) from None
    with contextlib.suppress(ValueError):
        key = bytes.fromhex(text)
        if len(key) == KEY_BYTES:
            return key
    # The text may contain most of a key, so the message does not repeat it.
    raise KeyRefused(
        tr(
            "{name} {file} is not {count} bytes as hex. Restore the right file from your own copy.",
            name=name,
            file=file,
            count=KEY_BYTES,
        )
    )


def _refuse_shared(found: os.stat_result, file: Path, name: str) -> None:
    if rights_of_others(found):
        raise KeyRefused(
            tr(
                "{name} {file} is open to other users of this machine (mode {mode:03o}), who could forge "
                "what it proves. If no other user can have read it, run: chmod 600 {path}",
                name=name,
                file=file,
                mode=stat.S_IMODE(found.st_mode),
                path=shlex.quote(str(file)),
            )
        )


def make(file: Path, name: str, setting: str) -> bytes:
    """Create a key, readable by this user alone, and return it; another process's key, if it was first.

    The file is complete and durable before it gets its name: rows that were sealed with a lost key could not be
    checked. `setting` is the key and table of the settings for the file's path. Raises KeyRefused.
    """
    try:
        make_folder(file.parent)
        fresh = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
        try:
            write_new(fresh, f"{secrets.token_hex(KEY_BYTES)}\n".encode("ascii"))
            # Unlike a rename, this fails where the file exists already.
            with contextlib.suppress(FileExistsError):
                os.link(fresh, file)
        finally:
            fresh.unlink(missing_ok=True)
        flush(file.parent)
    except OSError as error:
        raise KeyRefused(
            tr(
                "{name} {file} cannot be created ({error}). Allow this user to write to that folder, or name "
                "another file as {setting}.",
                name=name,
                file=file,
                error=error.strerror,
                setting=setting,
            )
        ) from error
    made = read(file, name)
    if made is None:
        raise KeyRefused(
            tr(
                "{name} {file} was removed while it was created. Run this again, and keep the file.",
                name=name,
                file=file,
            )
        )
    return made
