"""Student numbers inside what a source wrote where a number belongs: "2015150002 李二", "2015-150004". Pure.

All of it works on keys in their one normal form, so full-width digits and letters are plain ones here.
"""

import re

from status_db.model import normalise_number

#: The longest number that the marks can hold.
LONGEST = 64

#: A number may be written in so many parts: "2015 15 0001".
_PARTS = 4

#: As many leading zeros may have been lost on the way through a spreadsheet.
LOST_ZEROS = 3

#: A shorter number is part of many others that have nothing to do with it.
_SHORTEST = 6

_WORD = re.compile(r"[^\W_]+")
_TOKEN = re.compile(r"[0-9A-Z]+")

#: What people write for "the same as in the row above".
_DITTO = frozenset({"同上", "同前"})

#: What programs write into an export where there is no value: DBeaver, SSMS, Navicat, MySQL, pandas, JavaScript.
_NO_VALUE = frozenset(
    {
        "NULL", "(NULL)", "[NULL]", "<NULL>", "\\N", "NIL", "NONE", "NAN", "<NA>", "NA", "N/A", "#N/A", "UNDEFINED",
        "(空)", "(空白)",
    }
)  # fmt: skip

#: The longest of these words that is letters alone.
_LONGEST_WORD = max(map(len, filter(str.isalpha, _NO_VALUE)))

#: From one number to another: 2015150001-2015150030. At most so many are named.
_RANGE = re.compile(r"(?<![0-9A-Z])([A-Z]*)([0-9]{4,64})\s*(?:[-~—–―]+|至|到|TO)\s*([A-Z]*)([0-9]{4,64})(?![0-9A-Z])")
_MOST_IN_RANGE = 500


def bare(key: str) -> str:
    """Return a key without blanks, hyphens and punctuation."""
    return "".join(c for c in key if c.isalnum())


def is_plain(key: str) -> bool:
    """Say whether a key is nothing but digits and Latin letters, so that it cannot contain another number."""
    return key.isascii() and key.isalnum()


def numbers_within(key: str) -> frozenset[str]:
    """Return every number that a key may contain as a whole token, or be but for punctuation; never the key itself.

    A token ends where digits and Latin letters end. Neighbours with nothing but punctuation between them are joined
    too, and what lies between the two ends of a range is in it. The work grows with the key's length alone.
    """
    if is_plain(key):
        return frozenset()
    found = {bare(key), *_WORD.findall(key)}
    tokens = list(_TOKEN.finditer(key))
    for at, first in enumerate(tokens):
        joined, end = first[0], first.end()
        found.add(joined)
        for following in tokens[at + 1 : at + _PARTS]:
            if bare(key[end : following.start()]):
                break
            joined, end = joined + following[0], following.end()
            found.add(joined)
    for span in _RANGE.finditer(key):
        found |= _between(*span.groups())
    return frozenset(number for number in found if 0 < len(number) <= LONGEST and number != key)


def _between(before: str, first: str, again: str, last: str) -> set[str]:
    """Return the numbers of a range, ends included; none where its ends are no two numbers of one kind."""
    if again not in ("", before) or len(first) != len(last) or not 0 < int(last) - int(first) < _MOST_IN_RANGE:
        return set()
    return {f"{before}{number:0{len(first)}}" for number in range(int(first), int(last) + 1)}


def with_lost_zeros(key: str) -> frozenset[str]:
    """Return what a key that holds digits, alone or as a whole token, may have been before it lost leading zeros."""
    return frozenset(
        "0" * lost + number
        for number in (key, *numbers_within(key))
        if number.isascii() and number.isdigit()
        for lost in range(1, LOST_ZEROS + 1)
    )


def without_addition(key: str) -> frozenset[str]:
    """Return what a key, or a whole token of it, was before zeros or one letter came before it, or one letter behind.

    It may be such a number; whether it is one depends on whose numbers begin and end so.
    """
    found: set[str] = set()
    for number in (key, *numbers_within(key)):
        if len(number) <= _SHORTEST or not is_plain(number):
            continue
        if number[0].isalpha():
            found.add(number[1:])
        if number[-1].isalpha():
            found.add(number[:-1])
        zeros = len(number) - len(number.lstrip("0"))
        found |= {number[added:] for added in range(1, min(zeros, LOST_ZEROS) + 1)}
    return frozenset(number for number in found if len(number) >= _SHORTEST)


def shape(length: int, first: str, last: str) -> tuple[int, str, bool]:
    """Return how a number looks: its length, whether it begins with a zero or a letter, and ends with a letter."""
    return length, "0" if first == "0" else "letter" if first.isalpha() else "", last.isalpha()


def is_empty(cell: object) -> bool:
    """Say whether a cell holds no number at all.

    That is nothing, blanks, a dash, a mark that repeats the row above, or a program's word for no value.
    """
    if cell is None:
        return True
    if not isinstance(cell, str):
        return False
    if cell.isascii() and cell.isalnum():
        return len(cell) <= _LONGEST_WORD and cell.upper() in _NO_VALUE
    key = normalise_number(cell)
    return not key or key in _DITTO or key in _NO_VALUE or (len(key) <= 2 and not bare(key))


def may_mean(cell: object, student: str) -> bool:
    """Say whether a cell is the student's number, or anything that may turn out to mean it.

    Bytes may mean anybody: they are kept, so that whoever decides can refuse them.
    """
    if isinstance(cell, bytes | bytearray | memoryview):
        return True
    if cell is None:
        return False
    key = normalise_number(cell)
    if key == student or bare(key) == bare(student):
        return True
    if student in with_lost_zeros(key) or student in without_addition(key):
        return True
    return bool({student, bare(student)} & numbers_within(key))
