"""Command `report`: the report of a whole cohort as tables, JSON or an Excel file."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from clearance.actor import Author, author_of, note
from clearance.context import Json, chosen, ends_well, fail
from clearance.output import tables as show
from clearance.services import Program
from foundation.translation import language, tr
from portal.access.reader_context import ReaderContext
from portal.documents import report_sheets
from portal.documents.report_tables import ReportTable, tables
from portal.i18n import languages
from status_db.accounts.audit_log import AuditEvent
from status_db.effective.visible import everything


@ends_well
def report(
    context: typer.Context,
    *,
    xlsx: Annotated[
        Path | None, typer.Option("--xlsx", help="Write this Excel file instead.", show_default=False)
    ] = None,
    author: Author = "",
    json: Json = False,
) -> None:
    """Report on the cohort: progress, decisions and their reasons, appeals, certificates."""
    program = chosen(context).program()
    by = author_of(program, author)
    here = _report_context(program)
    found = program.reports.report(here.visibility, here.now)
    appealed = program.appeal_reports.report(here.visibility, here.now)
    if xlsx is not None:
        loaded = languages.load(program.settings.institution.languages, here.language.zone)
        first = replace(here, language=next(iter(loaded.values())))
        book = report_sheets.workbook(first, found, appealed, by)
        note(program, AuditEvent.EXPORTED, by, cohort=program.cohort, what="report", students=found.whole.students)
        try:
            xlsx.write_bytes(book)
        except OSError as error:
            fail(
                tr(
                    "{xlsx} cannot be written ({why}). Choose a file in a folder that you can write to.",
                    xlsx=xlsx,
                    why=error.strerror,
                )
            )
    if json:
        stale = [step for step, source in found.freshness.items() if source.stale(here.now)]
        show.as_json({"report": found, "objections": appealed, "stale": sorted(stale)})
    elif xlsx is not None:
        show.OUT.print(tr("the report on {cohort} is in {xlsx}", cohort=program.cohort, xlsx=xlsx))
    else:
        show.OUT.print(
            tr("{cohort}, as of {at}", cohort=here.cohort.name, at=show.moment(here.now, here.language.zone))
        )
        for table in tables(here, found, appealed):
            _print_table(table)


def _report_context(program: Program) -> ReaderContext:
    """Return the context of the report on all students, in the language of this process."""
    settings = program.settings
    (own,) = languages.load([language()], settings.institution.timezone).values()
    cohort = settings.cohort_named(program.cohort)
    return ReaderContext(settings, own, program.clock(), cohort, everything(settings, program.cohort))


def _print_table(table: ReportTable) -> None:
    show.OUT.print()
    show.table(
        [column.title for column in table.columns],
        [[cell.value for cell in cells] for cells in table.lines],
        title=table.title,
    )
