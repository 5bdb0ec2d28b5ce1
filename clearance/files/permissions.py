"""Which of a university's files are open to other users of this machine, each with the command that shuts it."""

import shlex
import stat
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from config.settings import Settings
from config.tables.secrets import SecretUnusable
from foundation.private_files import ANY, CHANGE, rights_of_others
from status_db.desk.address import desk_url
from status_db.store.engine import sqlite_file


def too_wide(settings: Settings, file: Path) -> list[str]:
    """Return a line for each file or folder, of those that are there, that others may read or change."""
    lines: dict[Path, str] = {}
    for what, path, mask in _places(settings, file.resolve()):
        try:
            found = path.stat()
        except OSError:
            # What is not there yet is made for its owner alone.
            continue
        if path not in lines and rights_of_others(found, mask):
            mode, quoted = stat.S_IMODE(found.st_mode), shlex.quote(str(path))
            if mask == CHANGE:
                fix, can = f"chmod go-w {quoted}", "change"
            else:
                fix, can = f"chmod {'700' if stat.S_ISDIR(found.st_mode) else '600'} {quoted}", "read or change"
            lines[path] = f"other users of this machine may {can} {what} {path} (mode {mode:03o}). Run: {fix}"
    return list(lines.values())


def _places(settings: Settings, file: Path) -> Iterator[tuple[str, Path, int]]:
    """Give what is looked at, and which rights nobody else may have. Who may change a folder may replace what is in it.

    The settings hold no secret, so anybody may read them.
    """
    keys = (("the ledger's key", settings.status_db.ledger_key_file), ("the desk's key", settings.portal.key_file))
    databases: dict[str, Path | None] = {"the status database": sqlite_file(settings.status_db.url.reveal())}
    with suppress(SecretUnusable):
        # It is another process's: `check` says so beside this.
        databases["the desk's database"] = sqlite_file(desk_url(settings.status_db))
    alone = [*keys, *(("a file with a secret,", secret) for secret in _named_in(file))]
    for what, database in databases.items():
        if database is not None:
            alone += [(what, database.with_name(database.name + tail)) for tail in ("", "-wal", "-shm")]
    yield "the settings file", file, CHANGE
    yield "the settings file's folder", file.parent, CHANGE
    for what, path in alone:
        yield what, path, ANY
        yield f"the folder of {what.rstrip(',')},", path.parent, CHANGE
    if settings.desk.paper.folder is not None:
        yield "the folder of the paper nights", settings.desk.paper.folder, ANY


def _named_in(file: Path) -> Iterator[Path]:
    """Give the files that the settings read values from."""
    waiting: list[object] = [tomllib.loads(file.read_text(encoding="utf-8-sig"))]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and value.startswith("file:"):
            yield (file.parent / value.removeprefix("file:")).resolve()
