"""The state of a step where only its verdict is stored, with a reason or without one: one name everywhere. Pure."""

from collections.abc import Mapping

from status_db.model import Reason, State, StepKind, Verdict

#: The state of a verdict whose reason is more specific. Other reasons are a person's own text.
_REASON_STATES: Mapping[tuple[Verdict, str], State] = {
    (Verdict.HELD, Reason.NOT_DONE): State.NOT_DONE,
    (Verdict.UNKNOWN, Reason.AWAITING_DECISION): State.PENDING,
    (Verdict.UNKNOWN, Reason.AWAITING_REVIEW): State.CLOSED,
}

_VERDICT_STATES: Mapping[Verdict, State] = {
    Verdict.CLEARED: State.CLEARED,
    Verdict.HELD: State.HELD,
    Verdict.UNKNOWN: State.UNKNOWN,
    Verdict.EXEMPT: State.EXEMPT,
}


def state_of(verdict: Verdict, reason: str = "", kind: StepKind = StepKind.SYNCED) -> State:
    """Return the state for a line of a history: by its reason, else by its verdict.

    Before its first decision, a manual step was waiting and a review had not opened.
    """
    if not reason and verdict is Verdict.UNKNOWN and kind is not StepKind.SYNCED:
        return State.PENDING if kind is StepKind.MANUAL else State.CLOSED
    return _REASON_STATES.get((verdict, reason), _VERDICT_STATES[verdict])


def found_state(verdict: Verdict, *, acts: bool) -> State:
    """Return the state for a verdict of a source, or of a step's sources.

    `acts` is whether they list completed acts: a student that is not listed has not done the act, and owes nothing.
    """
    return State.NOT_DONE if acts and verdict is Verdict.HELD else state_of(verdict)
