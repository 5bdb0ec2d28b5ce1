"""An appeal as it is stored: who raised it, the step's status at that time, and the office's answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row

from status_db import tables
from status_db.effective_status import StepStatus
from status_db.model import Obligation, State, Verdict

#: The length of the item's column.
_LONGEST_ITEM = 300


class AppealKind(StrEnum):
    """Who asks the office to check a step."""

    #: The student.
    APPEAL = "objection"
    #: A reviewer, who cannot decide the step.
    SENT_BACK = "sent_back"


class AppealOutcome(StrEnum):
    """How the office answered, or that the student withdrew it."""

    #: The sources were read again.
    RECHECKED = "rechecked"
    #: A decision was entered.
    DECIDED = "decided"
    #: The step stays as it is, and the answer gives the reason.
    EXPLAINED = "explained"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class AppealEvidence:
    """The step's status when the appeal was raised."""

    verdict: Verdict
    state: State
    #: The finding's reason, or the reason of the decision that counted.
    reason: str
    #: The obligations; empty if they did not count.
    obligations: tuple[Obligation, ...] = ()
    #: When the step's sources had answered; None if the step has no source.
    as_of: datetime | None = None
    #: That answer was too old.
    stale: bool = False
    #: There was debt that did not exist when the decision was made.
    overtaken_by_debt: bool = False
    #: The run of the finding, and the decision that counted.
    run: int | None = None
    decision: int | None = None

    @classmethod
    def of(cls, status: StepStatus, now: datetime) -> "AppealEvidence":
        """Return the evidence of a step's status at `now`."""
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
    """An appeal against a step, or a step sent back, and the office's answer."""

    appeal: int
    cohort: str
    student: str
    step: str
    kind: AppealKind
    #: The obligation it is about, by its `item_of`; empty for the step as a whole.
    item: str
    raised_by: str
    text: str
    seen: AppealEvidence
    at: datetime
    #: The deadline of the office's answer.
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
        """It is neither answered nor withdrawn."""
        return self.answered_at is None

    def overdue(self, now: datetime) -> bool:
        """Return whether it still waits at `now`, after the deadline."""
        return self.waits and now > self.due


def item_of(obligation: Obligation) -> str:
    """Return the name of an obligation in an appeal."""
    return obligation.key[:_LONGEST_ITEM]


def seen_as_json(seen: AppealEvidence) -> dict[str, Any]:
    """Return the evidence as its column stores it."""
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


def _evidence_from(written: Mapping[str, Any]) -> AppealEvidence:
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
    """Return the appeal of a row."""
    return Appeal(
        appeal=row.appeal,
        cohort=row.cohort,
        student=row.student,
        step=row.step,
        kind=AppealKind(row.kind),
        item=row.item,
        raised_by=row.raised_by,
        text=row.text,
        seen=_evidence_from(row.seen),
        at=row.at,
        due=row.due,
        answered_at=row.answered_at,
        answered_by=row.answered_by or "",
        outcome=AppealOutcome(row.outcome) if row.outcome else None,
        answer=row.answer,
        decision=row.decision,
    )
