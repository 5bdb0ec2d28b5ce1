"""The record of one student's step: its evidence, its decisions, and the forms to decide it."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from functools import partial
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from portal.access import forms
from portal.access.requires import for_visitors
from portal.auth.permissions import inside, oversees
from portal.desk import dossiers, settling
from portal.desk.after_act import AT_ONCE, after_act
from portal.desk.context import refusals
from portal.desk.context.desk_context import AT_THE_DESK, DeskContext, acts_at, desk_context
from portal.desk.decision_form import (
    DECIDED,
    LONGEST_TEXT,
    LONGEST_WORD,
    REVIEWED,
    FormCode,
    FormInvalid,
    TypedDecision,
)
from portal.page.account_names import names_of, names_of_accounts
from portal.page.context import Context, SignedIn
from portal.present import appeals
from portal.web.links import see_other
from status_db.accounts.accounts import Act
from status_db.accounts.audit_log import AuditEvent
from status_db.decisions.refusals import DecisionRefused, Overtaken
from status_db.decisions.reviews import seen_by_review
from status_db.effective_status import StepStatus
from status_db.model import Decision, StepKind, Verdict, normalise_number
from status_db.queries.dossier import Dossier


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One student's step, and the desk context of the request."""

    at: DeskContext
    dossier: Dossier
    status: StepStatus
    #: The student's steps that the account is allowed to act on.
    own: tuple[str, ...]

    @property
    def student(self) -> str:
        """The student's number."""
        return self.dossier.student.student

    @property
    def saw(self) -> str:
        """Return the version tag of the current status, as the stores check it."""
        if self.status.kind is StepKind.REVIEW:
            return seen_by_review(self.status)
        return self.status.version_tag(self.at.reader.now)

    @property
    def decision(self) -> Decision | None:
        """The decision that counts, or the review that has lapsed."""
        decision = self.status.decision
        return decision if decision is not None and decision.active(self.at.reader.now) else None

    def address(self, act: str = "") -> str:
        """Return the address of the record or of an action on it."""
        return self.of(self.at.step, act)

    def of(self, step: str, act: str = "") -> str:
        """Return the address of another step of the student."""
        path = f"/desk/students/{quote(self.student, safe='')}{act}"
        return self.at.reader.address(path, step=step)


async def step_record_page(context: SignedIn) -> Response:
    """Show a record."""
    found = await _find_record(context, AT_THE_DESK)
    await context.audit(
        AuditEvent.SAW_STUDENT, cohort=found.at.reader.cohort.key, student=found.student, step=found.at.step
    )
    return await _show_record(context, found)


async def decide(context: SignedIn) -> Response:
    """Enter a decision of the step's office."""
    return await _act(context, Act.DECIDE, _decide)


async def withdraw_decision(context: SignedIn) -> Response:
    """Withdraw the active decision."""
    return await _act(context, Act.DECIDE, _withdraw)


async def review(context: SignedIn) -> Response:
    """Give the review."""
    return await _act(context, Act.REVIEW, _review)


async def take_back(context: SignedIn) -> Response:
    """Withdraw the active review."""
    return await _act(context, Act.REVIEW, _take_back)


#: The audit event of an action, its decision, and the reason.
_Done = tuple[AuditEvent, Decision, str]


async def _act(
    context: SignedIn,
    act: Act,
    do: Callable[[SignedIn, StepRecord, TypedDecision], Awaitable[_Done]],
) -> Response:
    """Carry out an action on a record. If it is refused, show the page again with all that was typed."""
    typed = await forms.read_form(context, TypedDecision)
    found = await _find_record(context, (act,))
    try:
        event, decision, reason = await do(context, found, typed)
    except FormInvalid as unclear:
        sentence = found.at.reader.language.gettext(refusals.unfilled(unclear.code, refusals.RECORD))
        return await _again(context, typed, sentence, 422)
    except DecisionRefused as refused:
        who = await _first_author_name(context, refused)
        sentence = refusals.not_entered(found.at.reader, refused, typed.decision_seen, who)
        if isinstance(refused, Overtaken):
            # The page reports the newer decision and shows the current status.
            typed = typed.model_copy(update={"saw": "", "decision": None})
        return await _again(context, typed, sentence, 409)
    await context.audit(
        event,
        cohort=found.at.reader.cohort.key,
        student=found.student,
        step=found.at.step,
        verdict=decision.verdict,
        reason=reason,
        decision=decision.id,
    )
    answered = 0
    if event in (AuditEvent.DECIDED, AuditEvent.REVIEWED) and typed.appeal:
        settle = partial(settling.settle, answer=typed.answer or typed.words, newest=typed.appeal)
        answered = await settle(context, found.at, {found.student: decision.id})
    return see_other(found.at.record(found.student, done=str(decision.id), answered=str(answered or "")))


async def _again(context: SignedIn, typed: TypedDecision, sentence: str, status: int) -> Response:
    found = await _find_record(context, AT_THE_DESK)
    return await _show_record(context, found, typed=typed, refused=sentence, status=status)


async def _decide(context: Context, found: StepRecord, typed: TypedDecision) -> _Done:
    at = found.at
    request = typed.decision_request(found.student, at.step, DECIDED, context.settings.institution.timezone)
    entered = await context.ask_long(at.stores.overrides.enter, request, at.account, context.now, at.scopes)
    return AuditEvent.DECIDED, entered, entered.reason


async def _withdraw(context: Context, found: StepRecord, typed: TypedDecision) -> _Done:
    at = found.at
    _refuse_no_reason(typed)
    door = partial(at.stores.overrides.withdraw, saw=typed.decision_seen)
    taken = await context.ask_long(door, found.student, at.step, at.account, context.now, at.scopes)
    return AuditEvent.DECISION_WITHDRAWN, taken, typed.because


async def _review(context: Context, found: StepRecord, typed: TypedDecision) -> _Done:
    at = found.at
    request = typed.decision_request(found.student, at.step, REVIEWED, context.settings.institution.timezone)
    door = partial(at.stores.reviews.review, over_old_answers=typed.over)
    given = await context.ask_long(door, request, at.account, context.now, at.scopes)
    return AuditEvent.REVIEWED, given, given.reason


async def _take_back(context: Context, found: StepRecord, typed: TypedDecision) -> _Done:
    at = found.at
    _refuse_no_reason(typed)
    door = partial(at.stores.reviews.take_back, saw=typed.decision_seen)
    taken = await context.ask_long(door, found.student, at.step, at.account, context.now, at.scopes)
    return AuditEvent.REVIEW_WITHDRAWN, taken, typed.because


def _refuse_no_reason(typed: TypedDecision) -> None:
    typed.refuse_too_long()
    if not typed.because:
        raise FormInvalid(FormCode.NO_REASON)


async def _first_author_name(context: Context, refused: DecisionRefused) -> str:
    """Return the name of the author of the newer decision."""
    if not isinstance(refused, Overtaken) or refused.first is None:
        return ""
    author = refused.first.author
    account = await context.ask(context.services.accounts.find, author)
    if account is None or account.name == author:
        return author
    return f"{account.name} ({author})" if context.language.code == "en" else f"{account.name}（{author}）"


async def _find_record(context: SignedIn, acts: Collection[Act]) -> StepRecord:
    """Return the record that the address names, if the visitor can do one of these acts. Raise HTTPException.

    403 if the visitor has none of these acts. 404 if the student or step is outside the scopes, as for unknown ones.
    Without a step in the address, use the student's first one that the visitor is allowed to act on.
    """
    at = desk_context(context, acts)
    may, reader = at.reader.visibility.steps, at.reader
    dossier = await context.ask(
        context.services.reader.dossier,
        reader.cohort.key,
        normalise_number(context.request.path_params["number"]),
        reader.now,
    )
    student = dossier.student if dossier is not None else None
    own = [s for s in student.steps if inside(student, may.get(s.step, ()))] if student is not None else []
    wanted = context.asked("step")
    status = next((s for s in own if wanted in ("", s.step)), None)
    if dossier is None or status is None:
        raise HTTPException(404)
    meant = replace(at, step=status.step, scopes=tuple(may[status.step]))
    return StepRecord(meant, dossier, status, tuple(s.step for s in own))


async def _show_record(
    context: SignedIn,
    found: StepRecord,
    *,
    typed: TypedDecision | None = None,
    refused: str = "",
    status: int = 200,
) -> Response:
    reader, step = found.at.reader, found.status
    may = {act for act in AT_THE_DESK if _may(context, found, act)}
    is_review = step.kind is StepKind.REVIEW
    decides = Act.DECIDE in may and not is_review
    reviews = Act.REVIEW in may and is_review and not step.issued
    blank = TypedDecision(saw=found.saw, decision=found.decision.id if found.decision else 0)
    # After another error, keep the version tag of the first page: a colleague can have decided since.
    filled = typed.filled_from(blank) if typed else blank
    verdicts = REVIEWED if is_review else DECIDED
    door = dossiers.review_check(reader, step)
    waiting = await settling.waiting_for(context, found.at, found.student) if decides or reviews else ()
    raisers = await names_of(context, waiting)
    after = None if refused else await after_act(context, found.at, found.dossier, may_undo=decides or reviews)
    return context.page(
        "desk/record.html",
        status=status,
        at=found.at,
        reader=reader,
        student=found.dossier.student,
        shown=dossiers.shown(reader, found.dossier, step, await _author_names(context, found.dossier)),
        queue=found.at.address("/desk"),
        after=after,
        at_once=reader.language.gettext(AT_ONCE),
        cases=[appeals.case(reader.language, one, found.dossier.student, raisers, reader.now) for one in waiting],
        newest_appeal=max((one.appeal for one in waiting), default=0),
        act=found.address,
        own=found.own,
        record_of=found.of,
        decides=decides,
        reviews=reviews,
        withdraws=(decides or reviews) and found.decision is not None,
        is_review=is_review,
        door=door,
        verdicts=[
            (verdict.value, reader.language.gettext(word))
            for verdict, word in verdicts.items()
            if not is_review or verdict is not Verdict.CLEARED or door.opens
        ],
        reasons=reader.settings.step_named(step.step).reasons,
        typed=filled,
        refused=refused,
        longest_word=LONGEST_WORD,
        longest_text=LONGEST_TEXT,
        send_back=found.at.address("/desk/send-back", student=found.student) if Act.REVIEW in may and is_review else "",
        opens_runs=oversees(context.account),
    )


async def _author_names(context: Context, dossier: Dossier) -> dict[str, str]:
    """Return account → name of all who decided the student's steps, withdrew a decision or issued a certificate."""
    accounts = {one.author for one in dossier.decisions} | {one.withdrawn_by for one in dossier.decisions}
    return await names_of_accounts(context, accounts | {one.issued_by for one in dossier.student.certificates})


def _may(context: SignedIn, found: StepRecord, act: Act) -> bool:
    allowed = acts_at(context, (act,))
    return inside(found.dossier.student, allowed.get(found.at.step, ()))


ROUTES = (
    Route("/desk/students/{number:name}", for_visitors(step_record_page, *AT_THE_DESK)),
    Route("/desk/students/{number:name}/decide", for_visitors(decide, Act.DECIDE), methods=["POST"]),
    Route("/desk/students/{number:name}/withdraw", for_visitors(withdraw_decision, Act.DECIDE), methods=["POST"]),
    Route("/desk/students/{number:name}/review", for_visitors(review, Act.REVIEW), methods=["POST"]),
    Route("/desk/students/{number:name}/withdraw-review", for_visitors(take_back, Act.REVIEW), methods=["POST"]),
)
