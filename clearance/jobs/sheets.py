"""The nightly job of the schedule: sheets for work without the system."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from clearance.services import Program
from portal.documents.paper_nights import print_into, prune
from portal.documents.paper_sets import PaperWriter
from portal.i18n import languages


def nightly(program: Program) -> Callable[[datetime], int]:
    """Return the nightly job of the schedule: write the sheets of a slot, and remove old ones."""

    def printing(slot: datetime) -> int:
        settings, folder = program.settings, nightly_folder(program)
        if folder is None:
            return 0
        night = f"{slot.astimezone(settings.institution.timezone):%Y-%m-%d}"
        made: Sequence[Path] = print_into(folder, night, paper_writer(program), settings, program.cohort)
        if made:
            prune(folder, settings.desk.paper.keep, program.clock())
        return len(made)

    return printing


def nightly_folder(program: Program) -> Path | None:
    """Return the folder of the nightly sheets. Each of several cohorts has its own."""
    folder = program.settings.desk.paper.folder
    return folder if folder is None or len(program.settings.cohort) == 1 else folder / program.cohort


def paper_writer(program: Program) -> PaperWriter:
    """Return the writer of a cohort's sheets, in the language of its pages."""
    settings = program.settings
    codes, zone = settings.institution.languages, settings.institution.timezone
    language = languages.load(codes, zone)[codes[0]]
    return PaperWriter(program.lists, settings, language, program.cohort, program.clock())
