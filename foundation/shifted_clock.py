"""A clock that is a number of days behind the real one."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ShiftedClock:
    """A clock that is behind by the number of days in a file; without the file it shows the real time.

    The time of day is always the real one.
    """

    file: Path

    def __call__(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.now(UTC) - timedelta(days=self.behind() or 0)

    def behind(self) -> int | None:
        """Return the number of days that it is behind; None without the file."""
        try:
            return int(self.file.read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
