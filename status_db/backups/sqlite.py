"""A copy of an SQLite database, made while others write, and the restore of one."""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from foundation.private_files import PRIVATE_FILE, flush, make_folder
from foundation.translation import tr
from status_db.backups.manifest import LEFT_OUT, BackedUpDatabase, BackupError
from status_db.store.schema_version import PARTS, Part, version_table

_BUSY_SECONDS = 30

#: Suffixes of the files beside a database that belong to it.
_BESIDE = ("-wal", "-shm", "-journal")

SERVER = sqlite3.sqlite_version


@dataclass(frozen=True, slots=True)
class SqliteContent:
    """The contents of a database: the version of each part in it, and the row count of each table."""

    versions: dict[Part, str]
    rows: dict[str, int]


def copy(database: BackedUpDatabase, to: Path) -> SqliteContent:
    """Copy one moment of a database into a file, and return the contents at that moment. Raises BackupError.

    The count and the copy are in one read transaction: writers continue meanwhile, and each of their transactions is in
    the copy as a whole or not at all.
    """
    with (
        _backup_errors(tr("{file} could not be copied", file=database.file)),
        _open_file(database.file, "ro") as live,
        closing(sqlite3.connect(to, isolation_level=None)) as made,
    ):
        live.execute("BEGIN")
        content = _read_content(live)
        live.backup(made)
        live.execute("ROLLBACK")
        # A single file, without others beside it.
        made.execute("PRAGMA journal_mode = DELETE")
        made.execute("PRAGMA secure_delete = ON")
        for table in set(LEFT_OUT) & set(content.rows):
            made.execute(f'DELETE FROM "{table}"')  # noqa: S608 - a name of our own
    return SqliteContent(content.versions, {t: 0 if t in LEFT_OUT else n for t, n in content.rows.items()})


def read_contents(file: Path) -> SqliteContent:
    """Read a copy completely and return its contents. Raises BackupError when it is damaged."""
    with _backup_errors(tr("{file} cannot be read", file=file)), _open_file(file, "ro&immutable=1") as opened:
        wrong = [row[0] for row in opened.execute("PRAGMA integrity_check(3)")]
        if wrong != ["ok"] or opened.execute("PRAGMA foreign_key_check").fetchone():
            raise BackupError(
                tr(
                    "{file} is damaged ({wrong}). If the status database itself is damaged, restore the last good "
                    "backup.",
                    file=file,
                    wrong="; ".join(wrong),
                )
            )
        return _read_content(opened)


def rows_now(database: BackedUpDatabase) -> int | None:
    """Return how many rows the parts of a database have now, 0 without a file; None when it cannot be read."""
    file = database.file
    if not file.exists() or not file.stat().st_size:
        return 0
    try:
        # Read-only: a writer would merge the log into it at the end, and a damaged one must stay unchanged.
        with _open_file(file, "ro") as opened:
            content = _read_content(opened)
    except sqlite3.Error:
        return None
    return sum(n for table, n in content.rows.items() if table not in {version_table(part) for part in PARTS})


def content_now(database: BackedUpDatabase) -> SqliteContent:
    """Return the current contents of a database. Raises BackupError."""
    with _backup_errors(tr("{file} cannot be read", file=database.file)), _open_file(database.file, "rw") as opened:
        return _read_content(opened)


def place_beside(database: BackedUpDatabase) -> Path:
    """Return the path for a staged copy: on the same disk as the database."""
    return database.file.with_name(f".{database.file.name}.restored")


def stage(member: Path, database: BackedUpDatabase, staged: Path, rows: Mapping[str, int]) -> None:
    """Stage a copy and read it completely. Raises BackupError when it does not have these rows."""
    target = database.file
    with _backup_errors(tr("{staged} could not be written", staged=staged)):
        make_folder(target.parent)
        shutil.copyfile(member, staged)
        staged.chmod(PRIVATE_FILE)
        if target.exists():
            was = target.stat()
            staged.chmod(was.st_mode & 0o777)
            with suppress(PermissionError):
                # The services may run as another user than the operator that restores.
                os.chown(staged, was.st_uid, was.st_gid)
        with _open_file(staged, "rw") as opened:
            # As every writer uses it; in this mode `settle` notices other processes that have it open.
            opened.execute("PRAGMA journal_mode = WAL").fetchone()
        flush(staged)
    if read_contents(staged).rows != rows:
        raise BackupError(
            tr("{staged} does not match the backup: its disk is failing. Use another disk.", staged=staged)
        )


def settle(database: BackedUpDatabase) -> None:
    """Make the old database a single file that no process has open. Raises BackupError while another process has it.

    Leaving WAL mode does both: it writes the log back and needs exclusive access. A damaged database stays unchanged.
    """
    if not database.file.exists() or rows_now(database) is None:
        return
    try:
        with _open_file(database.file, "rw", seconds=1) as opened:
            opened.execute("PRAGMA journal_mode = DELETE").fetchone()
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise BackupError(
                tr(
                    "{file} cannot be moved aside: {error}. {fix}",
                    file=database.file,
                    error=error,
                    fix=_fix_text(str(error)),
                )
            ) from error
        raise BackupError(
            tr(
                "{file} is open in another process, which would continue with the old marks. Stop `clearance "
                "schedule` and `clearance serve`, then run this again.",
                file=database.file,
            )
        ) from error


def take_place(staged: Path, database: BackedUpDatabase, suffix: str) -> list[Path]:
    """Replace the database by a staged copy and return the kept old files. Raises BackupError.

    At every moment a complete database has the name: the old one gets its second name before it loses the first.
    """
    target, kept = database.file, []
    with _backup_errors(tr("{target} could not be replaced", target=target)):
        if target.exists():
            aside = target.with_name(target.name + suffix)
            _give_second_name(target, aside)
            kept.append(aside)
        for beside in _BESIDE:
            # Only of a damaged one: a log left here would be read as the new one's.
            log = target.with_name(target.name + beside)
            if log.exists():
                kept.append(log.rename(target.with_name(target.name + suffix + beside)))
        staged.replace(target)
        flush(target.parent)
    return kept


def _give_second_name(target: Path, aside: Path) -> None:
    try:
        os.link(target, aside)
    except FileExistsError:
        raise
    except OSError:
        # A disk without hard links: for a moment there is no database.
        target.rename(aside)


def put_back(kept: Sequence[Path], database: BackedUpDatabase, suffix: str) -> None:
    """Undo `take_place`."""
    for aside in kept:
        aside.replace(aside.with_name(aside.name.replace(suffix, "")))
    flush(database.file.parent)


@contextmanager
def _open_file(file: Path, mode: str, seconds: int = _BUSY_SECONDS) -> Iterator[sqlite3.Connection]:
    address = f"{file.absolute().as_uri()}?mode={mode}"
    with closing(sqlite3.connect(address, uri=True, timeout=seconds, isolation_level=None)) as opened:
        yield opened


def _read_content(opened: sqlite3.Connection) -> SqliteContent:
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
def _backup_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise BackupError(tr("{what}: {error}. {fix}", what=what, error=error, fix=_fix_text(str(error)))) from error


def _fix_text(error: str) -> str:
    if any(word in error for word in ("full", "No space", "disk I/O", "too large")):
        return tr("Free space there, then run this again.")
    if "unable to open" in error:
        return tr("Check [status_db] url, and run this as the user that owns the file.")
    if "malformed" in error or "not a database" in error:
        return tr("It is damaged: restore the last good backup.")
    return tr("Run this again as a user that can read and write there.")
