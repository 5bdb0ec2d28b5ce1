"""What tables of the settings file share."""

import re
from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from config.tables import cron
from config.tables.plain_text import plain

_SPAN = re.compile(r"(\d+)\s*(s|min|h|d)")
_UNIT = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


def _span(value: object) -> object:
    """Read "90 s", "15 min", "4 h" or "1 d"."""
    if not isinstance(value, str):
        return value
    match = _SPAN.fullmatch(value.strip())
    if not match:
        raise ValueError(f'"{value}" is no span of time: write a whole number and s, min, h or d, such as "15 min"')
    try:
        span = timedelta(**{_UNIT[match[2]]: int(match[1])})
    except (OverflowError, ValueError):
        # Python reads no number of more than some thousand digits.
        span = timedelta.max
    if span > _LONGEST:
        raise ValueError(f'"{plain(value[:40])}" is longer than {_LONGEST.days:,} days: write a shorter span')
    return span


#: Ten thousand days before or after any day of a season there is still a date.
_LONGEST = timedelta(days=10_000)

Span = Annotated[timedelta, BeforeValidator(_span)]

#: A cron line, as the crontab writes it.
CronLine = Annotated[str, AfterValidator(cron.checked)]

#: A table of the settings file is frozen, and strict about its keys.
STRICT = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)


def _zone(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(f'"{value}" is no time zone: write one such as "Asia/Shanghai"') from None


Zone = Annotated[ZoneInfo, BeforeValidator(_zone), PlainSerializer(str)]


Words = Annotated[dict[str, str], Field(min_length=1)]


#: A word that the status database keeps as a key.
ShortKey = Annotated[str, Field(min_length=1, max_length=40)]


class Table(BaseModel):
    """One table of the settings file: frozen, and strict about its keys."""

    model_config = STRICT
