"""The office's queue of appeals and returned steps: list them, show one, and answer it."""

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Annotated

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form, OrNone, Ticked, Words
from portal.access.requires import for_visitors
from portal.desk.context.desk_context import ANSWERING, DeskContext, desk_context
from portal.desk.context.head import desk_page, inside_of
from portal.i18n.labels import N_
from portal.page.account_names import names_of
from portal.page.context import Context, SignedIn
from portal.present import appeals
from portal.student import recheck
from portal.student.appeal import show_record
from portal.web import bounds
from portal.web.links import see_other
from status_db.accounts.audit_log import AuditEvent
from status_db.effective_status import StepStatus
from status_db.inbox.appeal_rows import Appeal, AppealOutcome
from status_db.inbox.appeals import AppealCode, AppealRefused
from status_db.inbox.requests import Request as Recheck
from status_db.inbox.requests import RequestOutcome, RequestRefused
from status_db.model import StepKind
from status_db.views import StudentView

#: Rows shown in the queue. After the first is answered, the next appears.
_ROWS = 50

#: Rechecks that a clerk can request in addition to the student's own daily limit.
_ASKED_BY_CLERKS = 20

NO_OUTCOME = N_("请选择处理结果。")
NOT_ASKED = N_("异议提出后尚未重新查询成功。请先点“重新查询”，有结果后再答复。")
ASKED_OFTEN = N_("今天的重新查询次数已达上限。请改天再查，或选择其他处理结果。")


class AnswerForm(Form):
    """An office's answer to an appeal."""

    #: Chinese text: a form encodes each character as nine bytes.
    longest = 16 * 1024

    outcome: Annotated[AppealOutcome | None, OrNone] = None
    answer: Words = ""
    #: The answer was given on the student's record.
    record: Ticked = False


@dataclass(frozen=True, slots=True)
class _AppealContext:
    """An appeal, its student and step, and the context of the clerk who can answer it."""

    at: DeskContext
    one: Appeal
    student: StudentView
    #: None if the step is no longer in the student's flow.
    status: StepStatus | None


async def queue(context: SignedIn) -> Response:
    """Show the appeals that wait at a step, the earliest deadline first."""
    at = desk_context(context, ANSWERING)
    cohort, reader = at.reader.cohort.key, at.reader
    inside = inside_of(context, cohort, at.scopes)
    waiting = await context.ask_long(context.services.raised_appeals.waiting, cohort, (at.step,), inside, _ROWS + 1)
    shown = waiting[:_ROWS]
    students = await context.ask_long(
        context.services.named.students, cohort, {one.student for one in shown}, reader.now
    )
    names = await names_of(context, shown)
    return await desk_page(
        context,
        at,
        "desk/appeals.html",
        answered=await _just_answered(context, at),
        more=_ROWS if len(waiting) > _ROWS else 0,
        cases=[appeals.case(reader.language, one, students.get(one.student), names, reader.now) for one in shown],
    )


async def _just_answered(context: SignedIn, at: DeskContext) -> str:
    """Return which appeal was answered, if the address names one. Empty if it names none."""
    number = bounds.number(context.asked("answered"))
    one = await context.ask(context.services.raised_appeals.one, at.reader.cohort.key, number) if number else None
    if one is None or one.answered_by != at.account or one.step != at.step or one.outcome is None:
        return ""
    student = await context.ask(context.services.named.students, one.cohort, (one.student,), at.reader.now)
    name = student[one.student].name if one.student in student else ""
    return at.reader.language.gettext(
        "已答复：%(name)s（%(number)s），%(outcome)s。",
        name=name,
        number=one.student,
        outcome=at.reader.language.gettext(appeals.OUTCOMES[one.outcome]),
    )


async def appeal_page(context: SignedIn) -> Response:
    """Show one appeal and the form to answer it."""
    found = await _load_appeal(context)
    await context.audit(
        AuditEvent.SAW_STUDENT, cohort=found.one.cohort, student=found.one.student, appeal=found.one.appeal
    )
    return await _show_appeal(context, found)


async def answer(context: SignedIn) -> Response:
    """Save the office's answer. If it is not valid, show the form again with the reason and the fix."""
    sent = await forms.read_form(context, AnswerForm)
    found = await _load_appeal(context)
    outcome, text = sent.outcome, sent.answer
    if outcome is None or outcome not in _outcomes(found):
        return await _show_appeal(context, found, text=text, wrong=NO_OUTCOME, status=422)
    if outcome == AppealOutcome.RECHECKED and not _was_rechecked(found.one, await _last_asked(context, found.one)):
        return await _show_appeal(context, found, outcome=outcome, text=text, wrong=NOT_ASKED, status=422)
    enter = partial(
        context.services.raised_appeals.answer,
        found.one.appeal,
        outcome,
        text,
        account=found.at.account,
        now=found.at.reader.now,
        decision=_decided_since(found),
    )
    try:
        ended = await context.ask_long(enter)
    except AppealRefused as refused:
        if refused.effective is not None:
            found = _AppealContext(found.at, refused.effective, found.student, found.status)
        status, wrong = (
            409 if refused.code is AppealCode.ANSWERED else 422,
            appeals.REFUSALS[refused.code],
        )
        return await _show_appeal(context, found, outcome=outcome, text=text, wrong=wrong, status=status)
    await context.audit(
        AuditEvent.APPEAL_ANSWERED,
        cohort=ended.cohort,
        student=ended.student,
        step=ended.step,
        appeal=ended.appeal,
        outcome=outcome,
    )
    if sent.record:
        return see_other(found.at.record(ended.student, answered="1"))
    return see_other(found.at.address("/desk/appeals", answered=str(ended.appeal)))


async def ask_again(context: SignedIn) -> Response:
    """Request a recheck of the student, then show the appeal with the new status."""
    await forms.read_form(context, Form)
    found = await _load_appeal(context)
    one, at = found.one, found.at
    if found.status is None or found.status.kind is not StepKind.SYNCED:
        raise HTTPException(404)
    ask = partial(
        context.services.requests.ask_recheck,
        one.cohort,
        one.student,
        account=at.account,
        now=at.reader.now,
        pause=timedelta(0),
        day_limit=context.settings.portal.recheck_day_limit + _ASKED_BY_CLERKS,
    )
    try:
        await context.ask_long(ask)
    except RequestRefused:
        last = await _last_asked(context, one)
        if last is None or last.served_at is not None:
            return await _show_appeal(context, found, wrong=ASKED_OFTEN, status=429)
    else:
        await context.audit(AuditEvent.ASKED_RECHECK, cohort=one.cohort, student=one.student)
    await recheck.until_served(partial(context.ask, context.services.requests.last_recheck, one.cohort, one.student))
    return see_other(at.address(f"/desk/appeals/{one.appeal}"))


async def record(context: SignedIn) -> Response:
    """Show one appeal for printing."""
    found = await _load_appeal(context)
    await context.audit(
        AuditEvent.SAW_STUDENT, cohort=found.one.cohort, student=found.one.student, appeal=found.one.appeal
    )
    back = found.at.address(f"/desk/appeals/{found.one.appeal}")
    return await show_record(context, found.student, found.one, back)


async def _load_appeal(context: SignedIn) -> _AppealContext:
    """Return the appeal that the address names. Raise 404 if it is missing or outside the visitor's scopes."""
    at = desk_context(context, ANSWERING)
    cohort, now = at.reader.cohort.key, at.reader.now
    one = await context.ask(context.services.raised_appeals.one, cohort, context.request.path_params["appeal"])
    if one is None:
        raise HTTPException(404)
    at = desk_context(context, ANSWERING, one.step)
    if not await context.ask(context.services.named.inside, cohort, (one.student,), at.scopes):
        raise HTTPException(404)
    student = (await context.ask(context.services.named.students, cohort, (one.student,), now))[one.student]
    return _AppealContext(at, one, student, next((s for s in student.steps if s.step == one.step), None))


async def _show_appeal(
    context: Context,
    found: _AppealContext,
    *,
    outcome: str = "",
    text: str = "",
    wrong: str = "",
    status: int = 200,
) -> Response:
    at, one = found.at, found.one
    language, now = at.reader.language, at.reader.now
    return await desk_page(
        context,
        at,
        "desk/appeal.html",
        status=status,
        case=appeals.case(language, one, found.student, await names_of(context, [one]), now),
        outcomes=[(key, language.gettext(appeals.OUTCOMES[key])) for key in _outcomes(found)],
        chosen=outcome,
        text=text,
        wrong=language.gettext(wrong) if wrong else "",
        asks=one.waits and AppealOutcome.RECHECKED in _outcomes(found),
        asked=_recheck_text(found, await _last_asked(context, one)),
        decision=_decided_since(found),
        about=at.record(one.student),
    )


def _outcomes(found: _AppealContext) -> tuple[AppealOutcome, ...]:
    """Return the possible outcomes. A recheck is possible only if the step has sources."""
    synced = found.status is not None and found.status.kind is StepKind.SYNCED
    return (
        (AppealOutcome.RECHECKED, AppealOutcome.DECIDED, AppealOutcome.EXPLAINED)
        if synced
        else (AppealOutcome.DECIDED, AppealOutcome.EXPLAINED)
    )


def _decided_since(found: _AppealContext) -> int | None:
    """Return the active decision that was made after the appeal. None if there is none."""
    decision, now = found.status.decision if found.status is not None else None, found.at.reader.now
    if decision is None or not decision.active(now) or decision.id == found.one.seen.decision:
        return None
    return decision.id


async def _last_asked(context: Context, one: Appeal) -> Recheck | None:
    return await context.ask(context.services.requests.last_recheck, one.cohort, one.student)


def _was_rechecked(one: Appeal, last: Recheck | None) -> bool:
    """Return whether a recheck of the student succeeded after the appeal was raised."""
    return last is not None and last.outcome is RequestOutcome.DONE and last.at >= one.at


def _recheck_text(found: _AppealContext, last: Recheck | None) -> str:
    """Return the result of the last recheck since the appeal as text. Empty if none was requested."""
    if last is None or last.at < found.one.at or not found.one.waits:
        return ""
    language, now = found.at.reader.language, found.at.reader.now
    moment = language.moment(last.served_at or last.at, now)
    if last.served_at is None:
        return language.gettext("正在重新查询（%(moment)s 提出）。请稍后刷新本页。", moment=moment)
    if last.outcome is RequestOutcome.DONE:
        return language.gettext("%(moment)s 已重新查询，以下为查询后的状态。", moment=moment)
    return language.gettext("%(moment)s 的重新查询未成功，以下仍为上次的数据。请稍后再试。", moment=moment)


ROUTES = (
    Route("/desk/appeals", for_visitors(queue, *ANSWERING)),
    Route("/desk/appeals/{appeal:id}", for_visitors(appeal_page, *ANSWERING)),
    Route("/desk/appeals/{appeal:id}/answer", for_visitors(answer, *ANSWERING), methods=["POST"]),
    Route("/desk/appeals/{appeal:id}/recheck", for_visitors(ask_again, *ANSWERING), methods=["POST"]),
    Route("/desk/appeals/{appeal:id}/record", for_visitors(record, *ANSWERING)),
)
