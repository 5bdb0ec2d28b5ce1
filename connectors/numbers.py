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

_WORD = re.compile(r"[^\W_]+")
_TOKEN = re.compile(r"[0-9A-Z]+")

#: What people write for "the same as in the row above".
_DITTO = frozenset({"同上", "同前"})


def bare(key: str) -> str:
    """Return a key without blanks, hyphens and punctuation."""
    return "".join(c for c in key if c.isalnum())


def is_plain(key: str) -> bool:
    """Say whether a key is nothing but digits and Latin letters, so that it cannot contain another number."""
    return key.isascii() and key.isalnum()


def numbers_within(key: str) -> frozenset[str]:
    """Return every number that a key may contain as a whole token, or be but for punctuation; never the key itself.

    A token ends where digits and Latin letters end. Neighbours with nothing but punctuation between them are joined
    too. The work grows with the key's length alone.
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
    return frozenset(number for number in found if 0 < len(number) <= LONGEST and number != key)


def is_empty(cell: object) -> bool:
    """Say whether a cell holds no number at all: nothing, blanks, a dash, or a mark that repeats the row above."""
    if cell is None:
        return True
    if not isinstance(cell, str) or (cell.isascii() and cell.isalnum()):
        return False
    key = normalise_number(cell)
    return not key or key in _DITTO or (len(key) <= 2 and not bare(key))


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
    if key.isdigit() and student.isdigit():
        return 0 < len(student) - len(key) <= LOST_ZEROS and key.rjust(len(student), "0") == student
    return bool({student, bare(student)} & numbers_within(key))
