"""The deadline of an office's answer, counted in its own opening hours.

Pure: hours, days and the moment are passed in. Clock times are in the institution's zone.
"""

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from config.settings import Settings
from config.tables.opening_hours import Calendar, Hours, OpenHours
from portal.present.opening_hours import hours_on

#: The hours of an office that gives none: Monday to Friday, 8:00 to 17:00.
UNSTATED = OpenHours(workday=(Hours(opens=8 * 60, closes=17 * 60),))

#: The days searched for opening hours.
_DAYS_AHEAD = 400


def due_at(settings: Settings, step: str, campus: str, now: datetime) -> datetime:
    """Return the deadline for the office of a step, on a student's campus, to answer an appeal raised now."""
    place = settings.step_named(step).office.place(campus)
    hours = place.open if place is not None else None
    return due(hours, settings.calendar, now, settings.desk.appeal_due, settings.institution.timezone)


def due(hours: OpenHours | None, calendar: Calendar, at: datetime, span: timedelta, zone: ZoneInfo) -> datetime:
    """Return when the office will have been open for `span` since `at`, at closing time rather than the next opening.

    For an office without hours, or that does not open for a year, `UNSTATED` applies.
    """
    found = _within(hours, calendar, at, span, zone) if hours is not None else None
    if found is None:
        found = _within(UNSTATED, calendar, at, span, zone)
    # No workday within a year: count by the clock.
    return found if found is not None else at + span


def _within(hours: OpenHours, calendar: Calendar, at: datetime, span: timedelta, zone: ZoneInfo) -> datetime | None:
    local = at.astimezone(zone)
    left, since = span, local - datetime.combine(local.date(), time(), local.tzinfo)
    for ahead in range(_DAYS_AHEAD):
        day = local.date() + timedelta(days=ahead)
        for spell in hours_on(day, hours, calendar):
            opens, closes = timedelta(minutes=spell.opens), timedelta(minutes=spell.closes)
            begins = max(opens, since) if ahead == 0 else opens
            if begins >= closes:
                continue
            if left <= closes - begins:
                # In wall-clock time, where each day has its midnight even if the zone's offset changes in between.
                return datetime.combine(day, time(), zone) + begins + left
            left -= closes - begins
    return None
