"""The review of a class: every clear student is reviewed, and their certificate can be issued at the same time.

The transaction that writes checks each student again. Students whose status has changed since the reviewer saw it are
left out and listed, and do not block the others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update

from foundation.translation import tr
from status_db import tables
from status_db.accounts.grants import Act
from status_db.decisions.batches import BatchKind, begin_batch
from status_db.decisions.certificates import CertificateRegister, Collected, Issue
from status_db.decisions.refusals import DecisionCode, DecisionRefused
from status_db.decisions.reviews import Reviews, review_among, steps_to_review
from status_db.decisions.writer import DecisionRequest, DecisionTransaction, DecisionWriter
from status_db.effective.step_status import decision_from, freshness, steps_of_many
from status_db.effective.visible import inside
from status_db.effective_status import StepStatus
from status_db.model import Certificate, Decision, Verdict, digest_of
from status_db.store.engine import reading
from status_db.stored_counts import BatchCounts
from status_db.views import EVERYBODY, Scope


@dataclass(frozen=True, slots=True)
class ChosenStudent:
    """One student of the class, chosen to pass."""

    student: str
    #: The status that the reviewer saw: `seen_by_review`.
    saw: str
    #: The number printed on the certificate; empty if only the review is given.
    number: str = ""
    collected: Collected = ""
    collector: str = ""
    #: Certificates of further kinds: each kind with the number printed on it.
    others: tuple[tuple[str, str], ...] = ()

    def numbers(self, kind: str) -> tuple[tuple[str, str], ...]:
        """Return each kind with its number; `kind` is that of `number`."""
        return (*(((kind, self.number),) if self.number else ()), *self.others)


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A chosen student who could not be reviewed, or not be given the certificate."""

    student: str
    why: DecisionRefused
    #: The review was given nevertheless.
    reviewed: bool


@dataclass(frozen=True, slots=True)
class ClassReview:
    """The result of a class review."""

    #: The batch's number.
    batch: int
    reviews: tuple[Decision, ...]
    certificates: tuple[Certificate, ...]
    left_out: tuple[Exclusion, ...]


class NonePassed(DecisionRefused):
    """A class review in which no student could be reviewed or given a certificate: nothing is written."""

    def __init__(self, left_out: Sequence[Exclusion]) -> None:
        message = str(left_out[0].why) if left_out else tr("all chosen students are already reviewed.")
        super().__init__(DecisionCode.NONE_PASSED, message)
        self.left_out = tuple(left_out)


class ClassReviews:
    """Reviews classes and issues their certificates."""

    def __init__(self, writer: DecisionWriter) -> None:
        self._writer = writer
        self._reviews = Reviews(writer)
        self._certificates = CertificateRegister(writer)

    def give(
        self,
        step: str,
        chosen: Sequence[ChosenStudent],
        author: str,
        now: datetime,
        scopes: Sequence[Scope] = EVERYBODY,
        issue_scopes: Sequence[Scope] = EVERYBODY,
        *,
        title: str,
        kind: str,
        reason: str,
        note: str = "",
        over_old_answers: bool = False,
    ) -> ClassReview:
        """Review the chosen students, and issue the certificates that have a number, of `kind` and of further kinds.

        A valid review is kept, and an author who can only issue can issue on it. `over_old_answers` is as for one
        review: the note contains the reason. Raises DecisionRefused if no student is chosen; NonePassed if no student
        could be reviewed or given a certificate.
        """
        if not chosen:
            raise DecisionRefused(DecisionCode.NONE_CHOSEN, tr("no student is chosen. Tick at least one student."))
        reviews: list[Decision] = []
        certificates: list[Certificate] = []
        left_out: list[Exclusion] = []
        writer, acts, every = self._writer, (Act.REVIEW, Act.ISSUE), (*scopes, *issue_scopes)
        with writer.transaction(now, author, acts, every, step) as at:
            digest = digest_of(
                part.encode()
                for one in chosen
                for part in (one.student, one.saw, one.number, *(part for other in one.others for part in other))
            )
            batch = begin_batch(at, writer.cohort, BatchKind.CLASS, step, title, digest, BatchCounts())
            for one in chosen:
                request = DecisionRequest(one.student, step, Verdict.CLEARED, reason, note=note, saw=one.saw)
                try:
                    given = self._pass_review(
                        at, request, scopes, issue_scopes, batch.id, over_old_answers=over_old_answers
                    )
                except DecisionRefused as why:
                    left_out.append(Exclusion(one.student, why, reviewed=False))
                    continue
                reviews += [given] if given is not None else []
                for issued in self._issue_each(at, one, kind, step, issue_scopes):
                    if isinstance(issued, Certificate):
                        certificates.append(issued)
                    else:
                        left_out.append(Exclusion(one.student, issued, reviewed=True))
            if not reviews and not certificates:
                raise NonePassed(left_out)
            counts = BatchCounts(
                chosen=len(chosen), reviewed=len(reviews), issued=len(certificates), left_out=len(left_out)
            )
            table = tables.batch
            counted = update(table).where(table.c.batch == batch.id)
            at.connection.execute(counted.values(counts=counts.stored()))
            at.link.seal_behind(table, batch.id)
        return ClassReview(batch.id, tuple(reviews), tuple(certificates), tuple(left_out))

    def _issue_each(
        self, at: DecisionTransaction, one: ChosenStudent, kind: str, step: str, issue_scopes: Sequence[Scope]
    ) -> Iterator[Certificate | DecisionRefused]:
        """Issue each certificate of a student. One that is refused does not block the others."""
        for own_kind, number in one.numbers(kind):
            try:
                steps = steps_to_review(self._writer, at.connection, one.student, at.now, issue_scopes)
                issue = Issue(one.student, number, own_kind, one.collected, one.collector)
                yield self._certificates.give(at, steps, issue, step)
            except DecisionRefused as why:
                yield why

    def _pass_review(
        self,
        at: DecisionTransaction,
        request: DecisionRequest,
        scopes: Sequence[Scope],
        issue_scopes: Sequence[Scope],
        batch: int,
        *,
        over_old_answers: bool,
    ) -> Decision | None:
        """Give a passing review; None if there is a valid one already, from any reviewer."""
        writer, connection = self._writer, at.connection
        steps = steps_to_review(writer, connection, request.student, at.now, (*scopes, *issue_scopes))
        if review_among(steps, request.student, request.step).counts_as_clear(at.now):
            return None
        steps = steps_to_review(writer, connection, request.student, at.now, scopes)
        return self._reviews.give(at, steps, request, over_old_answers=over_old_answers, batch=batch)

    def status_of(
        self, students: Sequence[str], now: datetime, scopes: Sequence[Scope] = EVERYBODY
    ) -> dict[str, tuple[StepStatus, ...]]:
        """Return student → current steps; students that do not leave or are outside the scopes are left out."""
        person = tables.student
        query = select(person.c.student, person.c.flow).where(
            person.c.cohort == self._writer.cohort,
            person.c.student.in_(list(students)),
            person.c.active,
            person.c.flow.is_not(None),
            inside(scopes),
        )
        with reading(self._writer.engine) as connection:
            flows = {
                row.student: flow
                for row in connection.execute(query)
                if (flow := self._writer.settings.flow_named(row.flow)) is not None
            }
            fresh = freshness(connection, self._writer.settings, self._writer.cohort)
            return steps_of_many(connection, self._writer.cohort, flows, fresh, now)

    def given_over_old_answers(
        self, step: str, now: datetime, scopes: Sequence[Scope] = EVERYBODY
    ) -> tuple[tuple[Decision, tuple[StepStatus, ...]], ...]:
        """Return the reviews that accepted answers that were too old, with the students' current steps, for a check.

        A review is left out once each step with an accepted answer has a newer answer and counts as clear.
        """
        table, person = tables.decision, tables.student
        query = (
            select(table)
            .join(person, (person.c.cohort == table.c.cohort) & (person.c.student == table.c.student))
            .where(
                table.c.cohort == self._writer.cohort,
                table.c.step == step,
                table.c.accepts.is_not(None),
                table.c.withdrawn_at.is_(None),
                inside(scopes),
            )
            .order_by(table.c.decision)
        )
        with reading(self._writer.engine) as connection:
            given = [decision_from(row) for row in connection.execute(query)]
        statuses = self.status_of([d.student for d in given], now, scopes)
        return tuple(
            (decision, statuses[decision.student])
            for decision in given
            if decision.student in statuses
            and any(not s.counts_as_clear(now) for s in statuses[decision.student] if s.step in decision.accepts)
        )
