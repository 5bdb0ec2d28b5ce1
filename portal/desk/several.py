"""Decide several students of the queue at once. They are one batch, which can be withdrawn as a whole."""

from functools import partial
from typing import Annotated

from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form, Line, OrNone, at_most
from portal.access.requires import for_visitors
from portal.desk import settling
from portal.desk.context.desk_context import DeskContext, desk_context
from portal.desk.context.refusals import RECORD, unfilled
from portal.desk.decision_form import DECIDED, LONGEST_WORD, FormCode
from portal.desk.queue import show_queue
from portal.i18n.labels import N_
from portal.page.context import SignedIn
from portal.web.links import see_other
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.batch_rows import ImportRow, RowKind
from status_db.decisions.batches import BatchKind
from status_db.decisions.refusals import DecisionRefused
from status_db.model import Verdict, normalise_number

#: The ticks of one page of the queue, with the other fields.
_MOST_FIELDS = 80

_TITLE = N_("待办中勾选")
_NONE_TICKED = N_("未办理：未勾选学生。请至少勾选一名。")
_NONE_DECIDED = N_("未办理：勾选的学生都已有人工办理、已发证，或状态刚刚变动。请逐个核对。")


class TickedForm(Form):
    """The ticked students with the status that the page showed, the verdict and its grounds."""

    longest = 16 * 1024
    most = _MOST_FIELDS

    pick: tuple[str, ...] = ()
    verdict: Annotated[Verdict | None, OrNone] = None
    reason: Annotated[Line, at_most(LONGEST_WORD)] = ""


async def decide_several(context: SignedIn) -> Response:
    """Enter the same decision for each ticked student. Those whose status has changed since are left as they are."""
    form = await forms.read_form(context, TickedForm)
    at = desk_context(context, (Act.DECIDE,))
    language = at.reader.language
    if form.verdict not in DECIDED:
        return await show_queue(context, at, wrong=language.gettext(unfilled(FormCode.NO_VERDICT, RECORD)), status=422)
    if not form.reason or form.too_long:
        code = FormCode.TOO_LONG if form.too_long else FormCode.NO_REASON
        return await show_queue(context, at, wrong=language.gettext(unfilled(code, RECORD)), status=422)
    picked = dict(one.split(" ", 1) for one in form.pick if " " in one)
    if not picked:
        return await show_queue(context, at, wrong=language.gettext(_NONE_TICKED), status=422)
    rows = await _unmoved(context, at, form, picked)
    preview = await context.ask_in_turn(at.stores.batches.preview, at.step, rows, at.reader.now, at.scopes)
    if not preview.count(RowKind.NEW):
        return await show_queue(context, at, wrong=language.gettext(_NONE_DECIDED), status=409)
    enter = partial(at.stores.batches.enter_all, BatchKind.IMPORT, at.step, rows, preview.digest, at.account)
    try:
        made = await context.ask_in_turn(
            partial(enter, at.reader.now, at.scopes, title=language.gettext(_TITLE), without_wrong=True)
        )
    except DecisionRefused as refused:
        return await show_queue(context, at, wrong=language.gettext(unfilled(refused.code, RECORD)), status=409)
    await context.audit(
        AuditEvent.IMPORTED,
        cohort=at.reader.cohort.key,
        step=at.step,
        batch=made.batch.id,
        file=made.batch.title,
        entered=len(made.decisions),
        wrong=len(picked) - len(made.decisions),
    )
    await settling.settle(context, at, {one.student: one.id for one in made.decisions})
    decided, left = len(made.decisions), len(picked) - len(made.decisions)
    return see_other(
        at.address("/desk", batch=str(made.batch.id), decided=str(decided), unchanged=str(left) if left else "")
    )


async def _unmoved(context: SignedIn, at: DeskContext, form: TickedForm, picked: dict[str, str]) -> list[ImportRow]:
    """Return the rows of the students whose status is what the page showed."""
    now = at.reader.now
    numbers = [normalise_number(number) for number in picked]
    students = await context.ask_long(context.services.named.students, at.reader.cohort.key, numbers, now)
    tags = {
        number: status.version_tag(now)
        for number, student in students.items()
        for status in student.steps
        if status.step == at.step
    }
    return [
        ImportRow(line, number, None, form.verdict, form.reason)
        for line, (number, tag) in enumerate(picked.items(), start=1)
        if tags.get(number) == tag
    ]


ROUTES = (Route("/desk/decide", for_visitors(decide_several, Act.DECIDE), methods=["POST"]),)
