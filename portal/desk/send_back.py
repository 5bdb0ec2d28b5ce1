"""Send a student's step back to its office for a check. The reviewer never decides the step."""

from dataclasses import dataclass
from functools import partial

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from config.tables.steps import Flow
from portal.access import forms
from portal.access.form_fields import Form, Words
from portal.access.requires import for_visitors
from portal.desk.context.desk_context import DeskContext, desk_context
from portal.desk.context.head import desk_page, inside_of
from portal.i18n.labels import N_
from portal.page.account_names import names_of
from portal.page.context import Context, SignedIn
from portal.present import appeals, cards
from portal.present.appeals import AppealStep
from portal.present.due import due_at
from portal.web.links import see_other
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.effective_status import StepStatus
from status_db.inbox.appeal_rows import AppealEvidence
from status_db.inbox.appeals import AppealCode, AppealRefused
from status_db.model import normalise_number
from status_db.views import StudentView

#: The newest entries listed.
_ROWS = 50


NO_STEP = N_("请选择退回哪个环节。")


@dataclass(frozen=True, slots=True)
class _Choice:
    """One step that can be sent back."""

    step: str
    title: str
    office: str
    now: AppealStep


async def sent_back_page(context: SignedIn) -> Response:
    """Show the steps sent back for the reviewer's students, and the offices' answers."""
    at = desk_context(context, (Act.REVIEW,))
    cohort, reader = at.reader.cohort.key, at.reader
    steps = {step for flow in reader.settings.flow for step in _before_review(flow, at.step)}
    inside = inside_of(context, cohort, at.scopes)
    found = await context.ask_long(context.services.raised_appeals.sent_back, cohort, steps, inside, _ROWS)
    students = await context.ask_long(
        context.services.named.students, cohort, {one.student for one in found}, reader.now
    )
    names = await names_of(context, found)
    return await desk_page(
        context,
        at,
        "desk/sent_back.html",
        cases=[
            (
                reader.titles[one.step],
                appeals.case(reader.language, one, students.get(one.student), names, reader.now).bare,
            )
            for one in found
        ],
    )


class SendBackForm(Form):
    """Which step of a student is sent back, and why."""

    #: Chinese text: a form encodes each character as nine bytes.
    longest = 16 * 1024

    student: str = ""
    step: str = ""
    text: Words = ""


async def send_back_page(context: SignedIn) -> Response:
    """Ask for a student number, or show the student's steps that can be sent back."""
    at = desk_context(context, (Act.REVIEW,))
    number = normalise_number(context.request.query_params.get("student", ""))
    if not number:
        return await desk_page(context, at, "desk/send_back.html", student=None)
    student = await _student(context, at, number)
    await context.audit(AuditEvent.SAW_STUDENT, cohort=student.cohort, student=student.student)
    return await _show_send_back_form(context, at, student)


async def send(context: SignedIn) -> Response:
    """Send a step back. If the form is not valid, show it again with the reason and the fix."""
    sent = await forms.read_form(context, SendBackForm)
    at = desk_context(context, (Act.REVIEW,))
    student = await _student(context, at, normalise_number(sent.student))
    step, text = sent.step, sent.text
    status = next((s for s in _steps_before_review(at, student) if s.step == step), None)
    if status is None:
        return await _show_send_back_form(context, at, student, text=text, wrong=NO_STEP, status=422)
    enter = partial(
        context.services.raised_appeals.send_back,
        student.cohort,
        student.student,
        step,
        text,
        account=at.account,
        seen=AppealEvidence.of(status, at.reader.now),
        due=due_at(context.settings, step, student.campus, at.reader.now),
        now=at.reader.now,
    )
    try:
        made = await context.ask_long(enter)
    except AppealRefused as refused:
        code, wrong = 409 if refused.code is AppealCode.WAITS else 422, appeals.REFUSALS[refused.code]
        return await _show_send_back_form(context, at, student, chosen=step, text=text, wrong=wrong, status=code)
    await context.audit(AuditEvent.SENT_BACK, cohort=made.cohort, student=made.student, step=step, appeal=made.appeal)
    return see_other(at.address("/desk/sent-back"))


def _before_review(flow: Flow, review: str) -> tuple[str, ...]:
    """Return the steps before a review. Empty if the flow does not contain the review."""
    return flow.after(review) if any(entry.step == review for entry in flow.entries) else ()


async def _student(context: Context, at: DeskContext, number: str) -> StudentView:
    """Return a student of this reviewer at this step. Raise 404 if missing or outside the scopes."""
    cohort, now = at.reader.cohort.key, at.reader.now
    if not number or not await context.ask(context.services.named.inside, cohort, (number,), at.scopes):
        raise HTTPException(404)
    student = (await context.ask(context.services.named.students, cohort, (number,), now))[number]
    if not _steps_before_review(at, student):
        raise HTTPException(404)
    return student


def _steps_before_review(at: DeskContext, student: StudentView) -> tuple[StepStatus, ...]:
    """Return the student's steps before this review."""
    flow = at.reader.settings.flow_named(student.flow)
    if flow is None or not student.steps:
        return ()
    before = _before_review(flow, at.step)
    return tuple(status for status in student.steps if status.step in before)


async def _show_send_back_form(
    context: Context,
    at: DeskContext,
    student: StudentView,
    *,
    chosen: str = "",
    text: str = "",
    wrong: str = "",
    status: int = 200,
) -> Response:
    language, now, titles = at.reader.language, at.reader.now, at.reader.titles
    return await desk_page(
        context,
        at,
        "desk/send_back.html",
        status=status,
        student=student,
        choices=[
            _Choice(
                step=one.step,
                title=titles[one.step],
                office=cards.office_name(language, context.settings.step_named(one.step).office),
                now=appeals.shown(language, AppealEvidence.of(one, now), now).bare,
            )
            for one in _steps_before_review(at, student)
        ],
        chosen=chosen,
        text=text,
        wrong=language.gettext(wrong) if wrong else "",
    )


ROUTES = (
    Route("/desk/send-back", for_visitors(send_back_page, Act.REVIEW)),
    Route("/desk/send-back", for_visitors(send, Act.REVIEW), methods=["POST"]),
    Route("/desk/sent-back", for_visitors(sent_back_page, Act.REVIEW)),
)
