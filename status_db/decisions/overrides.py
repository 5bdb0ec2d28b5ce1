"""Overrides: an operator's decisions on one student's step."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from config.settings import Settings
from foundation.translation import tr
from status_db.accounts.grants import Act
from status_db.decisions.refusals import DecisionCode, DecisionRefused
from status_db.decisions.writer import DecisionRequest, DecisionWriter, no_student_text, not_configured
from status_db.model import Decision, StepKind, Verdict
from status_db.views import EVERYBODY, Scope


class Overrides:
    """Enters and withdraws decisions on single steps of one cohort's students."""

    def __init__(self, writer: DecisionWriter) -> None:
        self._writer = writer

    def enter(
        self, request: DecisionRequest, author: str, now: datetime, scopes: Sequence[Scope] = EVERYBODY
    ) -> Decision:
        """Enter a decision that overrides the current finding, with its flip. Raises DecisionRefused.

        A student outside the author's scopes is treated as not found. Raises Overtaken if the request names the version
        that the operator saw, and the step has another version now.
        """
        writer = self._writer
        with writer.transaction(now, author, (Act.DECIDE,), scopes, request.step) as at:
            person = writer.person(at.connection, request.student, scopes)
            if person is None:
                raise DecisionRefused(DecisionCode.NO_SUCH_STUDENT, no_student_text(request.student, writer.cohort))
            refuse_override(writer.settings, request, person, now)
            writer.refuse_overtaken(at, request)
            return writer.enter(at, request)

    def withdraw(
        self,
        student: str,
        step: str,
        author: str,
        now: datetime,
        scopes: Sequence[Scope] = EVERYBODY,
        *,
        saw: int | None = None,
    ) -> Decision:
        """Withdraw the active decision; the finding counts again. Raises DecisionRefused.

        `saw` is the number of the decision that the operator saw. Raises Overtaken if there is another one now.
        """
        writer = self._writer
        with writer.transaction(now, author, (Act.DECIDE,), scopes, step) as at:
            person = writer.person(at.connection, student, scopes)
            if person is None:
                raise DecisionRefused(DecisionCode.NO_SUCH_STUDENT, no_student_text(student, writer.cohort))
            flow = writer.settings.flow_named(person.flow)
            # A student who no longer leaves has no flow: then a step that is a review in any flow is a review.
            flows = [flow] if flow is not None else writer.settings.flow
            if any(e.step == step and e.kind == StepKind.REVIEW.value for f in flows for e in f.entries):
                raise DecisionRefused(
                    DecisionCode.IS_A_REVIEW,
                    tr("{step} is a review: only a reviewer withdraws it. See: clearance reviews withdraw", step=step),
                )
            return writer.withdraw(at, student, step, saw=saw)


def refuse_override(settings: Settings, request: DecisionRequest, person: Row[Any], now: datetime) -> None:
    """Raise DecisionRefused if an operator can never decide this for the student, whatever the step's state is."""
    if not person.active or person.flow is None:
        raise DecisionRefused(
            DecisionCode.NOT_LEAVING,
            tr(
                "{student} is not leaving this year: there is nothing to decide. Check the roster.",
                student=request.student,
            ),
        )
    flow = settings.flow_named(person.flow)
    if flow is None:
        raise DecisionRefused(DecisionCode.NO_SUCH_STEP, not_configured(request.student, person.flow))
    entry = next((e for e in flow.entries if e.step == request.step), None)
    if entry is None:
        steps = ", ".join(e.step for e in flow.entries)
        raise DecisionRefused(
            DecisionCode.NO_SUCH_STEP,
            tr(
                "{student} has no step {step}. Name one of: {steps}",
                student=request.student,
                step=request.step,
                steps=steps,
            ),
        )
    if entry.kind == StepKind.REVIEW.value:
        raise DecisionRefused(
            DecisionCode.IS_A_REVIEW,
            tr("{step} is a review, not an override: have its reviewer give it.", step=request.step),
        )
    if request.verdict is Verdict.UNKNOWN:
        raise DecisionRefused(
            DecisionCode.NO_SUCH_VERDICT,
            tr("a decision is cleared, held or exempt. To cancel a decision, withdraw it."),
        )
    refuse_contradictions(settings, request, now)


def refuse_contradictions(settings: Settings, request: DecisionRequest, now: datetime) -> None:
    """Raise DecisionRefused if the step does not have the request's reason, or the request contradicts itself."""
    reasons = settings.step_named(request.step).reasons
    if reasons and request.reason not in reasons:
        raise DecisionRefused(
            DecisionCode.NO_SUCH_REASON,
            tr(
                '"{reason}" is not a reason of {step}. Choose one of: {reasons}',
                reason=request.reason,
                step=request.step,
                reasons=", ".join(reasons),
            ),
        )
    if request.until is not None and request.until <= now:
        raise DecisionRefused(DecisionCode.END_IN_PAST, tr("its end is in the past. Enter a later one, or none."))
    if request.decided_at is not None and request.decided_at > now:
        raise DecisionRefused(
            DecisionCode.DECIDED_LATER, tr("its date is in the future. Check the date on the paper form.")
        )
    if request.condition and request.verdict is not Verdict.CLEARED:
        raise DecisionRefused(
            DecisionCode.CONDITION_WITHOUT_PASS,
            tr("only a pass can have a condition. Remove it, or write it in the note to the student."),
        )
