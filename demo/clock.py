"""The demo's clock: the university's season lies in 2019, so its clock is so many whole days behind the real one.

The time of day is the real one. Building the university sets its clock to the first day; letting days pass moves it on.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from demo.story import FIRST_DAY


@dataclass(frozen=True, slots=True)
class DemoClock:
    """A clock that reads by how many days it is behind from a file; without the file it is the real one."""

    file: Path

    def __call__(self) -> datetime:
        """Tell the demo's time."""
        return datetime.now(UTC) - timedelta(days=self._behind() or 0)

    def start(self, today: date) -> None:
        """Set it to the first day of the season, where it was never set."""
        if self._behind() is None:
            self._set((today - FIRST_DAY).days)

    def advance(self, days: int) -> None:
        """Let days pass."""
        self._set((self._behind() or 0) - days)

    def _behind(self) -> int | None:
        try:
            return int(self.file.read_text(encoding="ascii"))
        except FileNotFoundError:
            return None

    def _set(self, behind: int) -> None:
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(f"{behind}\n", encoding="ascii")


def today_in(zone: ZoneInfo) -> date:
    """Return the real day in a zone."""
    return datetime.now(zone).date()
