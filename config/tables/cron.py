"""A cron line as in a crontab: five fields, and the wall times that they name.

Weekdays are numbered as in a crontab: 0 and 7 are Sunday, 1 is Monday. APScheduler's parser numbers Monday as 0, and
its trigger stops in a repeated hour, so neither is used.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import lru_cache
from itertools import pairwise

from foundation.translation import N_, tr

_FORM = N_('write five fields, such as "30 2 * * *"')
_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_FIELDS = 5
_WEEKDAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
_MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11,
    "dec": 12,
}  # fmt: skip
_ITEM = re.compile(
    r"(?:(?P<all>\*)|(?P<first>[0-9]{1,4}|[a-z]{3})(?:-(?P<last>[0-9]{1,4}|[a-z]{3}))?)(?:/(?P<step>[0-9]{1,4}))?"
)
#: Days of each month in a leap year.
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    least: int
    most: int
    names: dict[str, int]


_MINUTE = _Field(N_("minute"), 0, 59, {})
_HOUR = _Field(N_("hour"), 0, 23, {})
_DAY = _Field(N_("day of month"), 1, 31, {})
_MONTH = _Field(N_("month"), 1, 12, _MONTHS)
_WEEKDAY = _Field(N_("day of week"), 0, 7, _WEEKDAYS)


@dataclass(frozen=True, slots=True)
class Cron:
    """The wall times at which a line runs."""

    #: In order.
    times: tuple[time, ...]
    days: frozenset[int]
    months: frozenset[int]
    #: As in a crontab: Sunday is 0.
    weekdays: frozenset[int]
    #: Its minute or hour begins with `*`, so it runs through the day, and both times in a repeated hour.
    repeating: bool

    def on(self, day: date) -> bool:
        """Return whether the line runs on a day."""
        return day.month in self.months and day.day in self.days and day.isoweekday() % 7 in self.weekdays

    def dates(self, first: date, step: int) -> Iterator[date]:
        """Yield the days on which the line runs, from `first`, forwards (`step` 1) or backwards (-1), for eight years.

        The longest time between two is eight years: from one 29 February to the next around a year such as 2100.
        """
        day = first
        for _ in range(_LOOK_AHEAD):
            if self.on(day):
                yield day
            try:
                day += timedelta(days=step)
            except OverflowError:
                return

    def longest_gap(self) -> timedelta:
        """Return the longest time between two runs, on a wall clock without summer time."""
        first, last = (timedelta(hours=t.hour, minutes=t.minute) for t in (self.times[0], self.times[-1]))
        steps = [timedelta(hours=b.hour - a.hour, minutes=b.minute - a.minute) for a, b in pairwise(self.times)]
        days = list(self.dates(date(2016, 1, 1), 1))
        nights = [b - a - last + first for a, b in pairwise(days)]
        return max([*steps, *nights])


#: Days in a little more than eight years.
_LOOK_AHEAD = 8 * 366 + 7


@lru_cache(maxsize=256)
def parse_line(line: str) -> Cron:
    """Return a parsed cron line. Raises ValueError with the error and the fix."""
    text = line.strip()
    if text.startswith("@"):
        instead = _MACROS.get(text.lower())
        fix = tr('write "{instead}"', instead=instead) if instead else tr(_FORM)
        raise ValueError(tr('"{line}" is a name, and only five fields are accepted: {fix}', line=line, fix=fix))
    fields = text.lower().split()
    if len(fields) == _FIELDS + 1:
        raise ValueError(
            tr(
                '"{line}" has six fields, and seconds and years are not accepted: {fix}',
                line=line,
                fix=_five_of_six(fields),
            )
        )
    if len(fields) != _FIELDS:
        raise ValueError(tr('"{line}" has {count} fields: {fix}', line=line, count=len(fields), fix=tr(_FORM)))
    minutes, hours, days, months, weekdays = (
        _field_values(field, written)
        for field, written in zip((_MINUTE, _HOUR, _DAY, _MONTH, _WEEKDAY), fields, strict=True)
    )
    if fields[2] != "*" and fields[4] != "*":
        raise ValueError(
            tr(
                '"{line}" names a day of month and a day of week, and cron runs on either, which is rarely '
                'intended: write "{by_weekday}" or "{by_day}"',
                line=line,
                by_day=" ".join((*fields[:4], "*")),
                by_weekday=" ".join((*fields[:2], "*", *fields[3:])),
            )
        )
    if not any(day <= _LONGEST[month - 1] for month in months for day in days):
        instead = " ".join((*fields[:2], str(min(28, *days)), *fields[3:]))
        raise ValueError(
            tr('"{line}" never runs: write a day that exists, such as "{instead}"', line=line, instead=instead)
        )
    return Cron(
        times=tuple(time(hour, minute) for hour in hours for minute in minutes),
        days=frozenset(days),
        months=frozenset(months),
        weekdays=frozenset(day % 7 for day in weekdays),
        repeating=fields[0].startswith("*") or fields[1].startswith("*"),
    )


def _five_of_six(fields: Sequence[str]) -> str:
    """Return the fix for six fields: omit the seconds at the start, or else the year at the end."""
    for five in (fields[1:], fields[:-1]):
        with suppress(ValueError):
            parse_line(" ".join(five))
            return tr('write "{instead}"', instead=" ".join(five))
    return tr(_FORM)


def _wrapped_range(field: _Field, first: int, last: int) -> str:
    """Return the fix for a range that runs backwards: 22-6 as 22-23,0-6, or 6-22."""
    most = 6 if field is _WEEKDAY else field.most
    return tr(
        '"{first}-{most},{least}-{last}" to continue past the end, or "{last}-{first}"',
        first=first,
        most=most,
        least=field.least,
        last=last,
    )


def checked(line: str) -> str:
    """Return the cron line if it is valid. Raises ValueError with the fix, so that a mistake is found at the start."""
    parse_line(line)
    return line


def _field_values(field: _Field, written: str) -> Sequence[int]:
    found: set[int] = set()
    for item in written.split(","):
        found.update(_item_range(field, written, item))
    return sorted(found)


def _item_range(field: _Field, written: str, item: str) -> range:
    match = _ITEM.fullmatch(item)
    if match is None:
        raise ValueError(
            tr(
                '"{written}" is not a {field}: write "*", numbers from {least} to {most}, ranges such as '
                '"{least}-{most}", or steps such as "*/2"',
                written=written,
                field=tr(field.name),
                least=field.least,
                most=field.most,
            )
        )
    if match["all"]:
        first, last = field.least, min(field.most, 6) if field is _WEEKDAY else field.most
    else:
        first = _field_number(field, match["first"])
        last = _field_number(field, match["last"]) if match["last"] else first
        if field is _WEEKDAY and match["last"] and last == 0 < first:
            # At the end of a range, "sun" is day 7.
            last = 7
    if first > last:
        raise ValueError(
            tr(
                '"{item}" runs backwards as a {field}: write {fix}',
                item=item,
                field=tr(field.name),
                fix=_wrapped_range(field, first, last),
            )
        )
    step = int(match["step"] or 1)
    if match["step"] and not match["all"] and not match["last"]:
        raise ValueError(
            tr(
                '"{item}" has a step without a range: write "{first}-{most}/{step}"',
                item=item,
                first=item.split("/", 1)[0],
                most=field.most,
                step=step,
            )
        )
    if not 1 <= step <= field.most - field.least + 1:
        raise ValueError(
            tr(
                '"{item}" has a step outside the range of a {field}: write 1 to {most}',
                item=item,
                field=tr(field.name),
                most=field.most - field.least + 1,
            )
        )
    return range(first, last + 1, step)


def _field_number(field: _Field, written: str) -> int:
    number = field.names.get(written, int(written) if written.isdigit() else -1)
    if not field.least <= number <= field.most:
        least, most, names = field.least, field.most, ", ".join(field.names)
        values = {"written": written, "field": tr(field.name), "least": least, "most": most, "names": names}
        if names:
            text = tr('"{written}" is not a {field}: write a number from {least} to {most} or {names}', **values)
        else:
            text = tr('"{written}" is not a {field}: write a number from {least} to {most}', **values)
        raise ValueError(text)
    return number
