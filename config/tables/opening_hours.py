"""When offices are open: hours of a day as the settings write them, and the days that are not what they seem."""

import re
from datetime import date
from itertools import pairwise
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, model_validator

from config.tables.base import STRICT

_HOURS = re.compile(r"(\d{1,2}):(\d\d)\s*[-–—]\s*(\d{1,2}):(\d\d)")
_DAY = 24 * 60


class Hours(BaseModel):
    """From one minute of a day until another, that one no longer; counted from midnight, as clocks on the wall show."""

    model_config = STRICT

    opens: int
    closes: int


def _hours(value: object) -> object:
    """Read "8:00-11:30"."""
    if not isinstance(value, str):
        return value
    match = _HOURS.fullmatch(value.strip())
    opens, closes = (60 * int(match[i]) + int(match[i + 1]) for i in (1, 3)) if match else (0, 0)
    if not match or max(match[2], match[4]) >= "60" or not opens < closes <= _DAY:
        raise ValueError(f'"{value}" are no hours of one day: write them as "8:00-11:30"; past midnight, as two')
    return Hours(opens=opens, closes=closes)


def _one_after_another(hours: tuple[Hours, ...]) -> tuple[Hours, ...]:
    if any(later.opens <= earlier.closes for earlier, later in pairwise(hours)):
        raise ValueError("each must begin after the one before it has ended: put them in order, join what touches")
    return hours


Times = Annotated[tuple[Annotated[Hours, BeforeValidator(_hours)], ...], AfterValidator(_one_after_another)]


class OpenHours(BaseModel):
    """The hours of an office, for each kind of day; none is closed."""

    model_config = STRICT

    #: Monday to Friday, and days worked in place of another.
    workday: Times = ()
    #: Saturday and Sunday.
    weekend: Times = ()
    #: The calendar's holidays.
    holiday: Times = ()


class Days(BaseModel):
    """Days in a row, both ends among them."""

    model_config = STRICT

    first: date
    last: date

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.last < self.first:
            raise ValueError(f"{self.last} is before {self.first}: turn them round")
        return self

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last


def _days(value: object) -> object:
    """Read one day, or leave `{ first = …, last = … }` as it is."""
    return {"first": value, "last": value} if isinstance(value, str | date) else value


EachDay = Annotated[Days, BeforeValidator(_days)]


class Calendar(BaseModel):
    """Days that are not what their weekday says."""

    model_config = STRICT

    #: Public holidays and vacations.
    holidays: tuple[EachDay, ...] = ()
    #: Saturdays and Sundays worked in place of a holiday (调休); they win over `holidays`.
    workdays: tuple[EachDay, ...] = ()
