"""A clock that is a number of days behind the real one."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ShiftedClock:
    """A clock that reads from a file by how many days it is behind; without the file it is the real one.

    The time of day is the real one.
    """

    file: Path

    def __call__(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.now(UTC) - timedelta(days=self.behind() or 0)

    def behind(self) -> int | None:
        """Return by how many days it is behind; None without the file."""
        try:
            return int(self.file.read_text(encoding="ascii"))
        except FileNotFoundError:
            return None
