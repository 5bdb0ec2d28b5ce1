"""Import an office's results: download the template, upload the sheet, preview it, confirm it.

Only the preview that was shown can be confirmed. A sheet is visible to its author alone.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from anyio import to_thread
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form, Ticked
from portal.access.reader_context import COLUMNS, NONE, ReaderContext
from portal.access.requires import for_visitors
from portal.desk import settling
from portal.desk.context.desk_context import DeskContext, desk_context
from portal.desk.context.refusals import SHEET, unfilled
from portal.desk.context.services import SheetUnreadable, desk_of
from portal.desk.imports import result_sheets, result_words, results
from portal.desk.imports.result_sheets import TemplateStudent
from portal.desk.imports.uploaded import keep_upload, read_upload
from portal.i18n.labels import N_
from portal.i18n.languages import Language
from portal.page.context import Context, SignedIn
from portal.present import cards, list_rows
from portal.web.links import see_other
from portal.web.sent_files import SentOnce
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.batch_rows import RowCheck, RowKind, SheetPreview
from status_db.decisions.batches import BatchKind
from status_db.decisions.refusals import DecisionCode, DecisionRefused, Overtaken
from status_db.inbox.uploads import Upload, UploadKind
from status_db.model import StepKind, Verdict
from status_db.queries.lists import Filter, Lists, ListSelection, Order

#: The roster columns by which a template can be narrowed.
_NARROWED_BY = ("college", "class")

#: With more values than this, the field is typed instead of chosen.
_CHOICES = 300

#: Why a sheet is not read or not entered, each with the fix.
NO_FILE = N_("未选文件。请先选择 .xlsx 或 .csv 文件。")
TOO_MANY = N_("符合条件的学生超过 %(most)s 名。请按学院或班级下载。")
NONE_FOUND = N_("没有符合条件的学生。请更换学院或班级。")
REFUSED = N_("未导入：%(why)s")


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One row of a preview."""

    line: int
    student: str
    name: str
    class_name: str
    result: str
    #: Its other texts, each with a label.
    more: tuple[tuple[str, str], ...]
    current_status: str
    #: The change of the state if the row is entered. Empty if it does not change.
    change: str
    #: Its tone: good for a release, bad for the contrary.
    tone: str
    why: str


@dataclass(frozen=True, slots=True)
class RowGroup:
    """The rows of one kind."""

    kind: str
    word: str
    mark: str
    tone: str
    lines: tuple[PreviewRow, ...]


async def import_page(context: SignedIn) -> Response:
    """Show the form to download the template and to upload the sheet."""
    return await _show_upload_form(context, desk_context(context, (Act.DECIDE,)))


async def _show_upload_form(
    context: Context, at: DeskContext, refused: str = "", *, status: int = 200, detail: str = ""
) -> Response:
    batches = await context.ask_long(partial(at.stores.batches.batches, at.step, 1))
    choices = {
        column: await context.ask_long(context.services.lists.choices, at.visibility, column, {}, _CHOICES)
        for column in _NARROWED_BY
    }
    limits = context.settings.desk
    chosen = {column: context.asked(column) for column in choices}
    everybody = Filter(ListSelection.ALL, at.step)
    count = await context.ask_long(
        context.services.lists.count, at.visibility, everybody, at.reader.now, limits.most_rows
    )
    too_many = count > limits.most_rows
    if too_many and not any(chosen.values()) and choices["college"]:
        # The choice that the form offers must be one that works.
        chosen["college"] = choices["college"][0]
    return context.page(
        "desk/import.html",
        status=status,
        reader=at.reader,
        at=at,
        action=at.address("/desk/import"),
        refused=refused,
        detail=detail,
        choices=[
            (column, at.reader.language.gettext(COLUMNS[column]), values, chosen[column])
            for column, values in choices.items()
        ],
        most_rows=limits.most_rows,
        too_many=too_many,
        most_size=f"{limits.most_bytes / 1_000_000:g}",
        batches=at.address("/desk/import/batches") if batches else "",
    )


async def template(context: SignedIn) -> Response:
    """Return a template with the account's students."""
    at = desk_context(context, (Act.DECIDE,))
    language, most = at.reader.language, context.settings.desk.most_rows
    columns = {name: "" if context.asked(name) == NONE else context.asked(name) for name in _NARROWED_BY}
    chosen = Filter(
        ListSelection.ALL,
        at.step,
        columns={name: value for name, value in columns.items() if context.asked(name)},
        order=Order.CLASS,
    )
    count = await context.ask_long(context.services.lists.count, at.visibility, chosen, at.reader.now, most)
    if not count or count > most:
        sentence = TOO_MANY if count else NONE_FOUND
        return await _show_upload_form(context, at, language.gettext(sentence, most=most), status=422)
    fresh = await context.ask_long(context.services.lists.freshness, at.reader.cohort.key)
    title = template_title(at.reader, at.step)
    narrowed = language.listed(chosen.columns.values())
    stale = replace(at.reader, visibility=at.visibility).stale(fresh)
    about = (narrowed, *template_about(at.reader, stale, context.account.name))
    reasons = context.settings.step_named(at.step).reasons
    folder = await to_thread.run_sync(lambda: tempfile.TemporaryDirectory(prefix="template-"))
    try:
        file = Path(folder.name) / "template.xlsx"
        people = people_of(at.reader, context.services.lists, at.step, chosen)
        writing = partial(
            result_sheets.write_template, file, language, title, [one for one in about if one], people, reasons
        )
        written = await context.export(writing)
        await context.audit(
            AuditEvent.EXPORTED, cohort=at.reader.cohort.key, filter=f"{title} {narrowed}".strip(), students=written
        )
    except BaseException:
        folder.cleanup()
        raise
    return SentOnce(folder, file, f"{title.replace(' ', '-')}.xlsx")


def template_title(reader: ReaderContext, step: str) -> str:
    """Return the title of a template."""
    return " ".join((reader.cohort.name, reader.titles[step], reader.language.gettext("办理结果")))


def template_about(reader: ReaderContext, stale: Sequence[str], by: str) -> tuple[str, ...]:
    """Return when a template was made, by whom, and which of its data are out of date."""
    language = reader.language
    return (language.gettext("%(moment)s 由 %(who)s 下载", moment=language.dated(reader.now), who=by), *stale)


def people_of(reader: ReaderContext, lists: Lists, step: str, chosen: Filter) -> Iterator[TemplateStudent]:
    """Yield the students of a template: those that have the step, with its state."""
    for listed in lists.whole(reader.visibility.only(step), chosen, reader.now):
        status = next((one for one in listed.steps if one.step == step), None)
        if status is not None:
            yield TemplateStudent(listed.student, listed.name, listed.class_name, list_rows.cell(reader, status).text)


class ConfirmForm(Form):
    """The confirmation: the digest of the preview, and the ticked options."""

    digest: str = ""
    with_conflicts: Ticked = False
    without_wrong: Ticked = False


async def bring(context: SignedIn) -> Response:
    """Store an uploaded sheet and redirect to its preview."""
    at = desk_context(context, (Act.DECIDE,))
    language, limits = at.reader.language, context.settings.desk
    try:
        _form, file = await read_upload(context, Form)
    except SheetUnreadable as error:
        return await _show_upload_form(context, at, result_words.unreadable(language, error.code, limits), status=413)
    if file is None:
        return await _show_upload_form(context, at, language.gettext(NO_FILE), status=422)
    try:
        read_sheet = desk_of(context.request).read_sheet
        sheet = await context.ask_in_turn(results.read, read_sheet, file.content, file.name)
    except SheetUnreadable as error:
        reason = result_words.unreadable(language, error.code, limits)
        return await _show_upload_form(context, at, f"{file.name}：{reason}", status=422, detail=str(error))
    number = await keep_upload(context, at, UploadKind.RESULTS, file, sheet.kept(), rows=len(sheet.rows))
    return see_other(at.address(f"/desk/import/{number}"))


async def import_preview_page(context: SignedIn) -> Response:
    """Show what a sheet would do, row by row. Nothing is entered yet."""
    at, upload = await _find_upload(context)
    if upload.confirmed_at is not None:
        return see_other(_after(at, upload))
    preview = await _check_rows(context, at, upload)
    return await _show_preview(context, at, upload, preview)


async def enter_import(context: SignedIn) -> Response:
    """Enter the rows of the preview, if it is unchanged."""
    form = await forms.read_form(context, ConfirmForm)
    at, upload = await _find_upload(context)
    if upload.confirmed_at is not None:
        return see_other(_after(at, upload))
    preview = await _check_rows(context, at, upload)
    if form.digest != preview.digest.hex():
        # The ticked options were meant for other rows.
        return await _overtaken(context, at, upload, preview)
    language, wrong = at.reader.language, preview.count(RowKind.WRONG)
    if refused := _why_not(language, preview, form):
        return await _show_preview(context, at, upload, preview, form, refused=refused)
    sheet = results.again(upload.rows)
    try:
        made = await context.ask_in_turn(
            partial(
                at.stores.batches.enter_all,
                BatchKind.IMPORT,
                at.step,
                results.imported_rows(sheet, language.zone),
                preview.digest,
                at.account,
                at.reader.now,
                at.scopes,
                title=upload.file,
                with_conflicts=form.with_conflicts,
                without_wrong=form.without_wrong,
            ),
        )
    except Overtaken:
        newer = await context.ask_long(desk_of(context.request).uploads.find, upload.upload, at.account)
        if newer is not None and newer.confirmed_at is not None:
            return see_other(_after(at, newer))
        return await _overtaken(context, at, upload, await _check_rows(context, at, upload))
    except DecisionRefused as error:
        refused = language.gettext(REFUSED, why=language.gettext(unfilled(error.code, SHEET), num=wrong))
        return await _show_preview(context, at, upload, preview, form, refused=refused)
    kept = _with_results(context, at, sheet, made.rows, replaced=form.with_conflicts)
    uploads = desk_of(context.request).uploads
    await context.ask_long(partial(uploads.confirmed, upload.upload, at.reader.now, made.batch.id, kept.kept()))
    await context.audit(
        AuditEvent.IMPORTED,
        cohort=at.reader.cohort.key,
        step=at.step,
        batch=made.batch.id,
        file=upload.file,
        entered=len(made.decisions),
        wrong=wrong,
    )
    await settling.settle(context, at, {one.student: one.id for one in made.decisions})
    return see_other(at.address(f"/desk/import/batches/{made.batch.id}"))


def _why_not(language: Language, preview: SheetPreview, ticks: ConfirmForm) -> str:
    """Return why nothing of a sheet is entered. Empty if something is."""
    wrong = preview.count(RowKind.WRONG)
    if wrong and not ticks.without_wrong:
        return language.gettext(unfilled(DecisionCode.WRONG_ROWS, SHEET), num=wrong)
    if preview.count(RowKind.NEW) or (ticks.with_conflicts and preview.count(RowKind.CONFLICT)):
        return ""
    return language.gettext(unfilled(DecisionCode.NO_CHANGE, SHEET))


async def _overtaken(context: Context, at: DeskContext, upload: Upload, preview: SheetPreview) -> Response:
    refused = at.reader.language.gettext(unfilled(DecisionCode.OVERTAKEN, SHEET))
    return await _show_preview(context, at, upload, preview, refused=refused)


async def _find_upload(context: SignedIn) -> tuple[DeskContext, Upload]:
    """Return the sheet in the address and its context. Raise 404 if it is missing or another account's."""
    number = context.request.path_params["upload"]
    upload = await context.ask_long(desk_of(context.request).uploads.find, number, context.account.account)
    if upload is None or upload.kind is not UploadKind.RESULTS:
        raise HTTPException(404)
    at = desk_context(context, (Act.DECIDE,), upload.step)
    if upload.cohort != at.reader.cohort.key:
        raise HTTPException(404)
    return at, upload


async def _check_rows(context: Context, at: DeskContext, upload: Upload) -> SheetPreview:
    imported = results.imported_rows(results.again(upload.rows), at.reader.language.zone)
    return await context.ask_in_turn(at.stores.batches.preview, at.step, imported, at.reader.now, at.scopes)


async def _show_preview(
    context: Context,
    at: DeskContext,
    upload: Upload,
    preview: SheetPreview,
    ticks: ConfirmForm | None = None,
    *,
    refused: str = "",
) -> Response:
    fresh = await context.ask_long(context.services.lists.freshness, at.reader.cohort.key)
    counts = {kind.value: preview.count(kind) for kind in RowKind}
    return context.page(
        "desk/import_preview.html",
        status=409 if refused else 200,
        reader=at.reader,
        at=at,
        file=upload.file,
        groups=groups(context, at, preview.rows),
        counts=counts,
        total=len(preview.rows),
        released=sum(result_words.flips(row) is True for row in preview.rows),
        held=sum(result_words.flips(row) is False for row in preview.rows),
        enters=counts[RowKind.NEW] + counts[RowKind.CONFLICT],
        action=at.address(f"/desk/import/{upload.upload}"),
        back=at.address("/desk/import"),
        digest=preview.digest.hex(),
        ticks=ticks or ConfirmForm(),
        refused=refused,
        stale=replace(at.reader, visibility=at.visibility).stale(fresh),
    )


def groups(context: Context, at: DeskContext, judged: Sequence[RowCheck]) -> list[RowGroup]:
    """Return the rows of a preview by kind, errors first. Kinds without rows are left out."""
    language = at.reader.language
    kind = cards.kinds_of(context.settings).get(at.step, StepKind.SYNCED)
    reasons = context.settings.step_named(at.step).reasons

    def line(row: RowCheck) -> PreviewRow:
        imported = row.imported
        more = (
            ("file_number", imported.file_number),
            ("words", imported.words),
            ("note", imported.note),
            ("condition", imported.condition),
            ("until", language.moment(imported.until, at.reader.now) if imported.until else ""),
        )
        return PreviewRow(
            line=imported.line,
            student=imported.student,
            name=row.name or imported.name or "",
            class_name=row.class_name,
            result=language.listed(part for part in (result_words.result(language, imported), imported.reason) if part),
            more=tuple((language.gettext(results.COLUMNS[name][0]), text) for name, text in more if text),
            current_status=result_words.current_status(language, row, at.reader.now, kind),
            change=result_words.change(language, row, kind),
            tone="good" if imported.verdict is not Verdict.HELD else "bad",
            why=result_words.why(language, row, reasons, at.reader.now),
        )

    return [
        RowGroup(
            kind=one,
            word=language.gettext(word),
            mark=result_words.MARKS[one],
            tone=result_words.TONES[one],
            lines=tuple(line(row) for row in judged if row.kind == one),
        )
        for one, word in result_words.KINDS.items()
        if any(row.kind == one for row in judged)
    ]


def _with_results(
    context: Context, at: DeskContext, sheet: results.ResultSheet, judged: Sequence[RowCheck], *, replaced: bool
) -> results.ResultSheet:
    """Return the sheet with the result of each row, in each language of the settings."""
    reasons = context.settings.step_named(at.step).reasons
    outcomes = [
        {
            code: result_words.became(language, row, reasons, at.reader.now, replaced=replaced)
            for code, language in context.services.languages.items()
        }
        for row in judged
    ]
    return replace(
        sheet, rows=tuple(replace(row, became=outcome) for row, outcome in zip(sheet.rows, outcomes, strict=True))
    )


def _after(at: DeskContext, upload: Upload) -> str:
    return at.address(f"/desk/import/batches/{upload.batch}")


ROUTES = (
    Route("/desk/import", for_visitors(import_page, Act.DECIDE)),
    Route("/desk/import", for_visitors(bring, Act.DECIDE), methods=["POST"]),
    Route("/desk/import/template.xlsx", for_visitors(template, Act.DECIDE, long=True)),
    Route("/desk/import/{upload:id}", for_visitors(import_preview_page, Act.DECIDE)),
    Route("/desk/import/{upload:id}", for_visitors(enter_import, Act.DECIDE), methods=["POST"]),
)
