"""Several readings of the same pages combined into one answer, with every student that is in any of them.

While pages are read by position, a returned book moves every later record by one position, and a record that still
exists can be in no page that was read. It is in another reading, unless the same happens at the same position again.
So an answer has the rows of all readings, and a student whose rows differ between them is not released.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from connectors.port import Cell

Row: TypeAlias = tuple[Cell, ...]

#: The most readings of all pages: two where they agree, a third where they do not.
MOST_READINGS = 3

#: Rows that can differ between two readings of an ordered list, in any list and as a share of a long one. More
#: differences mean a list without order, and not loans and returns.
_FEW = 6
_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class CombinedReading:
    """The rows of several readings together."""

    #: Each row, as often as in the reading that has it most often.
    rows: list[Row]
    #: The people whose rows differ between the readings; each once.
    unsettled: list[Cell] = field(default_factory=list)


def united(
    readings: Sequence[Sequence[Row]], abandoned: Sequence[Sequence[Row]] = (), about: int = 0
) -> CombinedReading:
    """Return the multiset maximum of the readings, with the people whose rows differ.

    `abandoned` are readings that were not finished: they add no row, but a person with more rows there is unsettled.
    `about` is the column that identifies the person.
    """
    counts = [Counter(rows) for rows in readings]
    whole: Counter[Row] = Counter()
    for count in counts:
        whole |= count
    differing = [row for row in whole if any(count[row] != whole[row] for count in counts)]
    differing += [row for rows in abandoned for row, times in Counter(rows).items() if times > whole[row]]
    unsettled = dict.fromkeys(row[about] for row in differing if row[about] not in (None, ""))
    return CombinedReading(list(whole.elements()), list(unsettled))


def agree(one: Sequence[Row], other: Sequence[Row]) -> bool:
    """Return whether two readings have the same rows, in any order."""
    return Counter(one) == Counter(other)


def keep_no_order(readings: Sequence[Sequence[Row]]) -> bool:
    """Return whether each reading differs from the next by more than loans and returns in that time."""
    differences = [
        ((Counter(one) - Counter(other)) + (Counter(other) - Counter(one))).total() for one, other in pairwise(readings)
    ]
    most = max(_FEW, _SHARE * max((len(rows) for rows in readings), default=0))
    return bool(differences) and min(differences) > most
