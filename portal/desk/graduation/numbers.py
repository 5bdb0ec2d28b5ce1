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

    #: Student → certificate numbers, one of each kind that was read; empty where a kind has no number.
    numbers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: Lines without a student number and a certificate number, numbered from 1.
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


def pairs(text: str, kinds: int = 1) -> Pairs:
    """Read columns pasted from a spreadsheet: the first is the student, the last ones are certificate numbers.

    There are at most as many certificate numbers as `kinds`, in their order. Columns before them, such as names, are
    ignored, and so are lines without any digit, such as a header. Between tabs a number can be missing.
    """
    numbers: dict[str, tuple[str, ...]] = {}
    given: set[str] = set()
    unreadable: list[int] = []
    duplicates: list[str] = []
    rounded: list[str] = []
    for place, line in enumerate(unicodedata.normalize("NFKC", text).splitlines(), start=1):
        if not any(map(str.isdigit, line)):
            continue
        cells = [cell.strip() for cell in line.split("\t")] if "\t" in line else _COLUMNS.split(line.strip())
        student, own = normalise_number(cells[0]), _last_numbers(cells[1:], kinds)
        if not student or not any(own) or any(len(number) > LONGEST for number in own):
            unreadable.append(place)
            continue
        filled = [number for number in own if number]
        rounded += [number for number in filled if _ROUNDED.fullmatch(number)]
        duplicates += [student] if student in numbers else []
        for number in filled:
            duplicates += [number] if number in given else []
            given.add(number)
        numbers[student] = own
    return Pairs(numbers, tuple(unreadable), tuple(dict.fromkeys(duplicates)), tuple(rounded))


def _last_numbers(cells: Sequence[str], kinds: int) -> tuple[str, ...]:
    """Return the certificate numbers of a line; empty if the last column is no number and there is only one kind."""
    if kinds == 1:
        return (cells[-1],) if cells and any(map(str.isdigit, cells[-1])) else ()
    return tuple([cell for cell in cells if not cell or any(map(str.isdigit, cell))][-kinds:])


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
