"""Reviews: the last step before a student leaves.

A review is given only while every step before it counts as clear, and stores the version of each step (an optimistic
lock). If one of them changes, the review lapses automatically, until a certificate is issued.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from foundation.translation import tr
from status_db.accounts.grants import Act
from status_db.decisions.overrides import refuse_contradictions
from status_db.decisions.refusals import DecisionCode, DecisionRefused, Overtaken
from status_db.decisions.writer import (
    DecisionRequest,
    DecisionTransaction,
    DecisionWriter,
    no_student_text,
    not_configured,
)
from status_db.effective.step_status import freshness, steps_of
from status_db.effective_status import StepStatus
from status_db.marks import applied_settings
from status_db.model import Decision, StepKind, Verdict, as_of_text, digest_of
from status_db.views import EVERYBODY, Scope


def seen_by_review(review: StepStatus) -> str:
    """Return what a reviewer sees before a review, as text: each step's version, and the answers that are too old."""
    news = {step: as_of_text(at) for step, at in review.waits_for_news.items()}
    parts = (
        f"{step}={version_tag}={news.get(step, '')}" for step, version_tag in sorted(review.reviewable_versions.items())
    )
    given = review.decision.id if review.decision else 0
    return digest_of(part.encode() for part in (str(given), ",".join(review.waits_for), *parts)).hex()


class Reviews:
    """Gives and withdraws the reviews of one cohort's students."""

    def __init__(self, writer: DecisionWriter) -> None:
        self._writer = writer

    def review(
        self,
        request: DecisionRequest,
        author: str,
        now: datetime,
        scopes: Sequence[Scope] = EVERYBODY,
        *,
        over_old_answers: bool = False,
    ) -> Decision:
        """Give a review, passing or not; it replaces the one before. Raises DecisionRefused.

        A passing review needs every step before it to count as clear now; one that does not pass is always possible.
        `over_old_answers` accepts steps that need only a newer answer; the request's note must contain the reason. The
        review then lapses when there is a newer answer, unless a certificate is issued before.
        """
        with self._writer.transaction(now, author, (Act.REVIEW,), scopes, request.step) as at:
            steps = steps_to_review(self._writer, at.connection, request.student, now, scopes)
            return self.give(at, steps, request, over_old_answers=over_old_answers)

    def give(
        self,
        at: DecisionTransaction,
        steps: tuple[StepStatus, ...],
        request: DecisionRequest,
        *,
        over_old_answers: bool,
        batch: int | None = None,
    ) -> Decision:
        """Give a review in an open transaction to a student with these steps. Raises as `review` does."""
        step = review_among(steps, request.student, request.step)
        if request.verdict not in (Verdict.CLEARED, Verdict.HELD):
            raise DecisionRefused(
                DecisionCode.NO_SUCH_VERDICT,
                tr("a review is cleared or held. To cancel a review, withdraw it."),
            )
        refuse_contradictions(self._writer.settings, request, at.now)
        refuse_other_settings(self._writer, at.connection)
        _refuse_issued(step, request.student)
        accepts = _accepted(step, request, over_old_answers=over_old_answers)
        if request.saw is not None and request.saw != seen_by_review(step):
            raise Overtaken(
                tr(
                    "the status of {student} has changed since you saw it. Check it, then decide again.",
                    student=request.student,
                ),
                step.decision,
            )
        return self._writer.enter(at, request, reviewed_versions=step.reviewable_versions, accepts=accepts, batch=batch)

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
        """Withdraw a review. Raises DecisionRefused if there is none, or a certificate was issued on it.

        `saw` as in `DecisionWriter.withdraw`.
        """
        with self._writer.transaction(now, author, (Act.REVIEW,), scopes, step) as at:
            steps = steps_to_review(self._writer, at.connection, student, now, scopes)
            _refuse_issued(review_among(steps, student, step), student)
            return self._writer.withdraw(at, student, step, saw=saw)


def steps_to_review(
    writer: DecisionWriter, connection: Connection, student: str, now: datetime, scopes: Sequence[Scope]
) -> tuple[StepStatus, ...]:
    """Return a student's current steps. Raises DecisionRefused if the student does not leave."""
    person = writer.person(connection, student, scopes)
    if person is None:
        raise DecisionRefused(DecisionCode.NO_SUCH_STUDENT, no_student_text(student, writer.cohort))
    if not person.active or person.flow is None:
        raise DecisionRefused(
            DecisionCode.NO_SUCH_STUDENT,
            tr("{student} is not leaving this year: there is nothing to review. Check the roster.", student=student),
        )
    flow = writer.settings.flow_named(person.flow)
    if flow is None:
        raise DecisionRefused(DecisionCode.NO_SUCH_FLOW, not_configured(student, person.flow))
    fresh = freshness(connection, writer.settings, writer.cohort)
    return steps_of(connection, writer.settings, writer.cohort, student, flow, fresh, now)


def review_among(steps: tuple[StepStatus, ...], student: str, step: str) -> StepStatus:
    """Return the review of this name among a student's steps. Raises DecisionRefused if there is none."""
    found = next((s for s in steps if s.step == step), None)
    if found is None or found.kind is not StepKind.REVIEW:
        reviews = ", ".join(s.step for s in steps if s.kind is StepKind.REVIEW)
        raise DecisionRefused(DecisionCode.NO_SUCH_REVIEW, _not_a_review(step, student, reviews))
    return found


def refuse_other_settings(writer: DecisionWriter, connection: Connection) -> None:
    """Raise DecisionRefused if the applied settings differ: a step that blocks may be missing here or there."""
    if not applied_settings.same(connection, writer.settings, writer.cohort):
        raise DecisionRefused(DecisionCode.SETTINGS, tr(applied_settings.DIFFER))


def _refuse_issued(review: StepStatus, student: str) -> None:
    if review.issued:
        raise DecisionRefused(
            DecisionCode.ISSUED,
            tr("{student} has a certificate. To change the review, revoke the certificate first.", student=student),
        )


def _accepted(review: StepStatus, request: DecisionRequest, *, over_old_answers: bool) -> Mapping[str, str]:
    """Return the answers that a review accepts although they are too old: step → time. Raises DecisionRefused."""
    if request.verdict is not Verdict.CLEARED or not review.waits_for:
        return {}
    old = {name: as_of_text(at) for name, at in review.waits_for_news.items()}
    waits = [name for name in review.waits_for if name not in old]
    if waits:
        raise DecisionRefused(
            DecisionCode.NOT_OPEN,
            tr(
                "{step} is not open for {student}: {waits} does not count as clear. Send the student to these "
                "steps: then the review opens automatically.",
                step=request.step,
                student=request.student,
                waits=", ".join(waits),
            ),
            *waits,
        )
    if not over_old_answers:
        raise DecisionRefused(
            DecisionCode.TOO_OLD,
            tr(
                "{step} is not open for {student}: the answer about {old} is too old. Wait for a newer "
                "answer, or accept the old one and give the reason in the note.",
                step=request.step,
                student=request.student,
                old=", ".join(old),
            ),
            *old,
        )
    if not request.note.strip():
        raise DecisionRefused(
            DecisionCode.NO_NOTE, tr("a review over an answer that is too old needs a note: say why.")
        )
    return old


def _not_a_review(step: str, student: str, reviews: str) -> str:
    if not reviews:
        return tr(
            "{step} is not a review of {student}. They have none: enter a decision instead.",
            step=step,
            student=student,
        )
    return tr(
        "{step} is not a review of {student}. Name one of: {reviews}", step=step, student=student, reviews=reviews
    )
