"""The desk's key: what keyed hashes, sealed secrets and slips are made with. A file of its own, never in a database.

Every use derives a key of its own from it, so that what is made for one is worth nothing for another.
"""

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from status_db.store import keys

_NAME = "The desk's key"


@dataclass(frozen=True, slots=True)
class DeskKey:
    """One key file, read when first used, and made when it is not there."""

    file: Path

    def of(self, use: str) -> bytes:
        """Return the 32 bytes for one use; make the file where it is not there. Raises KeyRefused."""
        return self.existing(use) or _derived(keys.make(self.file, _NAME, "key_file in [portal]"), use)

    def existing(self, use: str) -> bytes | None:
        """Return the same; None where the file is not there, and none is made. Raises KeyRefused."""
        key = keys.read(self.file, _NAME)
        return None if key is None else _derived(key, use)

    def hashed(self, use: str, value: str) -> bytes:
        """Return the keyed SHA-256 of a text, for one use. Raises KeyRefused."""
        return hmac.digest(self.of(use), value.encode(), hashlib.sha256)

    def log_key(self) -> bytes | None:
        """Return the key of student numbers in logs; None where the file is not there. Raises KeyRefused.

        A log line does not make the key: only what needs it for its own work does.
        """
        return self.existing("log")


def _derived(key: bytes, use: str) -> bytes:
    return hmac.digest(key, use.encode(), hashlib.sha256)
