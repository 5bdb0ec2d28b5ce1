"""A student's objection to what stands at a step: raised, taken back, and printed with its answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.requires import for_visitors
from portal.i18n import labels
from portal.i18n.labels import later
from portal.page.account_names import names_of
from portal.page.cohorts import Own
from portal.page.context import House, Visitor, see_other
from portal.page.own_student import own_view
from portal.present import appeals, cards
from portal.present.due import due_at
from status_db.accounts.audit_log import Deed
from status_db.inbox.appeal_rows import Kind, SeenThen, StudentObjection
from status_db.inbox.appeals import AppealCode, ObjectionRefused
from status_db.model import StepStatus
from status_db.views import StudentView

#: Words in Chinese, each letter of which a form writes as nine, and the title of a thing.
_LONGEST_FORM = 16 * 1024

NO_ITEM = later("请选一下是哪一项。")

#: What a refusal answers with; whatever is not named here could be mended in the form.
_STATUS: Mapping[AppealCode, int] = {AppealCode.WAITS: 409, AppealCode.TOO_MANY: 429}


@dataclass(frozen=True, slots=True)
class _Here:
    """One student before one of the own steps."""

    student: StudentView
    status: StepStatus
    now: datetime
    own: Own


async def form(request: Request, house: House, visitor: Visitor) -> Response:
    """Show what may be objected to at a step; one that is clear leads to the page that says so."""
    here = await _here(request, house, visitor, request.query_params.get("step", ""))
    if not appeals.may_object(here.status, here.now):
        return see_other(here.own.address("/"))
    return _form(request, house, here)


async def send(request: Request, house: House, visitor: Visitor) -> Response:
    """Enter an objection; one that is not taken comes back with what would do."""
    fields = await forms.read(request, house.settings.portal.public_url, visitor.token, longest=_LONGEST_FORM)
    here = await _here(request, house, visitor, fields.get("step", ""))
    student, step, now = here.student, here.status.step, here.now
    if not appeals.may_object(here.status, now):
        return see_other(here.own.address("/"))
    seen = SeenThen.of(here.status, now)
    item, text = fields.get("item"), fields.get("text", "").replace("\r\n", "\n")
    language = house.language(request)
    if item not in {choice.item for choice in appeals.choices(language, seen, now)} or item is None:
        return _form(request, house, here, text=text, wrong=language.gettext(NO_ITEM), status=422)
    enter = partial(
        house.student_objections.raise_,
        student.cohort,
        student.student,
        step,
        item,
        text,
        account=visitor.account.account,
        seen=seen,
        due=due_at(house.settings, step, student.campus, now),
        now=now,
        limit=house.settings.desk.objections_waiting,
    )
    try:
        made = await house.ask_long(enter)
    except ObjectionRefused as refused:
        wrong, status = appeals.refusal(language, refused), _STATUS.get(refused.code, 422)
        return _form(request, house, here, text=text, item=item, wrong=wrong, status=status)
    await house.note(
        request, Deed.OBJECTED, cohort=made.cohort, student=made.student, step=made.step, objection=made.objection
    )
    return see_other(here.own.address("/"))


async def withdraw(request: Request, house: House, visitor: Visitor) -> Response:
    """Take an own objection back; one that has been answered meanwhile stays, and the page shows the answer."""
    await forms.read(request, house.settings.portal.public_url, visitor.token)
    student, one, own = await _own(request, house, visitor)
    take_back = partial(
        house.student_objections.withdraw,
        one.objection,
        student.student,
        account=visitor.account.account,
        now=house.clock(),
    )
    try:
        await house.ask_long(take_back)
    except ObjectionRefused:
        return see_other(own.address("/"))
    await house.note(request, Deed.OBJECTION_WITHDRAWN, cohort=one.cohort, student=one.student, objection=one.objection)
    return see_other(own.address("/"))


async def record(request: Request, house: House, visitor: Visitor) -> Response:
    """Show an own objection, ready to be printed."""
    student, one, own = await _own(request, house, visitor)
    return await show_record(request, house, student, one, back=own.address("/"))


async def show_record(
    request: Request, house: House, student: StudentView, one: StudentObjection, back: str
) -> Response:
    """Show an objection, ready to be printed: the same paper for the student and for the office."""
    names = await names_of(house, [one])
    language, now = house.language(request), house.clock()
    paper = appeals.record(language, house.settings, one, student, names, now)
    return house.page(request, "objection_record.html", paper=paper, case=paper.case, back=back)


async def _here(request: Request, house: House, visitor: Visitor, step: str) -> _Here:
    now = house.clock()
    found = await own_view(request, house, visitor, now) if house.settings.desk.enabled else None
    status = next((s for s in found[0].steps if s.step == step), None) if found is not None else None
    if found is None or status is None:
        raise HTTPException(404)
    return _Here(found[0], status, now, found[1])


async def _own(request: Request, house: House, visitor: Visitor) -> tuple[StudentView, StudentObjection, Own]:
    """Return the student who asks, and the own objection that is meant; whatever else there is looks like none."""
    found = await own_view(request, house, visitor, house.clock())
    if found is None:
        raise HTTPException(404)
    student, own = found
    one = await house.ask(house.student_objections.one, student.cohort, request.path_params["objection"])
    steps = {step.key for step in house.settings.step}
    if one is None or one.student != student.student or one.kind is not Kind.OBJECTION or one.step not in steps:
        raise HTTPException(404)
    return student, one, own


def _form(
    request: Request,
    house: House,
    here: _Here,
    *,
    item: str | None = None,
    text: str = "",
    wrong: str = "",
    status: int = 200,
) -> Response:
    language, settings, step = house.language(request), house.settings, here.status.step
    seen = SeenThen.of(here.status, here.now)
    offered = appeals.choices(language, seen, here.now)
    due = due_at(settings, step, here.student.campus, here.now)
    return house.page(
        request,
        "objection.html",
        status=status,
        step=step,
        title=labels.step_titles(language, settings)[step],
        office=cards.office_name(language, settings.step_named(step).office),
        due=language.moment(due, here.now),
        seen=appeals.shown(language, seen, here.now),
        choices=offered,
        chosen=item if item is not None or len(offered) > 1 else offered[0].item,
        text=text,
        wrong=wrong,
    )


ROUTES = (
    Route("/objection", for_visitors(form)),
    Route("/objection", for_visitors(send), methods=["POST"]),
    Route("/objection/{objection:id}/withdraw", for_visitors(withdraw), methods=["POST"]),
    Route("/objection/{objection:id}/record", for_visitors(record)),
)
