"""The finding of one step, from all its sources. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from status_db.model import (
    Finding,
    Reason,
    Record,
    Verdict,
    evidence_behind,
)


@dataclass(frozen=True, slots=True)
class SourcePart:
    """One source's part in the finding of a step for one student."""

    record: Record | None
    #: The meaning of no row.
    absent: Verdict
    #: The source has a good snapshot that began after the student joined.
    asked: bool


def of_source(part: SourcePart) -> tuple[Verdict, Reason]:
    """Return one source's verdict and reason for one student."""
    match part:
        case SourcePart(record=Record() as record):
            return record.verdict, record.reason
        case SourcePart(asked=False):
            return Verdict.UNKNOWN, Reason.NOT_ASKED
        case SourcePart(absent=Verdict.CLEARED):
            return Verdict.CLEARED, Reason.NOTHING_OWED
        case SourcePart(absent=Verdict.HELD):
            return Verdict.HELD, Reason.NOT_DONE
        case _:
            return Verdict.UNKNOWN, Reason.NO_ROW


def of_step(parts: Sequence[SourcePart], *, exempt: bool) -> Finding:
    """Return the finding for one step from all its sources; `exempt`: roster columns exempt the student."""
    results = [of_source(part) for part in parts]
    verdicts = {verdict for verdict, _ in results}
    all_recorded = all(part.record is not None for part in parts)
    # An exemption replaces a missing row, and never a row that holds.
    exempt_now = exempt and not any(part.record is not None and part.record.verdict is Verdict.HELD for part in parts)
    match verdicts:
        case _ if Verdict.HELD in verdicts and not exempt_now:
            verdict = Verdict.HELD
        case _ if exempt and not (all_recorded and verdicts == {Verdict.CLEARED}):
            return Finding(Verdict.EXEMPT, Reason.EXEMPT_BY_ROSTER)
        case _ if Verdict.UNKNOWN in verdicts:
            verdict = Verdict.UNKNOWN
        case _ if verdicts == {Verdict.EXEMPT}:
            verdict = Verdict.EXEMPT
        case _:
            verdict = Verdict.CLEARED
    reasons = {reason for source_verdict, reason in results if source_verdict is verdict}
    evidence = evidence_behind(verdict, (part.record for part in parts if part.record is not None))
    return Finding(verdict, min(reasons, key=_WEIGHT.__getitem__), evidence)


#: When sources of one step have the same verdict for different reasons, the step gets the first of these.
_WEIGHT = {
    reason: weight
    for weight, reason in enumerate(
        (
            Reason.OWED,
            Reason.NOT_DONE,
            Reason.DOUBTFUL,
            Reason.OUTSIDE_POPULATION,
            Reason.NOT_ASKED,
            Reason.NO_ROW,
            Reason.REFUND_DUE,
            Reason.DONE,
            Reason.SETTLED,
            Reason.NOTHING_OWED,
            Reason.EXEMPT_BY_OFFICE,
            Reason.EXEMPT_BY_ROSTER,
        )
    )
}
