"""Sheet numbers: a number on each page of paper, so that a decision entered later names the page it was written on.

Pure. A number consists of time of printing, step, group and page. Two sheets with the same number list the same
students and were printed within the same minute.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime

#: Replaces the step's code on sheets that show every step.
EVERY_STEP = "ALL"

#: The same on the slip of one student, before the student number.
SLIP = "SLIP"

#: The longest number that can be typed in.
LONGEST = 100

_SHORTEST = 3


def step_codes(keys: Sequence[str]) -> Mapping[str, str]:
    """Return a code of capital letters and digits for each step: its first three, or as many as make it unique."""
    plain = {key: key.replace("_", "").upper() for key in keys}
    codes: dict[str, str] = {}
    for at, key in enumerate(keys, start=1):
        others = [word for other, word in plain.items() if other != key] + [EVERY_STEP, SLIP]
        word = plain[key]
        lengths = range(min(_SHORTEST, len(word)), len(word))
        found = next((word[:n] for n in lengths if not any(other.startswith(word[:n]) for other in others)), word)
        # Keys that differ only by an underscore, or equal ALL or SLIP, get a code by their position.
        codes[key] = f"{found}_{at}" if found in others else found
    return codes


def class_mark(ordinal: int) -> str:
    """Return the mark of a class: its position among all classes of the cohort."""
    return str(ordinal)


def building_mark(ordinal: int) -> str:
    """Return the mark of a building."""
    return f"B{ordinal}"


def set_number(printed: datetime, code: str, mark: str) -> str:
    """Return the common part of the numbers of a set of pages, such as 0528-0230-LIB-12.

    `printed` is in the institution's zone. `code` is a step's, `mark` a class's, a building's or a student's.
    """
    return f"{printed:%m%d-%H%M}-{code}-{mark}"


def sheet_number(shared: str, page: int) -> str:
    """Return the number of one page of a set, such as 0528-0230-LIB-12-1."""
    return f"{shared}-{page}"


def typed(text: str) -> str:
    """Return a typed sheet number in its normal form: width, case and blanks make no difference."""
    plain = unicodedata.normalize("NFKC", text).upper()
    dashes = "".join("-" if unicodedata.category(character) == "Pd" else character for character in plain)
    return " ".join("".join(character if character.isprintable() else " " for character in dashes).split())
