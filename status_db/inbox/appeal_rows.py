"""An appeal as it is kept: who raised it, what stood at the step then, and what the office answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row

from status_db import tables
from status_db.effective_status import StepStatus
from status_db.model import Obligation, State, Verdict

#: As long as the column of an item.
_LONGEST_ITEM = 300


class AppealKind(StrEnum):
    """Who wants the office to look again."""

    #: The student.
    APPEAL = "objection"
    #: A reviewer, who may not decide the step.
    SENT_BACK = "sent_back"


class AppealOutcome(StrEnum):
    """What the office did about it, or that the student took it back."""

    #: The sources were asked again.
    RECHECKED = "rechecked"
    #: A decision was entered.
    DECIDED = "decided"
    #: It stays as it is, and the answer says why.
    EXPLAINED = "explained"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class AppealEvidence:
    """What stood at the step when somebody objected to it."""

    verdict: Verdict
    state: State
    #: The finding's code word, or the reason of the decision that counted.
    reason: str
    #: What was owed; nothing where it did not count.
    obligations: tuple[Obligation, ...] = ()
    #: When the step's sources had been asked; None where no system speaks about it.
    as_of: datetime | None = None
    #: That was too long ago.
    stale: bool = False
    #: Something was owed that the decision had not seen.
    overtaken_by_debt: bool = False
    #: The run that had found it, and the decision that counted.
    run: int | None = None
    decision: int | None = None

    @classmethod
    def of(cls, status: StepStatus, now: datetime) -> "AppealEvidence":
        """Return what stands at a step now."""
        effective = status.at(now)
        decision = status.decision if effective.by_decision else None
        owed = status.finding.verdict is Verdict.HELD and (
            effective.verdict is Verdict.HELD or effective.overtaken_by_debt
        )
        return cls(
            verdict=effective.verdict,
            state=effective.state,
            reason=decision.reason if decision else status.finding.reason,
            obligations=status.finding.evidence if owed else (),
            as_of=status.as_of,
            stale=effective.stale,
            overtaken_by_debt=effective.overtaken_by_debt,
            run=status.run,
            decision=decision.id if decision else None,
        )


@dataclass(frozen=True, slots=True)
class Appeal:
    """What somebody objects to, and what the office answered."""

    appeal: int
    cohort: str
    student: str
    step: str
    kind: AppealKind
    #: Which obligation it is about, as `item_of` names it; empty for the step as a whole.
    item: str
    raised_by: str
    text: str
    seen: AppealEvidence
    at: datetime
    #: By when the office is to answer.
    due: datetime
    #: None while it waits.
    answered_at: datetime | None
    answered_by: str
    outcome: AppealOutcome | None
    answer: str
    #: The decision that answered it.
    decision: int | None

    @property
    def waits(self) -> bool:
        """Nobody has answered it, and nobody has taken it back."""
        return self.answered_at is None

    def overdue(self, now: datetime) -> bool:
        """Say whether it still waits at `now`, after the office was to have answered."""
        return self.waits and now > self.due


def item_of(obligation: Obligation) -> str:
    """Name an obligation for an objection."""
    return obligation.key[:_LONGEST_ITEM]


def seen_as_json(seen: AppealEvidence) -> dict[str, Any]:
    """Return what stood at the step as its column keeps it."""
    return {
        "verdict": seen.verdict,
        "state": seen.state,
        "reason": seen.reason,
        "obligations": tables.obligations_to_text(seen.obligations),
        "as_of": seen.as_of.isoformat() if seen.as_of else None,
        "stale": seen.stale,
        "outgrown": seen.overtaken_by_debt,
        "run": seen.run,
        "decision": seen.decision,
    }


def _seen(written: Mapping[str, Any]) -> AppealEvidence:
    as_of = written["as_of"]
    return AppealEvidence(
        verdict=Verdict(written["verdict"]),
        state=State(written["state"]),
        reason=written["reason"],
        obligations=tables.obligations_from_text(written["obligations"]),
        as_of=datetime.fromisoformat(as_of) if as_of else None,
        stale=written["stale"],
        overtaken_by_debt=written["outgrown"],
        run=written["run"],
        decision=written["decision"],
    )


def appeal_from(row: Row[Any]) -> Appeal:
    """Return the appeal on a row of its table."""
    return Appeal(
        appeal=row.appeal,
        cohort=row.cohort,
        student=row.student,
        step=row.step,
        kind=AppealKind(row.kind),
        item=row.item,
        raised_by=row.raised_by,
        text=row.text,
        seen=_seen(row.seen),
        at=row.at,
        due=row.due,
        answered_at=row.answered_at,
        answered_by=row.answered_by or "",
        outcome=AppealOutcome(row.outcome) if row.outcome else None,
        answer=row.answer,
        decision=row.decision,
    )
