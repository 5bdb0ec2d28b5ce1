"""Overrides: what an operator decides of one student's step, and takes back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from config.settings import Settings
from status_db.accounts.grants import Act
from status_db.decisions.refusals import DecisionCode, DecisionRefused
from status_db.decisions.writer import DecisionRequest, DecisionWriter, nobody, not_configured
from status_db.model import Decision, StepKind, Verdict
from status_db.views import EVERYBODY, Scope


class Overrides:
    """Decides single steps of one cohort's students."""

    def __init__(self, writer: DecisionWriter) -> None:
        self._writer = writer

    def enter(self, wish: DecisionRequest, author: str, now: datetime, scopes: Sequence[Scope] = EVERYBODY) -> Decision:
        """Enter a decision over the finding as it stands, with the flip it makes. Raises DecisionRefused.

        Who stands outside the scopes in which the author may decide is as unknown as who is nobody. Overtaken is raised
        where the wish says what was seen, and something else stands there now.
        """
        writer = self._writer
        with writer.transaction(now, author, (Act.DECIDE,), scopes, wish.step) as at:
            person = writer.person(at.connection, wish.student, scopes)
            if person is None:
                raise DecisionRefused(DecisionCode.NOBODY, nobody(wish.student, writer.cohort))
            refuse_override(writer.settings, wish, person, now)
            writer.refuse_overtaken(at, wish)
            return writer.enter(at, wish)

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
        """Withdraw the decision that stands; the finding beneath counts again. Raises DecisionRefused.

        `saw` is the number of the decision that was looked at: Overtaken is raised where another one stands now.
        """
        writer = self._writer
        with writer.transaction(now, author, (Act.DECIDE,), scopes, step) as at:
            person = writer.person(at.connection, student, scopes)
            if person is None:
                raise DecisionRefused(DecisionCode.NOBODY, nobody(student, writer.cohort))
            flow = writer.settings.flow_named(person.flow)
            # Who does not leave any more has no flow; what is a review in any of them stays the reviewer's.
            flows = [flow] if flow is not None else writer.settings.flow
            if any(e.step == step and e.kind == StepKind.REVIEW.value for f in flows for e in f.entries):
                raise DecisionRefused(
                    DecisionCode.IS_A_REVIEW,
                    f"{step} is a review: its reviewer takes it back. See: clearance reviews withdraw",
                )
            return writer.withdraw(at, student, step, saw=saw)


def refuse_override(settings: Settings, wish: DecisionRequest, person: Row[Any], now: datetime) -> None:
    """Raise DecisionRefused where an operator may not decide this of a student, whatever stands there."""
    if not person.active or person.flow is None:
        raise DecisionRefused(
            DecisionCode.NOT_LEAVING,
            f"{wish.student} is not leaving this year: there is nothing to decide. See the roster.",
        )
    flow = settings.flow_named(person.flow)
    if flow is None:
        raise DecisionRefused(DecisionCode.NO_SUCH_STEP, not_configured(wish.student, person.flow))
    entry = next((e for e in flow.entries if e.step == wish.step), None)
    if entry is None:
        steps = ", ".join(e.step for e in flow.entries)
        raise DecisionRefused(
            DecisionCode.NO_SUCH_STEP, f"{wish.student} has no step {wish.step}. Name one of: {steps}"
        )
    if entry.kind == StepKind.REVIEW.value:
        raise DecisionRefused(
            DecisionCode.IS_A_REVIEW, f"{wish.step} is a review, not an override: have its reviewer give it."
        )
    if wish.verdict is Verdict.UNKNOWN:
        raise DecisionRefused(
            DecisionCode.NO_SUCH_VERDICT, "a decision says cleared, held or exempt. To take one back, withdraw it."
        )
    refuse_contradictions(settings, wish, now)


def refuse_contradictions(settings: Settings, wish: DecisionRequest, now: datetime) -> None:
    """Raise DecisionRefused where a wish gives a reason that its step does not have, or contradicts itself."""
    reasons = settings.step_named(wish.step).reasons
    if reasons and wish.reason not in reasons:
        raise DecisionRefused(
            DecisionCode.NO_SUCH_REASON,
            f'"{wish.reason}" is no reason of {wish.step}. Choose one of: {", ".join(reasons)}',
        )
    if wish.until is not None and wish.until <= now:
        raise DecisionRefused(DecisionCode.END_IN_PAST, "its end lies in the past. Give a later one, or none.")
    if wish.decided_at is not None and wish.decided_at > now:
        raise DecisionRefused(
            DecisionCode.DECIDED_LATER, "it was decided later than now. Look at the date on the sheet."
        )
    if wish.condition and wish.verdict is not Verdict.CLEARED:
        raise DecisionRefused(
            DecisionCode.CONDITION_WITHOUT_PASS,
            "only a pass depends on a condition. Take it out, or say it in the words.",
        )
