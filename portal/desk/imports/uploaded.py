"""An uploaded file: read it from its form and store it until it is confirmed."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from starlette.exceptions import HTTPException

from foundation.translation import tr
from portal.access import forms
from portal.access.forms import FormT
from portal.access.multipart import UploadedFile
from portal.desk.context.desk_context import DeskContext
from portal.desk.context.services import SheetCode, SheetUnreadable, desk_of
from portal.page.context import Context
from status_db.accounts.audit_log import AuditEvent
from status_db.inbox.uploads import UploadKind


async def read_upload(context: Context, model: type[FormT]) -> tuple[FormT, UploadedFile | None]:
    """Return an upload form and its file. None if no file was chosen.

    Raise SheetUnreadable for a file over [desk] most_bytes, else HTTPException as `forms.read_form_with_file` does.
    """
    most = context.settings.desk.most_bytes
    try:
        return await forms.read_form_with_file(context, model, longest=most)
    except HTTPException as error:
        if error.status_code != 413:
            raise
        raise SheetUnreadable(
            SheetCode.LARGE,
            tr(
                "The file has more than {most} bytes. Delete pictures and sheets that are not needed, and upload it "
                "again.",
                most=most,
            ),
        ) from None


async def keep_upload(
    context: Context,
    at: DeskContext,
    kind: UploadKind,
    file: UploadedFile,
    kept: Sequence[Any],
    *,
    rows: int,
    source: str = "",
) -> int:
    """Store an uploaded file for a step, as JSON, and record it in the audit log. Return its number.

    `rows` is its number of rows. `source` is the source of a full list.
    """
    number = await context.ask_long(
        partial(
            desk_of(context.request).uploads.keep,
            at.reader.cohort.key,
            kind,
            at.step,
            account=at.account,
            file=file.name,
            content=file.content,
            rows=kept,
            now=at.reader.now,
            source=source or None,
        )
    )
    note = partial(
        context.audit, AuditEvent.BROUGHT_SHEET, cohort=at.reader.cohort.key, step=at.step, file=file.name, rows=rows
    )
    await (note(source=source) if source else note())
    return number
