"""Command `paper`: sheets for work without the system."""

from pathlib import Path
from typing import Annotated

import typer

from clearance.context import chosen, ends_well, fail, stop_like_ctrl_c
from clearance.jobs.sheets import nightly_folder, paper_writer
from clearance.output import tables
from foundation.translation import tr
from portal.documents.paper_nights import PrintSelection, print_into


@ends_well
def paper(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Argument(help="Create the sheets in this folder (default: from the settings).")
    ] = None,
    *,
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="Only this class, by its name. Repeatable.")
    ] = None,
    steps: Annotated[list[str] | None, typer.Option("--step", help="Only this step, by its key. Repeatable.")] = None,
) -> None:
    """Write the current sheets of every step and class as PDF."""
    program = chosen(context).program()
    stop_like_ctrl_c()
    settings, now = program.settings, program.clock()
    into = folder or nightly_folder(program)
    if into is None:
        fail(tr("there is no folder for the sheets. Give one: clearance paper FOLDER, or set folder in [desk.paper]."))
    known = [step.key for step in settings.step]
    for step in steps or ():
        if step not in known:
            fail(tr('there is no step "{step}": write one of {known}.', step=step, known=", ".join(known)))
    papers = paper_writer(program)
    for name in classes or ():
        if name not in {one for _, one in papers.classes}:
            fail(
                tr(
                    'there is no class "{name}" in {cohort}. Check its name on the roster: clearance status NO',
                    name=name,
                    cohort=program.cohort,
                )
            )
    named = f"{now.astimezone(settings.institution.timezone):%Y-%m-%d-%H%M%S}"
    try:
        made = print_into(into, named, papers, settings, program.cohort, PrintSelection(steps or (), classes or ()))
    except OSError as error:
        fail(
            tr(
                "The sheets could not be written to {into}: {error}. Check the free space, and that this user can "
                "write there; then run this again.",
                into=into,
                error=error,
            )
        )
    if not made:
        fail(tr("{folder} exists already. Run this again in a second.", folder=into / named))
    tables.OUT.print(tr("{folder}: {files} files", folder=into / named, files=len(made)))
