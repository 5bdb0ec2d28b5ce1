"""The newest file of a pattern: lists that an office writes under a new name each day."""

import re
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

from connectors.port import SourceGarbled, SourceRefused, SourceUnavailable

#: A day in a name, and a time of day after it.
_DAY = re.compile(
    r"(?<!\d)(20\d{2})(?:(\d{2})(\d{2})|[-_.年](\d{1,2})[-_.月](\d{1,2})日?)"
    r"(?:[-_ T]?(\d{2})[-_.:时]?(\d{2})(?:[-_.:分]?(\d{2}))?)?(?!\d)"
)

#: Names of files that are still being written or copied, or that lock another one.
_PASSING = ("~$*", ".*", "*.part", "*.tmp", "*.temp", "*.crdownload", "*.filepart", "*.swp", "*.lock", "*~")

#: A name may be so far ahead of the clock: zones differ.
_AHEAD = timedelta(days=1)

_MOST_NAMED = 5


def is_pattern(path: Path) -> bool:
    """Say whether a path names every file of a pattern: its last part has `*` or `?`."""
    return "*" in path.name or "?" in path.name


def newest(pattern: Path, *, now: datetime, source: str, told_in: str) -> Path:
    """Return the newest file: by the day in the name if every name has one, else by the time of the last change.

    Files that are being copied are left out. Raises SourceUnavailable when there is none; SourceRefused when it may
    not be looked; SourceGarbled when it cannot be said which is the newest.
    """
    named = f"{source}: the list {pattern}"
    try:
        paths = [
            path
            for path in pattern.parent.iterdir()
            if fnmatchcase(path.name, pattern.name)
            and not any(fnmatchcase(path.name.lower(), passing) for passing in _PASSING)
            and path.is_file()
        ]
        changed = {path: path.stat().st_mtime_ns for path in paths}
    except (FileNotFoundError, NotADirectoryError):
        raise SourceUnavailable(
            f"{named} is not there: there is no folder {pattern.parent}", "See that its drive is in reach."
        ) from None
    except PermissionError:
        raise SourceRefused(
            f"{named}: the folder may not be listed by this user", "Give this user the right to read the folder."
        ) from None
    except OSError as error:
        raise SourceUnavailable(
            f"{named}: the folder could not be listed ({error.strerror})", "See that its drive is in reach."
        ) from error
    if not paths:
        raise SourceUnavailable(
            f"{named}: no file has such a name", f"See that the office has put it there, or correct path in {told_in}."
        )
    days = {path: _day(path.stem) for path in paths}
    dated = {path: day for path, day in days.items() if day is not None}
    if dated and len(dated) < len(paths):
        without = sorted(path.name for path in paths if path not in dated)
        raise SourceGarbled(
            f"{named}: some names have a day and others have none ({', '.join(without[:_MOST_NAMED])})",
            f"Move the others away, or write path in {told_in} so that it names one kind alone.",
        )
    return _last(dated or changed, named, now, told_in)


def _last(order: dict[Path, datetime] | dict[Path, int], named: str, now: datetime, told_in: str) -> Path:
    last = max(order.values())
    paths = sorted(path for path, value in order.items() if value == last)
    if len(paths) > 1:
        raise SourceGarbled(
            f"{named}: several files are the newest ({', '.join(path.name for path in paths[:_MOST_NAMED])})",
            f"Move all but the right one away, or write path in {told_in} so that it names one kind alone.",
        )
    if isinstance(last, datetime) and last.replace(tzinfo=now.tzinfo) > now + _AHEAD:
        raise SourceGarbled(
            f"{named}: the newest, {paths[0].name}, is of a day that has not come yet",
            "Correct its name, or move it away.",
        )
    return paths[0]


def _day(name: str) -> datetime | None:
    """Return the day in a name, with its time of day; None where there is none, or several."""
    found = []
    for match in _DAY.finditer(name):
        year, month, day, month_after, day_after, *clock = match.groups()
        hour, minute, second = (int(part or 0) for part in clock)
        try:
            found.append(datetime(int(year), int(month or month_after), int(day or day_after), hour, minute, second))  # noqa: DTZ001 - a name has no zone
        except ValueError:
            continue
    return found[0] if len(set(found)) == 1 else None
