"""Decisions: what operators say. The desk and the command line come through this one door; the sync never does.

A decision lies above the finding and leaves it as it is. It is withdrawn, never deleted; the next one on the same step
withdraws the one before.
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
from status_db.effective.step_rows import step_rows
from status_db.effective.step_status import decision_from
from status_db.effective.visible import inside
from status_db.ledger import raw_rows
from status_db.ledger.chain import Entry, Ledger, LinkKind
from status_db.marks.history import write_flips
from status_db.model import Cause, Decision, Finding, Flip, Reason, StepKind, Verdict, footing_of
from status_db.store.engine import reading
from status_db.views import EVERYBODY, Scope


@dataclass(frozen=True, slots=True)
class Wish:
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
    #: What stood there when the operator looked, as `StepStatus.footing` names it; None where nobody looked.
    saw: str | None = None


class Decisions:
    """Enters and withdraws the decisions of one cohort."""

    def __init__(
        self, engine: Engine, settings: Settings, cohort: str, ledger: Ledger, authority: Authority | None = None
    ) -> None:
        """With an authority each author's grants are looked at inside the transaction that writes.

        The command line has none: whoever runs it on the server holds the key.
        """
        self._engine = engine
        self._settings = settings
        self._cohort = cohort
        self._ledger = ledger
        self._authority = authority

    @contextmanager
    def _deciding(
        self, now: datetime, author: str, acts: Collection[Act], scopes: Sequence[Scope], step: str | None = None
    ) -> Iterator[tuple[Connection, Entry]]:
        """Give the connection that may write, once it is clear that the author may do this. Raises DecisionRefused."""
        with self._ledger.linking(self._engine, at=now, kind=LinkKind.DECISION) as (connection, entry):
            if self._authority is not None and not self._authority.covers(author, acts, scopes, step):
                raise DecisionRefused(
                    DecisionCode.NOT_ALLOWED,
                    f"{author} may not do this any more. Sign in again; an administrator gives grants.",
                )
            yield connection, entry

    def enter(self, wish: Wish, author: str, now: datetime, scopes: Sequence[Scope] = EVERYBODY) -> Decision:
        """Enter a decision over the finding as it stands, with the flip it makes. Raises DecisionRefused.

        Who stands outside the scopes in which the author may decide is as unknown as who is nobody. Overtaken is raised
        where the wish says what was seen, and something else stands there now.
        """
        with self._deciding(now, author, (Act.DECIDE,), scopes, wish.step) as (connection, entry):
            person = self._person(connection, wish.student, scopes)
            self._may_be_decided(wish, person, now)
            self._refuse_overtaken(connection, wish, now)
            return self._entered(connection, entry, wish, author, now)

    def _entered(
        self,
        connection: Connection,
        entry: Entry,
        wish: Wish,
        author: str,
        now: datetime,
        rests_on: Mapping[str, str] | None = None,
        accepts: Mapping[str, str] | None = None,
        batch: int | None = None,
    ) -> Decision:
        """Write a decision that may be entered, in the place of the one that stands."""
        finding = self._finding(connection, wish.student, wish.step)
        standing = self._standing(connection, wish.student, wish.step)
        before = standing.verdict if standing and standing.active(now) else finding.verdict
        if standing is not None:
            self._withdraw(connection, entry, standing.id, author, now)
        table = tables.decision
        row = connection.execute(
            insert(table)
            .values(
                cohort=self._cohort,
                student=wish.student,
                step=wish.step,
                verdict=wish.verdict,
                author=author,
                reason=wish.reason,
                words=wish.words,
                note=wish.note,
                until=wish.until,
                decided_at=wish.decided_at or now,
                entered_at=now,
                answered_verdict=finding.verdict,
                answered_keys=list(finding.keys),
                rests_on=dict(rests_on or {}),
                # What holds nothing is NULL: it is not sealed.
                accepts=dict(accepts) if accepts else None,
                file_number=wish.file_number or None,
                condition=wish.condition or None,
                sheet=wish.sheet or None,
                batch=batch,
            )
            .returning(table)
        ).one()
        decision = decision_from(row)
        entry.decision = decision.id
        entry.seal_decision(decision.id)
        self._flip(connection, entry, decision, before, decision.verdict, decision.reason, now)
        self._move(connection)
        return decision

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
        with self._deciding(now, author, (Act.DECIDE,), scopes, step) as (connection, entry):
            flow = self._settings.flow_named(self._person(connection, student, scopes).flow)
            # Who does not leave any more has no flow; what is a review in any of them stays the reviewer's.
            flows = [flow] if flow is not None else self._settings.flow
            if any(e.step == step and e.kind == StepKind.REVIEW.value for f in flows for e in f.entries):
                raise DecisionRefused(
                    DecisionCode.IS_A_REVIEW,
                    f"{step} is a review: its reviewer takes it back. See: clearance reviews withdraw",
                )
            return self._taken_back(connection, entry, student, step, author, now, saw=saw)

    def _taken_back(
        self,
        connection: Connection,
        entry: Entry,
        student: str,
        step: str,
        author: str,
        now: datetime,
        *,
        saw: int | None = None,
    ) -> Decision:
        standing = self._standing(connection, student, step)
        if standing is None:
            raise DecisionRefused(
                DecisionCode.NOTHING_TO_WITHDRAW,
                f"{student} has no decision on {step} to withdraw. See: clearance override list {student}",
            )
        if saw is not None and saw != standing.id:
            raise _was_first(standing)
        finding = self._finding_if_any(connection, student, step)
        entry.decision = standing.id
        self._withdraw(connection, entry, standing.id, author, now)
        if finding is not None:
            before = standing.verdict if standing.active(now) else finding.verdict
            self._flip(connection, entry, standing, before, finding.verdict, finding.reason, now)
        self._move(connection)
        return standing

    def sweep(self, now: datetime) -> int:
        """Note every decision whose end has come, with the flip that this is; return how many.

        They stopped counting at that moment already; this writes it into the history.
        """
        table = tables.decision
        over = (table.c.cohort == self._cohort, table.c.withdrawn_at.is_(None), table.c.ended_at.is_(None))
        query = select(table).where(*over, table.c.until.is_not(None), table.c.until <= now)
        with reading(self._engine) as connection:
            if connection.execute(query.limit(1)).first() is None:
                return 0
        with self._ledger.linking(self._engine, at=now, kind=LinkKind.DECISION) as (connection, entry):
            ended = [decision_from(row) for row in connection.execute(query.order_by(table.c.decision)).all()]
            for decision in ended:
                (stored,) = raw_rows.sealed(connection, table, raw_rows.DECISION, table.c.decision == decision.id)
                connection.execute(update(table).where(table.c.decision == decision.id).values(ended_at=now))
                entry.seal_decision(decision.id, stored)
                finding = self._finding_if_any(connection, decision.student, decision.step)
                if finding is not None and finding.verdict is not decision.verdict:
                    flip = Flip(decision.student, decision.step, decision.verdict, finding.verdict, finding.reason)
                    write_flips(connection, entry, self._cohort, [flip], now, Cause.EXPIRY, decision=decision.id)
            if ended:
                entry.decision = ended[0].id
                self._move(connection)
        return len(ended)

    def _refuse_overtaken(self, connection: Connection, wish: Wish, now: datetime) -> None:
        if wish.saw is None:
            return
        row = self._row(connection, wish.student, wish.step)
        standing = self._standing(connection, wish.student, wish.step)
        active = standing if standing is not None and standing.active(now) else None
        if wish.saw == footing_of(row.run if row else None, active):
            return
        if active is not None and not wish.saw.endswith(f":{active.id}"):
            raise _was_first(active)
        raise Overtaken(f"{wish.step} of {wish.student} is not as it was looked at: look again, then decide.", active)

    def _person(self, connection: Connection, student: str, scopes: Sequence[Scope] = EVERYBODY) -> Row[Any]:
        table = tables.student
        query: Select[Any] = select(table.c.student, table.c.flow, table.c.active)
        own = (table.c.cohort == self._cohort, table.c.student == student, inside(scopes))
        person = connection.execute(query.where(*own)).one_or_none()
        if person is None:
            raise self._unknown(student)
        return person

    def _unknown(self, student: str) -> DecisionRefused:
        """Say that there is nobody of this number, or nobody whom the author may decide about: both look alike."""
        return DecisionRefused(
            DecisionCode.NOBODY, f"there is no student {student} on the roster of {self._cohort}. Look at the number."
        )

    def _may_be_decided(self, wish: Wish, person: Row[Any], now: datetime) -> None:
        if not person.active or person.flow is None:
            raise DecisionRefused(
                DecisionCode.NOT_LEAVING,
                f"{wish.student} is not leaving this year: there is nothing to decide. See the roster.",
            )
        flow = self._settings.flow_named(person.flow)
        if flow is None:
            raise DecisionRefused(DecisionCode.NO_SUCH_STEP, not_configured(wish.student, person.flow))
        entry = next((e for e in flow.entries if e.step == wish.step), None)
        if entry is None:
            steps = ", ".join(e.step for e in flow.entries)
            raise DecisionRefused(
                DecisionCode.NO_SUCH_STEP, f"{wish.student} has no step {wish.step}. Known are: {steps}"
            )
        if entry.kind == StepKind.REVIEW.value:
            raise DecisionRefused(
                DecisionCode.IS_A_REVIEW, f"{wish.step} is a review: it is given by its reviewer, not as an override."
            )
        if wish.verdict is Verdict.UNKNOWN:
            raise DecisionRefused(
                DecisionCode.NO_SUCH_VERDICT, "a decision says cleared, held or exempt. To take one back, withdraw it."
            )
        self._refuse_other_reasons(wish)
        self._refuse_nonsense(wish, now)

    def _refuse_nonsense(self, wish: Wish, now: datetime) -> None:
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

    def _refuse_other_reasons(self, wish: Wish) -> None:
        reasons = self._settings.step_named(wish.step).reasons
        if reasons and wish.reason not in reasons:
            raise DecisionRefused(
                DecisionCode.NO_SUCH_REASON,
                f'"{wish.reason}" is no reason of {wish.step}. Choose one of: {", ".join(reasons)}',
            )

    def _finding(self, connection: Connection, student: str, step: str) -> Finding:
        finding = self._finding_if_any(connection, student, step)
        assert finding is not None, (student, step)  # noqa: S101 - it was seen to be in the student's flow
        return finding

    def _finding_if_any(self, connection: Connection, student: str, step: str) -> Finding | None:
        """Return what is found of a step; None when it is none of the student's, as for who stays another year."""
        row = self._row(connection, student, step)
        if row is None:
            return None
        return Finding(Verdict(row.verdict), Reason(row.reason), tables.obligations_of_keys(row.evidence_keys))

    def _row(self, connection: Connection, student: str, step: str) -> Row[Any] | None:
        """Return what `step_rows` has of a step."""
        rows = step_rows(self._settings, self._cohort)
        query: Select[Any] = select(rows.c.run, rows.c.verdict, rows.c.reason, rows.c.evidence_keys)
        return connection.execute(query.where(rows.c.student == student, rows.c.step == step)).one_or_none()

    def _standing(self, connection: Connection, student: str, step: str) -> Decision | None:
        table = tables.decision
        row = connection.execute(
            select(table).where(
                table.c.cohort == self._cohort,
                table.c.student == student,
                table.c.step == step,
                table.c.withdrawn_at.is_(None),
            )
        ).one_or_none()
        return decision_from(row) if row else None

    def _withdraw(self, connection: Connection, entry: Entry, decision: int, author: str, now: datetime) -> None:
        table = tables.decision
        (stored,) = raw_rows.sealed(connection, table, raw_rows.DECISION, table.c.decision == decision)
        connection.execute(
            update(table).where(table.c.decision == decision).values(withdrawn_at=now, withdrawn_by=author)
        )
        entry.seal_decision(decision, stored)

    def _flip(
        self,
        connection: Connection,
        entry: Entry,
        decision: Decision,
        before: Verdict,
        after: Verdict,
        reason: str,
        now: datetime,
    ) -> None:
        if before is not after:
            flip = Flip(decision.student, decision.step, before, after, reason)
            write_flips(connection, entry, self._cohort, [flip], now, Cause.DECISION, decision=decision.id)

    def _move(self, connection: Connection) -> None:
        """Step the cohort's revision on: a plan made before this decision must be made again."""
        table = tables.cohort
        connection.execute(update(table).where(table.c.cohort == self._cohort).values(revision=table.c.revision + 1))


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
