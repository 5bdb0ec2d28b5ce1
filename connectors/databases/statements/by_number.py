"""A query about some numbers alone: the query itself as a derived table, with the numbers bound.

A database compares text in its own way: blanks, case, width, numbers kept as integers. So it is asked for more than is
wanted: for every spelling of the numbers, and for each key that is not plain letters and digits. Which rows are about
the numbers is then decided here, by the form that every comparison uses.
"""

import re
from collections.abc import Iterable, Sequence

from connectors.port import Cell
from foundation.chunks import chunked
from status_db.model import normalise_number

#: The student column as text, upper case and without the blanks that a CHAR is padded with.
_TEXT = {
    "postgresql": "UPPER(TRIM(CAST({0} AS text)))",
    "mysql": "UPPER(TRIM(CAST({0} AS CHAR)))",
    "mariadb": "UPPER(TRIM(CAST({0} AS CHAR)))",
    "sqlite": "UPPER(TRIM(CAST({0} AS TEXT)))",
    "oracle": "UPPER(TRIM(TO_CHAR({0})))",
    "mssql": "UPPER(LTRIM(RTRIM(CAST({0} AS NVARCHAR(4000)))))",
}

#: A condition that such a text is not letters and digits alone.
_ODD = {
    "postgresql": "{0} ~ '[^0-9A-Z]'",
    "mysql": "{0} REGEXP '[^0-9A-Z]'",
    "mariadb": "{0} REGEXP '[^0-9A-Z]'",
    "sqlite": "{0} GLOB '*[^0-9A-Z]*'",
    "oracle": "REGEXP_LIKE({0}, '[^0-9A-Z]')",
    "mssql": "{0} COLLATE Latin1_General_BIN2 LIKE '%[^0-9A-Z]%'",
}


def statement(dialect: str, query: str, column: str) -> str | None:
    """Return the question about `:these` numbers; `column` is the student's, quoted. None for an unknown database."""
    if dialect not in _TEXT:
        return None
    text = _TEXT[dialect].format(f"q.{column}")
    # What cannot be read as text is brought, too: here it is seen what it is.
    condition = f"{text} IN :these OR {text} IS NULL OR {_ODD[dialect].format(text)}"
    return f"SELECT q.* FROM ({query}\n) q WHERE {condition}"  # noqa: S608 - the configured query


def spellings(number: str) -> tuple[str, ...]:
    """Return how a database may hold a number: as given, in our form, and as an integer that lost its zeros."""
    ours = normalise_number(number)
    return tuple(dict.fromkeys((number.strip().upper(), ours, ours.lstrip("0") or ours)))


def chunks(numbers: Sequence[str], most: int) -> list[tuple[str, ...]]:
    """Return every spelling of the numbers, at most `most` at a time."""
    every = list(dict.fromkeys(spelling for number in numbers for spelling in spellings(number) if spelling))
    return [tuple(chunk) for chunk in chunked(every, most)]


class KeyFilter:
    """Decides whether a key may be about one of some numbers."""

    def __init__(self, numbers: Iterable[str]) -> None:
        self._exact = {normalise_number(number) for number in numbers}
        self._loose = {form for number in self._exact for form in (_plain(number), _plain(number).lstrip("0")) if form}

    def __call__(self, key: Cell) -> bool:
        """Return whether a key is one of the numbers, holds one as a whole word, or is one but for its zeros."""
        if key is None:
            return False
        number = normalise_number(key)
        if number in self._exact or {_plain(number), _plain(number).lstrip("0")} & self._loose:
            return True
        return bool(self._loose.intersection(re.findall(r"[0-9A-Z]+", number)))


def _plain(number: str) -> str:
    return re.sub(r"[^0-9A-Z]", "", number)
