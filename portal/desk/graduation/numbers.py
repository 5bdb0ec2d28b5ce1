"""Numbers as people paste them: whom to leave out, which certificate is whose, and numbers that are counted up.

Pure. Full-width digits are digits, and whatever stands between numbers separates them.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from status_db.model import normalise_number

#: What a number may be made of; everything else, names in Chinese among it, stands between numbers.
_TOKEN = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.\-]*")

#: What a spreadsheet makes of a long number in a column that is not text: its last digits are lost.
_ROUNDED = re.compile(r"\d([.,]\d+)?E\+?\d+", re.IGNORECASE)

_COLUMNS = re.compile(r"[\s,;|、，；]+")

#: No certificate's number is longer.
LONGEST = 100


class Uncountable(ValueError):  # noqa: N818 - named by what is so
    """A first number that cannot be counted up: no digits at its end, or too few of them."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Two pasted columns: students' numbers, and their certificates'."""

    #: Student → certificate's number.
    numbers: Mapping[str, str] = field(default_factory=dict)
    #: Lines with no two columns, by their place from 1 on.
    unreadable: tuple[int, ...] = ()
    #: Students, and certificates' numbers, that stand there more than once.
    twice: tuple[str, ...] = ()
    #: Numbers that a spreadsheet has rounded.
    rounded: tuple[str, ...] = ()


def printed(text: str) -> str:
    """Return a certificate's number as it is kept: full-width digits are digits, and nothing stands around it."""
    return unicodedata.normalize("NFKC", text).strip()


def mentioned(text: str) -> tuple[str, ...]:
    """Return every number in a text, each once, in its one exact form."""
    found = (normalise_number(token.rstrip(".-_")) for token in _TOKEN.findall(unicodedata.normalize("NFKC", text)))
    # A word without a digit is part of a name.
    return tuple(dict.fromkeys(number for number in found if any(map(str.isdigit, number))))


def pairs(text: str) -> Pairs:
    """Read two columns, as they come out of a spreadsheet; columns between the first and the last are passed over.

    A first line without any digit is the head.
    """
    numbers: dict[str, str] = {}
    given: set[str] = set()
    unreadable: list[int] = []
    twice: list[str] = []
    rounded: list[str] = []
    for place, line in enumerate(unicodedata.normalize("NFKC", text).splitlines(), start=1):
        if not any(map(str.isdigit, line)):
            continue
        cells = [cell.strip() for cell in line.split("\t")] if "\t" in line else _COLUMNS.split(line.strip())
        student, number = normalise_number(cells[0]), cells[-1]
        if len(cells) < 2 or not student or not any(map(str.isdigit, number)) or len(number) > LONGEST:
            unreadable.append(place)
            continue
        if _ROUNDED.fullmatch(number):
            rounded.append(number)
        twice += [one for one, known in ((student, student in numbers), (number, number in given)) if known]
        numbers[student] = number
        given.add(number)
    return Pairs(numbers, tuple(unreadable), tuple(dict.fromkeys(twice)), tuple(rounded))


def counted_up(first: str, students: Sequence[str]) -> dict[str, str]:
    """Give each student a number in their order, from the first one on; noughts before it are kept.

    Raises Uncountable when it does not end in digits, or they do not suffice for so many.
    """
    plain = printed(first)
    found = re.fullmatch(r"(.*?)([0-9]+)", plain)
    if found is None or len(plain) > LONGEST:
        raise Uncountable(first)
    before, digits = found[1], found[2]
    last = int(digits) + len(students) - 1
    if len(str(last)) > len(digits):
        raise Uncountable(first)
    return {student: f"{before}{int(digits) + at:0{len(digits)}}" for at, student in enumerate(students)}
