"""Bounds on what an address, a query or a form may hold as a number, a moment or a name.

Numbers and moments of visitors are read here and nowhere else: Python's own `int` refuses numbers of more than 4,300
digits with an exception, databases refuse those above 2⁶³ - 1, and moments near the years 1 and 9999 cannot be moved
to another zone.
"""

from datetime import datetime, tzinfo

from starlette.convertors import Convertor, register_url_convertor

#: Every number of so many digits fits a column of 64 bits.
DIGITS = 18

#: No student number, account or token in an address is longer, in letters.
LONGEST_NAME = 300

#: Years that somebody can have meant, and that every zone can show.
_YEARS = range(1970, 2200)


class Number(Convertor[int]):
    """A path's number, `{run:id}`: up to 18 digits. Nothing else matches, so the address is answered with 404."""

    regex = f"[0-9]{{1,{DIGITS}}}"

    def convert(self, value: str) -> int:
        """Return the number."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Write it into an address."""
        return str(value)


class Name(Convertor[str]):
    """A path's text, `{account:name}`: up to 300 letters without a slash. Nothing else matches."""

    regex = f"[^/]{{1,{LONGEST_NAME}}}"

    def convert(self, value: str) -> str:
        """Return the text."""
        return value

    def to_string(self, value: str) -> str:
        """Write it into an address."""
        return value


def register() -> None:
    """Make both known to Starlette. It may be called again."""
    register_url_convertor("id", Number())
    register_url_convertor("name", Name())


def number(text: str, digits: int = DIGITS) -> int | None:
    """Return a whole number of up to so many digits; None for anything else, signs and blanks included."""
    return int(text) if len(text) <= digits and text.isascii() and text.isdecimal() else None


def moment(text: str, zone: tzinfo) -> datetime:
    """Return a moment in ISO 8601, in this zone where the text names none.

    Raises ValueError for what is no moment, and for years outside 1970 to 2199.
    """
    found = datetime.fromisoformat(text)
    if found.year not in _YEARS:
        raise ValueError("a year that nobody means")
    return found.replace(tzinfo=found.tzinfo or zone)
