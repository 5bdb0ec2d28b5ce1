"""Codes and states of the marks as words of a sentence, in the language of the process."""

from collections.abc import Mapping

from foundation.translation import N_, tr
from status_db.model import RunState, State, Verdict
from status_db.states import found_state, state_of

_WORDS = frozenset(
    {
        N_("abandoned"),
        N_("applied"),
        N_("cleared"),
        N_("exempt"),
        N_("expired"),
        N_("failed"),
        N_("held"),
        N_("rejected"),
        N_("running"),
        N_("skipped"),
        N_("superseded"),
        N_("suspended"),
        N_("unchanged"),
        N_("unknown"),
    }
)


def code_word(code: Verdict | RunState | str) -> str:
    """Return a verdict or the state of a run as a word; any other text as it is."""
    return tr(str(code)) if str(code) in _WORDS else str(code)


#: The states of a step, as `status` and every list show them.
STATES: Mapping[State, str] = {
    State.CLEARED: N_("cleared"),
    State.HELD: N_("held"),
    State.NOT_DONE: N_("not yet done"),
    State.PENDING: N_("awaits a decision"),
    State.CLOSED: N_("review not open"),
    State.OPEN: N_("review open"),
    State.UNKNOWN: N_("unknown"),
    State.EXEMPT: N_("exempt"),
}


def state_word(verdict: Verdict, reason: str = "", *, acts: bool = False) -> str:
    """Return a verdict as the state that `status` shows for it.

    `acts`: its sources list completed acts, so a held student without a reason has not done the act.
    """
    return tr(STATES[state_of(verdict, reason) if reason else found_state(verdict, acts=acts)])
