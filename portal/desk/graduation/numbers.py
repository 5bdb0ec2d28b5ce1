"""Read pasted numbers: students to leave out, pairs of student and certificate, and a first number to count up.

Pure. Full-width digits are digits. Any other character separates numbers.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from status_db.model import normalise_number

#: The characters of a number. Everything else, such as Chinese names, separates numbers.
_TOKEN = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.\-]*")

#: A long number that a spreadsheet has rounded: its last digits are lost.
_ROUNDED = re.compile(r"\d([.,]\d+)?E\+?\d+", re.IGNORECASE)

_COLUMNS = re.compile(r"[\s,;|、，；]+")

#: The longest certificate number.
LONGEST = 100


class Uncountable(ValueError):  # noqa: N818 - named by what is so
    """A first number that cannot be counted up: it does not end in enough digits."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """Two pasted columns: student numbers and certificate numbers."""

    #: Student → certificate number.
    numbers: Mapping[str, str] = field(default_factory=dict)
    #: Lines without two columns, numbered from 1.
    unreadable: tuple[int, ...] = ()
    #: Duplicate student numbers and certificate numbers.
    duplicates: tuple[str, ...] = ()
    #: Numbers that a spreadsheet has rounded.
    rounded: tuple[str, ...] = ()


def printed(text: str) -> str:
    """Return a certificate number as it is stored: full-width digits become digits, outer blanks are removed."""
    return unicodedata.normalize("NFKC", text).strip()


def mentioned(text: str) -> tuple[str, ...]:
    """Return the numbers in a text, normalised and without duplicates."""
    found = (normalise_number(token.rstrip(".-_")) for token in _TOKEN.findall(unicodedata.normalize("NFKC", text)))
    # A word without a digit is part of a name.
    return tuple(dict.fromkeys(number for number in found if any(map(str.isdigit, number))))


def pairs(text: str) -> Pairs:
    """Read two columns pasted from a spreadsheet: the first and the last. Columns between them are ignored.

    Lines without any digit, such as a header, are skipped.
    """
    numbers: dict[str, str] = {}
    given: set[str] = set()
    unreadable: list[int] = []
    duplicates: list[str] = []
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
        duplicates += [one for one, known in ((student, student in numbers), (number, number in given)) if known]
        numbers[student] = number
        given.add(number)
    return Pairs(numbers, tuple(unreadable), tuple(dict.fromkeys(duplicates)), tuple(rounded))


def counted_up(first: str, students: Sequence[str]) -> dict[str, str]:
    """Return student → number, counted up from the first one. Leading zeros are kept.

    Raise Uncountable if the first number does not end in enough digits.
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
