"""Commands that keep the status database: a backup, and the way back from one."""

from pathlib import Path
from typing import Annotated

import typer

from clearance.context import Json, chosen, ends_well, stop_like_ctrl_c
from clearance.output import tables
from foundation.version import program_version
from status_db.backups.making import make
from status_db.backups.manifest import databases
from status_db.backups.restoring import restore as put_back
from sync.run.process_id import is_gone


@ends_well
def backup(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Where backups are kept; each is a folder of its own in there.")],
    *,
    keep: Annotated[int | None, typer.Option("--keep", min=1, help="Remove all but so many of the newest.")] = None,
    json: Json = False,
) -> None:
    """Back the marks and the desk up, while everything runs. It is read again from end to end before it counts."""
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
    tables.OUT.print(f"{made.folder}: {made.manifest.rows:,} rows, {size:,} bytes, verified")
    for gone in made.pruned:
        tables.OUT.print(f"removed {gone}")


@ends_well
def restore(
    context: typer.Context,
    backup: Annotated[Path, typer.Argument(help="The folder that a backup made.")],
    *,
    replace: Annotated[bool, typer.Option("--replace", help="In the place of what stands there.")] = False,
    without_grants: Annotated[
        bool, typer.Option("--without-grants", help="PostgreSQL: leave out which role may do what.")
    ] = False,
) -> None:
    """Put a backup in the place that the settings name. Stop the services first."""
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
    tables.OUT.print(f"Restored as of {at}: {done.manifest.rows:,} rows, each table as the backup says.")
    for kept in done.kept:
        tables.OUT.print(f"What was there before is kept: {kept}")
    if done.older:
        tables.OUT.print("Its tables are older than this program's. Run: clearance db upgrade")
    tables.OUT.print(
        "Everybody signs in anew, and accounts are as they were then: see clearance accounts list. "
        "What offices have said since comes with: clearance sync. Then start the services again.",
        markup=False,
    )
