"""A student's appeal about a step: raise it, withdraw it, and print it with its answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form, Words
from portal.access.requires import for_visitors
from portal.i18n import labels
from portal.i18n.labels import N_
from portal.page.account_names import names_of
from portal.page.context import Context, SignedIn
from portal.page.own_student import own_view
from portal.present import appeals, cards
from portal.present.due import due_at
from status_db.accounts.audit_log import AuditEvent
from status_db.effective_status import StepStatus
from status_db.inbox.appeal_rows import Appeal, AppealEvidence, AppealKind
from status_db.inbox.appeals import AppealCode, AppealRefused
from status_db.views import StudentView

NO_ITEM = N_("请选择要提出异议的项。")

#: The HTTP status of a refusal. Refusals not listed here can be fixed in the form.
_STATUS: Mapping[AppealCode, int] = {AppealCode.WAITS: 409, AppealCode.TOO_MANY: 429}


class AppealForm(Form):
    """The step and the thing that the appeal is about, and the reason."""

    #: Chinese text and a title: a form encodes each Chinese character as nine bytes.
    longest = 16 * 1024

    step: str = ""
    item: str | None = None
    text: Words = ""


@dataclass(frozen=True, slots=True)
class _OwnStep:
    """A student and one of the student's own steps."""

    student: StudentView
    status: StepStatus


async def appeal_form_page(context: SignedIn) -> Response:
    """Show what can be appealed at a step. If the step is clear, redirect to the page that shows it."""
    reader = await _here(context, context.request.query_params.get("step", ""))
    if not appeals.may_object(reader.status, context.now):
        return context.redirect("/")
    return _show_appeal_form(context, reader)


async def send(context: SignedIn) -> Response:
    """Save an appeal. If it is not valid, show the form again with the reason and the fix."""
    sent = await forms.read_form(context, AppealForm)
    reader = await _here(context, sent.step)
    student, step, now = reader.student, reader.status.step, context.now
    if not appeals.may_object(reader.status, now):
        return context.redirect("/")
    seen = AppealEvidence.of(reader.status, now)
    item, text = sent.item, sent.text
    language = context.language
    if item not in {choice.item for choice in appeals.choices(language, seen, now)} or item is None:
        return _show_appeal_form(context, reader, text=text, wrong=language.gettext(NO_ITEM), status=422)
    enter = partial(
        context.services.raised_appeals.raise_,
        student.cohort,
        student.student,
        step,
        item,
        text,
        account=context.account.account,
        seen=seen,
        due=due_at(context.settings, step, student.campus, now),
        now=now,
        limit=context.settings.desk.appeals_waiting,
    )
    try:
        made = await context.ask_long(enter)
    except AppealRefused as refused:
        wrong, status = appeals.refusal(language, refused), _STATUS.get(refused.code, 422)
        return _show_appeal_form(context, reader, text=text, item=item, wrong=wrong, status=status)
    await context.audit(
        AuditEvent.APPEAL_RAISED, cohort=made.cohort, student=made.student, step=made.step, appeal=made.appeal
    )
    return context.redirect("/")


async def withdraw_appeal(context: SignedIn) -> Response:
    """Withdraw an appeal. If it has been answered meanwhile, it stays and the page shows the answer."""
    await forms.read_form(context, Form)
    student, one = await _find_own_appeal(context)
    take_back = partial(
        context.services.raised_appeals.withdraw,
        one.appeal,
        student.student,
        account=context.account.account,
        now=context.now,
    )
    try:
        await context.ask_long(take_back)
    except AppealRefused:
        return context.redirect("/")
    await context.audit(AuditEvent.APPEAL_WITHDRAWN, cohort=one.cohort, student=one.student, appeal=one.appeal)
    return context.redirect("/")


async def record(context: SignedIn) -> Response:
    """Show the student's own appeal for printing."""
    student, one = await _find_own_appeal(context)
    return await show_record(context, student, one, back=context.at_cohort("/"))


async def show_record(context: Context, student: StudentView, one: Appeal, back: str) -> Response:
    """Show an appeal for printing: the same paper for the student and for the office."""
    names = await names_of(context, [one])
    language, now = context.language, context.now
    paper = appeals.record(language, context.settings, one, student, names, now)
    return context.page("appeal_record.html", paper=paper, case=paper.case, back=back)


async def _here(context: SignedIn, step: str) -> _OwnStep:
    student = await own_view(context) if context.settings.desk.enabled else None
    status = next((s for s in student.steps if s.step == step), None) if student is not None else None
    if student is None or status is None:
        raise HTTPException(404)
    return _OwnStep(student, status)


async def _find_own_appeal(context: SignedIn) -> tuple[StudentView, Appeal]:
    """Return the visiting student and the appeal in the address. Raise 404 if it is not the student's own."""
    student = await own_view(context)
    if student is None:
        raise HTTPException(404)
    one = await context.ask(context.services.raised_appeals.one, student.cohort, context.request.path_params["appeal"])
    steps = {step.key for step in context.settings.step}
    if one is None or one.student != student.student or one.kind is not AppealKind.APPEAL or one.step not in steps:
        raise HTTPException(404)
    return student, one


def _show_appeal_form(
    context: Context,
    reader: _OwnStep,
    *,
    item: str | None = None,
    text: str = "",
    wrong: str = "",
    status: int = 200,
) -> Response:
    language, settings, step = context.language, context.settings, reader.status.step
    seen = AppealEvidence.of(reader.status, context.now)
    offered = appeals.choices(language, seen, context.now)
    due = due_at(settings, step, reader.student.campus, context.now)
    return context.page(
        "appeal.html",
        status=status,
        step=step,
        title=labels.step_titles(language, settings)[step],
        office=cards.office_name(language, settings.step_named(step).office),
        due=language.moment(due, context.now),
        seen=appeals.shown(language, seen, context.now),
        choices=offered,
        chosen=item if item is not None or len(offered) > 1 else offered[0].item,
        text=text,
        wrong=wrong,
    )


ROUTES = (
    Route("/appeal", for_visitors(appeal_form_page, own=True)),
    Route("/appeal", for_visitors(send, own=True), methods=["POST"]),
    Route("/appeal/{appeal:id}/withdraw", for_visitors(withdraw_appeal, own=True), methods=["POST"]),
    Route("/appeal/{appeal:id}/record", for_visitors(record, own=True)),
)
