"""A query for some numbers only: the query itself as a derived table, with the numbers bound.

A database compares text in its own way: blanks, case, width, numbers stored as integers. So it is asked for more rows
than needed: for every spelling of the numbers, and for each key that is not only letters and digits. `KeyFilter` then
selects the rows by the form of numbers that all comparisons use.
"""

import re
from collections.abc import Iterable, Sequence

from connectors.port import Cell
from foundation.chunks import chunked
from status_db.model import normalise_number

#: The student column as text, upper case and without the blanks that pad a CHAR.
_AS_TEXT = {
    "postgresql": "UPPER(TRIM(CAST({0} AS text)))",
    "mysql": "UPPER(TRIM(CAST({0} AS CHAR)))",
    "mariadb": "UPPER(TRIM(CAST({0} AS CHAR)))",
    "sqlite": "UPPER(TRIM(CAST({0} AS TEXT)))",
    "oracle": "UPPER(TRIM(TO_CHAR({0})))",
    "mssql": "UPPER(LTRIM(RTRIM(CAST({0} AS NVARCHAR(4000)))))",
}

#: A condition that such a text is not only letters and digits.
_NOT_PLAIN = {
    "postgresql": "{0} ~ '[^0-9A-Z]'",
    "mysql": "{0} REGEXP '[^0-9A-Z]'",
    "mariadb": "{0} REGEXP '[^0-9A-Z]'",
    "sqlite": "{0} GLOB '*[^0-9A-Z]*'",
    "oracle": "REGEXP_LIKE({0}, '[^0-9A-Z]')",
    "mssql": "{0} COLLATE Latin1_General_BIN2 LIKE '%[^0-9A-Z]%'",
}


def statement(dialect: str, query: str, column: str) -> str | None:
    """Return the query for `:these` numbers; `column` is the student's, quoted. None for an unknown database."""
    if dialect not in _AS_TEXT:
        return None
    text = _AS_TEXT[dialect].format(f"q.{column}")
    # Keys that cannot be read as text are included, too, and examined here.
    condition = f"{text} IN :these OR {text} IS NULL OR {_NOT_PLAIN[dialect].format(text)}"
    return f"SELECT q.* FROM ({query}\n) q WHERE {condition}"  # noqa: S608 - the configured query


def spellings(number: str) -> tuple[str, ...]:
    """Return the forms in which a database can store a number: as given, normalised, and without leading zeros."""
    ours = normalise_number(number)
    return tuple(dict.fromkeys((number.strip().upper(), ours, ours.lstrip("0") or ours)))


def chunks(numbers: Sequence[str], most: int) -> list[tuple[str, ...]]:
    """Return every spelling of the numbers, at most `most` at a time."""
    every = list(dict.fromkeys(spelling for number in numbers for spelling in spellings(number) if spelling))
    return [tuple(chunk) for chunk in chunked(every, most)]


class KeyFilter:
    """A filter for keys that can belong to one of some numbers."""

    def __init__(self, numbers: Iterable[str]) -> None:
        self._exact = {normalise_number(number) for number in numbers}
        self._loose = {
            form
            for number in self._exact
            for form in (_letters_and_digits(number), _letters_and_digits(number).lstrip("0"))
            if form
        }

    def __call__(self, key: Cell) -> bool:
        """Return whether a key is one of the numbers, contains one as a word, or differs only in leading zeros."""
        if key is None:
            return False
        number = normalise_number(key)
        if (
            number in self._exact
            or {_letters_and_digits(number), _letters_and_digits(number).lstrip("0")} & self._loose
        ):
            return True
        return bool(self._loose.intersection(re.findall(r"[0-9A-Z]+", number)))


def _letters_and_digits(number: str) -> str:
    return re.sub(r"[^0-9A-Z]", "", number)
