"""Backups that still have the rows of an erased cohort: those in the known folder are removed, the others listed."""

import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from foundation.private_files import flush
from status_db.accounts.audit_log import Audit, AuditEvent
from status_db.backups import manifest as manifests
from status_db.backups.manifest import BackupError


def recorded(audit: Audit) -> tuple[Path, ...]:
    """Return the folder of every backup that the backup command has recorded, the oldest first."""
    lines = audit.of_event(AuditEvent.BACKED_UP)
    return tuple(dict.fromkeys(Path(str(line.detail["folder"])) for line in lines if "folder" in line.detail))


def inside(folder: Path, before: datetime) -> tuple[Path, ...]:
    """Return the backups in a folder that were made before this moment, the oldest first. Raises OSError."""
    if not folder.is_dir():
        return ()
    named = sorted(entry for entry in folder.iterdir() if manifests.is_name(entry.name))
    return tuple(entry for entry in named if _made_before(entry, before))


def elsewhere(known: Iterable[Path], folder: Path | None, before: datetime) -> tuple[Path, ...]:
    """Return the recorded backups outside of the known folder that were made before this moment.

    One that is not found here is listed as well: it can be on another disk or in another building.
    """
    others = (path for path in known if folder is None or path.parent.resolve() != folder.resolve())
    return tuple(path for path in others if _named_before(path, before))


def remove(backup: Path) -> None:
    """Remove a backup. Raises OSError."""
    # After an interruption, a partly removed one must not have the name of a backup.
    partial = backup.rename(backup.with_name(f".{backup.name}.partial"))
    shutil.rmtree(partial)
    flush(backup.parent)


def _made_before(folder: Path, moment: datetime) -> bool:
    try:
        return manifests.read(folder).made_at < moment
    except BackupError:
        # A folder that is not a backup is left alone.
        return False


def _named_before(path: Path, moment: datetime) -> bool:
    return path.name < manifests.name_of(moment)
