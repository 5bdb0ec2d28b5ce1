"""A copy of a database on SQLite, made while others write, and the way of one back into its place."""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from foundation.private_files import PRIVATE_FILE, flush, make_folder
from status_db.backups.manifest import LEFT_OUT, BackedUpDatabase, BackupError
from status_db.store.schema_version import PARTS, Part, version_table

_BUSY_SECONDS = 30

#: What lies beside a database in WAL mode, and belongs to it.
_BESIDE = ("-wal", "-shm", "-journal")

SERVER = sqlite3.sqlite_version


@dataclass(frozen=True, slots=True)
class SqliteContent:
    """What stands in a database: the version of each part that it has, and the rows of each table."""

    versions: dict[Part, str]
    rows: dict[str, int]


def copy(database: BackedUpDatabase, to: Path) -> SqliteContent:
    """Copy one moment of a database into a file, and return what that moment held. Raises BackupError.

    The count and the copy are of one read transaction, so writers go on beside it, and each of their transactions is in
    the copy whole or not at all.
    """
    with (
        _errors(f"{database.file} could not be copied"),
        _opened(database.file, "ro") as live,
        closing(sqlite3.connect(to, isolation_level=None)) as made,
    ):
        live.execute("BEGIN")
        content = _content(live)
        live.backup(made)
        live.execute("ROLLBACK")
        # One file that needs no other beside it.
        made.execute("PRAGMA journal_mode = DELETE")
        made.execute("PRAGMA secure_delete = ON")
        for table in set(LEFT_OUT) & set(content.rows):
            made.execute(f'DELETE FROM "{table}"')  # noqa: S608 - a name of our own
    return SqliteContent(content.versions, {t: 0 if t in LEFT_OUT else n for t, n in content.rows.items()})


def look(file: Path) -> SqliteContent:
    """Read a copy from end to end and return what stands in it. Raises BackupError when it is not sound."""
    with _errors(f"{file} cannot be read"), _opened(file, "ro&immutable=1") as opened:
        wrong = [row[0] for row in opened.execute("PRAGMA integrity_check(3)")]
        if wrong != ["ok"] or opened.execute("PRAGMA foreign_key_check").fetchone():
            raise BackupError(
                f"{file} is not sound ({'; '.join(wrong)}). If the status database itself is damaged, "
                "restore the last backup that is sound."
            )
        return _content(opened)


def rows_now(database: BackedUpDatabase) -> int | None:
    """Return how many rows the parts of a database hold now, 0 where there is none; None when it cannot be read."""
    file = database.file
    if not file.exists() or not file.stat().st_size:
        return 0
    try:
        # Whoever may write would fold the log into it at the end, and a damaged one stays as it is.
        with _opened(file, "ro") as opened:
            content = _content(opened)
    except sqlite3.Error:
        return None
    return sum(n for table, n in content.rows.items() if table not in {version_table(part) for part in PARTS})


def content_now(database: BackedUpDatabase) -> SqliteContent:
    """Return what stands in a database now. Raises BackupError."""
    with _errors(f"{database.file} cannot be read"), _opened(database.file, "rw") as opened:
        return _content(opened)


def place_beside(database: BackedUpDatabase) -> Path:
    """Return where a copy is laid ready: on the same disk as the place it will take."""
    return database.file.with_name(f".{database.file.name}.restored")


def stage(member: Path, database: BackedUpDatabase, staged: Path, rows: Mapping[str, int]) -> None:
    """Lay a copy ready and read it from end to end. Raises BackupError when it has not these rows."""
    target = database.file
    with _errors(f"{staged} could not be written"):
        make_folder(target.parent)
        shutil.copyfile(member, staged)
        staged.chmod(PRIVATE_FILE)
        if target.exists():
            was = target.stat()
            staged.chmod(was.st_mode & 0o777)
            with suppress(PermissionError):
                # The services may run as another user than whoever restores.
                os.chown(staged, was.st_uid, was.st_gid)
        with _opened(staged, "rw") as opened:
            # As every writer has it; in this mode `settle` sees whoever has it open.
            opened.execute("PRAGMA journal_mode = WAL").fetchone()
        flush(staged)
    if look(staged).rows != rows:
        raise BackupError(f"{staged} is not as the backup says: the disk under it is failing. Use another.")


def settle(database: BackedUpDatabase) -> None:
    """Have the old database be one file that nobody has open. Raises BackupError while another process has.

    Leaving WAL mode does both: it writes the log back and needs the database for itself alone. One that is damaged
    stays as it is.
    """
    if not database.file.exists() or rows_now(database) is None:
        return
    try:
        with _opened(database.file, "rw", seconds=1) as opened:
            opened.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise BackupError(f"{database.file} cannot be moved aside: {error}. {_way_out(str(error))}") from error
        raise BackupError(
            f"{database.file} is open in another process, which would go on with the old marks. "
            "Stop `clearance schedule` and `clearance serve`, then run this again."
        ) from error


def take_place(staged: Path, database: BackedUpDatabase, suffix: str) -> list[Path]:
    """Put a staged copy in its place and return what was kept of the old. Raises BackupError.

    At every moment one whole database has the place: the old one has its second name before it loses its first.
    """
    target, kept = database.file, []
    with _errors(f"{target} could not be replaced"):
        if target.exists():
            aside = target.with_name(target.name + suffix)
            _named_too(target, aside)
            kept.append(aside)
        for beside in _BESIDE:
            # Of a damaged one only: a log left here would be taken for the new one's.
            log = target.with_name(target.name + beside)
            if log.exists():
                kept.append(log.rename(target.with_name(target.name + suffix + beside)))
        staged.replace(target)
        flush(target.parent)
    return kept


def _named_too(target: Path, aside: Path) -> None:
    try:
        os.link(target, aside)
    except FileExistsError:
        raise
    except OSError:
        # A disk that gives a file no second name; for a moment the place is empty.
        target.rename(aside)


def put_back(kept: Sequence[Path], database: BackedUpDatabase, suffix: str) -> None:
    """Undo `take_place`."""
    for aside in kept:
        aside.replace(aside.with_name(aside.name.replace(suffix, "")))
    flush(database.file.parent)


@contextmanager
def _opened(file: Path, mode: str, seconds: int = _BUSY_SECONDS) -> Iterator[sqlite3.Connection]:
    address = f"{file.absolute().as_uri()}?mode={mode}"
    with closing(sqlite3.connect(address, uri=True, timeout=seconds, isolation_level=None)) as opened:
        yield opened


def _content(opened: sqlite3.Connection) -> SqliteContent:
    listed = opened.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~'"
    )
    names = sorted(name for (name,) in listed.fetchall())
    rows = {name: opened.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in names}  # noqa: S608 - its own
    versions: dict[Part, str] = {}
    for part in PARTS:
        table = version_table(part)
        if rows.get(table):
            versions[part] = opened.execute(f"SELECT version_num FROM {table}").fetchone()[0]  # noqa: S608 - ours
    return SqliteContent(versions, rows)


@contextmanager
def _errors(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"{what}: {error}. {_way_out(str(error))}") from error


def _way_out(said: str) -> str:
    if any(word in said for word in ("full", "No space", "disk I/O", "too large")):
        return "Make room there, then run this again."
    if "unable to open" in said:
        return "See that [status_db] url is right, and run this as the user that owns the file."
    if "malformed" in said or "not a database" in said:
        return "It is damaged: restore the last backup that is sound."
    return "Run this again as a user who may read and write there."
