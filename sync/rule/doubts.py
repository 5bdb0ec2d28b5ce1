"""Why a source's record about a student is in doubt.

A doubt is stored with its record and compared with the next one. So it is stored in English, and translated where it is
shown.
"""

from collections.abc import Iterable

from foundation.translation import N_, tr

NO_AMOUNT = N_("a row has no amount")
REDUCED_TWICE = N_("two equal rows would both reduce the sum")
SHARED_REFERENCE = N_("two different rows have the same reference, which the settings declare unique")
UNSETTLED = N_("the source's answer about them changed while it was read, is missing, or contradicts itself")
#: With the cell as it was read.
UNREADABLE_AMOUNT = N_("the amount {cell} cannot be read")
UNKNOWN_WORD = N_("the word {cell} is not in the settings' words")

_WITH_CELL = (UNREADABLE_AMOUNT, UNKNOWN_WORD)
_PLAIN = frozenset({NO_AMOUNT, REDUCED_TWICE, SHARED_REFERENCE, UNSETTLED})


def doubt_text(doubt: str) -> str:
    """Return a stored doubt in the language of the process. What is not known stays as it is."""
    for text in _WITH_CELL:
        before, _, after = text.partition("{cell}")
        if doubt.startswith(before) and doubt.endswith(after):
            return tr(text, cell=doubt[len(before) : len(doubt) - len(after)])
    return tr("; ").join(_plain_texts(doubt.split("; ")))


def _plain_texts(doubts: Iterable[str]) -> Iterable[str]:
    return (tr(doubt) if doubt in _PLAIN else doubt for doubt in doubts)
