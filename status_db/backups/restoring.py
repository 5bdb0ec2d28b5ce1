"""Restoring a backup: all checks run before any existing data is changed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import inspect, select
from sqlalchemy.exc import DBAPIError

from foundation.translation import tr
from status_db import tables
from status_db.backups import making, postgres, sqlite
from status_db.backups.manifest import BackedUpDatabase, BackupError, BackupMember, Manifest, read
from status_db.store import schema_version
from status_db.store.engine import StoreError, open_reading, reading
from status_db.store.schema_version import PARTS, Part, version_table


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """A backup that was restored."""

    manifest: Manifest
    #: The old files, on SQLite.
    kept: tuple[Path, ...]
    #: The parts whose tables are older than this program's.
    older: tuple[Part, ...]


def restore(
    folder: Path,
    databases: Sequence[BackedUpDatabase],
    *,
    now: datetime,
    gone: Callable[[str], bool],
    replace: bool = False,
    grants: bool = True,
    tools_folder: Path | None = None,
) -> RestoreResult:
    """Restore a backup to the databases of the settings, and check that every table has its rows.

    `gone` returns whether the process of that name has certainly ended, as for a lease. Raises StoreError; a database
    that was not restored is unchanged.
    """
    backup = read(folder)
    pairs = _pair_members(backup, databases)
    for member in backup.members:
        for part, version in member.versions.items():
            if schema_version.newer(part, version):
                raise BackupError(
                    tr(
                        "The backup's {part} are at version {version} of program {program}, which is newer than this "
                        "one. Install that program, then restore.",
                        part=part,
                        version=version,
                        program=backup.program,
                    )
                )
    making.verify(folder, tools_folder)
    for database in databases:
        _refuse_filled(database, replace=replace)
        _refuse_working(database, now, gone)
    kept = _restore_all(folder, pairs, now, grants=grants, tools_folder=tools_folder)
    for member, database in pairs:
        _confirm_restored(member, database)
    older = [
        p
        for m in backup.members
        for p in PARTS
        if m.versions.get(p, schema_version.newest(p)) != schema_version.newest(p)
    ]
    return RestoreResult(backup, tuple(kept), tuple(older))


def _pair_members(
    backup: Manifest, databases: Sequence[BackedUpDatabase]
) -> list[tuple[BackupMember, BackedUpDatabase]]:
    """Pair each database of the backup with the settings' one for the same parts. Raises BackupError."""
    members = {(member.database, tuple(p for p in PARTS if p in member.versions)): member for member in backup.members}
    places = {(database.kind, database.parts): database for database in databases}
    if members.keys() != places.keys():
        raise BackupError(
            tr(
                "The backup contains {members}, but [status_db] names {places}. Set url and desk_url as they "
                "were when it was made.",
                members=_parts_text(list(members)),
                places=_parts_text(list(places)),
            )
        )
    return [(members[key], places[key]) for key in members]


def _parts_text(keys: list[tuple[str, tuple[Part, ...]]]) -> str:
    names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    return tr(" and ").join(
        tr("the {parts} on {database}", parts=_part_names(parts), database=names[kind]) for kind, parts in keys
    )


def _part_names(parts: Iterable[str]) -> str:
    words = {"marks": tr("marks"), "desk": tr("desk")}
    return tr(" and ").join(words[part] for part in parts)


def _refuse_filled(database: BackedUpDatabase, *, replace: bool) -> None:
    if replace:
        return
    if database.kind == "sqlite":
        rows = sqlite.rows_now(database)
    else:
        content = postgres.read_contents(database)
        rows = sum(count for name, count in content.rows.items() if name not in map(version_table, PARTS))
    if rows is None:
        raise BackupError(
            tr(
                "{database} cannot be read, and is kept. Use --replace to move it aside and restore in its place.",
                database=database.name,
            )
        )
    if rows:
        raise BackupError(
            tr(
                "{database} already has {rows:,} rows. Use --replace to move it aside and restore in its place.",
                database=database.name,
                rows=rows,
            )
            if database.kind == "sqlite"
            else tr(
                "{database} already has {rows:,} rows. Make a backup of it first, then use --replace to restore "
                "in its place.",
                database=database.name,
                rows=rows,
            )
        )


def _refuse_working(database: BackedUpDatabase, now: datetime, gone: Callable[[str], bool]) -> None:
    """Raise BackupError while a run holds a source: the run would find other marks than it began with."""
    if "marks" not in database.parts or (database.kind == "sqlite" and not database.file.exists()):
        return
    for source, run, owner, until in _read_leases(database):
        if until > now and not gone(owner):
            raise BackupError(
                tr(
                    "{source} is being asked now, by run {run} ({owner}). Stop `clearance schedule` and wait "
                    "until that run ends, then run this again.",
                    source=source,
                    run=run,
                    owner=owner,
                )
            )


def _read_leases(database: BackedUpDatabase) -> list[tuple[str, int, str, datetime]]:
    """Return the leases: source, run, owner, end. Raises StoreError."""
    state = tables.source_state
    asked = select(state.c.source, state.c.lease_run, state.c.lease_owner, state.c.lease_until)
    engine = open_reading(database.url)
    try:
        with reading(engine) as connection:
            if not inspect(connection).has_table(state.name):
                return []
            return [tuple(row) for row in connection.execute(asked.where(state.c.lease_run.is_not(None)))]
    except (StoreError, DBAPIError):
        if database.kind == "sqlite" and sqlite.rows_now(database) is None:
            # A damaged database can be restored; no process can work on it.
            return []
        raise
    finally:
        engine.dispose()


def _restore_all(
    folder: Path,
    pairs: Sequence[tuple[BackupMember, BackedUpDatabase]],
    now: datetime,
    *,
    grants: bool,
    tools_folder: Path | None,
) -> list[Path]:
    """Restore each database, whole or not at all; return the kept old files. Raises StoreError."""
    done: list[str] = []
    try:
        for member, database in pairs:
            if database.kind == "postgresql":
                tools = postgres.Tools.found(tools_folder)
                postgres.restore(member, folder / member.file, database, tools, grants=grants)
                done += database.parts
        return _place_sqlite(folder, [pair for pair in pairs if pair[1].kind == "sqlite"], now)
    except StoreError as error:
        if not done:
            raise
        raise BackupError(
            tr("The {parts} are restored already, but the rest is not: {error}", parts=_part_names(done), error=error)
        ) from error


def _place_sqlite(folder: Path, pairs: Sequence[tuple[BackupMember, BackedUpDatabase]], now: datetime) -> list[Path]:
    """Replace SQLite databases by copies. Before the first one moves, all are ready and no old one is open."""
    staged = [sqlite.place_beside(database) for _, database in pairs]
    moved: list[tuple[list[Path], BackedUpDatabase]] = []
    suffix = f".before-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    try:
        for ready, (member, database) in zip(staged, pairs, strict=True):
            sqlite.stage(folder / member.file, database, ready, member.rows)
        for _, database in pairs:
            sqlite.settle(database)
        for ready, (_, database) in zip(staged, pairs, strict=True):
            moved.append((sqlite.take_place(ready, database, suffix), database))
    except BaseException:
        for kept, database in moved:
            sqlite.put_back(kept, database, suffix)
        raise
    finally:
        for ready in staged:
            ready.unlink(missing_ok=True)
    return [file for kept, _ in moved for file in kept]


def _confirm_restored(member: BackupMember, database: BackedUpDatabase) -> None:
    """Raise BackupError unless the database at the settings' address has the contents of the backup.

    On PostgreSQL the rows were counted before the transaction's end; since then others may have written.
    """
    found = sqlite.content_now(database) if database.kind == "sqlite" else postgres.read_contents(database)
    rows = member.database == "postgresql" or found.rows == member.rows
    if not rows or found.versions != member.versions:
        raise BackupError(
            tr(
                "{database} does not have the contents of the backup. Stop its writers, then restore again.",
                database=database.name,
            )
        )
