"""The forecast of a season: how many students are still open on the closing day, by one simple rule. Pure.

The rule: each day until the end of the closing day, as many students are settled as on average of the last three full
days. Today is not over, so it is not one of them.
"""

from collections.abc import Sequence
from datetime import date
from math import ceil

from status_db.queries.trends import Day

#: The average is over this many full days, or over all of them if there are fewer.
PACE_DAYS = 3

#: From this number on, a forecast is rounded to tens: it is no more exact than that.
_ROUNDED_FROM = 100


def pace(days: Sequence[Day], today: date) -> float:
    """Return how many students are settled each day, by the last full days; 0 before there are two of them."""
    full = [day for day in days if day.day < today][-PACE_DAYS - 1 :]
    if len(full) < 2:
        return 0.0
    return max(0.0, (full[-1].clear - full[0].clear) / (len(full) - 1))


def open_at_close(days: Sequence[Day], students: int, open_now: int, closes: date, today: date) -> int | None:
    """Return about how many students are still open at the end of `closes`. None without a pace, or after that day.

    Never more than are open now.
    """
    each_day = pace(days, today)
    if not each_day or closes < today:
        return None
    last = max((day for day in days if day.day < today), key=lambda day: day.day)
    left = max(0, ceil(students - last.clear - each_day * (closes - last.day).days))
    return min(open_now, left if left < _ROUNDED_FROM else round(left / 10) * 10)
