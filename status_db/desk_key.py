"""The desk's key: what keyed hashes, sealed secrets and slips are made with. A file of its own, never in a database.

Every use derives a key of its own from it, so that what is made for one is worth nothing for another.
"""

import hashlib
import hmac
from dataclasses import dataclass
from pathlib import Path

from status_db import key_file


@dataclass(frozen=True, slots=True)
class DeskKey:
    """One key file, read when first used, and made when it is not there."""

    file: Path

    def of(self, use: str) -> bytes:
        """Return the 32 bytes for one use. Raises KeyRefused."""
        name = "The desk's key"
        key = key_file.read(self.file, name) or key_file.make(self.file, name, "key_file in [portal]")
        return hmac.digest(key, use.encode(), hashlib.sha256)

    def hashed(self, use: str, value: str) -> bytes:
        """Return the keyed SHA-256 of a text, for one use. Raises KeyRefused."""
        return hmac.digest(self.of(use), value.encode(), hashlib.sha256)

    def log_key(self) -> bytes | None:
        """Return what student numbers are hashed with in logs; None where the key has yet to be made, or is others'.

        Only what needs the key for its own work makes it: a log line does not. Raises KeyRefused.
        """
        key = key_file.read(self.file, "The desk's key")
        return None if key is None else hmac.digest(key, b"log", hashlib.sha256)
