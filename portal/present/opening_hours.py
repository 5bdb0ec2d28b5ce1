"""Whether an office is open now, until when, and when it opens next.

Pure: hours, days and the moment are passed in. Clock times are in the institution's zone.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from config.tables.opening_hours import Calendar, Hours, OpenHours
from portal.i18n.labels import N_
from portal.i18n.languages import Language

#: The days searched for the next opening.
_DAYS_AHEAD = 60
_HOUR = 60
_SATURDAY = 5

_WEEKDAYS = (N_("周一"), N_("周二"), N_("周三"), N_("周四"), N_("周五"), N_("周六"), N_("周日"))
_WORKDAYS, _WEEKENDS, _HOLIDAYS = N_("工作日"), N_("周末"), N_("节假日")


@dataclass(frozen=True, slots=True)
class OpeningState:
    """An office's opening state: open until a minute of today, closed until a minute of a day, or closed for long."""

    #: The minute of today, from midnight, at which it closes. None while it is closed.
    open_until: int | None = None
    #: When it opens next. None while it is open, or if it does not open for long.
    next_day: date | None = None
    next_minute: int = 0


def hours_on(day: date, hours: OpenHours, calendar: Calendar) -> tuple[Hours, ...]:
    """Return the hours of one day. A weekend day worked in place of another day counts as a workday."""
    if any(day in days for days in calendar.workdays):
        return hours.workday
    if any(day in days for days in calendar.holidays):
        return hours.holiday
    return hours.weekend if day.weekday() >= _SATURDAY else hours.workday


def door(hours: OpenHours, calendar: Calendar, local: datetime) -> OpeningState:
    """Return the opening state at a moment, in the institution's clock time."""
    today, minute = local.date(), local.hour * _HOUR + local.minute
    for span in hours_on(today, hours, calendar):
        if span.opens <= minute < span.closes:
            return OpeningState(open_until=span.closes)
    for ahead in range(_DAYS_AHEAD + 1):
        day = today + timedelta(days=ahead)
        for span in hours_on(day, hours, calendar):
            if ahead or span.opens > minute:
                return OpeningState(next_day=day, next_minute=span.opens)
    return OpeningState()


def say_door(language: Language, hours: OpenHours, calendar: Calendar, now: datetime) -> tuple[str, bool]:
    """Return the opening state as text, and whether it is open."""
    local = now.astimezone(language.zone)
    found = door(hours, calendar, local)
    if found.open_until is not None:
        return language.gettext("开放中，至 %(time)s", time=clock(found.open_until)), True
    if found.next_day is None:
        return language.gettext("近期不开放，请先电话咨询"), False
    time = clock(found.next_minute)
    match (found.next_day - local.date()).days:
        case 0:
            return language.gettext("休息中。今天 %(time)s 开放", time=time), False
        case 1:
            return language.gettext("休息中。明天 %(time)s 开放", time=time), False
    day = language.day(found.next_day, now)
    weekday = language.gettext(_WEEKDAYS[found.next_day.weekday()])
    return language.gettext("休息中。%(day)s（%(weekday)s）%(time)s 开放", day=day, weekday=weekday, time=time), False


def say_hours(language: Language, hours: OpenHours) -> str:
    """Return the hours of each kind of day as text."""
    kinds = ((_WORKDAYS, hours.workday), (_WEEKENDS, hours.weekend), (_HOLIDAYS, hours.holiday))
    semicolon = "; " if language.code == "en" else "；"
    return semicolon.join(f"{language.gettext(kind)} {_spans(language, spans)}" for kind, spans in kinds if spans)


def clock(minute: int) -> str:
    """Return a minute of a day as clocks show it: 8:30, 24:00."""
    return f"{minute // _HOUR}:{minute % _HOUR:02}"


def _spans(language: Language, spans: Iterable[Hours]) -> str:
    return language.comma.join(f"{clock(span.opens)}–{clock(span.closes)}" for span in spans)
