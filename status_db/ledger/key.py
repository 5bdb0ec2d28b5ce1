"""The ledger's key: in a file of its own, never in the database, a backup or a log."""

import re
from dataclasses import dataclass, field
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


def changed(file: Path, named: str) -> LedgerRefused:
    """Return the refusal of a key that was changed: this file has the one from before, or an unknown one."""
    return LedgerRefused(
        tr(
            "The ledger's key was changed: its newest link names the key {named}, and {file} has another one. Copy "
            "the new key file here. If `clearance keys rotate` was interrupted, run it again.",
            named=named[:8],
            file=file,
        )
    )


@dataclass(slots=True)
class KeyFile:
    """A key's file in a process that runs for long: it notices when the file is replaced."""

    path: Path
    _seen: list[tuple[int, int, int]] = field(default_factory=list)

    @classmethod
    def seen(cls, path: Path) -> "KeyFile":
        """Return a file as it is now; it is read afterwards."""
        now = _signature(path)
        return cls(path, [now] if now is not None else [])

    def replaced(self) -> bool:
        """Return whether the file is another one than when it was seen. A missing file counts as the same one."""
        now = _signature(self.path)
        return now is not None and [now] != self._seen

    def read(self) -> Seals | None:
        """Return the seals of the key in it; None when there is no such file. Raises KeyRefused."""
        now = _signature(self.path)
        seals = read(self.path)
        self._seen = [now] if now is not None else []
        return seals

    def make(self) -> Seals:
        """Make the key where there is none, and return its seals. Raises KeyRefused."""
        made = make(self.path)
        now = _signature(self.path)
        self._seen = [now] if now is not None else []
        return made


def _signature(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


#: The suffix of the next key while it is being introduced; a key of before has its fingerprint as suffix.
NEXT = ".next"
_FINGERPRINT = re.compile(r"\.([0-9a-f]{32})")


def next_file(file: Path) -> Path:
    """Return the file of the next key."""
    return file.with_name(file.name + NEXT)


def former_file(file: Path, fingerprint: str) -> Path:
    """Return the file of a key that was replaced."""
    return file.with_name(f"{file.name}.{fingerprint}")


def former_keys(file: Path) -> dict[str, Seals]:
    """Return fingerprint → seals of the keys that were replaced, as far as their files are here. Raises KeyRefused."""
    found: dict[str, Seals] = {}
    for _, other in former_files(file):
        if (seals := read(other)) is not None:
            found[seals.fingerprint] = seals
    return found


def former_files(file: Path) -> list[tuple[str, Path]]:
    """Return fingerprint and file of the keys that were replaced, as far as they are here."""
    others = sorted(file.parent.glob(f"{file.name}.*"))
    matches = ((_FINGERPRINT.fullmatch(other.name[len(file.name) :]), other) for other in others)
    return [(match[1], other) for match, other in matches if match]
