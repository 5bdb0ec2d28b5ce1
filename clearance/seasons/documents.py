"""The documents of a cohort's end, in the institution's first language: the final report and the deletion record."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foundation.private_files import PRIVATE_FILE, make_folder
from foundation.translation import tr
from portal.access.reader_context import ReaderContext
from portal.documents import deletion_record, final_report
from portal.documents.final_report import FinalReport
from portal.i18n import languages
from portal.i18n.languages import Language
from status_db.effective.visible import everything
from status_db.ledger.ended import SeasonEnd
from status_db.seasons.ending import EndingCode, EndingRefused

if TYPE_CHECKING:
    from clearance.services import Program


def report_of(program: "Program", end: SeasonEnd) -> FinalReport:
    """Return the final report as of the end of the cohort: the same each time it is written."""
    settings, now = program.settings, end.closed_at
    reader = ReaderContext(
        settings,
        _language(program),
        now,
        settings.cohort_named(program.cohort),
        everything(settings, program.cohort),
    )
    found = program.reports.report(reader.visibility, now)
    appealed = program.appeal_reports.report(reader.visibility, now)
    return final_report.write(reader, found, appealed, program.lists, end.by, now)


def record_of(program: "Program", record: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of a deletion record by their endings: PDF and JSON."""
    name = program.settings.cohort_named(program.cohort).name
    pdf = deletion_record.write(program.settings.institution.name, _language(program), name, record)
    return {"pdf": pdf, "json": json.dumps(record, ensure_ascii=False, indent=2).encode() + b"\n"}


def write_files(folder: Path, name: str, files: Mapping[str, bytes]) -> list[Path]:
    """Write files of this name with their endings, readable by this user alone. Raises EndingRefused."""
    written: list[Path] = []
    for ending, content in files.items():
        file = folder / f"{name}.{ending}"
        try:
            make_folder(folder)
            file.write_bytes(content)
            file.chmod(PRIVATE_FILE)
        except OSError as error:
            raise EndingRefused(
                EndingCode.NOT_WRITTEN,
                tr(
                    "{file} cannot be written ({why}). Name another folder with --folder, and run this again.",
                    file=file,
                    why=error.strerror,
                ),
            ) from error
        written.append(file)
    return written


def _language(program: "Program") -> Language:
    institution = program.settings.institution
    return next(iter(languages.load(institution.languages, institution.timezone).values()))
