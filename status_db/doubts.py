"""Why a source's record about a student is in doubt, as it is stored.

A doubt is stored with its record and compared with the next one. So it is stored in English, and translated where it is
shown. Pure.
"""

from collections.abc import Iterator

from foundation.translation import N_

NO_AMOUNT = N_("a row has no amount")
BOTH_REDUCE = N_("two equal rows would both reduce the sum")
SHARED_REFERENCE = N_("two different rows have the same reference, which the settings declare unique")
UNSETTLED = N_("the source's answer about them changed while it was read, is missing, or contradicts itself")
#: With the cell as it was read.
UNREADABLE_AMOUNT = N_("the amount {cell} cannot be read")
UNKNOWN_WORD = N_("the word {cell} is not in the settings' words")

WITH_CELL = (UNREADABLE_AMOUNT, UNKNOWN_WORD)
PLAIN = frozenset({NO_AMOUNT, BOTH_REDUCE, SHARED_REFERENCE, UNSETTLED})


def parts_of(doubt: str) -> Iterator[tuple[str, str]]:
    """Yield each text of a stored doubt with its cell; the cell is empty where the text has none.

    What is not one of the texts above, such as a match hint with its key, is yielded as it is.
    """
    for text in WITH_CELL:
        before, _, after = text.partition("{cell}")
        if doubt.startswith(before) and doubt.endswith(after):
            # A cell can contain anything, also what separates doubts.
            yield text, doubt[len(before) : len(doubt) - len(after)]
            return
    yield from ((part, "") for part in doubt.split("; ") if part)
