"""The ledger's key: 32 random bytes in a file of their own, never in the database, a backup or a log."""

import contextlib
import os
import secrets
from pathlib import Path

from status_db.engine import StoreError
from status_db.seals import KEY_BYTES, Seals


class LedgerRefused(StoreError):  # noqa: N818 - named by the reaction
    """The ledger cannot be written with what there is; nothing was. The text ends with the way out."""


def read(file: Path) -> Seals | None:
    """Return what makes seals with the key in a file; None when there is no such file. Raises LedgerRefused."""
    try:
        text = file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise LedgerRefused(
            f"The ledger's key {file} cannot be read ({why}). Let the user who runs this read it, and nobody else."
        ) from None
    try:
        return Seals(bytes.fromhex(text))
    except ValueError:
        # The text itself may be most of a key: it is not repeated.
        raise LedgerRefused(
            f"The ledger's key {file} is not {KEY_BYTES} bytes as hex. Put the right file back from where you keep it."
        ) from None


def make(file: Path) -> Seals:
    """Make a key, readable by this user alone, and return what seals with it; another writer's, if one was quicker.

    The file is whole and durable before it is there at all: a link that nobody has the key of would be worth nothing.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as handle:
                handle.write(secrets.token_hex(KEY_BYTES) + "\n")
                handle.flush()
                os.fsync(handle.fileno())
            # Unlike a rename, this fails where the file is there already.
            with contextlib.suppress(FileExistsError):
                os.link(fresh, file)
        finally:
            fresh.unlink(missing_ok=True)
        _settle(file.parent)
    except OSError as error:
        raise LedgerRefused(
            f"The ledger's key {file} cannot be made ({error.strerror}). "
            "Let this user write to that folder, or name another file as ledger_key_file in [status_db]."
        ) from error
    made = read(file)
    if made is None:
        raise LedgerRefused(
            f"The ledger's key {file} was taken away while it was made. Leave it there; run this again."
        )
    return made


def _settle(folder: Path) -> None:
    """Have the folder's own list of files on the disk, where the system lets it be asked for."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
