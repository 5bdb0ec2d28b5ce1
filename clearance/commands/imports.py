"""Commands `import`: the template, an import of results, the batches, and undo."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from clearance.actor import note
from clearance.commands.override import Operator
from clearance.context import PENDING, Json, chosen, ends_well, fail
from clearance.files.sheets import Sheets
from clearance.granted import active, scopes_of
from clearance.output import tables
from clearance.output.code_words import joined, word
from clearance.output.step_names import step_name
from clearance.services import Program
from foundation.translation import N_, language, tr
from portal.access.reader_context import ReaderContext
from portal.desk.imports import pages, result_sheets, result_words, results
from portal.i18n import languages
from portal.i18n.languages import Language
from status_db.accounts.accounts import Account, Act
from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.batch_rows import RowCheck, RowKind, SheetPreview
from status_db.decisions.batches import Batch, BatchKind
from status_db.effective.visible import Visibility
from status_db.queries.lists import Filter, ListSelection, Order
from status_db.views import Scope

StepOption = Annotated[str, typer.Option("--step", help="The step of the results.")]


@ends_well
def import_results(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An Excel workbook or a CSV file.")],
    *,
    step: StepOption,
    operator: Operator,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the effect; enter nothing.")] = False,
    with_conflicts: Annotated[bool, typer.Option("--with-conflicts", help="Replace existing decisions.")] = False,
    without_wrong: Annotated[bool, typer.Option("--without-wrong", help="Skip invalid rows.")] = False,
    title: Annotated[str, typer.Option("--title", help="Name the batch (default: the file name).")] = "",
    json: Json = False,
) -> None:
    """Enter a decision for each row of a sheet that has a result."""
    program = chosen(context).program()
    account, scopes = _operator_at(program, operator, step)
    sheet = results.read(Sheets(program.settings.desk), file.read_bytes(), file.name)
    entries = results.imported_rows(sheet, program.settings.institution.timezone)
    now, own = program.clock(), _language(program, language())
    preview = program.batches.preview(step, entries, now, scopes)
    reasons = program.settings.step_named(step).reasons
    why = {row.imported.line: result_words.why(own, row, reasons, now) for row in preview.rows}
    enters = preview.count(RowKind.NEW) + (preview.count(RowKind.CONFLICT) if with_conflicts else 0)
    batch = None
    if not dry_run and enters and (without_wrong or not preview.count(RowKind.WRONG)):
        entered = program.batches.enter_all(
            BatchKind.IMPORT,
            step,
            entries,
            preview.digest,
            account.account,
            now,
            scopes,
            title=title or file.name,
            with_conflicts=with_conflicts,
            without_wrong=without_wrong,
        )
        batch = entered.batch
        note(
            program,
            AuditEvent.IMPORTED,
            account.account,
            cohort=program.cohort,
            step=step,
            batch=batch.id,
            file=file.name,
            entered=len(entered.decisions),
            wrong=preview.count(RowKind.WRONG),
        )
    if json:
        _print_json(batch, preview, why)
    else:
        _print_preview(program, own, preview, why)
        if batch is not None:
            _print_batch(batch)
    if batch is None:
        _end_without_entering(preview, enters, dry_run=dry_run)


@ends_well
def list_batches(
    context: typer.Context,
    *,
    step: Annotated[str | None, typer.Option("--step", help="Show this step only.")] = None,
    json: Json = False,
) -> None:
    """List batches, the newest first."""
    program = chosen(context).program()
    found, zone = program.batches.batches(step), program.settings.institution.timezone
    if json:
        tables.as_json(found)
        return
    tables.table(
        (tr("batch"), tr("kind"), tr("step"), tr("title"), tr("by"), tr("at"), tr("entered"), tr("undone")),
        (
            (
                b.id,
                _BATCHES[b.kind],
                step_name(program.settings, b.step) if b.step else "",
                b.title,
                b.author,
                tables.moment(b.at, zone),
                b.counts.entered,
                tables.moment_by(b.undone_at, b.undone_by, zone),
            )
            for b in found
        ),
        none=tr("There are no batches."),
    )


@ends_well
def undo(
    context: typer.Context,
    batch: int,
    *,
    operator: Operator,
    reason: Annotated[str, typer.Option("--reason", help="Record this reason.")],
) -> None:
    """Undo a batch, and restore the decisions it replaced. Students with a certificate keep theirs."""
    program = chosen(context).program()
    found = program.batches.batch(batch)
    if found is None:
        fail(tr("there is no batch {batch}. See: clearance import list", batch=batch))
    account, scopes = _operator_at(program, operator, found[0].step)
    undone = program.batches.undo(batch, account.account, reason, program.clock(), scopes)
    note(
        program,
        AuditEvent.IMPORT_UNDONE,
        account.account,
        cohort=program.cohort,
        step=found[0].step,
        batch=batch,
        withdrawn=len(undone.withdrawn),
        issued=list(undone.issued),
        reason=reason,
    )
    tables.OUT.print(
        tr("batch {batch} is undone: {decisions} decisions are withdrawn", batch=batch, decisions=len(undone.withdrawn))
    )
    if undone.issued:
        numbers = ", ".join(undone.issued)
        tables.OUT.print(tr("  kept, because the certificate is issued: {students}", students=numbers))
    if undone.moved:
        tables.OUT.print(tr("  changed since: {students}", students=joined(undone.moved)))


@ends_well
def template(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Write the template to this file.")],
    *,
    step: StepOption,
    operator: Operator,
    college: Annotated[str, typer.Option("--college", help="Only this college.")] = "",
    class_name: Annotated[str, typer.Option("--class", help="Only this class.")] = "",
) -> None:
    """Write a sheet of the operator's students, to fill in and import."""
    program = chosen(context).program()
    account, scopes = _operator_at(program, operator, step)
    settings, most = program.settings, program.settings.desk.most_rows
    columns = {name: value for name, value in (("college", college), ("class", class_name)) if value}
    visibility = Visibility(program.cohort, {step: scopes})
    here = ReaderContext(
        settings, _language(program, "zh"), program.clock(), settings.cohort_named(program.cohort), visibility
    )
    lists, wanted = program.lists, Filter(ListSelection.ALL, step, columns=columns, order=Order.CLASS)
    count = lists.count(visibility, wanted, here.now, most)
    if not count:
        fail(tr("no student of this selection has this step. Check the names of the college and the class."))
    if count > most:
        fail(
            tr(
                "there are more than {most} students, too many for one sheet. Select fewer by --college or --class.",
                most=most,
            )
        )
    stale = here.stale(lists.freshness(program.cohort))
    about = (*columns.values(), *pages.template_about(here, stale, account.name))
    people = pages.people_of(here, lists, step, wanted)
    reasons = settings.step_named(step).reasons
    try:
        written = result_sheets.write_template(
            file, here.language, pages.template_title(here, step), about, people, reasons
        )
    except OSError as error:
        fail(tr("{file} could not be written ({why}). Choose another file.", file=file, why=error.strerror))
    note(
        program,
        AuditEvent.EXPORTED,
        account.account,
        cohort=program.cohort,
        filter=f"{step} template",
        students=written,
    )
    tables.OUT.print(tr("{written} students are in {file}", written=written, file=file))


def _operator_at(program: Program, operator: str, step: str) -> tuple[Account, tuple[Scope, ...]]:
    """Return the operator, and the scopes in which they decide a step; else exit."""
    settings = program.settings
    if step not in {one.key for one in settings.step}:
        raise typer.BadParameter(
            tr(
                'there is no step "{step}": write one of {known}',
                step=step,
                known=", ".join(one.key for one in settings.step),
            )
        )
    if any(entry.step == step and entry.kind == "review" for flow in settings.flow for entry in flow.entries):
        fail(
            tr(
                "{step} is a review and cannot be imported. Have its reviewer give it: clearance reviews give",
                step=step,
            )
        )
    account = active(program, operator)
    return account, scopes_of(program, account, Act.DECIDE, step)


def _language(program: Program, code: str) -> Language:
    return languages.load((code,), program.settings.institution.timezone)[code]


def _print_preview(program: Program, own: Language, preview: SheetPreview, why: dict[int, str]) -> None:
    """Print the effect of each row, invalid rows first, and the number of each kind."""
    now = program.clock()
    for kind in (RowKind.WRONG, RowKind.CONFLICT, RowKind.NEW):
        found = [row for row in preview.rows if row.kind is kind]
        if found:
            tables.table(
                (tr("row"), tr("student"), tr("name"), tr("class"), tr("result"), tr(_ABOUT[kind])),
                (_row_cells(own, row, why[row.imported.line], now) for row in found),
                title=tr("{kind}: {rows}", kind=tr(_ROWS[kind]), rows=len(found)),
            )
    counts = joined([tr(_COUNTED[kind], rows=preview.count(kind)) for kind in RowKind])
    tables.OUT.print(tr("{rows} rows: {counts}", rows=len(preview.rows), counts=counts))


def _print_json(batch: Batch | None, preview: SheetPreview, why: dict[int, str]) -> None:
    counts = {kind.value: preview.count(kind) for kind in RowKind}
    rows = [{"row": row, "why": why[row.imported.line]} for row in preview.rows]
    tables.as_json({"batch": batch, "counts": counts, "rows": rows})


def _print_batch(batch: Batch) -> None:
    tables.OUT.print(
        tr(
            "batch {batch}: {decisions} decisions on {step} are entered. To take them back: clearance import "
            'undo {batch} --as {author} --reason "…"',
            batch=batch.id,
            decisions=batch.counts.entered,
            step=batch.step,
            author=batch.author,
        ),
        markup=False,
    )


def _end_without_entering(preview: SheetPreview, enters: int, *, dry_run: bool) -> NoReturn:
    """Exit, and print why nothing was entered."""
    if dry_run:
        raise typer.Exit(PENDING if enters else 0)
    if not enters:
        fail(tr("Nothing was entered, because no row changes anything. Use --with-conflicts to replace decisions."))
    fail(
        tr(
            "Nothing was entered, because {rows} rows are invalid. Fix them in the sheet, or skip them with "
            "--without-wrong.",
            rows=preview.count(RowKind.WRONG),
        )
    )


_BATCHES = {BatchKind.IMPORT: N_("import"), BatchKind.PAPER: N_("paper"), BatchKind.CLASS: N_("class review")}
_ABOUT = {RowKind.WRONG: N_("error"), RowKind.CONFLICT: N_("current decision"), RowKind.NEW: ""}
_ROWS = {RowKind.WRONG: N_("wrong"), RowKind.CONFLICT: N_("conflict"), RowKind.NEW: N_("new")}
_COUNTED = {
    RowKind.NEW: N_("{rows} new"),
    RowKind.SAME: N_("{rows} same"),
    RowKind.CONFLICT: N_("{rows} conflict"),
    RowKind.BLANK: N_("{rows} blank"),
    RowKind.WRONG: N_("{rows} wrong"),
}


def _row_cells(own: Language, row: RowCheck, why: str, now: datetime) -> Sequence[str]:
    entry = row.imported
    result = joined([part for part in (word(entry.verdict) if entry.verdict else "", entry.reason) if part])
    about = why or (result_words.decided(own, row.effective, now) if row.effective else "")
    return str(entry.line), entry.student, row.name or entry.name or "", row.class_name, result, about
