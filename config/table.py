"""What tables of the settings file share."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict

from config import cron

_SPAN = re.compile(r"(\d+)\s*(s|min|h|d)")
_UNIT = {"s": "seconds", "min": "minutes", "h": "hours", "d": "days"}


def _span(value: object) -> object:
    """Read "90 s", "15 min", "4 h" or "1 d"."""
    if not isinstance(value, str):
        return value
    match = _SPAN.fullmatch(value.strip())
    if not match:
        raise ValueError(f'"{value}" is no span of time: write a whole number and s, min, h or d, such as "15 min"')
    return timedelta(**{_UNIT[match[2]]: int(match[1])})


Span = Annotated[timedelta, BeforeValidator(_span)]

#: A cron line, as the crontab writes it.
CronLine = Annotated[str, AfterValidator(cron.checked)]

#: A table of the settings file is frozen, and strict about its keys.
STRICT = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, hide_input_in_errors=True)
