"""Reviews and certificates: the last word before a student leaves, and what the student leaves with.

A review is given only while every step before it counts as clear, and rests on what stood there. A certificate is
issued only while the review stands, looked at in the transaction that writes it; from then on it freezes the clearance:
what a source says later is recorded and listed, and re-opens nothing by itself.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, insert, select, update

from config.settings import Flow
from status_db import raw, tables
from status_db.decisions import DecisionRefused, Decisions, Wish
from status_db.ledger import LinkKind
from status_db.model import Certificate, Decision, StepKind, StepStatus, Verdict
from status_db.standing import certificate_from, freshness, held_certificate, steps_of


@dataclass(frozen=True, slots=True)
class Issue:
    """What certificate is to be issued, and how it leaves."""

    student: str
    #: The number printed on it.
    number: str
    #: In the institution's words: 毕业证书, 学位证书 …
    kind: str
    collected: Literal["self", "agent", "post"] = "self"
    #: Who takes it, and on what mandate, where that is not the student.
    collector: str = ""


class Reviews(Decisions):
    """Gives reviews and issues certificates, through the one door of decisions."""

    def review(self, wish: Wish, author: str, now: datetime) -> Decision:
        """Give a review, passing or not, over what stands. Raises DecisionRefused.

        One that passes needs every step before it to count as clear now; one that does not may be given at any time.
        """
        with self._ledger.linking(self._engine, at=now, kind=LinkKind.DECISION) as (connection, entry):
            step = self._review_of(self._steps(connection, wish.student, now), wish.student, wish.step)
            if wish.verdict not in (Verdict.CLEARED, Verdict.HELD):
                raise DecisionRefused("a review passes (cleared) or does not (held). To take one back, withdraw it.")
            self._refuse_other_reasons(wish)
            if step.issued:
                raise DecisionRefused(f"{wish.student} has a certificate: revoke that first, if it must be.")
            if wish.verdict is Verdict.CLEARED and step.waits_for:
                raise DecisionRefused(
                    f"{wish.step} is not open for {wish.student}: {', '.join(step.waits_for)} does not count as clear. "
                    "Send the student there; the review opens by itself."
                )
            return self._entered(connection, entry, wish, author, now, step.stands_on)

    def take_back(self, student: str, step: str, author: str, now: datetime) -> Decision:
        """Withdraw a review. Raises DecisionRefused when there is none, or a certificate rests on it."""
        with self._ledger.linking(self._engine, at=now, kind=LinkKind.DECISION) as (connection, entry):
            found = self._review_of(self._steps(connection, student, now), student, step)
            if found.issued:
                raise DecisionRefused(f"{student} has a certificate: revoke that first, if it must be.")
            return self._taken_back(connection, entry, student, step, author, now)

    def issue(self, issue: Issue, author: str, now: datetime) -> Certificate:
        """Issue a certificate, if the review stands at this very moment. Raises DecisionRefused."""
        with self._ledger.linking(self._engine, at=now, kind=LinkKind.DECISION) as (connection, entry):
            steps = self._steps(connection, issue.student, now)
            held = held_certificate(connection, self._cohort, issue.student)
            if held is not None:
                raise DecisionRefused(
                    f"{issue.student} has the certificate {held.number} since {held.issued_at:%Y-%m-%d %H:%M} UTC."
                )
            last = [step for step in steps if step.kind is StepKind.REVIEW]
            missing = [step.step for step in (last or steps) if not step.counts_as_clear(now)]
            if missing:
                raise DecisionRefused(
                    f"{issue.student} has no review that stands: {', '.join(missing)} does not count as clear. "
                    "Have it reviewed; then issue the certificate."
                )
            review = last[-1].decision if last else None
            if review is None:
                raise DecisionRefused(f"the flow of {issue.student} has no review. Add one to it, of kind review.")
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

    def revoke(self, number: str, author: str, because: str, now: datetime) -> Certificate:
        """Revoke a certificate, by somebody else than who issued it; what stands counts again. Raises DecisionRefused.

        The number stays used.
        """
        table = tables.certificate
        with self._ledger.linking(self._engine, at=now, kind=LinkKind.DECISION) as (connection, entry):
            row = connection.execute(
                select(table).where(table.c.cohort == self._cohort, table.c.number == number)
            ).one_or_none()
            if row is None or row.revoked_at is not None:
                raise DecisionRefused(f"there is no certificate {number} to revoke. See: clearance certificates list")
            if row.issued_by == author:
                raise DecisionRefused(f"{author} issued {number}: a second person must revoke it.")
            if not because.strip():
                raise DecisionRefused("a certificate is revoked for a reason. Say why.")
            (stored,) = raw.sealed(connection, table, raw.CERTIFICATE, table.c.certificate == row.certificate)
            changed = update(table).where(table.c.certificate == row.certificate)
            news = {"revoked_at": now, "revoked_by": author, "revoked_because": because}
            revoked = certificate_from(connection.execute(changed.values(**news).returning(table)).one())
            entry.decision = row.decision
            entry.seal_certificate(row.certificate, stored)
            self._move(connection)
        return revoked

    def _refuse_used(self, connection: Connection, number: str) -> None:
        table = tables.certificate
        used = connection.execute(
            select(table.c.student).where(table.c.cohort == self._cohort, table.c.number == number)
        ).scalar()
        if used is not None:
            raise DecisionRefused(f"the number {number} is that of {used}'s certificate. Look at the printed one.")

    def _steps(self, connection: Connection, student: str, now: datetime) -> tuple[StepStatus, ...]:
        flow = self._flow(connection, student)
        fresh = freshness(connection, self._settings, self._cohort)
        return steps_of(connection, self._settings, self._cohort, student, flow, fresh, now)

    def _flow(self, connection: Connection, student: str) -> Flow:
        person = self._person(connection, student)
        if not person.active or person.flow is None:
            raise DecisionRefused(f"{student} is not leaving this year: there is nothing to review. See the roster.")
        return self._settings.flow_named(person.flow)

    def _review_of(self, steps: tuple[StepStatus, ...], student: str, step: str) -> StepStatus:
        found = next((s for s in steps if s.step == step), None)
        if found is None or found.kind is not StepKind.REVIEW:
            reviews = ", ".join(s.step for s in steps if s.kind is StepKind.REVIEW) or "none"
            raise DecisionRefused(f"{step} is no review of {student}. Reviews there are: {reviews}.")
        return found
