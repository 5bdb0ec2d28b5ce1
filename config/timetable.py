"""The timetable: when a source is asked. A slot is a pure function of schedule, zone and now; it is told in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from config.settings import Asked, Settings

_LEAST_FRESH = timedelta(hours=4)
_LOOK_AHEAD = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class Timetable:
    """`every` so long, counted from local midnight, or a cron line of five fields; one of the two."""

    every: timedelta | None
    cron: str | None
    zone: ZoneInfo

    def after(self, moment: datetime) -> datetime:
        """Return the first slot later than `moment`, in UTC."""
        local = moment.astimezone(self.zone)
        if self.every is None:
            return _next_by_cron(self.cron or "", self.zone, local)
        return next(slot for slot in (self._following(local, days) for days in (0, 1)) if slot > moment)

    def _following(self, local: datetime, days: int) -> datetime:
        """Return the first slot later than `local` on its day, or `days` on; the next midnight if there is none."""
        assert self.every is not None  # noqa: S101 - asked for by `after` only where it is given
        midnight = datetime.combine(local.date() + timedelta(days=days), time(), self.zone).astimezone(UTC)
        following = datetime.combine(local.date() + timedelta(days=days + 1), time(), self.zone).astimezone(UTC)
        passed = max(local.astimezone(UTC) - midnight, -self.every)
        slot = midnight + (passed // self.every + 1) * self.every
        return min(slot, following)

    def at(self, moment: datetime) -> datetime:
        """Return the slot that `moment` belongs to: the latest that is not later, in UTC."""
        back = moment - self.longest_gap() - timedelta(seconds=1)
        slot = self.after(back)
        while (following := self.after(slot)) <= moment:
            slot = following
        return slot

    def longest_gap(self) -> timedelta:
        """Return the longest time between two slots."""
        return self.every if self.every is not None else _longest_cron_gap(self.cron or "", self.zone)

    def fresh_for(self) -> timedelta:
        """Return how long an answer counts as fresh unless the settings say: at least 4 h, and three missed slots."""
        return max(_LEAST_FRESH, 3 * self.longest_gap())


def timetable_of(settings: Settings, asked: Asked) -> Timetable:
    """Return when a source, or the roster, is asked."""
    return Timetable(asked.every, asked.cron, asked.timezone or settings.institution.timezone)


def _next_by_cron(cron: str, zone: ZoneInfo, moment: datetime) -> datetime:
    trigger = CronTrigger.from_crontab(cron, timezone=zone)
    found = trigger.get_next_fire_time(None, moment + timedelta(microseconds=1))
    if found is None:
        raise ValueError(f'"{cron}" never comes again: mend the cron line')
    return found.astimezone(UTC)  # type: ignore[no-any-return]  # the library has no types


@lru_cache(maxsize=64)
def _longest_cron_gap(cron: str, zone: ZoneInfo) -> timedelta:
    """Look at the fires of a week from a fixed day, or at the first two where they lie further apart."""
    start = datetime(2019, 1, 7, tzinfo=zone)
    slot = _next_by_cron(cron, zone, start)
    longest = timedelta(0)
    while True:
        following = _next_by_cron(cron, zone, slot)
        longest = max(longest, following - slot)
        if following - start > _LOOK_AHEAD:
            return longest
        slot = following
