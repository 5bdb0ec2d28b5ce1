"""Commands `backup` and `restore`."""

from pathlib import Path
from typing import Annotated

import typer

from clearance.context import Json, chosen, ends_well, stop_like_ctrl_c
from clearance.output import tables
from foundation.translation import tr
from foundation.version import program_version
from status_db.backups.making import make
from status_db.backups.manifest import databases
from status_db.backups.restoring import restore as put_back
from sync.run.process_id import is_gone


@ends_well
def backup(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Create the backup in this folder.")],
    *,
    keep: Annotated[
        int | None, typer.Option("--keep", min=1, help="Keep this many of the newest; remove the others.")
    ] = None,
    json: Json = False,
) -> None:
    """Back up the status database while the services run, and verify the backup."""
    program = chosen(context).program()
    stop_like_ctrl_c()
    status_db = program.settings.status_db
    made = make(
        databases(status_db),
        folder,
        now=program.clock(),
        program=program_version(),
        keep=keep,
        tools_folder=status_db.postgres_tools,
    )
    if json:
        tables.as_json(made)
        return
    size = sum(member.size for member in made.manifest.members)
    tables.OUT.print(
        tr("{folder}: {rows:,} rows, {size:,} bytes, verified", folder=made.folder, rows=made.manifest.rows, size=size)
    )
    for gone in made.pruned:
        tables.OUT.print(tr("removed {gone}", gone=gone))


@ends_well
def restore(
    context: typer.Context,
    backup: Annotated[Path, typer.Argument(help="The folder of one backup.")],
    *,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the existing database.")] = False,
    without_grants: Annotated[
        bool, typer.Option("--without-grants", help="Restore no rights of PostgreSQL roles.")
    ] = False,
) -> None:
    """Restore a backup to the databases of the settings. Stop the services first."""
    program = chosen(context).program()
    stop_like_ctrl_c()
    status_db = program.settings.status_db
    done = put_back(
        backup,
        databases(status_db),
        now=program.clock(),
        gone=is_gone,
        replace=replace,
        grants=not without_grants,
        tools_folder=status_db.postgres_tools,
    )
    at = tables.moment(done.manifest.made_at, program.settings.institution.timezone)
    tables.OUT.print(
        tr(
            "Restored as of {at}: {rows:,} rows, each table with the number of rows in the backup.",
            at=at,
            rows=done.manifest.rows,
        )
    )
    for kept in done.kept:
        tables.OUT.print(tr("The previous database is kept: {kept}", kept=kept))
    if done.older:
        tables.OUT.print(tr("Its tables are older than this program's. Run: clearance db upgrade"))
    tables.OUT.print(
        tr(
            "All users must sign in again. Accounts are as of the backup: check them with clearance accounts list. "
            "Get later changes of the offices: clearance sync. Then start the services again."
        ),
        markup=False,
    )
