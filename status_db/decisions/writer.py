"""The writer of decisions. All decisions of operators, reviewers, sheets and class reviews are written here.

A decision overrides the finding and does not change it. It is withdrawn, never deleted; a new decision on the same step
withdraws the one before. The sync never writes decisions.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, insert, select, update

from config.settings import Settings
from config.tables.notify import NotifyEvent
from foundation.translation import tr
from status_db import tables
from status_db.accounts.authority import Authority
from status_db.accounts.grants import Act
from status_db.code_words import code_word
from status_db.decisions.refusals import DecisionCode, DecisionRefused, Overtaken
from status_db.effective.history import write_flips
from status_db.effective.step_rows import step_rows
from status_db.effective.step_status import decision_from
from status_db.effective.visible import inside
from status_db.ledger import raw_rows
from status_db.ledger.chain import Ledger, LinkKind, PendingLink
from status_db.model import Cause, Decision, Finding, Flip, Reason, Verdict, version_tag_of
from status_db.outbox.rows import enter_flips
from status_db.store.engine import reading
from status_db.views import EVERYBODY, Scope


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """A decision that an operator requests."""

    student: str
    step: str
    verdict: Verdict
    reason: str
    words: str = ""
    note: str = ""
    until: datetime | None = None
    #: When and on which form it was decided, if that was on paper, before it is entered.
    decided_at: datetime | None = None
    sheet: str = ""
    #: The office's file number.
    file_number: str = ""
    #: The condition of a pass, shown to the student.
    condition: str = ""
    #: The `StepStatus.version_tag` that the operator saw; None to skip the check.
    saw: str | None = None


@dataclass(frozen=True, slots=True)
class DecisionTransaction:
    """The open transaction of one author's decisions, and its ledger link, which is written last."""

    connection: Connection
    link: PendingLink
    author: str
    now: datetime


class DecisionWriter:
    """Enters and withdraws the decisions of one cohort, with their seals, their flips and the cohort's revision.

    Overrides, reviews, certificates, batches and class reviews check their own rules and write through this class.
    """

    def __init__(
        self, engine: Engine, settings: Settings, cohort: str, ledger: Ledger, authority: Authority | None = None
    ) -> None:
        """With an authority, check each author's grants inside the transaction that writes.

        The command line has none: its user on the server has the ledger's key.
        """
        self.engine = engine
        self.settings = settings
        self.cohort = cohort
        self._ledger = ledger
        self._authority = authority

    @contextmanager
    def transaction(
        self, now: datetime, author: str, acts: Collection[Act], scopes: Sequence[Scope], step: str | None = None
    ) -> Iterator[DecisionTransaction]:
        """Open a transaction that can write, after checking the author's grants. Raises DecisionRefused."""
        with self._ledger.linking(self.engine, at=now, kind=LinkKind.DECISION) as (connection, link):
            if self._authority is not None and not self._authority.covers(author, acts, scopes, step):
                raise DecisionRefused(
                    DecisionCode.NOT_ALLOWED,
                    tr(
                        "{author} is no longer allowed to do this. Sign in again, or ask an administrator for a grant.",
                        author=author,
                    ),
                )
            yield DecisionTransaction(connection, link, author, now)

    def enter(
        self,
        at: DecisionTransaction,
        request: DecisionRequest,
        *,
        reviewed_versions: Mapping[str, str] | None = None,
        accepts: Mapping[str, str] | None = None,
        batch: int | None = None,
    ) -> Decision:
        """Write a decision that was checked; withdraw the one before, and write the flip."""
        finding = self.finding(at.connection, request.student, request.step)
        assert finding is not None, (request.student, request.step)  # noqa: S101 - the caller checked that the flow has the step
        effective = self._effective(at.connection, request.student, request.step)
        before = effective.verdict if effective and effective.active(at.now) else finding.verdict
        if effective is not None:
            self._end_decision(at, effective, withdrawn_at=at.now, withdrawn_by=at.author)
        table = tables.decision
        values = {
            "cohort": self.cohort,
            "student": request.student,
            "step": request.step,
            "verdict": request.verdict,
            "author": at.author,
            "reason": request.reason,
            "words": request.words,
            "note": request.note,
            "until": request.until,
            "decided_at": request.decided_at or at.now,
            "entered_at": at.now,
            "answered_verdict": finding.verdict,
            "answered_keys": list(finding.keys),
            "reviewed_versions": dict(reviewed_versions or {}),
            # Empty values are NULL: NULL is not sealed.
            "accepts": dict(accepts) if accepts else None,
            "file_number": request.file_number or None,
            "condition": request.condition or None,
            "sheet": request.sheet or None,
            "batch": batch,
        }
        decision = decision_from(at.connection.execute(insert(table).values(**values).returning(table)).one())
        at.link.decision = decision.id
        at.link.seal_decision(decision.id)
        self._flip(at, decision, before, decision.verdict, decision.reason)
        self.move_revision(at)
        return decision

    def withdraw(self, at: DecisionTransaction, student: str, step: str, *, saw: int | None = None) -> Decision:
        """Withdraw the active decision; the finding counts again. Raises DecisionRefused.

        `saw` is the number of the decision that the operator saw. Raises Overtaken if there is another one now.
        """
        effective = self._effective(at.connection, student, step)
        if effective is None:
            raise DecisionRefused(
                DecisionCode.NOTHING_TO_WITHDRAW,
                tr(
                    "{student} has no decision on {step} to withdraw. See: clearance override list {student}",
                    student=student,
                    step=step,
                ),
            )
        if saw is not None and saw != effective.id:
            raise _overtaken(effective)
        finding = self.finding(at.connection, student, step)
        at.link.decision = effective.id
        self._end_decision(at, effective, withdrawn_at=at.now, withdrawn_by=at.author)
        if finding is not None:
            before = effective.verdict if effective.active(at.now) else finding.verdict
            self._flip(at, effective, before, finding.verdict, finding.reason)
        self.move_revision(at)
        return effective

    def sweep(self, now: datetime) -> int:
        """Record every decision that has expired, with its flip; return their number.

        They stopped counting when they expired; this adds it to the history.
        """
        table = tables.decision
        over = (table.c.cohort == self.cohort, table.c.withdrawn_at.is_(None), table.c.ended_at.is_(None))
        query = select(table).where(*over, table.c.until.is_not(None), table.c.until <= now)
        with reading(self.engine) as connection:
            if connection.execute(query.limit(1)).first() is None:
                return 0
        with self._ledger.linking(self.engine, at=now, kind=LinkKind.DECISION) as (connection, link):
            at = DecisionTransaction(connection, link, "", now)
            ended = [decision_from(row) for row in connection.execute(query.order_by(table.c.decision)).all()]
            for decision in ended:
                self._end_decision(at, decision, ended_at=now)
                finding = self.finding(connection, decision.student, decision.step)
                if finding is not None:
                    self._flip(at, decision, decision.verdict, finding.verdict, finding.reason, Cause.EXPIRY)
            if ended:
                link.decision = ended[0].id
                self.move_revision(at)
        return len(ended)

    def refuse_overtaken(self, at: DecisionTransaction, request: DecisionRequest) -> None:
        """Raise Overtaken if the request names the version that the operator saw, and it has changed."""
        if request.saw is None:
            return
        row = self._finding_row(at.connection, request.student, request.step)
        effective = self._effective(at.connection, request.student, request.step)
        active = effective if effective is not None and effective.active(at.now) else None
        if request.saw == version_tag_of(row.run if row else None, active):
            return
        if active is not None and not request.saw.endswith(f":{active.id}"):
            raise _overtaken(active)
        raise Overtaken(
            tr(
                "{step} of {student} has changed since you saw it. Check it, then decide again.",
                step=request.step,
                student=request.student,
            ),
            active,
        )

    def move_revision(self, at: DecisionTransaction) -> None:
        """Increase the cohort's revision: a plan made before this decision is no longer valid."""
        table = tables.cohort
        at.connection.execute(update(table).where(table.c.cohort == self.cohort).values(revision=table.c.revision + 1))

    def person(self, connection: Connection, student: str, scopes: Sequence[Scope] = EVERYBODY) -> Row[Any] | None:
        """Return the roster's row of a student; None if they are not on the roster or outside the scopes."""
        table = tables.student
        query: Select[Any] = select(table.c.student, table.c.flow, table.c.active)
        own = (table.c.cohort == self.cohort, table.c.student == student, inside(scopes))
        return connection.execute(query.where(*own)).one_or_none()

    def finding(self, connection: Connection, student: str, step: str) -> Finding | None:
        """Return the finding of a step; None if the student does not have it, for example because they do not leave."""
        row = self._finding_row(connection, student, step)
        if row is None:
            return None
        return Finding(Verdict(row.verdict), Reason(row.reason), tables.obligations_of_keys(row.evidence_keys))

    def _finding_row(self, connection: Connection, student: str, step: str) -> Row[Any] | None:
        """Return a step's row of `step_rows`."""
        rows = step_rows(self.settings, self.cohort)
        query: Select[Any] = select(rows.c.run, rows.c.verdict, rows.c.reason, rows.c.evidence_keys)
        return connection.execute(query.where(rows.c.student == student, rows.c.step == step)).one_or_none()

    def _effective(self, connection: Connection, student: str, step: str) -> Decision | None:
        table = tables.decision
        row = connection.execute(
            select(table).where(
                table.c.cohort == self.cohort,
                table.c.student == student,
                table.c.step == step,
                table.c.withdrawn_at.is_(None),
            )
        ).one_or_none()
        return decision_from(row) if row else None

    def _end_decision(self, at: DecisionTransaction, decision: Decision, **how: Any) -> None:  # noqa: ANN401 - columns by name
        """Record that a decision has ended, and how, and seal the new row."""
        table = tables.decision
        own = table.c.decision == decision.id
        (stored,) = raw_rows.sealed(at.connection, table, raw_rows.DECISION, own)
        at.connection.execute(update(table).where(own).values(**how))
        at.link.seal_decision(decision.id, stored)

    def _flip(
        self,
        at: DecisionTransaction,
        decision: Decision,
        before: Verdict,
        after: Verdict,
        reason: str,
        cause: Cause = Cause.DECISION,
    ) -> None:
        if before is not after:
            flip = Flip(decision.student, decision.step, before, after, reason)
            write_flips(at.connection, at.link, self.cohort, [flip], at.now, cause, decision=decision.id)
            if NotifyEvent.STEP_CHANGED in self.settings.notify.student_events:
                enter_flips(at.connection, self.cohort, [flip], at.now, run=None, decision=decision.id)


def no_student_text(student: str, cohort: str) -> str:
    """Return the message for a number that is not on the roster, or that the author is not allowed to decide about."""
    return tr(
        "there is no student {student} on the roster of {cohort}. Check the number.", student=student, cohort=cohort
    )


def not_configured(student: str, flow: str) -> str:
    """Return the message for a student whose flow is not configured."""
    return tr(
        '{student} has the flow "{flow}", which is not configured. Restore that [[flow]], or sync the '
        "roster so that the student gets another: clearance sync roster",
        student=student,
        flow=flow,
    )


def _overtaken(first: Decision) -> Overtaken:
    return Overtaken(
        tr(
            "{author} was first, at {entered_at:%Y-%m-%d %H:%M} UTC: {step} of {student} is {verdict} "
            "({reason}). Check that decision, then decide again if necessary.",
            author=first.author,
            entered_at=first.entered_at,
            step=first.step,
            student=first.student,
            verdict=code_word(first.verdict),
            reason=first.reason,
        ),
        first,
    )
