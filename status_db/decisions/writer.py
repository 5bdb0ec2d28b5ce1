"""The writer of decisions: what an operator, a reviewer, a sheet or a class review decides is written here alone.

A decision lies above the finding and leaves it as it is. It is withdrawn, never deleted; the next one on the same step
withdraws the one before. The sync never writes one.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, insert, select, update

from config.settings import Settings
from status_db import tables
from status_db.accounts.authority import Authority
from status_db.accounts.grants import Act
from status_db.decisions.refusals import DecisionCode, DecisionRefused, Overtaken
from status_db.effective.history import write_flips
from status_db.effective.step_rows import step_rows
from status_db.effective.step_status import decision_from
from status_db.effective.visible import inside
from status_db.ledger import raw_rows
from status_db.ledger.chain import Ledger, LinkKind, PendingLink
from status_db.model import Cause, Decision, Finding, Flip, Reason, Verdict, version_tag_of
from status_db.store.engine import reading
from status_db.views import EVERYBODY, Scope


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """What an operator wants to decide."""

    student: str
    step: str
    verdict: Verdict
    reason: str
    words: str = ""
    note: str = ""
    until: datetime | None = None
    #: When it was decided, if that was on paper, earlier than it is entered; and on which sheet.
    decided_at: datetime | None = None
    sheet: str = ""
    #: The office's own file about it.
    file_number: str = ""
    #: What a pass depends on, for the student to read.
    condition: str = ""
    #: What stood there when the operator looked, as `StepStatus.version_tag` names it; None where nobody looked.
    saw: str | None = None


@dataclass(frozen=True, slots=True)
class DecisionTransaction:
    """The open transaction in which one author decides, and its link of the ledger, which is written last."""

    connection: Connection
    link: PendingLink
    author: str
    now: datetime


class DecisionWriter:
    """Enters and withdraws the decisions of one cohort: each sealed, in the history, and in the cohort's revision.

    Overrides, reviews, certificates, batches and class reviews check their own rules and write through this.
    """

    def __init__(
        self, engine: Engine, settings: Settings, cohort: str, ledger: Ledger, authority: Authority | None = None
    ) -> None:
        """With an authority each author's grants are checked inside the transaction that writes.

        The command line has none: whoever runs it on the server holds the key.
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
        """Open the transaction that may write, once it is clear that the author may do this. Raises DecisionRefused."""
        with self._ledger.linking(self.engine, at=now, kind=LinkKind.DECISION) as (connection, link):
            if self._authority is not None and not self._authority.covers(author, acts, scopes, step):
                raise DecisionRefused(
                    DecisionCode.NOT_ALLOWED,
                    f"{author} may not do this any more. Sign in again, or ask an administrator for a grant.",
                )
            yield DecisionTransaction(connection, link, author, now)

    def enter(
        self,
        at: DecisionTransaction,
        wish: DecisionRequest,
        *,
        reviewed_versions: Mapping[str, str] | None = None,
        accepts: Mapping[str, str] | None = None,
        batch: int | None = None,
    ) -> Decision:
        """Write a decision that may be entered, in the place of the one that stands, with the flip it makes."""
        finding = self.finding(at.connection, wish.student, wish.step)
        assert finding is not None, (wish.student, wish.step)  # noqa: S101 - it was seen to be in the student's flow
        effective = self._effective(at.connection, wish.student, wish.step)
        before = effective.verdict if effective and effective.active(at.now) else finding.verdict
        if effective is not None:
            self._end(at, effective, withdrawn_at=at.now, withdrawn_by=at.author)
        table = tables.decision
        values = {
            "cohort": self.cohort,
            "student": wish.student,
            "step": wish.step,
            "verdict": wish.verdict,
            "author": at.author,
            "reason": wish.reason,
            "words": wish.words,
            "note": wish.note,
            "until": wish.until,
            "decided_at": wish.decided_at or at.now,
            "entered_at": at.now,
            "answered_verdict": finding.verdict,
            "answered_keys": list(finding.keys),
            "reviewed_versions": dict(reviewed_versions or {}),
            # What holds nothing is NULL: it is not sealed.
            "accepts": dict(accepts) if accepts else None,
            "file_number": wish.file_number or None,
            "condition": wish.condition or None,
            "sheet": wish.sheet or None,
            "batch": batch,
        }
        decision = decision_from(at.connection.execute(insert(table).values(**values).returning(table)).one())
        at.link.decision = decision.id
        at.link.seal_decision(decision.id)
        self._flip(at, decision, before, decision.verdict, decision.reason)
        self.move_revision(at)
        return decision

    def withdraw(self, at: DecisionTransaction, student: str, step: str, *, saw: int | None = None) -> Decision:
        """Withdraw the decision that stands; the finding beneath counts again. Raises DecisionRefused.

        `saw` is the number of the decision that was looked at: Overtaken is raised where another one stands now.
        """
        effective = self._effective(at.connection, student, step)
        if effective is None:
            raise DecisionRefused(
                DecisionCode.NOTHING_TO_WITHDRAW,
                f"{student} has no decision on {step} to withdraw. See: clearance override list {student}",
            )
        if saw is not None and saw != effective.id:
            raise _was_first(effective)
        finding = self.finding(at.connection, student, step)
        at.link.decision = effective.id
        self._end(at, effective, withdrawn_at=at.now, withdrawn_by=at.author)
        if finding is not None:
            before = effective.verdict if effective.active(at.now) else finding.verdict
            self._flip(at, effective, before, finding.verdict, finding.reason)
        self.move_revision(at)
        return effective

    def sweep(self, now: datetime) -> int:
        """Note every decision whose end has come, with the flip that this is; return how many.

        They stopped counting at that moment already; this writes it into the history.
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
                self._end(at, decision, ended_at=now)
                finding = self.finding(connection, decision.student, decision.step)
                if finding is not None:
                    self._flip(at, decision, decision.verdict, finding.verdict, finding.reason, Cause.EXPIRY)
            if ended:
                link.decision = ended[0].id
                self.move_revision(at)
        return len(ended)

    def refuse_overtaken(self, at: DecisionTransaction, wish: DecisionRequest) -> None:
        """Raise Overtaken where the wish names the version that was looked at, and another one stands there now."""
        if wish.saw is None:
            return
        row = self._found(at.connection, wish.student, wish.step)
        effective = self._effective(at.connection, wish.student, wish.step)
        active = effective if effective is not None and effective.active(at.now) else None
        if wish.saw == version_tag_of(row.run if row else None, active):
            return
        if active is not None and not wish.saw.endswith(f":{active.id}"):
            raise _was_first(active)
        raise Overtaken(f"{wish.step} of {wish.student} is not as it was looked at: look again, then decide.", active)

    def move_revision(self, at: DecisionTransaction) -> None:
        """Step the cohort's revision on: a plan made before this decision must be made again."""
        table = tables.cohort
        at.connection.execute(update(table).where(table.c.cohort == self.cohort).values(revision=table.c.revision + 1))

    def person(self, connection: Connection, student: str, scopes: Sequence[Scope] = EVERYBODY) -> Row[Any] | None:
        """Return the roster's row of a student; None for nobody, and for who stands outside the scopes: both alike."""
        table = tables.student
        query: Select[Any] = select(table.c.student, table.c.flow, table.c.active)
        own = (table.c.cohort == self.cohort, table.c.student == student, inside(scopes))
        return connection.execute(query.where(*own)).one_or_none()

    def finding(self, connection: Connection, student: str, step: str) -> Finding | None:
        """Return what is found of a step; None when it is none of the student's, as for who stays another year."""
        row = self._found(connection, student, step)
        if row is None:
            return None
        return Finding(Verdict(row.verdict), Reason(row.reason), tables.obligations_of_keys(row.evidence_keys))

    def _found(self, connection: Connection, student: str, step: str) -> Row[Any] | None:
        """Return what `step_rows` has of a step."""
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

    def _end(self, at: DecisionTransaction, decision: Decision, **how: Any) -> None:  # noqa: ANN401 - columns by name
        """Note that a decision has ended, and how, and seal it as it is now."""
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


def nobody(student: str, cohort: str) -> str:
    """Say that there is nobody of this number, or nobody that the author may decide about: both look alike."""
    return f"there is no student {student} on the roster of {cohort}. Look at the number."


def not_configured(student: str, flow: str) -> str:
    """Say that a student goes a way that the settings do not have."""
    return (
        f'{student} goes by the flow "{flow}", which the settings do not have. '
        "Put that [[flow]] back, or sync the roster so that the student gets another: clearance sync roster"
    )


def _was_first(first: Decision) -> Overtaken:
    return Overtaken(
        f"{first.author} was first, at {first.entered_at:%Y-%m-%d %H:%M} UTC: {first.step} of {first.student} is "
        f"{first.verdict} ({first.reason}). Look at that, then decide again if it must be.",
        first,
    )
