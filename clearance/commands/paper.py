"""The command that prints sheets to go on with when the machines are down, and the same for the schedule's nights."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from clearance.context import chosen, ends_well, fail, stop_like_ctrl_c
from clearance.output import tables
from clearance.services import Program
from portal.documents.paper_nights import PrintSelection, print_into, prune
from portal.documents.paper_sets import PaperWriter
from portal.i18n import languages


@ends_well
def paper(
    context: typer.Context,
    folder: Annotated[
        Path | None, typer.Argument(help="Where a folder with the sheets is made; else [desk.paper] folder.")
    ] = None,
    *,
    classes: Annotated[
        list[str] | None, typer.Option("--class", help="Of this class only, by its name. May be given again.")
    ] = None,
    steps: Annotated[
        list[str] | None, typer.Option("--step", help="Of this step only, by its key. May be given again.")
    ] = None,
) -> None:
    """Print the sheets of every step and class as PDF, as of now; no source is asked for it."""
    program = chosen(context).program()
    stop_like_ctrl_c()
    settings, now = program.settings, program.clock()
    into = folder or _folder(program)
    if into is None:
        fail("where shall the sheets go? Name a folder: clearance paper FOLDER, or set folder in [desk.paper].")
    known = [step.key for step in settings.step]
    for step in steps or ():
        if step not in known:
            fail(f'there is no step "{step}": write one of {", ".join(known)}.')
    papers = _papers(program)
    for name in classes or ():
        if name not in {one for _, one in papers.classes}:
            fail(f'there is no class "{name}" in {program.cohort}. Look at its name on the roster: clearance status NO')
    named = f"{now.astimezone(settings.institution.timezone):%Y-%m-%d-%H%M%S}"
    try:
        made = print_into(into, named, papers, settings, program.cohort, PrintSelection(steps or (), classes or ()))
    except OSError as error:
        fail(
            f"The sheets could not be written in {into}: {error}. See that there is room, and that this user may "
            "write there; then run this again."
        )
    if not made:
        fail(f"{into / named} is there already. Run this again in a second.")
    tables.OUT.print(f"{into / named}: {len(made)} files")


def nightly(program: Program) -> Callable[[datetime], int]:
    """Return what the schedule asks for each night: it writes the sheets of a slot, and lets those of old nights go."""

    def printing(slot: datetime) -> int:
        settings, folder = program.settings, _folder(program)
        if folder is None:
            return 0
        night = f"{slot.astimezone(settings.institution.timezone):%Y-%m-%d}"
        made: Sequence[Path] = print_into(folder, night, _papers(program), settings, program.cohort)
        if made:
            prune(folder, settings.desk.paper.keep, program.clock())
        return len(made)

    return printing


def _folder(program: Program) -> Path | None:
    """Return where nights are kept: each cohort has a folder of its own, where there are several."""
    folder = program.settings.desk.paper.folder
    return folder if folder is None or len(program.settings.cohort) == 1 else folder / program.cohort


def _papers(program: Program) -> PaperWriter:
    settings = program.settings
    codes, zone = settings.institution.languages, settings.institution.timezone
    language = languages.load(codes, zone)[codes[0]]
    return PaperWriter(program.lists, settings, language, program.cohort, program.clock())
