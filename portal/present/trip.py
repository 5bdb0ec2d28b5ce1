"""One trip to every office that is left: the first day on which all of them open, in the order of place and hours.

Pure: hours, days and the moment are passed in. Clock times are in the institution's zone.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from config.settings import Settings
from config.tables.opening_hours import Hours
from config.tables.steps import OfficePlace
from portal.i18n.labels import step_title
from portal.i18n.languages import Language
from portal.present.cards import must_go
from portal.present.opening_hours import clock, hours_on
from status_db.views import StudentView

#: The days that are searched for a day on which all offices open.
_AHEAD = 14

#: The longest line of an iCalendar file, in bytes.
_FOLD = 73


@dataclass(frozen=True, slots=True)
class Stop:
    """One office on the way."""

    step: str
    title: str
    where: str
    #: The hours that are left on the day. Empty if the settings give none.
    hours: str
    opens: datetime | None
    closes: datetime | None


@dataclass(frozen=True, slots=True)
class Trip:
    """A day on which all offices that are left open, and the way from one to the next."""

    day: date
    #: "今天去一趟就够".
    text: str
    stops: tuple[Stop, ...]


def trip(language: Language, settings: Settings, student: StudentView, now: datetime) -> Trip | None:
    """Return the next day on which the student can settle all that is left. None if there is no such day, if an office
    gives no place, or if nothing is left to do.
    """
    places: list[tuple[str, OfficePlace]] = []
    for status in student.steps:
        if must_go(status.at(now)):
            place = settings.step_named(status.step).office.place(student.campus)
            if place is None:
                return None
            places.append((status.step, place))
    local = now.astimezone(language.zone)
    if not places or all(place.open is None for _, place in places):
        return None
    for ahead in range(_AHEAD):
        day = local.date() + timedelta(days=ahead)
        since = local.hour * 60 + local.minute if not ahead else 0
        stops = [_stop(language, settings, step, place, day, since) for step, place in places]
        if all(stop is not None for stop in stops):
            found = [stop for stop in stops if stop is not None]
            return Trip(day, _text(language, day, now, len(found)), _in_order(found))
    return None


def _stop(language: Language, settings: Settings, step: str, place: OfficePlace, day: date, since: int) -> Stop | None:
    """Return the office on this day; None if it does not open on it any more."""
    title = step_title(language, settings.step_named(step))
    where, written = language.pick(place.where, place.where_en), language.pick(place.hours, place.hours_en)
    if place.open is None:
        return Stop(step, title, where, written, None, None)
    spans = [span for span in hours_on(day, place.open, settings.calendar) if span.closes > since]
    if not spans:
        return None
    opens, closes = (_moment(day, minute, language) for minute in (spans[0].opens, spans[0].closes))
    return Stop(step, title, where, _hours(language, spans), opens, closes)


def _hours(language: Language, spans: Sequence[Hours]) -> str:
    return language.comma.join(f"{clock(span.opens)}–{clock(span.closes)}" for span in spans)


def _moment(day: date, minute: int, language: Language) -> datetime:
    return datetime.combine(day, time(), language.zone) + timedelta(minutes=minute)


def _in_order(stops: list[Stop]) -> tuple[Stop, ...]:
    """Return the stops by the hour at which they close, those at one place together. Without hours they come last."""
    latest = datetime.max.replace(tzinfo=UTC)
    first: dict[str, datetime] = {}
    for stop in stops:
        first[stop.where] = min(first.get(stop.where, latest), stop.closes or latest)
    return tuple(sorted(stops, key=lambda stop: (first[stop.where], stop.where, stop.closes or latest)))


def _text(language: Language, day: date, now: datetime, stops: int) -> str:
    match (day - now.astimezone(language.zone).date()).days, stops:
        case 0, 1:
            return language.gettext("今天可以办完")
        case 0, _:
            return language.gettext("今天去一趟就够")
        case 1, _:
            return language.gettext("明天去一趟就够")
    return language.gettext("%(day)s去一趟就够", day=language.day(day, now))


def calendar(language: Language, student: StudentView, planned: Trip, now: datetime) -> bytes:
    """Return the trip as an iCalendar file: an event for each office with hours, in UTC."""
    made = _utc(now)
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Clearance Sync//Portal//EN", "METHOD:PUBLISH"]
    for stop in planned.stops:
        if stop.opens is None or stop.closes is None:
            continue
        title = language.gettext("离校手续：%(step)s", step=stop.title)
        hours = language.gettext("开放时间 %(hours)s", hours=stop.hours)
        name = f"{student.cohort}\n{student.student}\n{stop.step}\n{planned.day}"
        lines += [
            "BEGIN:VEVENT",
            f"UID:{hashlib.sha256(name.encode()).hexdigest()[:32]}@clearance",
            f"DTSTAMP:{made}",
            f"DTSTART:{_utc(stop.opens)}",
            f"DTEND:{_utc(stop.closes)}",
            f"SUMMARY:{_escaped(title)}",
            f"LOCATION:{_escaped(stop.where)}",
            f"DESCRIPTION:{_escaped(hours)}",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(f"{_folded(line)}\r\n" for line in lines).encode()


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _escaped(text: str) -> str:
    for character in "\\;,":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())


def _folded(line: str) -> str:
    """Return a line of the file, folded where it would be longer than 75 bytes, never inside a character."""
    parts, part = [], ""
    for character in line:
        if len((part + character).encode()) > _FOLD:
            parts.append(part)
            part = ""
        part += character
    return "\r\n ".join([*parts, part])
