"""The full list of an office without a system: its operator uploads it, previews it, and the scheduler imports it.

It becomes the source's snapshot, with proofs and guard like any other. This page writes no mark. For students that are
not on the list, the source's setting `absent` applies.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePath

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from config.tables.sources import Source
from portal.access import forms
from portal.access.form_fields import Form, Number
from portal.access.requires import for_visitors
from portal.desk.context.desk_context import DeskContext, desk_context
from portal.desk.context.head import desk_page
from portal.desk.context.services import SheetRead, SheetUnreadable, desk_of
from portal.desk.imports import result_words
from portal.desk.imports.list_flips import flips
from portal.desk.imports.uploaded import keep_upload, read_upload
from portal.i18n.labels import N_
from portal.page.context import Context, SignedIn
from portal.web.links import see_other
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.batch_rows import ImportRow, RowFault
from status_db.inbox.requests import RequestOutcome, RequestRefused
from status_db.inbox.uploads import Upload, UploadKind
from status_db.model import Verdict, normalise_number

#: Unmatched or doubtful rows listed in the preview.
_NAMED = 30

NO_FILE = N_("未选文件。请先选择文件。")
OTHER_KIND = N_("须上传 %(suffix)s 文件。请另存为 %(suffix)s 后再上传。")
NO_ROWS = N_("名单中没有数据。请核对文件。")
CHANGED = N_("要确认的不是刚才预览的名单。请核对后再确认。")

#: What a preview finds, apart from rows that match a student.
_FOUND = {
    RowFault.NO_SUCH_STUDENT: N_("不在离校名单中，将跳过（填写校园卡号的可正常识别）"),
    RowFault.TWICE: N_("同一学号有多行，合并计算"),
    RowFault.NAME: N_("学号与姓名不一致，请核对"),
    RowFault.NO_STEP: N_("没有本环节，将跳过"),
}


@dataclass(frozen=True, slots=True)
class ListFindings:
    """Rows of one kind that the preview lists."""

    word: str
    count: int
    #: The first of them: row in the sheet, number, name.
    rows: tuple[tuple[int, str, str], ...]


async def full_list_page(context: SignedIn) -> Response:
    """Show the full lists of this step and the form to upload one."""
    at = desk_context(context, (Act.DECIDE,))
    return await _show_upload_page(context, at)


async def _show_upload_page(
    context: Context,
    at: DeskContext,
    refused: str = "",
    *,
    status: int = 200,
    detail: str = "",
) -> Response:
    sources = at.full_list_sources
    if not sources:
        raise HTTPException(404)
    now, language = at.reader.now, at.reader.language
    views = {
        view.source: view for view in await context.ask_long(context.services.reader.sources, at.reader.cohort.key)
    }
    fresh = await context.ask_long(context.services.lists.freshness, at.reader.cohort.key)
    return await desk_page(
        context,
        at,
        "desk/full_list.html",
        status=status,
        stale=replace(at.reader, visibility=at.visibility).stale(fresh),
        action=at.address("/desk/list"),
        sources=[
            {
                "name": name,
                "title": _source_title(at, name, source),
                "columns": language.listed(source.columns.values()),
                "suffix": _suffix(source),
                "as_of": language.moment(view.as_of, now) if (view := views[name]).as_of else "",
                "rows": view.recent_rows[-1] if view.recent_rows else None,
            }
            for name, source in sources.items()
        ],
        most_size=f"{context.settings.desk.most_bytes / 1_000_000:g}",
        refused=refused,
        detail=detail,
    )


class ListForm(Form):
    """The source of an uploaded list."""

    source: str = ""


class ConfirmListForm(Form):
    """The number of rows in the preview."""

    rows: Number = None


async def bring(context: SignedIn) -> Response:
    """Store an uploaded list and redirect to its preview."""
    at = desk_context(context, (Act.DECIDE,))
    language, limits = at.reader.language, context.settings.desk
    try:
        form, file = await read_upload(context, ListForm)
    except SheetUnreadable as error:
        return await _show_upload_page(context, at, result_words.unreadable(language, error.code, limits), status=413)
    name = form.source
    source = at.full_list_sources.get(name)
    if source is None:
        raise HTTPException(404)
    if file is None:
        return await _show_upload_page(context, at, language.gettext(NO_FILE), status=422)
    if PurePath(file.name).suffix.lower() != _suffix(source):
        wrong = language.gettext(OTHER_KIND, suffix=_suffix(source))
        return await _show_upload_page(context, at, wrong, status=422)
    try:
        reading = partial(desk_of(context.request).read_sheet, most=limits.most_listed)
        sheet = await context.ask_in_turn(reading, file.content, file.name, list(source.columns.values()))
    except SheetUnreadable as error:
        why = result_words.unreadable(language, error.code, limits, source.columns.values())
        return await _show_upload_page(context, at, f"{file.name}：{why}", status=422, detail=str(error))
    rows = _sheet_rows(sheet, source)
    if not rows:
        return await _show_upload_page(context, at, language.gettext(NO_ROWS), status=422)
    number = await keep_upload(context, at, UploadKind.LIST, file, rows, rows=len(rows), source=name)
    return see_other(at.address(f"/desk/list/{number}"))


async def full_list_preview_page(context: SignedIn) -> Response:
    """Show the preview of a list, or its result after it was confirmed."""
    at, upload = await _load_upload(context)
    return await _show_preview(context, at, upload)


async def confirm(context: SignedIn) -> Response:
    """Hand a confirmed list to the scheduler as its source's data."""
    form = await forms.read_form(context, ConfirmListForm)
    at, upload = await _load_upload(context)
    if form.rows != len(upload.rows):
        return await _show_preview(context, at, upload, refused=at.reader.language.gettext(CHANGED))
    try:
        await context.ask_in_turn(
            partial(
                context.services.requests.ask_list,
                at.reader.cohort.key,
                upload.upload,
                account=at.account,
                now=at.reader.now,
            ),
        )
    except RequestRefused:
        return see_other(at.address(f"/desk/list/{upload.upload}"))
    await context.ask_long(desk_of(context.request).uploads.confirmed, upload.upload, at.reader.now)
    await context.audit(
        AuditEvent.CONFIRMED_LIST,
        cohort=at.reader.cohort.key,
        step=at.step,
        source=upload.source or "",
        file=upload.file,
        rows=len(upload.rows),
    )
    return see_other(at.address(f"/desk/list/{upload.upload}"))


async def _show_preview(context: SignedIn, at: DeskContext, upload: Upload, *, refused: str = "") -> Response:
    source = context.settings.source[upload.source or ""]
    # The preview of decisions checks each number and name. None of the rows is entered.
    rows = [ImportRow(line, student, name, Verdict.CLEARED) for line, student, name, _word in upload.rows]
    preview = await context.ask_in_turn(at.stores.batches.preview, at.step, rows, at.reader.now, at.scopes)
    known = sum(row.wrong not in (RowFault.NO_SUCH_STUDENT, RowFault.NO_STEP) for row in preview.rows)
    language = at.reader.language
    found = [
        ListFindings(
            language.gettext(word),
            len(own),
            tuple((row.imported.line, row.imported.student, row.imported.name or row.name) for row in own[:_NAMED]),
        )
        for kind, word in _FOUND.items()
        if (own := [row for row in preview.rows if row.wrong is kind])
    ]
    views = {
        view.source: view for view in await context.ask_long(context.services.reader.sources, at.reader.cohort.key)
    }
    before = views[upload.source or ""].recent_rows
    request_ = await context.ask(context.services.requests.about_upload, at.reader.cohort.key, upload.upload)
    last = views[upload.source or ""].last_run
    return await desk_page(
        context,
        at,
        "desk/full_list_preview.html",
        status=409 if refused else 200,
        title=_source_title(at, upload.source or "", source),
        file=upload.file,
        total=len(upload.rows),
        known=known,
        before=before[-1] if before else None,
        words=_status_words(source, [word for *_, word in upload.rows]),
        absent=source.absent_means,
        flips=await flips(context, at, source, preview.rows, {line: word for line, *_, word in upload.rows})
        if request_ is None
        else [],
        found=found,
        action=at.address(f"/desk/list/{upload.upload}"),
        back=at.address("/desk/list"),
        asked=request_,
        waits=request_ is not None and request_.served_at is None,
        outcome=request_.outcome.value if request_ is not None and request_.outcome else "",
        good=request_ is not None and request_.outcome is RequestOutcome.DONE,
        run=last.run if last is not None and request_ is not None and last.by == upload.account else None,
        refused=refused,
    )


async def _load_upload(context: SignedIn) -> tuple[DeskContext, Upload]:
    """Return the list in the address and its context. Raise 404 if it is missing or another account's."""
    number = context.request.path_params["upload"]
    upload = await context.ask_long(desk_of(context.request).uploads.find, number, context.account.account)
    if upload is None or upload.kind is not UploadKind.LIST:
        raise HTTPException(404)
    at = desk_context(context, (Act.DECIDE,), upload.step)
    if upload.cohort != at.reader.cohort.key or upload.source not in at.full_list_sources:
        raise HTTPException(404)
    return at, upload


def _sheet_rows(sheet: SheetRead, source: Source) -> list[list[object]]:
    """Return each row's number in the sheet, student number, name and status word."""
    at = {column: where for where, column in enumerate(sheet.columns)}

    def cell(row: Sequence[str | None], field: str) -> str | None:
        where = at.get(source.columns.get(field, ""))
        return row[where] if where is not None else None

    return [
        [line, normalise_number(cell(row, "student") or ""), cell(row, "name"), cell(row, "status") or ""]
        for line, row in sheet.rows
    ]


def _status_words(source: Source, values: Sequence[str]) -> list[tuple[str, int, str]]:
    """Return each status word with its count and its meaning. Empty if the source is not a status list."""
    if source.means != "status":
        return []
    meant = {word: meaning for meaning, words in source.words.items() for word in words}
    return [(word, count, meant.get(word, "")) for word, count in Counter(values).most_common(20)]


def _suffix(source: Source) -> str:
    return PurePath(str(source.own.path)).suffix.lower()


def _source_title(at: DeskContext, name: str, source: Source) -> str:
    return at.reader.language.pick(source.title, source.title_en) or name


ROUTES = (
    Route("/desk/list", for_visitors(full_list_page, Act.DECIDE)),
    Route("/desk/list", for_visitors(bring, Act.DECIDE), methods=["POST"]),
    Route("/desk/list/{upload:id}", for_visitors(full_list_preview_page, Act.DECIDE)),
    Route("/desk/list/{upload:id}", for_visitors(confirm, Act.DECIDE), methods=["POST"]),
)
