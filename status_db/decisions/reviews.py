"""Reviews: the last word before a student leaves.

A review is given only while every step before it counts as clear, and rests on what stood there: a change of that takes
the review back by itself, until a certificate is issued on it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from status_db.accounts.grants import Act
from status_db.decisions.overrides import refuse_contradictions
from status_db.decisions.refusals import DecisionCode, DecisionRefused, Overtaken
from status_db.decisions.writer import DecisionRequest, DecisionTransaction, DecisionWriter, nobody, not_configured
from status_db.effective.step_status import freshness, steps_of
from status_db.effective_status import StepStatus
from status_db.marks import applied_settings
from status_db.model import Decision, StepKind, Verdict, digest_of, said_as_of
from status_db.views import EVERYBODY, Scope


def seen_by_review(review: StepStatus) -> str:
    """Name what a reviewer saw before a review: what each step stood on, and which answers were too old."""
    news = {step: said_as_of(at) for step, at in review.waits_for_news.items()}
    parts = (
        f"{step}={version_tag}={news.get(step, '')}" for step, version_tag in sorted(review.reviewable_versions.items())
    )
    given = review.decision.id if review.decision else 0
    return digest_of(part.encode() for part in (str(given), ",".join(review.waits_for), *parts)).hex()


class Reviews:
    """Gives and takes back the reviews of one cohort's students."""

    def __init__(self, writer: DecisionWriter) -> None:
        self._writer = writer

    def review(
        self,
        wish: DecisionRequest,
        author: str,
        now: datetime,
        scopes: Sequence[Scope] = EVERYBODY,
        *,
        over_old_answers: bool = False,
    ) -> Decision:
        """Give a review, passing or not, over what stands. Raises DecisionRefused.

        One that passes needs every step before it to count as clear now; one that does not may be given at any time.
        `over_old_answers` lets a step pass that lacks nothing but a newer answer: the wish's note must say why. It
        counts until there is one, or a certificate was issued.
        """
        with self._writer.transaction(now, author, (Act.REVIEW,), scopes, wish.step) as at:
            steps = steps_to_review(self._writer, at.connection, wish.student, now, scopes)
            return self.give(at, steps, wish, over_old_answers=over_old_answers)

    def give(
        self,
        at: DecisionTransaction,
        steps: tuple[StepStatus, ...],
        wish: DecisionRequest,
        *,
        over_old_answers: bool,
        batch: int | None = None,
    ) -> Decision:
        """Give a review in a transaction that is open, to a student with these steps. Raises as `review` does."""
        step = review_among(steps, wish.student, wish.step)
        if wish.verdict not in (Verdict.CLEARED, Verdict.HELD):
            raise DecisionRefused(
                DecisionCode.NO_SUCH_VERDICT,
                "a review passes (cleared) or does not (held). To take one back, withdraw it.",
            )
        refuse_contradictions(self._writer.settings, wish, at.now)
        refuse_other_settings(self._writer, at.connection)
        _refuse_issued(step, wish.student)
        accepts = _accepted(step, wish, over_old_answers=over_old_answers)
        if wish.saw is not None and wish.saw != seen_by_review(step):
            raise Overtaken(f"{wish.student} does not stand as you saw: look again, then decide.", step.decision)
        return self._writer.enter(at, wish, reviewed_versions=step.reviewable_versions, accepts=accepts, batch=batch)

    def take_back(
        self,
        student: str,
        step: str,
        author: str,
        now: datetime,
        scopes: Sequence[Scope] = EVERYBODY,
        *,
        saw: int | None = None,
    ) -> Decision:
        """Withdraw a review. Raises DecisionRefused when there is none, or a certificate rests on it.

        `saw` as in `DecisionWriter.withdraw`.
        """
        with self._writer.transaction(now, author, (Act.REVIEW,), scopes, step) as at:
            steps = steps_to_review(self._writer, at.connection, student, now, scopes)
            _refuse_issued(review_among(steps, student, step), student)
            return self._writer.withdraw(at, student, step, saw=saw)


def steps_to_review(
    writer: DecisionWriter, connection: Connection, student: str, now: datetime, scopes: Sequence[Scope]
) -> tuple[StepStatus, ...]:
    """Return a student's steps as they stand now. Raises DecisionRefused where the student does not leave."""
    person = writer.person(connection, student, scopes)
    if person is None:
        raise DecisionRefused(DecisionCode.NOBODY, nobody(student, writer.cohort))
    if not person.active or person.flow is None:
        raise DecisionRefused(
            DecisionCode.NOBODY, f"{student} is not leaving this year: there is nothing to review. See the roster."
        )
    flow = writer.settings.flow_named(person.flow)
    if flow is None:
        raise DecisionRefused(DecisionCode.NO_SUCH_FLOW, not_configured(student, person.flow))
    fresh = freshness(connection, writer.settings, writer.cohort)
    return steps_of(connection, writer.settings, writer.cohort, student, flow, fresh, now)


def review_among(steps: tuple[StepStatus, ...], student: str, step: str) -> StepStatus:
    """Return the review of this name among a student's steps. Raises DecisionRefused where it is none of them."""
    found = next((s for s in steps if s.step == step), None)
    if found is None or found.kind is not StepKind.REVIEW:
        reviews = ", ".join(s.step for s in steps if s.kind is StepKind.REVIEW)
        fix = f"Name one of: {reviews}" if reviews else "They have none: enter a decision instead."
        raise DecisionRefused(DecisionCode.NO_SUCH_REVIEW, f"{step} is no review of {student}. {fix}")
    return found


def refuse_other_settings(writer: DecisionWriter, connection: Connection) -> None:
    """Raise DecisionRefused where a step that blocks may be missing from the marks, or from these settings."""
    if not applied_settings.same(connection, writer.settings, writer.cohort):
        raise DecisionRefused(DecisionCode.SETTINGS, applied_settings.DIFFER)


def _refuse_issued(review: StepStatus, student: str) -> None:
    if review.issued:
        raise DecisionRefused(DecisionCode.ISSUED, f"{student} has a certificate: revoke that first, if it must be.")


def _accepted(review: StepStatus, wish: DecisionRequest, *, over_old_answers: bool) -> Mapping[str, str]:
    """Return which answers a review accepts that are too old: step → of when. Raises DecisionRefused."""
    if wish.verdict is not Verdict.CLEARED or not review.waits_for:
        return {}
    old = {name: said_as_of(at) for name, at in review.waits_for_news.items()}
    waits = [name for name in review.waits_for if name not in old]
    if waits:
        raise DecisionRefused(
            DecisionCode.NOT_OPEN,
            f"{wish.step} is not open for {wish.student}: {', '.join(waits)} does not count as clear. "
            "Send the student there; the review opens by itself.",
            *waits,
        )
    if not over_old_answers:
        raise DecisionRefused(
            DecisionCode.TOO_OLD,
            f"{wish.step} is not open for {wish.student}: the answer about {', '.join(old)} is too old. "
            "Wait for a newer one, or review over it and say why.",
            *old,
        )
    if not wish.note.strip():
        raise DecisionRefused(DecisionCode.NO_NOTE, "a review over an answer that is too old needs a note: say why.")
    return old
