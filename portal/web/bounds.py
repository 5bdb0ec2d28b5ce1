"""Bounds on the numbers, moments and names in an address, a query or a form.

Numbers and moments from visitors are read here and nowhere else: Python's own `int` raises an exception above 4,300
digits, databases refuse numbers above 2⁶³ - 1, and moments near the years 1 and 9999 cannot be moved to another zone.
"""

from datetime import datetime, tzinfo

from starlette.convertors import Convertor, register_url_convertor

from foundation.zones import in_zone

#: Every number of 18 digits fits a 64-bit column.
DIGITS = 18

#: No student number, account or token in an address is longer, in characters.
LONGEST_NAME = 300

#: The years a visitor can mean; every zone can show them.
_YEARS = range(1970, 2200)


class Number(Convertor[int]):
    """A path's number, `{run:id}`: up to 18 digits. Anything else is answered with 404."""

    regex = f"[0-9]{{1,{DIGITS}}}"

    def convert(self, value: str) -> int:
        """Return the number."""
        return int(value)

    def to_string(self, value: int) -> str:
        """Write it into an address."""
        return str(value)


class Name(Convertor[str]):
    """A path's text, `{account:name}`: up to 300 characters without a slash. Anything else is answered with 404."""

    regex = f"[^/]{{1,{LONGEST_NAME}}}"

    def convert(self, value: str) -> str:
        """Return the text."""
        return value

    def to_string(self, value: str) -> str:
        """Write it into an address."""
        return value


def register() -> None:
    """Register both with Starlette. Calling it again changes nothing."""
    register_url_convertor("id", Number())
    register_url_convertor("name", Name())


def number(text: str, digits: int = DIGITS) -> int | None:
    """Return a whole number of at most this many digits; None for anything else, such as a sign or a blank."""
    return int(text) if len(text) <= digits and text.isascii() and text.isdecimal() else None


def moment(text: str, zone: tzinfo) -> datetime:
    """Return a moment written in ISO 8601, in this zone where the text names none.

    Raises ValueError for any other text, and for years outside 1970 to 2199.
    """
    found = datetime.fromisoformat(text)
    if found.year not in _YEARS:
        raise ValueError("the year is outside 1970 to 2199")
    return in_zone(found, zone)
