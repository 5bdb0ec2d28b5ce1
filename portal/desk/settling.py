"""Appeals that a decision settles: deciding a step answers the appeals that wait at it, in the same act."""

from collections.abc import Mapping
from functools import partial

from portal.desk.context.desk_context import DeskContext
from portal.page.context import SignedIn
from status_db.accounts.audit_log import AuditEvent
from status_db.inbox.appeal_rows import Appeal, AppealOutcome
from status_db.inbox.appeals import LONGEST_TEXT, AppealRefused

#: The appeals that one act answers at most. The others stay in the queue, with the decision to answer them by.
_MOST = 2_000


async def waiting_for(context: SignedIn, at: DeskContext, student: str) -> tuple[Appeal, ...]:
    """Return the appeals of a student that wait at the step, the earliest deadline first; empty without the right."""
    cohort = at.reader.cohort.key
    if not at.answers or not await context.ask(context.services.named.inside, cohort, (student,), at.answers):
        return ()
    raised = await context.ask(context.services.raised_appeals.of_student, cohort, student)
    return tuple(sorted((one for one in raised if one.waits and one.step == at.step), key=lambda one: one.due))


async def settle(
    context: SignedIn, at: DeskContext, decided: Mapping[str, int], answer: str = "", *, newest: int | None = None
) -> int:
    """Answer the appeals of these students at the step by their decisions, and return how many were answered.

    Appeals after the `newest` one, which the clerk has not seen, stay in the queue. The decision is entered before, in
    another database. An appeal that could not be answered stays in the queue, and the decision can be named there.
    """
    cohort, door = at.reader.cohort.key, context.services.raised_appeals
    waiting = await context.ask_long(door.waiting, cohort, (at.step,), lambda numbers: decided.keys() & numbers, _MOST)
    answered = 0
    for one in (each for each in waiting if newest is None or each.appeal <= newest):
        number = decided[one.student]
        enter = partial(door.answer, account=at.account, now=at.reader.now, decision=number)
        try:
            await context.ask_long(enter, one.appeal, AppealOutcome.DECIDED, answer[:LONGEST_TEXT])
        except AppealRefused:
            # Answered or withdrawn meanwhile.
            continue
        answered += 1
        await context.audit(
            AuditEvent.APPEAL_ANSWERED,
            cohort=cohort,
            student=one.student,
            step=one.step,
            appeal=one.appeal,
            outcome=AppealOutcome.DECIDED,
        )
    return answered
