"""Several readings of the same pages as one answer, in which nobody is missing who was in any of them.

While pages are read by their position, a book that comes back lets every later record slip by one place, and a record
that is still there is in no page that was read. It is in another reading, unless the same happens at the same place
again. So an answer holds the rows of all readings, and nobody is released whose rows differ between them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

from connectors.port import Cell

Row: TypeAlias = tuple[Cell, ...]

#: At most so many readings of all pages: two where they agree, a third where they do not.
MOST_READINGS = 3

#: Rows that may differ between two readings of an ordered list, in any list and as a share of a long one: more is no
#: business at the desk, but a list without order.
_FEW = 6
_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class CombinedReading:
    """What several readings bring together."""

    #: Each row as often as the reading has it that has it most often.
    rows: list[Row]
    #: Whom the rows are about that not every reading has alike; each once.
    unsettled: list[Cell] = field(default_factory=list)


def united(
    readings: Sequence[Sequence[Row]], abandoned: Sequence[Sequence[Row]] = (), about: int = 0
) -> CombinedReading:
    """Return the multiset maximum of the readings, with those whose rows differ.

    `abandoned` are readings that were begun and not finished: what they have adds no row, but whoever has more there
    is unsettled. `about` is the column that says whom a row is about.
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
    """Say whether two readings bring the same rows, in whatever order."""
    return Counter(one) == Counter(other)


def keep_no_order(readings: Sequence[Sequence[Row]]) -> bool:
    """Say whether each reading differs from the next by more than what comes and goes meanwhile."""
    differences = [
        ((Counter(one) - Counter(other)) + (Counter(other) - Counter(one))).total() for one, other in pairwise(readings)
    ]
    most = max(_FEW, _SHARE * max((len(rows) for rows in readings), default=0))
    return bool(differences) and min(differences) > most
