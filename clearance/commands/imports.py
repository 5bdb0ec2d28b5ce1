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
from clearance.services import Program
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
    now, english = program.clock(), _language(program, "en")
    preview = program.batches.preview(step, entries, now, scopes)
    reasons = program.settings.step_named(step).reasons
    why = {row.imported.line: result_words.why(english, row, reasons, now) for row in preview.rows}
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
        _print_preview(program, english, preview, why)
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
        ("batch", "kind", "step", "title", "by", "at", "entered", "undone"),
        (
            (
                b.id,
                b.kind.value,
                b.step,
                b.title,
                b.author,
                tables.moment(b.at, zone),
                b.counts.entered,
                f"{tables.moment(b.undone_at, zone)} by {b.undone_by}" if b.undone_at else "",
            )
            for b in found
        ),
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
        fail(f"there is no batch {batch}. See: clearance import list")
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
    tables.OUT.print(f"batch {batch} is undone: {len(undone.withdrawn)} decisions are withdrawn")
    for numbers, why in ((undone.issued, "kept, because the certificate is issued"), (undone.moved, "changed since")):
        if numbers:
            tables.OUT.print(f"  {why}: {', '.join(numbers)}")


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
        fail("no student there has this step. Check the names of the college and the class.")
    if count > most:
        fail(f"there are more than {most} students, too many for one sheet. Select fewer by --college or --class.")
    stale = here.stale(lists.freshness(program.cohort))
    about = (*columns.values(), *pages.template_about(here, stale, account.name))
    people = pages.people_of(here, lists, step, wanted)
    reasons = settings.step_named(step).reasons
    try:
        written = result_sheets.write_template(
            file, here.language, pages.template_title(here, step), about, people, reasons
        )
    except OSError as error:
        fail(f"{file} could not be written ({error.strerror}). Choose another file.")
    note(
        program,
        AuditEvent.EXPORTED,
        account.account,
        cohort=program.cohort,
        filter=f"{step} template",
        students=written,
    )
    tables.OUT.print(f"{written} students are in {file}")


def _operator_at(program: Program, operator: str, step: str) -> tuple[Account, tuple[Scope, ...]]:
    """Return the operator, and the scopes in which they decide a step; else exit."""
    settings = program.settings
    if step not in {one.key for one in settings.step}:
        raise typer.BadParameter(
            f'there is no step "{step}": write one of {", ".join(one.key for one in settings.step)}'
        )
    if any(entry.step == step and entry.kind == "review" for flow in settings.flow for entry in flow.entries):
        fail(f"{step} is a review and cannot be imported. Have its reviewer give it: clearance reviews give")
    account = active(program, operator)
    return account, scopes_of(program, account, Act.DECIDE, step)


def _language(program: Program, code: str) -> Language:
    return languages.load((code,), program.settings.institution.timezone)[code]


def _print_preview(program: Program, english: Language, preview: SheetPreview, why: dict[int, str]) -> None:
    """Print the effect of each row, invalid rows first, and the number of each kind."""
    now = program.clock()
    for kind in (RowKind.WRONG, RowKind.CONFLICT, RowKind.NEW):
        found = [row for row in preview.rows if row.kind is kind]
        if found:
            tables.table(
                ("row", "student", "name", "class", "result", _ABOUT[kind]),
                (_row_cells(english, row, why[row.imported.line], now) for row in found),
                title=f"{kind.value}: {len(found)}",
            )
    counts = ", ".join(f"{preview.count(kind)} {kind.value}" for kind in RowKind)
    tables.OUT.print(f"{len(preview.rows)} rows: {counts}")


def _print_json(batch: Batch | None, preview: SheetPreview, why: dict[int, str]) -> None:
    counts = {kind.value: preview.count(kind) for kind in RowKind}
    rows = [{"row": row, "why": why[row.imported.line]} for row in preview.rows]
    tables.as_json({"batch": batch, "counts": counts, "rows": rows})


def _print_batch(batch: Batch) -> None:
    tables.OUT.print(
        f"batch {batch.id}: {batch.counts.entered} decisions on {batch.step} are entered. To take them back: "
        f'clearance import undo {batch.id} --as {batch.author} --reason "…"',
        markup=False,
    )


def _end_without_entering(preview: SheetPreview, enters: int, *, dry_run: bool) -> NoReturn:
    """Exit, and print why nothing was entered."""
    if dry_run:
        raise typer.Exit(PENDING if enters else 0)
    if not enters:
        fail("Nothing was entered, because no row changes anything. Use --with-conflicts to replace decisions.")
    fail(
        f"Nothing was entered, because {preview.count(RowKind.WRONG)} rows are invalid. Fix them in the sheet, or skip "
        "them with --without-wrong."
    )


_ABOUT = {RowKind.WRONG: "error", RowKind.CONFLICT: "current decision", RowKind.NEW: ""}


def _row_cells(english: Language, row: RowCheck, why: str, now: datetime) -> Sequence[str]:
    entry = row.imported
    result = ", ".join(part for part in (entry.verdict.value if entry.verdict else "", entry.reason) if part)
    about = why or (result_words.decided(english, row.effective, now) if row.effective else "")
    return str(entry.line), entry.student, row.name or entry.name or "", row.class_name, result, about
