"""Sheet numbers: what stands on a sheet of paper, so that a decision entered later says which sheet it was written on.

Pure: when it was printed, what for, whose sheet, which page. Two sheets with one number hold the same students, and
were printed within the same minute.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime

#: Stands in the place of a step's code on sheets that show every step.
EVERY_STEP = "ALL"

#: The same on the slip of one student, before the student's number.
SLIP = "SLIP"

#: No number that is typed in may be longer.
LONGEST = 100

_SHORTEST = 3


def step_codes(keys: Sequence[str]) -> Mapping[str, str]:
    """Return a code of capital letters and digits for each step: its first three, or so many more as tell it apart."""
    plain = {key: key.replace("_", "").upper() for key in keys}
    codes: dict[str, str] = {}
    for at, key in enumerate(keys, start=1):
        others = [word for other, word in plain.items() if other != key] + [EVERY_STEP, SLIP]
        word = plain[key]
        lengths = range(min(_SHORTEST, len(word)), len(word))
        found = next((word[:n] for n in lengths if not any(other.startswith(word[:n]) for other in others)), word)
        # Keys that differ by an underscore alone, or are words of ours, are told apart by their place.
        codes[key] = f"{found}_{at}" if found in others else found
    return codes


def class_mark(ordinal: int) -> str:
    """Return how a number says a class: by its place among all of the cohort's."""
    return str(ordinal)


def building_mark(ordinal: int) -> str:
    """Return how a number says a building."""
    return f"B{ordinal}"


def set_number(printed: datetime, code: str, mark: str) -> str:
    """Return what the numbers of a set of pages share, such as 0528-0230-LIB-12.

    `printed` is told on the institution's clocks; `code` is a step's, `mark` a class's, a building's or a student's.
    """
    return f"{printed:%m%d-%H%M}-{code}-{mark}"


def sheet_number(shared: str, page: int) -> str:
    """Return the number of one page of a set, such as 0528-0230-LIB-12-1."""
    return f"{shared}-{page}"


def typed(text: str) -> str:
    """Return a sheet number as it was typed in, in one form: width, case and spaces make no difference."""
    plain = unicodedata.normalize("NFKC", text).upper()
    dashes = "".join("-" if unicodedata.category(character) == "Pd" else character for character in plain)
    return " ".join("".join(character if character.isprintable() else " " for character in dashes).split())
