"""Checks for files that other users of this machine can read or change, with the command to fix each."""

import shlex
import stat
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from config.settings import Settings
from config.tables.secrets import SecretUnusable
from foundation.private_files import ANY, CHANGE, rights_of_others
from foundation.translation import N_, tr
from status_db.desk.address import desk_url
from status_db.store.engine import sqlite_file


def too_wide(settings: Settings, file: Path) -> list[str]:
    """Return a line for each existing file or folder that other users can read or change."""
    lines: dict[Path, str] = {}
    for what, path, mask in _paths_to_check(settings, file.resolve()):
        try:
            found = path.stat()
        except OSError:
            # A missing file will be created for its owner alone.
            continue
        if path not in lines and rights_of_others(found, mask):
            mode, quoted = stat.S_IMODE(found.st_mode), shlex.quote(str(path))
            if mask == CHANGE:
                fix = f"chmod go-w {quoted}"
                text = N_("other users of this machine can change {what} {path} (mode {mode:03o}). Run: {fix}")
            else:
                fix = f"chmod {'700' if stat.S_ISDIR(found.st_mode) else '600'} {quoted}"
                text = N_("other users of this machine can read or change {what} {path} (mode {mode:03o}). Run: {fix}")
            lines[path] = tr(text, what=what, path=path, mode=mode, fix=fix)
    return list(lines.values())


def _paths_to_check(settings: Settings, file: Path) -> Iterator[tuple[str, Path, int]]:
    """Yield each path, with the rights that other users must not have.

    A user that can change a folder can replace its files. The settings contain no secret, so all users can read them.
    """
    keys = (
        (N_("the ledger's key"), settings.status_db.ledger_key_file),
        (N_("the desk's key"), settings.portal.key_file),
    )
    databases: dict[str, Path | None] = {N_("the status database"): sqlite_file(settings.status_db.url.reveal())}
    with suppress(SecretUnusable):
        # It is a secret of another process, which `check` reports separately.
        databases[N_("the desk's database")] = sqlite_file(desk_url(settings.status_db))
    alone = [*keys, *((N_("a file with a secret,"), secret) for secret in _secret_files(file))]
    for what, database in databases.items():
        if database is not None:
            alone += [(what, database.with_name(database.name + tail)) for tail in ("", "-wal", "-shm")]
    yield tr("the settings file"), file, CHANGE
    yield tr("the settings file's folder"), file.parent, CHANGE
    for what, path in alone:
        yield tr(what), path, ANY
        yield tr("the folder of {what},", what=tr(what).rstrip(",")), path.parent, CHANGE
    if settings.desk.paper.folder is not None:
        yield tr("the folder of the paper nights"), settings.desk.paper.folder, ANY


def _secret_files(file: Path) -> Iterator[Path]:
    """Yield the files from which the settings read values."""
    waiting: list[object] = [tomllib.loads(file.read_text(encoding="utf-8-sig"))]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and value.startswith("file:"):
            yield (file.parent / value.removeprefix("file:")).resolve()
