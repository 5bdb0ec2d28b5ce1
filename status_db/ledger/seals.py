"""Seals: only the ledger's key can make them. Pure: bytes in, bytes out, no database.

A row's seal covers each of its columns, with type and length. A set's digest is the sum of the weights of its rows'
seals, so that a change of some rows needs the hashes of those rows only. A link's seal covers the link before it.
"""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

#: A key's length in bytes.
KEY_BYTES = 32

#: The seal before the first link of a ledger.
NOTHING = bytes(32)

_MODULUS = 1 << 256


def canonical(values: Iterable[Any]) -> bytes:
    """Return values, as the driver accepts or returns them, in one unambiguous form, the same on every database.

    Text, whole numbers, bytes, moments and None; each piece has its type and its length or end.
    """
    pieces = [
        f"s{len(value)}:{value}"
        if type(value) is str
        else "n"
        if value is None
        else f"i{value};"
        if type(value) is int
        else _canonical_other(value)
        for value in values
    ]
    return "".join(pieces).encode("utf-8", "surrogatepass")


def _canonical_other(value: object) -> str:
    if isinstance(value, bytes):
        return f"b{value.hex()};"
    if isinstance(value, datetime):
        return _canonical_moment(value)
    if isinstance(value, str):
        return f"s{len(value)}:{value}"
    if isinstance(value, int):
        return f"i{int(value)};"
    # A type that this program never writes: SQLite stores it if another program does.
    return f"?{type(value).__name__}{value!r}"


@lru_cache(maxsize=64)
def _canonical_moment(value: datetime) -> str:
    """Return a moment as text; the rows of one transaction mostly share theirs."""
    text = value.astimezone(UTC).isoformat(timespec="microseconds")
    return f"s{len(text)}:{text}"


class Running:
    """A digest over rows in their order, updated as they are written or read."""

    def __init__(self, key: bytes, of: str) -> None:
        self._hasher = hashlib.blake2b(digest_size=32, key=key, person=of.encode())
        self.rows = 0

    def add(self, values: Iterable[Any]) -> None:
        """Add the next row."""
        self._hasher.update(canonical(values))
        self.rows += 1

    def digest(self) -> str:
        """Return the digest of the rows added, as hex."""
        return self._hasher.hexdigest()


#: How many columns of these tables were added after their first seals. Blank ones at a row's end are not sealed, so
#: that an older row still matches its seal.
_LATER = {"decision": 5, "certificate": 2, "source": 4}


def _without_late_blanks(values: Iterable[Any], later: int) -> Sequence[Any]:
    row = list(values)
    first = len(row) - later
    while len(row) > first and row[-1] is None:
        row.pop()
    return row


class Seals:
    """Makes seals with one key, which it never shows."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"a ledger's key must have {KEY_BYTES} bytes. Restore the right file.")
        self._key = key
        self._weigher = hashlib.blake2b(digest_size=32, key=key, person=b"weight")
        self._rows = {
            table: hashlib.blake2b(digest_size=16, key=key, person=table.encode())
            for table in (
                *("record", "student", "decision", "certificate", "pending", "applied_settings", "reversal"),
                *("wave", "opinion", "batch", "cohort", "desk"),
            )
        }

    def __repr__(self) -> str:
        return "Seals(…)"

    def row(self, table: str, values: Iterable[Any]) -> bytes:
        """Return the 16-byte seal of one row of a table: its values in the order of the table's columns."""
        hasher = self._rows[table].copy()
        hasher.update(canonical(_without_late_blanks(values, _LATER[table]) if table in _LATER else values))
        return hasher.digest()

    def desk_row(self, table: str, values: Iterable[Any]) -> bytes:
        """Return the 16-byte seal of one row of a desk's table."""
        return self.row("desk", (table, *values))

    def weight(self, seal: bytes | None) -> int:
        """Return the weight of a row's seal in its set's digest; 0 for a row without a seal."""
        if seal is None:
            return 0
        hasher = self._weigher.copy()
        hasher.update(seal)
        return int.from_bytes(hasher.digest(), "big")

    def running(self, of: str) -> Running:
        """Begin a digest over rows in their order."""
        return Running(self._key, of)

    def digest(self, of: str, values: Iterable[Any]) -> str:
        """Return the digest of one row that is not sealed itself, as hex."""
        running = self.running(of)
        running.add(_without_late_blanks(values, _LATER[of]) if of in _LATER else values)
        return running.digest()

    def link(self, before: bytes, values: Iterable[Any]) -> bytes:
        """Return the 32-byte seal of a link: its values, and the seal of the link before it."""
        return hmac.digest(self._key, canonical((before, *values)), "sha256")


def moved(digest: bytes, by: int) -> bytes:
    """Return a set's digest after rows with a total weight of `by` were added (or, below zero, removed)."""
    return ((int.from_bytes(digest, "big") + by) % _MODULUS).to_bytes(32, "big")
