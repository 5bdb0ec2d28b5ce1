"""Types that tables of the settings file share."""

import re
from datetime import timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from config.tables import cron
from config.tables.plain_text import plain
from foundation.translation import tr

_SPAN_FORM = re.compile(r"(\d+)\s*(s|min|h|d)")
_UNIT = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


def _parse_span(value: object) -> object:
    """Read "90 s", "15 min", "4 h" or "1 d"."""
    if not isinstance(value, str):
        return value
    match = _SPAN_FORM.fullmatch(value.strip())
    if not match:
        raise ValueError(
            tr('"{value}" is not a duration: write a whole number and s, min, h or d, such as "15 min"', value=value)
        )
    try:
        span = timedelta(**{_UNIT[match[2]]: int(match[1])})
    except (OverflowError, ValueError):
        # Python refuses to read a number of several thousand digits.
        span = timedelta.max
    if span > _LONGEST:
        raise ValueError(
            tr(
                '"{value}" is longer than {longest:,} days: write a shorter duration',
                value=plain(value[:40]),
                longest=_LONGEST.days,
            )
        )
    return span


#: Ten thousand days before or after any day of a season is still a valid date.
_LONGEST = timedelta(days=10_000)

Span = Annotated[timedelta, BeforeValidator(_parse_span)]

#: A cron line, as in a crontab.
CronLine = Annotated[str, AfterValidator(cron.checked)]

#: A table of the settings file is frozen, and strict about its keys.
STRICT = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)


def _parse_zone(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        raise ValueError(tr('"{value}" is not a time zone: write one such as "Asia/Shanghai"', value=value)) from None


Zone = Annotated[ZoneInfo, BeforeValidator(_parse_zone), PlainSerializer(str)]


Words = Annotated[dict[str, str], Field(min_length=1)]


#: A key that the status database stores.
ShortKey = Annotated[str, Field(min_length=1, max_length=40)]


class Table(BaseModel):
    """One table of the settings file: frozen, and strict about its keys."""

    model_config = STRICT
