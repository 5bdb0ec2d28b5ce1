"""Reviews and certificates: the last word before a student leaves, and what the student leaves with.

A review is given only while every step before it counts as clear, and rests on what stood there. A certificate is
issued only while the review stands, looked at in the transaction that writes it; from then on it freezes the clearance:
what a source says later is recorded and listed, and re-opens nothing by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Row, and_, insert, select, update

from config.tables.steps import Flow
from status_db import tables
from status_db.accounts.grants import Act
from status_db.decisions.refusals import DecisionCode, DecisionRefused, Overtaken
from status_db.decisions.writer import Decisions, Wish, not_configured
from status_db.effective.step_status import certificate_from, freshness, held_certificate, steps_of
from status_db.effective.visible import inside
from status_db.ledger import raw_rows
from status_db.ledger.chain import Entry
from status_db.marks import applied_settings
from status_db.model import Certificate, Decision, StepKind, StepStatus, Verdict, digest_of, said_as_of
from status_db.views import EVERYBODY, Scope

#: How a certificate leaves; empty while it waits to be collected.
Collected: TypeAlias = Literal["", "self", "agent", "post"]


@dataclass(frozen=True, slots=True)
class Issue:
    """What certificate is to be issued, and how it leaves."""

    student: str
    #: The number printed on it.
    number: str
    #: In the institution's words: 毕业证书, 学位证书 …
    kind: str
    collected: Collected = "self"
    #: Who takes it, and on what mandate, where that is not the student.
    collector: str = ""


@dataclass(frozen=True, slots=True)
class HandedOver:
    """How a certificate left that was waiting."""

    #: The number printed on it.
    number: str
    collected: Literal["self", "agent", "post"]
    collector: str = ""
    #: When, if it is entered later.
    at: datetime | None = None


def seen_by_review(review: StepStatus) -> str:
    """Name what a reviewer saw before a review: what each step stood on, and which answers were too old."""
    news = {step: said_as_of(at) for step, at in review.waits_for_news.items()}
    parts = (f"{step}={footing}={news.get(step, '')}" for step, footing in sorted(review.stands_on.items()))
    given = review.decision.id if review.decision else 0
    return digest_of(part.encode() for part in (str(given), ",".join(review.waits_for), *parts)).hex()


def _refuse_nobody(collected: str, collector: str) -> None:
    if collected == "agent" and not collector.strip():
        raise DecisionRefused(DecisionCode.NO_COLLECTOR, "somebody else takes it: say who, and on what mandate.")


#: Whoever may issue, or reviews, hands out and revokes what was issued.
_ISSUING = (Act.ISSUE, Act.REVIEW)


class Reviews(Decisions):
    """Gives reviews and issues certificates, through the one door of decisions."""

    def review(
        self,
        wish: Wish,
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
        with self._deciding(now, author, (Act.REVIEW,), scopes, wish.step) as (connection, entry):
            steps = self._steps(connection, wish.student, now, scopes)
            return self._reviewed(connection, entry, steps, wish, author, now, over_old_answers=over_old_answers)

    def _reviewed(
        self,
        connection: Connection,
        entry: Entry,
        steps: tuple[StepStatus, ...],
        wish: Wish,
        author: str,
        now: datetime,
        *,
        over_old_answers: bool,
        batch: int | None = None,
    ) -> Decision:
        step = self._review_of(steps, wish.student, wish.step)
        if wish.verdict not in (Verdict.CLEARED, Verdict.HELD):
            raise DecisionRefused(
                DecisionCode.NO_SUCH_VERDICT,
                "a review passes (cleared) or does not (held). To take one back, withdraw it.",
            )
        self._refuse_other_reasons(wish)
        self._refuse_nonsense(wish, now)
        self._refuse_other_settings(connection)
        if step.issued:
            raise DecisionRefused(
                DecisionCode.ISSUED, f"{wish.student} has a certificate: revoke that first, if it must be."
            )
        accepts: dict[str, str] = {}
        if wish.verdict is Verdict.CLEARED and step.waits_for:
            old = {name: said_as_of(at) for name, at in step.waits_for_news.items()}
            if set(step.waits_for) - old.keys():
                waits = [name for name in step.waits_for if name not in old]
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
                raise DecisionRefused(
                    DecisionCode.NO_NOTE, "a review over an answer that is too old needs a note that says why."
                )
            accepts = old
        if wish.saw is not None and wish.saw != seen_by_review(step):
            raise Overtaken(f"{wish.student} does not stand as you saw: look again, then decide.", step.decision)
        return self._entered(connection, entry, wish, author, now, step.stands_on, accepts, batch)

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

        `saw` as in `withdraw`.
        """
        with self._deciding(now, author, (Act.REVIEW,), scopes, step) as (connection, entry):
            found = self._review_of(self._steps(connection, student, now, scopes), student, step)
            if found.issued:
                raise DecisionRefused(
                    DecisionCode.ISSUED, f"{student} has a certificate: revoke that first, if it must be."
                )
            return self._taken_back(connection, entry, student, step, author, now, saw=saw)

    def issue(
        self,
        issue: Issue,
        author: str,
        now: datetime,
        scopes: Sequence[Scope] = EVERYBODY,
        *,
        step: str | None = None,
    ) -> Certificate:
        """Issue a certificate, if the review stands at this very moment. Raises DecisionRefused.

        `step` names the review that the author's scopes are of: who leaves on another one is as unknown as who is
        nobody.
        """
        with self._deciding(now, author, (Act.ISSUE,), scopes, step) as (connection, entry):
            steps = self._steps(connection, issue.student, now, scopes)
            return self._issued(connection, entry, steps, issue, author, now, step)

    def _issued(
        self,
        connection: Connection,
        entry: Entry,
        steps: tuple[StepStatus, ...],
        issue: Issue,
        author: str,
        now: datetime,
        step: str | None = None,
    ) -> Certificate:
        last = [one for one in steps if one.kind is StepKind.REVIEW]
        if step is not None and (not last or last[-1].step != step):
            raise self._unknown(issue.student)
        self._refuse_other_settings(connection)
        held = held_certificate(connection, self._cohort, issue.student)
        if held is not None:
            raise DecisionRefused(
                DecisionCode.ISSUED,
                f"{issue.student} has the certificate {held.number} since {held.issued_at:%Y-%m-%d %H:%M} UTC. "
                "See: clearance certificates list",
                held.number,
            )
        missing = [one.step for one in (last or steps) if not one.counts_as_clear(now)]
        if missing:
            raise DecisionRefused(
                DecisionCode.NOT_REVIEWED,
                f"{issue.student} has no review that stands: {', '.join(missing)} does not count as clear. "
                "Have it reviewed; then issue the certificate.",
            )
        review = last[-1].decision if last else None
        if review is None:
            raise DecisionRefused(
                DecisionCode.NO_SUCH_REVIEW,
                f"the flow of {issue.student} has no review. Add one to it, of kind review.",
            )
        if not issue.number.strip():
            raise DecisionRefused(
                DecisionCode.NO_NUMBER, f"the certificate of {issue.student} has no number. Give the printed one."
            )
        _refuse_nobody(issue.collected, issue.collector)
        self._refuse_used(connection, issue.number)
        table = tables.certificate
        values = {
            "cohort": self._cohort,
            "student": issue.student,
            "number": issue.number,
            "kind": issue.kind,
            "decision": review.id,
            "issued_at": now,
            "issued_by": author,
            "collected": issue.collected,
            "collector": issue.collector,
        }
        made = certificate_from(connection.execute(insert(table).values(**values).returning(table)).one())
        entry.decision = review.id
        entry.seal_certificate(made.id)
        self._move(connection)
        return made

    def hand_over(
        self, handed: HandedOver, author: str, now: datetime, scopes: Sequence[Scope] = EVERYBODY
    ) -> Certificate:
        """Note that a certificate that was waiting has left. Raises DecisionRefused."""
        table = tables.certificate
        with self._deciding(now, author, _ISSUING, scopes) as (connection, entry):
            row = self._certificate(connection, handed.number, scopes)
            if row is None or row.revoked_at is not None:
                raise DecisionRefused(
                    DecisionCode.GONE,
                    f"there is no certificate {handed.number} to hand over. See: clearance certificates list",
                )
            if row.collected:
                raise DecisionRefused(
                    DecisionCode.LEFT,
                    f"{handed.number} has left already ({row.collected}). See: clearance certificates list",
                )
            if handed.at is not None and not row.issued_at <= handed.at <= now:
                raise DecisionRefused(
                    DecisionCode.WHEN, "it left before it was issued, or later than now. Look at the date."
                )
            _refuse_nobody(handed.collected, handed.collector)
            (stored,) = raw_rows.sealed(connection, table, raw_rows.CERTIFICATE, table.c.certificate == row.certificate)
            news = {"collected": handed.collected, "collector": handed.collector, "collected_at": handed.at or now}
            changed = update(table).where(table.c.certificate == row.certificate).values(**news, handed_over_by=author)
            left = certificate_from(connection.execute(changed.returning(table)).one())
            entry.decision = row.decision
            entry.seal_certificate(row.certificate, stored)
            self._move(connection)
        return left

    def revoke(
        self, number: str, author: str, because: str, now: datetime, scopes: Sequence[Scope] = EVERYBODY
    ) -> Certificate:
        """Revoke a certificate, by somebody else than who issued it; what stands counts again. Raises DecisionRefused.

        The number stays used.
        """
        table = tables.certificate
        with self._deciding(now, author, _ISSUING, scopes) as (connection, entry):
            row = self._certificate(connection, number, scopes)
            if row is None or row.revoked_at is not None:
                raise DecisionRefused(
                    DecisionCode.GONE, f"there is no certificate {number} to revoke. See: clearance certificates list"
                )
            if row.issued_by == author:
                raise DecisionRefused(
                    DecisionCode.SAME_PERSON, f"{author} issued {number}: a second person must revoke it."
                )
            if not because.strip():
                raise DecisionRefused(DecisionCode.NO_REASON, "a certificate is revoked for a reason. Say why.")
            (stored,) = raw_rows.sealed(connection, table, raw_rows.CERTIFICATE, table.c.certificate == row.certificate)
            changed = update(table).where(table.c.certificate == row.certificate)
            news = {"revoked_at": now, "revoked_by": author, "revoked_because": because}
            revoked = certificate_from(connection.execute(changed.values(**news).returning(table)).one())
            entry.decision = row.decision
            entry.seal_certificate(row.certificate, stored)
            self._move(connection)
        return revoked

    def _refuse_other_settings(self, connection: Connection) -> None:
        """Refuse where a step that blocks may be missing from the marks, or from these settings."""
        if not applied_settings.same(connection, self._settings, self._cohort):
            raise DecisionRefused(DecisionCode.SETTINGS, applied_settings.DIFFER)

    def _certificate(self, connection: Connection, number: str, scopes: Sequence[Scope]) -> Row[Any] | None:
        table, person = tables.certificate, tables.student
        of_them = and_(person.c.cohort == table.c.cohort, person.c.student == table.c.student)
        query = select(table).join(person, of_them).where(table.c.cohort == self._cohort, table.c.number == number)
        return connection.execute(query.where(inside(scopes))).one_or_none()

    def _refuse_used(self, connection: Connection, number: str) -> None:
        table = tables.certificate
        used = connection.execute(
            select(table.c.student).where(table.c.cohort == self._cohort, table.c.number == number)
        ).scalar()
        if used is not None:
            raise DecisionRefused(
                DecisionCode.USED,
                f"the number {number} is that of {used}'s certificate. Look at the printed one.",
                number,
            )

    def _steps(
        self, connection: Connection, student: str, now: datetime, scopes: Sequence[Scope] = EVERYBODY
    ) -> tuple[StepStatus, ...]:
        flow = self._flow(connection, student, scopes)
        fresh = freshness(connection, self._settings, self._cohort)
        return steps_of(connection, self._settings, self._cohort, student, flow, fresh, now)

    def _flow(self, connection: Connection, student: str, scopes: Sequence[Scope]) -> Flow:
        person = self._person(connection, student, scopes)
        if not person.active or person.flow is None:
            raise DecisionRefused(
                DecisionCode.NOBODY, f"{student} is not leaving this year: there is nothing to review. See the roster."
            )
        flow = self._settings.flow_named(person.flow)
        if flow is None:
            raise DecisionRefused(DecisionCode.NO_SUCH_FLOW, not_configured(student, person.flow))
        return flow

    def _review_of(self, steps: tuple[StepStatus, ...], student: str, step: str) -> StepStatus:
        found = next((s for s in steps if s.step == step), None)
        if found is None or found.kind is not StepKind.REVIEW:
            reviews = ", ".join(s.step for s in steps if s.kind is StepKind.REVIEW) or "none"
            raise DecisionRefused(
                DecisionCode.NO_SUCH_REVIEW, f"{step} is no review of {student}. Reviews there are: {reviews}."
            )
        return found
