"""Class review: review the students of a class that are clear and issue their certificates in one step."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pydantic import Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.form_fields import Form, Text, Ticked
from portal.access.reader_context import NONE
from portal.access.requires import for_visitors
from portal.desk.context.desk_context import DeskContext, desk_context
from portal.desk.context.refusals import sentence
from portal.desk.graduation import drafts, member_lines
from portal.desk.graduation.classes import REVIEWING, ReviewPowers, class_address, class_asked, next_class, powers
from portal.desk.graduation.drafts import LEAVES, ClassDraft, DraftPlan
from portal.desk.graduation.member_lines import MemberLine
from portal.i18n.labels import N_
from portal.page.context import Context, SignedIn
from portal.student import recheck
from portal.web.links import see_other
from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.certificates import Collected
from status_db.decisions.class_review import ChosenStudent, ClassReview, Exclusion, NonePassed
from status_db.decisions.refusals import DecisionRefused
from status_db.decisions.reviews import seen_by_review
from status_db.inbox.requests import RequestOutcome, RequestRefused
from status_db.queries.classes import ClassMember, Roll, Stage

#: Students shown in one form. The others follow after these.
MOST = 300

#: A whole class with pasted numbers: a form encodes each Chinese character as nine bytes.
_LONGEST_FORM = 512 * 1024
_MOST_FIELDS = 2 * MOST + 50

#: The review's reason if the settings list none.
_REASON = N_("各环节已办结")


@dataclass(frozen=True, slots=True)
class ClassContext:
    """One class, and what the account is allowed to do there."""

    at: DeskContext
    college: str
    class_name: str
    may: ReviewPowers
    roll: Roll
    #: Why a recheck is refused for now. Empty if it is allowed.
    refused: str = ""

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds of certificate."""
        return self.at.reader.settings.desk.certificates

    @property
    def reasons(self) -> Sequence[str]:
        """The review's reasons to choose from. Empty if the reason is typed."""
        return self.at.reader.settings.step_named(self.at.step).reasons

    def empty(self) -> ClassDraft:
        """Return the initial values of the form."""
        reason = self.reasons[0] if self.reasons else self.at.reader.language.gettext(_REASON)
        return ClassDraft(kind=self.kinds[0], reason=reason)

    def address(self, path: str) -> str:
        """Return the address of a page for this class."""
        return class_address(self.at, path, self.college, self.class_name)


class ClassForm(Form):
    """The form of a class: what was ticked and typed, and the students of a confirmed preview."""

    longest = _LONGEST_FORM
    most = _MOST_FIELDS

    step: Text = ""
    college: Text = ""
    class_name: Text = Field("", alias="class")
    do: Text = ""
    pick: tuple[str, ...] = ()
    #: Per student, as the preview showed it: number, version tag, certificate number.
    chosen: tuple[str, ...] = ()
    leave: Text = ""
    pasted: Text = ""
    first: tuple[str, ...] = ()
    kind: Text = ""
    collected: Text = ""
    reason: Text = ""
    note: Text = ""
    over_old: Ticked = False

    @property
    def named_class(self) -> str:
        """The class. Empty for students that have none."""
        return "" if self.class_name == NONE else self.class_name

    def draft(self) -> ClassDraft:
        """Return what was ticked and typed."""
        return ClassDraft(
            frozenset(self.pick),
            self.leave,
            self.pasted,
            self.first,
            self.kind,
            self.collected,
            self.reason,
            self.note,
            self.over_old,
        )


async def class_review_page(context: SignedIn) -> Response:
    """Show a class. Students that are clear or reviewed are ticked."""
    at = desk_context(context, REVIEWING)
    context_of_class = await _class_context(context, at, *class_asked(context))
    await context.audit(
        AuditEvent.SAW_LIST,
        cohort=at.reader.cohort.key,
        step=at.step,
        class_name=context_of_class.class_name,
        students=len(context_of_class.roll.members),
    )
    return await _show_class_form(context, context_of_class, context_of_class.empty())


async def class_review_form(context: SignedIn) -> Response:
    """Preview a draft, confirm it, or show the form again. If it is not valid, the form shows why."""
    form = await forms.read_form(context, ClassForm)
    at = desk_context(context, REVIEWING, form.step or None)
    context_of_class = await _class_context(context, at, form.college, form.named_class)
    draft = form.draft()
    if form.do == "edit":
        return await _show_class_form(context, context_of_class, draft)
    if form.do == "confirm":
        return await _confirmed(context, context_of_class, draft, _confirmed_members(form))
    plan = drafts.planned(context_of_class.roll, at.step, draft, context_of_class.kinds, at.reader.now)
    numbers = [number for one in plan.passing for number in one.numbers.values()]
    used = await context.ask_long(at.stores.classes.used, numbers)
    wrong = drafts.mistakes(
        at.reader.language,
        context_of_class.roll,
        draft,
        plan,
        used=used,
        kinds=context_of_class.kinds,
        reasons=context_of_class.reasons,
    )
    if wrong:
        return await _show_class_form(context, context_of_class, draft, wrong)
    return _preview(context, context_of_class, draft, plan)


async def ask(context: SignedIn) -> Response:
    """Request a recheck of all sources and wait a few seconds for it. Show when to try again if it is refused."""
    form = await forms.read_form(context, ClassForm)
    at = desk_context(context, REVIEWING, form.step or None)
    cohort, now = at.reader.cohort.key, at.reader.now
    context_of_class = await _class_context(context, at, form.college, form.named_class)
    question = partial(
        context.services.requests.ask_sources,
        cohort,
        account=context.account.account,
        now=now,
        pause=context.settings.portal.recheck_pause,
    )
    try:
        await context.ask_long(question)
    except RequestRefused as refused:
        last = await context.ask(context.services.requests.last_ask, cohort)
        if last is None or last.served_at is not None:
            wait_text = at.reader.language.ngettext(
                "刚刚重新查询过，请 %(num)s 分钟后再试。", max(1, round(refused.wait.total_seconds() / 60))
            )
            shown = ClassContext(
                at,
                context_of_class.college,
                context_of_class.class_name,
                context_of_class.may,
                context_of_class.roll,
                wait_text,
            )
            return await _show_class_form(context, shown, shown.empty(), status=429)
    else:
        await context.audit(
            AuditEvent.ASKED_RECHECK, cohort=cohort, step=at.step, class_name=context_of_class.class_name
        )
    await recheck.until_served(partial(context.ask, context.services.requests.last_ask, cohort))
    return see_other(context_of_class.address("/desk/classes/review"))


def _confirmed_members(form: ClassForm) -> list[ChosenStudent]:
    """Return the students of a confirmed preview, each as the preview showed it."""
    found: list[ChosenStudent] = []
    collected: Collected = "self" if form.collected == "self" else "post" if form.collected == "post" else ""
    for one in form.chosen:
        own, *others = one.split("\t")
        student, saw, number = (*own.split(" ", 2), "", "")[:3]
        further = tuple(zip(others[::2], others[1::2], strict=False))
        how: Collected = collected if number.strip() or further else ""
        found.append(ChosenStudent(student, saw, number.strip(), how, others=further))
    return found


async def _class_context(context: SignedIn, at: DeskContext, college: str, class_name: str) -> ClassContext:
    """Return a class. Raise 404 if none of its students is visible."""
    may = powers(context, at)
    roll = await context.ask_long(
        at.stores.classes.roll, at.step, at.reader.now, college, class_name, may.review, may.issue
    )
    if not roll.members:
        raise HTTPException(404)
    return ClassContext(at, college, class_name, may, roll)


async def _show_class_form(
    context: Context,
    context_of_class: ClassContext,
    draft: ClassDraft,
    wrong: Sequence[str] = (),
    status: int = 200,
) -> Response:
    at, now = context_of_class.at, context_of_class.at.reader.now
    language = at.reader.language
    staged = [(member, member.stage(at.step, now)) for member in context_of_class.roll.members]
    choosable = [(member, stage) for member, stage in staged if drafts.choosable(member, stage)]
    cut = {member.student for member, _ in choosable[MOST:]}
    by_stage: dict[str, list[MemberLine]] = {stage.value: [] for stage in Stage}
    for member, stage in staged:
        if member.student not in cut:
            by_stage[stage].append(member_lines.member_line(at, draft, member, stage))
    last = await context.ask(context.services.requests.last_ask, at.reader.cohort.key)
    return context.page(
        "desk/class_review.html",
        status=422 if wrong else status,
        at=at,
        context_of_class=context_of_class,
        class_field=context_of_class.class_name or NONE,
        draft=draft,
        wrong=wrong,
        by_stage=by_stage,
        cut=len(cut),
        leaves=[(key, language.gettext(word)) for key, word in LEAVES.items()],
        stale=at.before.stale(context_of_class.roll.freshness),
        moment=language.moment(now, now),
        as_of=at.before.as_of(context_of_class.roll.freshness),
        old=_olds(context_of_class),
        asking=last is not None and last.served_at is None,
        asked=language.moment(last.served_at, now) if last is not None and last.served_at else "",
        asked_well=last is not None and last.outcome is RequestOutcome.DONE,
    )


def _olds(context_of_class: ClassContext) -> str:
    """Return the oldest time of the data that would be accepted."""
    step, now = context_of_class.at.step, context_of_class.at.reader.now
    moments = [
        moment
        for member in context_of_class.roll.members
        if member.stage(step, now) is Stage.OLD
        for moment in member.review(step).waits_for_news.values()
    ]
    return context_of_class.at.reader.language.moment(min(moments), now) if moments else ""


def _preview(context: Context, context_of_class: ClassContext, draft: ClassDraft, plan: DraftPlan) -> Response:
    at = context_of_class.at
    left = [(member, _why_left(context_of_class, draft, plan, member, stage)) for member, stage in plan.left]
    return context.page(
        "desk/class_review_preview.html",
        at=at,
        context_of_class=context_of_class,
        class_field=context_of_class.class_name or NONE,
        draft=draft,
        plan=plan,
        passing=[(one, one.sent(seen_by_review(one.member.review(at.step)), draft.kind)) for one in plan.passing],
        left=left,
        issued_by_kind=[(kind, count) for kind in context_of_class.kinds if (count := plan.issued_of(kind))],
        held=sum(member.certificate is not None for member in context_of_class.roll.members),
        over_old=any(one.stage is Stage.OLD for one in plan.passing),
        old=_olds(context_of_class),
        leaves=at.reader.language.gettext(LEAVES[draft.collected]),
        moment=at.reader.language.moment(at.reader.now, at.reader.now),
        stale=at.before.stale(context_of_class.roll.freshness),
    )


def _why_left(
    context_of_class: ClassContext, draft: ClassDraft, plan: DraftPlan, member: ClassMember, stage: Stage
) -> str:
    """Return why a student is left out."""
    language = context_of_class.at.reader.language
    if member.student in plan.named:
        return language.gettext("在“除外”的学号中")
    if stage is Stage.OPEN or (stage is Stage.OLD and not draft.ticked(member, stage)):
        return language.listed(
            f"{title} {cell.text}" for title, cell, _ in member_lines.lacking(context_of_class.at, member)
        )
    if not drafts.choosable(member, stage):
        return (
            language.gettext("须先由有终审权限的人终审")
            if stage is Stage.CLEAR
            else language.gettext("已终审，由他人发证")
        )
    if draft.ticked(member, stage):
        return language.gettext("已终审，未填证书编号")
    return language.gettext("没有勾选")


async def _confirmed(
    context: SignedIn, context_of_class: ClassContext, draft: ClassDraft, chosen: Sequence[ChosenStudent]
) -> Response:
    at, may = context_of_class.at, context_of_class.may
    if wrong := drafts.of_choices(at.reader.language, draft, context_of_class.kinds, context_of_class.reasons):
        return await _show_class_form(context, context_of_class, draft, wrong)
    held: ClassReview | None = None
    left: Sequence[Exclusion]
    hold = partial(
        at.stores.class_reviews.give,
        at.step,
        chosen,
        context.account.account,
        at.reader.now,
        may.review,
        may.issue,
        title=f"{context_of_class.college} {context_of_class.class_name}".strip(),
        kind=draft.kind,
        reason=draft.reason,
        note=draft.note,
        over_old_answers=draft.over_old,
    )
    try:
        held = await context.ask_in_turn(hold)
        left = held.left_out
    except NonePassed as refused:
        left = refused.left_out
    except DecisionRefused as refused:
        return await _show_class_form(
            context, context_of_class, draft, [sentence(at.reader.language, at.reader.titles, refused)]
        )
    return await _result(context, context_of_class, held, left)


async def _result(
    context: Context, context_of_class: ClassContext, held: ClassReview | None, left: Sequence[Exclusion]
) -> Response:
    """Return the result for a class, and the students left out with the reason."""
    at, language = context_of_class.at, context_of_class.at.reader.language
    reviewed = len(held.reviews) if held else 0
    issued = len(held.certificates) if held else 0
    if held is not None:
        await context.audit(
            AuditEvent.CLASS_REVIEWED,
            cohort=at.reader.cohort.key,
            step=at.step,
            college=context_of_class.college,
            batch=held.batch,
            reviewed=reviewed,
            issued=issued,
            left_out=len(left),
            class_name=context_of_class.class_name,
        )
    names = {member.student: member.name for member in context_of_class.roll.members}
    return context.page(
        "desk/class_review_result.html",
        status=200 if held else 409,
        at=at,
        context_of_class=context_of_class,
        done=held is not None,
        next_class=await next_class(context, at) if held else None,
        reviewed=reviewed,
        issued=issued,
        certificates=[(one, names.get(one.student, "")) for one in held.certificates] if held else [],
        left=[
            (one.student, names.get(one.student, ""), sentence(language, at.reader.titles, one.why), one.reviewed)
            for one in left
        ],
    )


ROUTES = (
    Route("/desk/classes/review", for_visitors(class_review_page, *REVIEWING, long=True)),
    Route("/desk/classes/review", for_visitors(class_review_form, *REVIEWING), methods=["POST"]),
    Route("/desk/classes/recheck", for_visitors(ask, *REVIEWING), methods=["POST"]),
)
