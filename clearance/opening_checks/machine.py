"""This machine: room on its disks, its time zone, the programs that backups need, and both keys."""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import make_url

from clearance.services import Program
from config.tables.secrets import SecretUnusable
from foundation.translation import tr
from status_db.backups.manifest import BackupError
from status_db.backups.postgres import Tools
from status_db.ledger.reader import LedgerReader
from status_db.store.engine import StoreError, sqlite_file
from status_db.store.engine import reading as reading_store

#: Less room than this is too little for a season, and for a dump beside the data.
_LEAST_ROOM = 2 * 1024**3


def warnings(program: Program) -> Iterator[str]:
    """Yield what is missing on this machine, each with the fix."""
    yield from _room(program)
    if not program.settings.is_demo:
        yield from _zone(program)
        yield from _backup_tools(program)
        yield from _keys(program)


def _room(program: Program) -> Iterator[str]:
    status = program.settings.status_db
    folders = [status.ledger_key_file.parent, program.settings.portal.key_file.parent]
    with suppress(SecretUnusable, ValueError):
        if file := sqlite_file(status.url.reveal()):
            folders.append(file.parent)
    seen: set[int] = set()
    for folder in folders:
        existing = next((each for each in (folder, *folder.parents) if each.is_dir()), Path("/"))
        if existing.stat().st_dev in seen:
            continue
        seen.add(existing.stat().st_dev)
        free = shutil.disk_usage(existing).free
        if free < _LEAST_ROOM:
            yield tr(
                "{folder} has {free} MB free: a full disk stops every sync and every decision. Free at least {least} "
                "MB, or move it to a larger disk.",
                folder=existing,
                free=free // 1024**2,
                least=_LEAST_ROOM // 1024**2,
            )


def _zone(program: Program) -> Iterator[str]:
    zone = program.settings.institution.timezone
    now = datetime.now(UTC)
    here = now.astimezone()
    if here.utcoffset() != now.astimezone(zone).utcoffset():
        yield tr(
            "this machine's time zone is {here}, and the institution's is {zone}: timers, such as the backup's, and "
            "log files use the machine's. Run: timedatectl set-timezone {zone}",
            here=here.tzname() or "?",
            zone=zone.key,
        )


def _backup_tools(program: Program) -> Iterator[str]:
    status = program.settings.status_db
    try:
        url = make_url(status.url.reveal())
    except SecretUnusable:
        return
    if url.get_backend_name() != "postgresql":
        return
    try:
        tools = Tools.found(status.postgres_tools)
        with reading_store(program.reading) as connection:
            version = connection.connection.driver_connection
        server = getattr(getattr(version, "info", None), "server_version", 0) // 10_000
        if server:
            tools.refuse_older(server)
    except BackupError as error:
        yield str(error)
    except StoreError:
        # The database itself is reported elsewhere.
        return


def _keys(program: Program) -> Iterator[str]:
    """Yield a warning for a key that is missing although the ledger has links."""
    file = program.settings.status_db.ledger_key_file
    if not file.exists():
        with suppress(StoreError, SecretUnusable):
            with reading_store(program.reading) as connection:
                linked = LedgerReader(connection, program.cohort).last_two()
            if linked:
                yield tr(
                    "the ledger has links, and its key {file} is missing here: nothing can be synced or decided. Copy "
                    "it from your own copy, or from the process that made it.",
                    file=file,
                )
