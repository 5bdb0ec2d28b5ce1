"""The timetable: when a source is asked. A slot is a pure function of schedule, zone and now; it is in UTC.

Zones skip and repeat hours, also at midnight, and some have skipped or repeated a day. `_utc_moments` is the only place
that converts a wall time. A skipped wall time runs once, at the next time that exists. A repeated wall time runs the
first time only, unless the line repeats through the day: then it runs both times.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from config.settings import Settings
from config.tables import cron as crontab
from config.tables.operations import QuietHours
from config.tables.sources import Asked
from foundation.translation import tr

_LEAST_FRESH = timedelta(hours=4)

#: No zone has moved its clocks by more than a day, so the slots of a day are within this many days of it.
_AROUND = 2


@dataclass(frozen=True, slots=True)
class Timetable:
    """Either `every`, an interval counted from local midnight, or a cron line of five fields."""

    every: timedelta | None
    cron: str | None
    zone: ZoneInfo
    #: No slot is inside of them.
    quiet: tuple[QuietHours, ...] = ()

    def after(self, moment: datetime) -> datetime:
        """Return the first slot later than `moment`, in UTC."""
        slot = self._next(moment)
        while self.quiet_at(slot):
            slot = self._next(slot)
        return slot

    def at(self, moment: datetime) -> datetime:
        """Return the slot of `moment`, in UTC: the latest one that is not later than it."""
        slot = self._last(moment)
        while self.quiet_at(slot):
            slot = self._last(slot - timedelta(microseconds=1))
        return slot

    def quiet_at(self, moment: datetime) -> bool:
        """Return whether a moment is in the quiet hours, on the clocks of the zone."""
        wall = moment.astimezone(self.zone).time()
        return any(wall in hours for hours in self.quiet)

    def all_quiet(self) -> bool:
        """Return whether every slot of a day is in the quiet hours, so that there is none."""
        return bool(self.quiet) and all(any(wall in hours for hours in self.quiet) for wall in self._walls())

    def _walls(self) -> Iterable[time]:
        """Return the wall times of the slots of a day without a change of the clocks."""
        if self.every is None:
            return crontab.parse_line(self.cron or "").times
        midnight = datetime(2000, 1, 1, tzinfo=UTC)
        return [(midnight + self.every * n).time() for n in range(-(timedelta(days=-1) // self.every))]

    def _next(self, moment: datetime) -> datetime:
        if self.every is not None:
            slot = self._last(moment) + self.every
            return min(slot, _midnights(self.zone, moment.astimezone(UTC))[1])
        return self._by_cron(moment.astimezone(UTC), 1)

    def _last(self, moment: datetime) -> datetime:
        if self.every is not None:
            now = moment.astimezone(UTC)
            midnight, _ = _midnights(self.zone, now)
            return midnight + (now - midnight) // self.every * self.every
        return self._by_cron(moment.astimezone(UTC), -1)

    def _by_cron(self, moment: datetime, step: int) -> datetime:
        """Return the first slot after a moment in UTC (`step` 1), or the last that is not later (-1)."""
        line = crontab.parse_line(self.cron or "")
        best: datetime | None = None
        start = moment.astimezone(self.zone).date() - timedelta(days=_AROUND * step)
        found: date | None = None
        for day in line.dates(start, step):
            if found is not None and abs((day - found).days) > _AROUND:
                break
            slots = _slots(line, self.zone, day)
            later = bisect_right(slots, moment)
            if step > 0 and later < len(slots):
                slot = slots[later]
                best = slot if best is None else min(best, slot)
            elif step < 0 and later > 0:
                slot = slots[later - 1]
                best = slot if best is None else max(best, slot)
            else:
                continue
            found = found or day
        if best is None:
            raise ValueError(
                tr('"{cron}" has no run near {moment:%Y-%m-%d}: correct the clock', cron=self.cron, moment=moment)
            )
        return best

    def longest_gap(self) -> timedelta:
        """Return the longest time between two slots, without regard to clock changes."""
        gap = self.every if self.every is not None else _longest_gap(self.cron or "")
        return gap + max((hours.length for hours in self.quiet), default=timedelta(0))

    def fresh_for(self) -> timedelta:
        """Return how long an answer counts as fresh by default: 4 h or three slots, whichever is longer."""
        return max(_LEAST_FRESH, 3 * self.longest_gap())


def timetable_of(settings: Settings, asked: Asked) -> Timetable:
    """Return when a source, or the roster, is asked."""
    return Timetable(asked.every, asked.cron, settings.zone_of(asked), asked.quiet)


@lru_cache(maxsize=64)
def _longest_gap(cron: str) -> timedelta:
    return crontab.parse_line(cron).longest_gap()


def _midnights(zone: ZoneInfo, moment: datetime) -> tuple[datetime, datetime]:
    """Return the last midnight that is not later than a moment, and the first that is; all in UTC."""
    today = moment.astimezone(zone).date()
    midnights = sorted({_midnight(zone, today + timedelta(days=days)) for days in range(-_AROUND, _AROUND + 1)})
    later = bisect_right(midnights, moment)
    return midnights[later - 1], midnights[later]


@lru_cache(maxsize=256)
def _midnight(zone: ZoneInfo, day: date) -> datetime:
    """Return when a day begins, in UTC, also if midnight is repeated or skipped."""
    return _utc_moments(datetime.combine(day, time()), zone, both=False)[0]


@lru_cache(maxsize=256)
def _slots(line: crontab.Cron, zone: ZoneInfo, day: date) -> tuple[datetime, ...]:
    """Return the slots of a local day, in UTC and in order."""
    walls: Iterable[datetime] = (datetime.combine(day, wall) for wall in line.times)
    return tuple(sorted({moment for wall in walls for moment in _utc_moments(wall, zone, both=line.repeating)}))


def _utc_moments(wall: datetime, zone: ZoneInfo, *, both: bool) -> tuple[datetime, ...]:
    """Return when a wall clock shows a time, in UTC; for a skipped time, the next moment that exists.

    A repeated time has two moments: return the first, or both if `both` is set.
    """
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if first == second:
        return (first,)
    if first < second:
        return (first, second) if both else (first,)
    # A skipped time: with the offset after the change it is before the change, and the reverse. Bisect to find it.
    before, after = second, first
    while after - before > timedelta(seconds=1):
        middle = (before + (after - before) // 2).replace(microsecond=0)
        if middle.astimezone(zone).replace(tzinfo=None) < wall:
            before = middle
        else:
            after = middle
    return (after,)
