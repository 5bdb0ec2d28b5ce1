"""The ledger's key: in a file of its own, never in the database, a backup or a log."""

from pathlib import Path

from status_db.ledger.seals import Seals
from status_db.store import keys
from status_db.store.engine import StoreCode
from status_db.store.keys import KeyRefused

_NAME = "The ledger's key"


class LedgerRefused(KeyRefused):
    """The ledger cannot be written; nothing was written. The text ends with the fix."""

    code = StoreCode.LEDGER


def read(file: Path) -> Seals | None:
    """Return the seals of the key in a file; None when there is no such file. Raises KeyRefused."""
    key = keys.read(file, _NAME)
    return Seals(key) if key is not None else None


def make(file: Path) -> Seals:
    """Make a key, readable by this user alone, and return its seals; those of another writer's key, if it was first.

    Raises KeyRefused.
    """
    return Seals(keys.make(file, _NAME, "ledger_key_file in [status_db]"))
