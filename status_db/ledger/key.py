"""The ledger's key: in a file of its own, never in the database, a backup or a log."""

from pathlib import Path

from foundation.translation import N_, tr
from status_db.ledger.seals import Seals
from status_db.store import keys
from status_db.store.engine import StoreCode
from status_db.store.keys import KeyRefused

_NAME = N_("The ledger's key")


class LedgerRefused(KeyRefused):
    """The ledger cannot be written; nothing was written. The text ends with the fix."""

    code = StoreCode.LEDGER


def read(file: Path) -> Seals | None:
    """Return the seals of the key in a file; None when there is no such file. Raises KeyRefused."""
    key = keys.read(file, tr(_NAME))
    return Seals(key) if key is not None else None


def make(file: Path) -> Seals:
    """Make a key, readable by this user alone, and return its seals; those of another writer's key, if it was first.

    Raises KeyRefused.
    """
    return Seals(keys.make(file, tr(_NAME), tr("ledger_key_file in [status_db]")))


def missing(file: Path) -> LedgerRefused:
    """Return the refusal of a ledger whose key is missing."""
    return LedgerRefused(
        tr(
            "The ledger has links, but its key {file} is missing. Restore that file from your own copy; no backup of "
            "the database contains it.",
            file=file,
        )
    )


def of_another(file: Path) -> LedgerRefused:
    """Return the refusal of a file that has the key of another ledger."""
    return LedgerRefused(
        tr(
            "{file} is not the key of this ledger. Restore the right file, or name it as ledger_key_file in "
            "[status_db]; then run: clearance verify",
            file=file,
        )
    )
