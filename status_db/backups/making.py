"""Making a backup: it is written under a temporary name, read again completely, and then renamed."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from foundation.private_files import PRIVATE_FILE, PRIVATE_FOLDER, flush, make_folder
from foundation.translation import tr
from status_db.backups import manifest as manifests
from status_db.backups import postgres, sqlite
from status_db.backups.manifest import FORMAT, BackedUpDatabase, BackupError, BackupMember, Manifest
from status_db.store import schema_version
from status_db.store.schema_version import Part

#: The suffix of a folder that is not a complete backup.
_PARTIAL = ".partial"

#: A backup needs less time than this.
_UNDER_WAY = timedelta(days=1)

_WHAT = "A backup of a Clearance Sync status database. Restore it with: clearance restore FOLDER"


@dataclass(frozen=True, slots=True)
class BackupResult:
    """A backup that was made, and the older ones that were removed."""

    folder: Path
    manifest: Manifest
    pruned: tuple[Path, ...]


def make(
    databases: Sequence[BackedUpDatabase],
    folder: Path,
    *,
    now: datetime,
    program: str,
    keep: int | None = None,
    tools_folder: Path | None = None,
) -> BackupResult:
    """Back up databases into a new folder inside `folder`, then keep only the newest `keep` backups.

    Other processes can read and write meanwhile. Raises StoreError; then no incomplete backup is left, and no older one
    was removed.
    """
    place = folder / manifests.name_of(now)
    with _os_errors(folder):
        make_folder(folder)
        if place.exists():
            raise BackupError(tr("{place} already exists. Run this again in a second.", place=place))
        partial = folder / f".{place.name}.{os.getpid()}{_PARTIAL}"
        partial.mkdir(mode=PRIVATE_FOLDER)
        try:
            members = [_copy_database(database, partial, tools_folder) for database in databases]
            made = Manifest(FORMAT, _WHAT, now, program, members)
            for file in (*(partial / member.file for member in members), manifests.write(made, partial)):
                file.chmod(PRIVATE_FILE)
                flush(file)
            flush(partial)
            verify(partial, tools_folder)
            partial.rename(place)
            flush(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        _remove_partials(folder, now)
        return BackupResult(place, made, _prune(folder, place, keep) if keep else ())


def _copy_database(database: BackedUpDatabase, folder: Path, tools_folder: Path | None) -> BackupMember:
    file = folder / database.member
    content: sqlite.SqliteContent | postgres.PostgresContent
    if database.kind == "sqlite":
        content, server, schema = sqlite.copy(database, file), sqlite.SERVER, ""
    else:
        content = postgres.dump(database, file, postgres.Tools.found(tools_folder))
        server, schema = content.server, content.schema
    _refuse_unknown_versions(database, content.versions)
    size, sha256 = file.stat().st_size, manifests.digest(file)
    return BackupMember(database.member, database.kind, server, content.versions, schema, content.rows, size, sha256)


def _refuse_unknown_versions(database: BackedUpDatabase, found: dict[Part, str]) -> None:
    """Raise BackupError when a part is missing, or newer than this program, which would not know all its tables."""
    for part in database.parts:
        if part not in found:
            raise BackupError(
                tr(
                    "{database} has no tables of the {part} yet. Run: clearance db upgrade",
                    database=database.name,
                    part=part,
                )
            )
        if too_new := schema_version.newer(part, found[part]):
            raise BackupError(too_new)


def verify(folder: Path, tools_folder: Path | None) -> Manifest:
    """Read a backup completely and return its manifest. Raises BackupError when anything differs from the manifest."""
    made = manifests.read(folder)
    manifests.refuse_damaged(folder, made)
    for member in made.members:
        file = folder / member.file
        if member.database == "sqlite":
            content = sqlite.read_contents(file)
            same = content.rows == member.rows and content.versions == member.versions
        else:
            found = postgres.rows_in(file, postgres.Tools.found(tools_folder))
            same = {table: found.get(table, 0) for table in member.rows} == member.rows
        if not same:
            raise BackupError(
                tr("{file} does not match {manifest}. Make another backup.", file=file, manifest=manifests.MANIFEST)
            )
    return made


def _prune(folder: Path, newest: Path, keep: int) -> tuple[Path, ...]:
    """Keep the newest backups and remove the rest."""
    found = sorted((f for f in folder.iterdir() if manifests.is_name(f.name) and _is_ours(f)), reverse=True)
    older = [backup for backup in found if backup != newest][keep - 1 :]
    for backup in older:
        # After an interruption, a partly removed one must not have the name of a backup.
        partial = backup.rename(folder / f".{backup.name}{_PARTIAL}")
        shutil.rmtree(partial)
    flush(folder)
    return tuple(older)


def _remove_partials(folder: Path, now: datetime) -> None:
    """Remove the folders of killed backups; a younger one may be under way."""
    for left in folder.glob(f".clearance-*{_PARTIAL}"):
        if left.stat().st_mtime < (now - _UNDER_WAY).timestamp():
            shutil.rmtree(left)


def _is_ours(folder: Path) -> bool:
    try:
        manifests.read(folder)
    except BackupError:
        return False
    return True


@contextmanager
def _os_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupError(
            tr(
                "The backup could not be written in {folder}: {error}. Check that there is space, and that "
                "this user can write there; then run this again.",
                folder=folder,
                error=error,
            )
        ) from error
