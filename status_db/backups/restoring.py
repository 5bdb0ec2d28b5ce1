"""Restoring a backup: everything that could be wrong is looked at before anything that stands is touched."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import inspect, select
from sqlalchemy.exc import DBAPIError

from status_db import tables
from status_db.backups import making, postgres, sqlite
from status_db.backups.manifest import BackedUpDatabase, BackupError, BackupMember, Manifest, read
from status_db.store import schema_version
from status_db.store.engine import StoreError, open_reading, reading
from status_db.store.schema_version import PARTS, Part, version_table


@dataclass(frozen=True, slots=True)
class RestoreResult:
    """A backup that stands in its place again."""

    manifest: Manifest
    #: What was there before, on SQLite.
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
    """Put a backup in the place that the settings name, and see that every table holds the rows it should.

    `gone` says whether the process of that name is surely gone, as for a lease. Raises StoreError; a database that was
    not restored stands as it was.
    """
    backup = read(folder)
    pairs = _paired(backup, databases)
    for member in backup.members:
        for part, version in member.versions.items():
            if schema_version.newer(part, version):
                raise BackupError(
                    f"The backup's {part} are at version {version}, made by program {backup.program}: newer than this "
                    "one. Install that program, then restore."
                )
    making.verify(folder, tools_folder)
    for database in databases:
        _refuse_filled(database, replace=replace)
        _refuse_working(database, now, gone)
    kept = _in_place(folder, pairs, now, grants=grants, tools_folder=tools_folder)
    for member, database in pairs:
        _confirm(member, database)
    older = [
        p
        for m in backup.members
        for p in PARTS
        if m.versions.get(p, schema_version.newest(p)) != schema_version.newest(p)
    ]
    return RestoreResult(backup, tuple(kept), tuple(older))


def _paired(backup: Manifest, databases: Sequence[BackedUpDatabase]) -> list[tuple[BackupMember, BackedUpDatabase]]:
    """Pair each database of the backup with the settings' one for the same parts. Raises BackupError."""
    members = {(member.database, tuple(p for p in PARTS if p in member.versions)): member for member in backup.members}
    places = {(database.kind, database.parts): database for database in databases}
    if members.keys() != places.keys():
        raise BackupError(
            f"The backup holds {_told(list(members))}, and [status_db] names {_told(list(places))}. "
            "Set url and desk_url as they were when it was made."
        )
    return [(members[key], places[key]) for key in members]


def _told(keys: list[tuple[str, tuple[Part, ...]]]) -> str:
    names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    return " and ".join(f"the {' and '.join(parts)} on {names[kind]}" for kind, parts in keys)


def _refuse_filled(database: BackedUpDatabase, *, replace: bool) -> None:
    if replace:
        return
    if database.kind == "sqlite":
        rows = sqlite.rows_now(database)
    else:
        content = postgres.look(database)
        rows = sum(count for name, count in content.rows.items() if name not in map(version_table, PARTS))
    if rows is None:
        raise BackupError(
            f"{database.name} cannot be read, and is kept. Say --replace to move it aside and restore in its place."
        )
    if rows:
        raise BackupError(
            f"{database.name} holds {rows:,} rows already. Say --replace to restore in its place"
            + ("; it is then moved aside." if database.kind == "sqlite" else ". Take a backup of it first.")
        )


def _refuse_working(database: BackedUpDatabase, now: datetime, gone: Callable[[str], bool]) -> None:
    """Raise BackupError while a run holds its source: it would find other marks than it began with."""
    if "marks" not in database.parts or (database.kind == "sqlite" and not database.file.exists()):
        return
    for source, run, owner, until in _leases(database):
        if until > now and not gone(owner):
            raise BackupError(
                f"{source} is being asked just now, by run {run} ({owner}). "
                "Stop `clearance schedule` and let that run end; then run this again."
            )


def _leases(database: BackedUpDatabase) -> list[tuple[str, int, str, datetime]]:
    """Return who holds which source: source, run, owner, until when. Raises StoreError."""
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
            # A damaged one is what a restore is for; nobody can work on it.
            return []
        raise
    finally:
        engine.dispose()


def _in_place(
    folder: Path,
    pairs: Sequence[tuple[BackupMember, BackedUpDatabase]],
    now: datetime,
    *,
    grants: bool,
    tools_folder: Path | None,
) -> list[Path]:
    """Restore each database, whole or not at all; return what was kept of the old ones. Raises StoreError."""
    done: list[str] = []
    try:
        for member, database in pairs:
            if database.kind == "postgresql":
                tools = postgres.Tools.found(tools_folder)
                postgres.restore(member, folder / member.file, database, tools, grants=grants)
                done += database.parts
        return _placed(folder, [pair for pair in pairs if pair[1].kind == "sqlite"], now)
    except StoreError as error:
        if not done:
            raise
        raise BackupError(f"The {' and '.join(done)} are restored already, but the rest is not: {error}") from error


def _placed(folder: Path, pairs: Sequence[tuple[BackupMember, BackedUpDatabase]], now: datetime) -> list[Path]:
    """Put copies on SQLite in their places. Before the first moves, all lie ready and nobody has an old one open."""
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


def _confirm(member: BackupMember, database: BackedUpDatabase) -> None:
    """Raise BackupError unless what the settings' address leads to is what the backup holds.

    On PostgreSQL the rows were counted before the transaction's end; since then others may have written.
    """
    found = sqlite.content_now(database) if database.kind == "sqlite" else postgres.look(database)
    rows = member.database == "postgresql" or found.rows == member.rows
    if not rows or found.versions != member.versions:
        raise BackupError(
            f"{database.name} does not hold what the backup holds. See that nothing writes there, then restore again."
        )
