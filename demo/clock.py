"""The demo's clock: the university's season is in 2019, so its clock is whole days behind the real one.

Building the university sets the clock to the first day; `advance` moves it on.
"""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from demo.story import FIRST_DAY
from foundation.shifted_clock import ShiftedClock


class DemoClock(ShiftedClock):
    """A shifted clock whose file can be written."""

    __slots__ = ()

    def start(self, today: date) -> None:
        """Set the clock to the first day of the season, if it was never set."""
        if self.behind() is None:
            self._set((today - FIRST_DAY).days)

    def advance(self, days: int) -> None:
        """Move the clock on by this many days."""
        self._set((self.behind() or 0) - days)

    def _set(self, behind: int) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(f"{behind}\n", encoding="ascii")


def today_in(zone: ZoneInfo) -> date:
    """Return the real date in a zone."""
    return datetime.now(zone).date()
