"""Codes of the marks as words of a sentence, in the language of the process."""

from foundation.translation import N_, tr
from status_db.model import RunState, Verdict

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
