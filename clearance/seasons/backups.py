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


def inside(folder: Path, before: datetime, source: str, known: Iterable[Path]) -> tuple[Path, ...]:
    """Return the backups of these databases in a folder that were made before a moment, the oldest first.

    Raises OSError. A backup of a former version does not name its databases: it is theirs if the audit log
    has it (`known`).
    """
    if not folder.is_dir():
        return ()
    named = sorted(entry for entry in folder.iterdir() if manifests.is_name(entry.name))
    own = {path.resolve() for path in known}
    return tuple(entry for entry in named if _is_ours(entry, before, source, recorded=entry.resolve() in own))


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


def _is_ours(folder: Path, before: datetime, source: str, *, recorded: bool) -> bool:
    try:
        made = manifests.read(folder)
    except BackupError:
        # A folder that is not a backup is left alone.
        return False
    return made.made_at < before and (made.source == source or (not made.source and recorded))


def _named_before(path: Path, moment: datetime) -> bool:
    return path.name < manifests.name_of(moment)
