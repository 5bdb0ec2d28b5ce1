"""The meaning of single cells: amounts of money and days. Pure.

A cell that cannot be read raises Unreadable, and is never read as another number or day.
"""

import re
import unicodedata
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal, TypeAlias
from zoneinfo import ZoneInfo

from connectors.port import Cell
from foundation.zones import in_zone

DateOrder: TypeAlias = Literal["ymd", "dmy", "mdy"]

_YUAN = Decimal(1)
_FEN = Decimal("0.01")

#: The highest amount, in yuan: a larger number is not an amount.
_MOST = Decimal(10) ** 12


class Unreadable(Exception):  # noqa: N818 - named by what is so
    """A cell is not empty, and cannot be read."""


_CURRENCY = "(?:¥|RMB|CNY|人民币)"
_SIGN = "[-+−]"
_DIGITS = r"(?:[1-9]\d{0,2}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+"
#: In this order: currency, bracket, sign, currency, digits, unit, sign, bracket, unit.
_AMOUNT = re.compile(
    rf"(?:(?P<front>{_CURRENCY})\s*)?(?P<open>\()?\s*(?P<sign>{_SIGN})?\s*(?P<mark>{_CURRENCY})?\s*(?P<digits>{_DIGITS})\s*"
    rf"(?P<unit>元整?|分|RMB|CNY)?\s*(?P<after>[-−])?\s*(?P<close>\))?\s*(?P<last>元整?|分)?",
    re.IGNORECASE | re.ASCII,
)


def amount_in_yuan(value: Cell, unit: Decimal = _YUAN) -> Decimal | None:
    """Return an amount in yuan, where a plain number counts `unit` yuan; None for an empty cell.

    A comma separates thousands, in groups of three before the point. Brackets, or a minus after the number, mean
    negative.
    A yuan sign or 元 means yuan whatever the unit; 分 means hundredths. Raises Unreadable for everything else, such as
    other units, two numbers in one cell, or a number in scientific notation as text.
    """
    if value is None:
        return None
    if isinstance(value, str):
        return _amount_of_text(value, unit)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise Unreadable
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return _in_yuan(number, unit)


def _amount_of_text(value: str, unit: Decimal) -> Decimal | None:
    text = _visible(value)
    if not text:
        return None
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise Unreadable
    brackets, signs = (match["open"], match["close"]), (match["sign"], match["after"])
    if (brackets[0] is None) != (brackets[1] is None) or (match["unit"] and match["last"]):
        raise Unreadable
    if sum(part is not None for part in (brackets[0], *signs)) > 1:
        raise Unreadable
    negative = brackets[0] is not None or any(sign in ("-", "−") for sign in signs)
    named = match["unit"] or match["last"] or ""
    if named == "分":
        unit = _FEN
    elif named or match["front"] or match["mark"]:
        unit = _YUAN
    number = _in_yuan(Decimal(match["digits"].replace(",", "")), unit)
    return -number if negative else number


def _in_yuan(number: Decimal, unit: Decimal) -> Decimal:
    if not number.is_finite() or abs(number) > _MOST:
        raise Unreadable
    return number * unit


def _visible(text: str) -> str:
    """Return the normalised text (NFKC), without invisible characters and outer blanks."""
    if text.isascii() and text.isprintable():
        return text.strip()
    plain = unicodedata.normalize("NFKC", text)
    return "".join(c for c in plain if unicodedata.category(c) not in ("Cf", "Cc")).strip()


#: Day numbers of Excel: from 1954 to 2119.
_SERIALS = (20_000, 80_000)
#: Day 0 of Excel, which counts a leap day in 1900.
_EXCEL_BEGINS = datetime(1899, 12, 30)  # noqa: DTZ001 - a day number has no zone

#: Digits of a number since 1970 → its units in a second: seconds, or milliseconds.
_EPOCHS = {10: 1, 13: 1_000}

_YEAR_FIRST = r"(?P<y>\d{4})\s*[-/.年]\s*(?P<m>\d{1,2})\s*[-/.月]\s*(?P<d>\d{1,2})\s*日?"
_YEAR_LAST = r"(?P<a>\d{1,2})[-/.](?P<b>\d{1,2})[-/.](?P<y>\d{4})"
_TIME = (
    r"(?:(?:[T\s]\s*|(?<=日))(?P<H>\d{1,2}):(?P<M>\d{2})(?::(?P<S>\d{2})(?:[.,]\d{1,9})?)?\s*(?P<half>[AP]M)?"
    r"\s*(?P<zone>Z|UTC|GMT|[-+]\d{2}(?::?\d{2})?)?(?:\[[A-Za-z_/+-]+\])?)?"
)
_BEFORE = r"\s*(?:前|之前|以前|止|截止)?"
_DAY_FORMS = tuple(re.compile(form + _TIME + _BEFORE, re.ASCII | re.IGNORECASE) for form in (_YEAR_FIRST, _YEAR_LAST))
_RUN_TOGETHER = re.compile(r"(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?", re.ASCII)
_NUMBER = re.compile(r"\d+(?:\.\d*)?", re.ASCII)

#: Milliseconds since 1970 as ASP.NET writes them; the offset after them does not change the moment.
_DOT_NET = re.compile(r"/Date\((\d{12,13})(?:[-+]\d{4})?\)/", re.ASCII | re.IGNORECASE)

#: What databases and programs store where there is no day.
_NO_DAY = re.compile(r"0+|0000-00-00.*|0001-01-01.*|-?infinity", re.ASCII | re.DOTALL)


def day(value: Cell, zone: ZoneInfo, institution_zone: ZoneInfo, order: DateOrder = "ymd") -> date | None:
    """Return the day of a due date in the institution's zone; None for an empty cell.

    A time with a zone of its own is converted; one without is in `zone`. A whole number is a date (8 digits), a day
    number of Excel, or seconds (10 digits) or milliseconds (13) since 1970; the same as text. `order` is the order of
    dates with the year last. Raises Unreadable for everything else.
    """
    try:
        match value:
            case None:
                return None
            case str():
                return _day_of_text(_visible(value), zone, institution_zone, order)
            case datetime():
                return None if value.year == 1 else _day_here(value, zone, institution_zone)
            case date():
                return None if value.year == 1 else value
            case bool():
                raise Unreadable
            case int() | float() | Decimal():
                number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
                return _day_of_number(number, zone, institution_zone)
            case _:
                raise Unreadable
    except (ValueError, OverflowError) as error:
        raise Unreadable from error


def _day_of_number(number: Decimal, zone: ZoneInfo, institution_zone: ZoneInfo) -> date | None:
    if not number.is_finite() or number < 0:
        raise Unreadable
    if not number:
        return None
    whole = int(number)
    if _SERIALS[0] <= whole <= _SERIALS[1]:
        moment = _EXCEL_BEGINS + timedelta(days=float(number))
        # A whole number is a day, not a midnight that another zone could move.
        return moment.date() if number == whole else _day_here(moment, zone, institution_zone)
    digits = str(whole)
    if len(digits) == 8 and number == whole:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    if len(digits) in _EPOCHS:
        return _day_here(datetime.fromtimestamp(whole / _EPOCHS[len(digits)], UTC), zone, institution_zone)
    if number == whole and (together := _RUN_TOGETHER.fullmatch(digits)):
        year, month, on, hour, minute, second = (int(part or 0) for part in together.groups())
        return _day_here(datetime(year, month, on, hour, minute, second), zone, institution_zone)  # noqa: DTZ001
    raise Unreadable


# Many rows have the same due date.
@lru_cache(maxsize=4096)
def _day_of_text(text: str, zone: ZoneInfo, institution_zone: ZoneInfo, order: DateOrder) -> date | None:
    if not text or _NO_DAY.fullmatch(text):
        return None
    if _NUMBER.fullmatch(text):
        return _day_of_number(Decimal(text), zone, institution_zone)
    if dot_net := _DOT_NET.fullmatch(text):
        return _day_here(datetime.fromtimestamp(int(dot_net[1]) / 1_000, UTC), zone, institution_zone)
    year_first, year_last = (form.fullmatch(text) for form in _DAY_FORMS)
    if year_first is not None:
        found, on = year_first, date(int(year_first["y"]), int(year_first["m"]), int(year_first["d"]))
    elif year_last is not None and order != "ymd":
        a, b = int(year_last["a"]), int(year_last["b"])
        month, number = (b, a) if order == "dmy" else (a, b)
        found, on = year_last, date(int(year_last["y"]), month, number)
    else:
        raise Unreadable
    if found["H"] is None:
        return on
    return _day_here(_moment_of_match(on, found), zone, institution_zone)


def _moment_of_match(on: date, found: re.Match[str]) -> datetime:
    hour, minute, second = int(found["H"]), int(found["M"]), int(found["S"] or 0)
    if half := found["half"]:
        if not 1 <= hour <= 12:
            raise Unreadable
        hour = hour % 12 + (12 if half.upper() == "PM" else 0)
    if (hour, minute, second) == (24, 0, 0):
        # The end of this day, not the beginning of the next.
        hour, minute, second = 23, 59, 59
    moment = datetime.combine(on, time(hour, minute, second))
    match (found["zone"] or "").upper():
        case "":
            return moment
        case "Z" | "UTC" | "GMT":
            return moment.replace(tzinfo=UTC)
        case offset:
            return datetime.fromisoformat(moment.isoformat() + offset)


def _day_here(moment: datetime, zone: ZoneInfo, institution_zone: ZoneInfo) -> date:
    return in_zone(moment, zone).astimezone(institution_zone).date()
