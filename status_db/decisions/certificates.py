"""Certificates: what a student leaves with. They are issued, handed over and revoked here.

One is issued only while the review stands, checked in the transaction that writes it; from then on it freezes the
clearance: what a source says later is recorded and listed, and re-opens nothing by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Row, and_, insert, select, update

from status_db import tables
from status_db.accounts.grants import Act
from status_db.decisions.refusals import DecisionCode, DecisionRefused
from status_db.decisions.reviews import refuse_other_settings, steps_to_review
from status_db.decisions.writer import DecisionTransaction, DecisionWriter, nobody
from status_db.effective.step_status import certificate_from, held_certificate
from status_db.effective.visible import inside
from status_db.effective_status import StepStatus
from status_db.ledger import raw_rows
from status_db.model import Certificate, StepKind
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
class Handover:
    """How a certificate left that was waiting."""

    #: The number printed on it.
    number: str
    collected: Literal["self", "agent", "post"]
    collector: str = ""
    #: When, if it is entered later.
    at: datetime | None = None


#: Whoever may issue, or reviews, hands out and revokes what was issued.
_ISSUING = (Act.ISSUE, Act.REVIEW)


class CertificateRegister:
    """Enters what becomes of one cohort's certificates."""

    def __init__(self, writer: DecisionWriter) -> None:
        self._writer = writer

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
        with self._writer.transaction(now, author, (Act.ISSUE,), scopes, step) as at:
            steps = steps_to_review(self._writer, at.connection, issue.student, now, scopes)
            return self.give(at, steps, issue, step)

    def give(
        self, at: DecisionTransaction, steps: tuple[StepStatus, ...], issue: Issue, step: str | None
    ) -> Certificate:
        """Issue a certificate in a transaction that is open, to a student with these steps. Raises as `issue` does."""
        last = [one for one in steps if one.kind is StepKind.REVIEW]
        if step is not None and (not last or last[-1].step != step):
            raise DecisionRefused(DecisionCode.NOBODY, nobody(issue.student, self._writer.cohort))
        refuse_other_settings(self._writer, at.connection)
        held = held_certificate(at.connection, self._writer.cohort, issue.student)
        if held is not None:
            raise DecisionRefused(
                DecisionCode.ISSUED,
                f"{issue.student} has the certificate {held.number} since {held.issued_at:%Y-%m-%d %H:%M} UTC. "
                "See: clearance certificates list",
                held.number,
            )
        missing = [one.step for one in (last or steps) if not one.counts_as_clear(at.now)]
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
        self._refuse_used(at.connection, issue.number)
        values = {
            "cohort": self._writer.cohort,
            "student": issue.student,
            "number": issue.number,
            "kind": issue.kind,
            "decision": review.id,
            "issued_at": at.now,
            "issued_by": at.author,
            "collected": issue.collected,
            "collector": issue.collector,
        }
        table = tables.certificate
        made = certificate_from(at.connection.execute(insert(table).values(**values).returning(table)).one())
        at.link.decision = review.id
        at.link.seal_certificate(made.id)
        self._writer.move_revision(at)
        return made

    def hand_over(
        self, handed: Handover, author: str, now: datetime, scopes: Sequence[Scope] = EVERYBODY
    ) -> Certificate:
        """Note that a certificate that was waiting has left. Raises DecisionRefused."""
        with self._writer.transaction(now, author, _ISSUING, scopes) as at:
            row = self._valid(at.connection, handed.number, scopes, "hand over")
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
            return self._change(
                at,
                row,
                collected=handed.collected,
                collector=handed.collector,
                collected_at=handed.at or now,
                handed_over_by=author,
            )

    def revoke(
        self, number: str, author: str, because: str, now: datetime, scopes: Sequence[Scope] = EVERYBODY
    ) -> Certificate:
        """Revoke a certificate, by somebody else than who issued it; what stands counts again. Raises DecisionRefused.

        The number stays used.
        """
        with self._writer.transaction(now, author, _ISSUING, scopes) as at:
            row = self._valid(at.connection, number, scopes, "revoke")
            if row.issued_by == author:
                raise DecisionRefused(
                    DecisionCode.SAME_PERSON, f"{author} issued {number}: have a second person revoke it."
                )
            if not because.strip():
                raise DecisionRefused(DecisionCode.NO_REASON, "a certificate is revoked for a reason. Say why.")
            return self._change(at, row, revoked_at=now, revoked_by=author, revoked_because=because)

    def _valid(self, connection: Connection, number: str, scopes: Sequence[Scope], act: str) -> Row[Any]:
        """Return the row of a certificate that nobody has revoked. Raises DecisionRefused."""
        table, person = tables.certificate, tables.student
        of_them = and_(person.c.cohort == table.c.cohort, person.c.student == table.c.student)
        own = (table.c.cohort == self._writer.cohort, table.c.number == number, inside(scopes))
        row = connection.execute(select(table).join(person, of_them).where(*own)).one_or_none()
        if row is None or row.revoked_at is not None:
            raise DecisionRefused(
                DecisionCode.GONE, f"there is no certificate {number} to {act}. See: clearance certificates list"
            )
        return row

    def _change(self, at: DecisionTransaction, row: Row[Any], **news: Any) -> Certificate:  # noqa: ANN401 - columns
        """Write what has become of a certificate, and seal it as it is now."""
        table = tables.certificate
        own = table.c.certificate == row.certificate
        (stored,) = raw_rows.sealed(at.connection, table, raw_rows.CERTIFICATE, own)
        changed = certificate_from(
            at.connection.execute(update(table).where(own).values(**news).returning(table)).one()
        )
        at.link.decision = row.decision
        at.link.seal_certificate(row.certificate, stored)
        self._writer.move_revision(at)
        return changed

    def _refuse_used(self, connection: Connection, number: str) -> None:
        table = tables.certificate
        used = connection.execute(
            select(table.c.student).where(table.c.cohort == self._writer.cohort, table.c.number == number)
        ).scalar()
        if used is not None:
            raise DecisionRefused(
                DecisionCode.USED,
                f"the number {number} is that of {used}'s certificate. Look at the printed one.",
                number,
            )


def _refuse_nobody(collected: str, collector: str) -> None:
    if collected == "agent" and not collector.strip():
        raise DecisionRefused(DecisionCode.NO_COLLECTOR, "somebody else takes it: say who, and on what mandate.")
