"""Student numbers inside the text of a source's number column: "2015150002 李二", "2015-150004". Pure.

All functions expect keys in normal form, so full-width digits and letters are already plain ones.
"""

import re

from status_db.model import normalise_number

#: The longest number that the database stores.
LONGEST = 64

#: The largest number of parts in which a number is written: "2015 15 0001" has three.
_PARTS = 4

#: The largest number of leading zeros that a spreadsheet may have removed.
LOST_ZEROS = 3

#: Shorter numbers are part of many unrelated ones.
_SHORTEST = 6

_WORD = re.compile(r"[^\W_]+")
_TOKEN = re.compile(r"[0-9A-Z]+")

#: Ditto marks: "the same as in the row above".
_DITTO = frozenset({"同上", "同前"})

#: Placeholders for "no value" in exports of DBeaver, SSMS, Navicat, MySQL, pandas and JavaScript.
_NO_VALUE = frozenset(
    {
        "NULL", "(NULL)", "[NULL]", "<NULL>", "\\N", "NIL", "NONE", "NAN", "<NA>", "NA", "N/A", "#N/A", "UNDEFINED",
        "(空)", "(空白)",
    }
)  # fmt: skip

#: The length of the longest placeholder that has only letters.
_LONGEST_WORD = max(map(len, filter(str.isalpha, _NO_VALUE)))

#: A range of numbers: 2015150001-2015150030.
_RANGE = re.compile(r"(?<![0-9A-Z])([A-Z]*)([0-9]{4,64})\s*(?:[-~—–―]+|至|到|TO)\s*([A-Z]*)([0-9]{4,64})(?![0-9A-Z])")
_MOST_IN_RANGE = 500


def bare(key: str) -> str:
    """Return a key without blanks, hyphens and punctuation."""
    return "".join(c for c in key if c.isalnum())


def is_plain(key: str) -> bool:
    """Return whether a key has only digits and Latin letters, so that it cannot contain another number."""
    return key.isascii() and key.isalnum()


def numbers_within(key: str) -> frozenset[str]:
    """Return every number that a key may contain as a whole token, or equal without punctuation; never the key itself.

    A token is a run of digits and Latin letters. Neighbours with only punctuation between them are also joined, and a
    range includes the numbers between its ends. The work depends only on the key's length.
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
    """Return the numbers of a range with its ends; an empty set if the ends are not two numbers of one form."""
    if again not in ("", before) or len(first) != len(last) or not 0 < int(last) - int(first) < _MOST_IN_RANGE:
        return set()
    return {f"{before}{number:0{len(first)}}" for number in range(int(first), int(last) + 1)}


def with_lost_zeros(key: str) -> frozenset[str]:
    """Return the numbers that a key of digits, or a token of it, may have been before it lost leading zeros."""
    return frozenset(
        "0" * lost + number
        for number in (key, *numbers_within(key))
        if number.isascii() and number.isdigit()
        for lost in range(1, LOST_ZEROS + 1)
    )


def without_addition(key: str) -> frozenset[str]:
    """Return a key, or each token of it, without leading zeros, without one leading or without one trailing letter.

    Whether the result is a student's number depends on the form (`shape`) of the roster's numbers.
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
    """Return a number's form: its length, its first character if that is a zero or a letter, and its last letter."""
    return length, "0" if first == "0" else "letter" if first.isalpha() else "", last.isalpha()


def is_empty(cell: object) -> bool:
    """Return whether a cell contains no number.

    That is an empty cell, blanks, a dash, a ditto mark, or a placeholder for "no value".
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
    """Return whether a cell is the student's number, or may be another form of it.

    Bytes may be any student's: they are kept, so that the caller can refuse them.
    """
    if isinstance(cell, bytes | bytearray | memoryview):
        return True
    if cell is None:
        return False
    if isinstance(cell, str) and len(cell) == len(student) and is_plain(cell) and is_plain(student):
        # Of two plain numbers of one length, neither is another form of the other: those are longer or shorter.
        return cell.upper() == student
    key = normalise_number(cell)
    if key == student or bare(key) == bare(student):
        return True
    if student in with_lost_zeros(key) or student in without_addition(key):
        return True
    return bool({student, bare(student)} & numbers_within(key))
