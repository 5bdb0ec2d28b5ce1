"""Certificates: issuing, handing over and revoking them.

A certificate is issued only while the review is valid, which is checked in the transaction that writes it. From then on
the clearance is frozen: later data of a source are recorded and listed, but do not re-open it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from sqlalchemy import Connection, Row, and_, insert, select, update

from foundation.translation import tr
from status_db import tables
from status_db.accounts.grants import Act
from status_db.decisions.refusals import DecisionCode, DecisionRefused
from status_db.decisions.reviews import refuse_other_settings, steps_to_review
from status_db.decisions.writer import DecisionTransaction, DecisionWriter, no_student_text
from status_db.effective.step_status import certificate_from, held_certificates
from status_db.effective.visible import inside
from status_db.effective_status import StepStatus
from status_db.ledger import raw_rows
from status_db.model import Certificate, StepKind
from status_db.views import EVERYBODY, Scope

#: How a certificate is collected; empty until then.
Collected: TypeAlias = Literal["", "self", "agent", "post"]


@dataclass(frozen=True, slots=True)
class Issue:
    """A certificate to issue, and how it is collected."""

    student: str
    #: The number printed on it.
    number: str
    #: The institution's name for it: 毕业证书, 学位证书 …
    kind: str
    collected: Collected = "self"
    #: The collector and their authorisation, if that is not the student.
    collector: str = ""


@dataclass(frozen=True, slots=True)
class Handover:
    """How a waiting certificate was collected."""

    #: The number printed on it.
    number: str
    collected: Literal["self", "agent", "post"]
    collector: str = ""
    #: When it was collected, if that is entered later.
    at: datetime | None = None


#: How long an issuer can revoke an own mistake alone, while the certificate is not collected.
OWN_MISTAKE = timedelta(minutes=30)

#: Operators who can issue or review also hand over and revoke certificates.
_ISSUING = (Act.ISSUE, Act.REVIEW)


class CertificateRegister:
    """Issues, hands over and revokes one cohort's certificates."""

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
        """Issue a certificate if the review is valid now. Raises DecisionRefused.

        `step` is the review that the author's scopes belong to. A student with another review is treated as not found.
        """
        with self._writer.transaction(now, author, (Act.ISSUE,), scopes, step) as at:
            steps = steps_to_review(self._writer, at.connection, issue.student, now, scopes)
            return self.give(at, steps, issue, step)

    def give(
        self, at: DecisionTransaction, steps: tuple[StepStatus, ...], issue: Issue, step: str | None
    ) -> Certificate:
        """Issue a certificate in an open transaction to a student with these steps. Raises as `issue` does."""
        last = [one for one in steps if one.kind is StepKind.REVIEW]
        if step is not None and (not last or last[-1].step != step):
            raise DecisionRefused(DecisionCode.NO_SUCH_STUDENT, no_student_text(issue.student, self._writer.cohort))
        refuse_other_settings(self._writer, at.connection)
        others = held_certificates(at.connection, self._writer.cohort, issue.student)
        held = next((one for one in others if one.kind == issue.kind), None)
        if held is not None:
            raise DecisionRefused(DecisionCode.ISSUED, _has_certificate(issue.student, held), held.number)
        missing = [one.step for one in (last or steps) if not one.counts_as_clear(at.now)]
        if missing:
            raise DecisionRefused(
                DecisionCode.NOT_REVIEWED,
                tr(
                    "{student} has no valid review: {missing} does not count as clear. Have it reviewed, then "
                    "issue the certificate.",
                    student=issue.student,
                    missing=", ".join(missing),
                ),
            )
        review = last[-1].decision if last else None
        if review is None:
            raise DecisionRefused(
                DecisionCode.NO_SUCH_REVIEW,
                tr(
                    "the flow of {student} has no review. Add a step of kind review to the flow.", student=issue.student
                ),
            )
        if not issue.number.strip():
            raise DecisionRefused(
                DecisionCode.NO_NUMBER,
                tr("the certificate of {student} has no number. Enter the printed number.", student=issue.student),
            )
        _refuse_unnamed_collector(issue.collected, issue.collector)
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
        """Record that a waiting certificate was collected. Raises DecisionRefused."""
        with self._writer.transaction(now, author, _ISSUING, scopes) as at:
            row = self._valid(at.connection, handed.number, scopes)
            if row is None:
                raise DecisionRefused(DecisionCode.GONE, _none_to_hand_over(handed.number))
            if row.collected:
                raise DecisionRefused(
                    DecisionCode.LEFT,
                    tr(
                        "{number} was already collected ({collected}). See: clearance certificates list",
                        number=handed.number,
                        collected=row.collected,
                    ),
                )
            if handed.at is not None and not row.issued_at <= handed.at <= now:
                raise DecisionRefused(
                    DecisionCode.WHEN, tr("it was collected before it was issued, or in the future. Check the date.")
                )
            _refuse_unnamed_collector(handed.collected, handed.collector)
            return self._update_certificate(
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
        """Revoke a certificate. Raises DecisionRefused.

        The issuer can revoke it only as `revocable_by_issuer` allows. The clearance is no longer frozen once the
        student has no certificate. The number stays used.
        """
        with self._writer.transaction(now, author, _ISSUING, scopes) as at:
            row = self._valid(at.connection, number, scopes)
            if row is None:
                raise DecisionRefused(DecisionCode.GONE, _none_to_revoke(number))
            if row.issued_by == author and not revocable_by_issuer(certificate_from(row), now):
                raise DecisionRefused(
                    DecisionCode.SAME_PERSON,
                    tr("{author} issued {number}: have a second person revoke it.", author=author, number=number),
                )
            if not because.strip():
                raise DecisionRefused(DecisionCode.NO_REASON, tr("revoking a certificate needs a reason. Enter one."))
            return self._update_certificate(at, row, revoked_at=now, revoked_by=author, revoked_because=because)

    def _valid(self, connection: Connection, number: str, scopes: Sequence[Scope]) -> Row[Any] | None:
        """Return the row of a certificate; None where there is none, or it is revoked."""
        table, person = tables.certificate, tables.student
        of_them = and_(person.c.cohort == table.c.cohort, person.c.student == table.c.student)
        own = (table.c.cohort == self._writer.cohort, table.c.number == number, inside(scopes))
        row = connection.execute(select(table).join(person, of_them).where(*own)).one_or_none()
        return None if row is None or row.revoked_at is not None else row

    def _update_certificate(self, at: DecisionTransaction, row: Row[Any], **news: Any) -> Certificate:  # noqa: ANN401 - columns
        """Update a certificate, and seal the new row."""
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
                tr(
                    "{number} is the number of {used}'s certificate. Check the printed number.",
                    number=number,
                    used=used,
                ),
                number,
            )


def revocable_by_issuer(certificate: Certificate, now: datetime) -> bool:
    """Return whether the issuer can revoke it alone: within OWN_MISTAKE of the issue, if it is not collected."""
    return not certificate.collected and now - certificate.issued_at <= OWN_MISTAKE


def _refuse_unnamed_collector(collected: str, collector: str) -> None:
    if collected == "agent" and not collector.strip():
        raise DecisionRefused(
            DecisionCode.NO_COLLECTOR, tr("another person collects it. Enter their name and authorisation.")
        )


def _none_to_hand_over(number: str) -> str:
    return tr("there is no certificate {number} to hand over. See: clearance certificates list", number=number)


def _none_to_revoke(number: str) -> str:
    return tr("there is no certificate {number} to revoke. See: clearance certificates list", number=number)


def _has_certificate(student: str, held: Certificate) -> str:
    return tr(
        "{student} already has certificate {number}, issued {issued_at:%Y-%m-%d %H:%M} UTC. See: clearance "
        "certificates list",
        student=student,
        number=held.number,
        issued_at=held.issued_at,
    )
