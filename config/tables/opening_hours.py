"""Opening hours of offices: hours of a day as written in the settings, and days that differ from their weekday."""

import re
from datetime import date
from itertools import pairwise
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, model_validator

from config.tables.base import STRICT
from foundation.translation import tr

_HOURS = re.compile(r"(\d{1,2}):(\d\d)\s*[-–—]\s*(\d{1,2}):(\d\d)")
_DAY = 24 * 60


class Hours(BaseModel):
    """A span of a day in minutes from midnight, in local time; `closes` is not part of it."""

    model_config = STRICT

    opens: int
    closes: int


def _parse_hours(value: object) -> object:
    """Parse "8:00-11:30"."""
    if not isinstance(value, str):
        return value
    match = _HOURS.fullmatch(value.strip())
    opens, closes = (60 * int(match[i]) + int(match[i + 1]) for i in (1, 3)) if match else (0, 0)
    if not match or max(match[2], match[4]) >= "60" or not opens < closes <= _DAY:
        raise ValueError(
            tr(
                '"{value}" are not hours of one day: write them as "8:00-11:30", and split hours that cross '
                "midnight in two",
                value=value,
            )
        )
    return Hours(opens=opens, closes=closes)


def _check_sequence(hours: tuple[Hours, ...]) -> tuple[Hours, ...]:
    if any(later.opens <= earlier.closes for earlier, later in pairwise(hours)):
        raise ValueError(tr("hours overlap, touch or are out of order: sort them, and join those that touch"))
    return hours


Times = Annotated[tuple[Annotated[Hours, BeforeValidator(_parse_hours)], ...], AfterValidator(_check_sequence)]


class OpenHours(BaseModel):
    """The hours of an office for each kind of day; empty means closed."""

    model_config = STRICT

    #: Monday to Friday and the calendar's `workdays`, such as `["8:00-11:30", "14:30-17:00"]`. None: closed.
    workday: Times = ()
    #: Saturday and Sunday. None: closed.
    weekend: Times = ()
    #: The calendar's `holidays`. None: closed.
    holiday: Times = ()


class Days(BaseModel):
    """Consecutive days, first and last included."""

    model_config = STRICT

    #: The first day.
    first: date
    #: The last day.
    last: date

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if self.last < self.first:
            raise ValueError(tr("{last} is before {first}: swap the two", last=self.last, first=self.first))
        return self

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


def _parse_days(value: object) -> object:
    """Return one day as first and last; `{ first = …, last = … }` is returned as it is."""
    return {"first": value, "last": value} if isinstance(value, str | date) else value


EachDay = Annotated[Days, BeforeValidator(_parse_days)]


class Calendar(BaseModel):
    """Days that differ from their weekday."""

    model_config = STRICT

    #: Public holidays and vacations.
    holidays: tuple[EachDay, ...] = ()
    #: Saturdays and Sundays that are worked instead (调休); they have priority over `holidays`.
    workdays: tuple[EachDay, ...] = ()
