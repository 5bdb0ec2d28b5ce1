"""The desk's key, for keyed hashes, sealed secrets and slips. It is in its own file, never in a database.

Every use derives a key of its own from it, so that a value made for one use is not valid for another.
"""

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from foundation.translation import N_, tr
from status_db.store import keys

_NAME = N_("The desk's key")


@dataclass(frozen=True, slots=True)
class DeskKey:
    """One key file, read on first use, and created when it is missing."""

    file: Path

    def of(self, use: str) -> bytes:
        """Return the 32 bytes for one use; create the file where it is missing. Raises KeyRefused."""
        return self.existing(use) or _derived(keys.make(self.file, tr(_NAME), tr("key_file in [portal]")), use)

    def existing(self, use: str) -> bytes | None:
        """Return the same; None where the file is missing, which is not created. Raises KeyRefused."""
        key = keys.read(self.file, tr(_NAME))
        return None if key is None else _derived(key, use)

    def hashed(self, use: str, value: str) -> bytes:
        """Return the keyed SHA-256 of a text, for one use. Raises KeyRefused."""
        return hmac.digest(self.of(use), value.encode(), hashlib.sha256)

    def log_key(self) -> bytes | None:
        """Return the key of student numbers in logs; None where the file is missing. Raises KeyRefused.

        A log line does not create the key.
        """
        return self.existing("log")


def _derived(key: bytes, use: str) -> bytes:
    return hmac.digest(key, use.encode(), hashlib.sha256)
