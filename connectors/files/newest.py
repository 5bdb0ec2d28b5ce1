"""The newest file of a pattern, for lists with a new name each day."""

import re
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path

from connectors.port import SourceGarbled, SourceRefused, SourceUnavailable
from foundation.translation import tr

#: A date in a name, with an optional time of day.
_DAY = re.compile(
    r"(?<!\d)(20\d{2})(?:(\d{2})(\d{2})|[-_.年](\d{1,2})[-_.月](\d{1,2})日?)"
    r"(?:[-_ T]?(\d{2})[-_.:时]?(\d{2})(?:[-_.:分]?(\d{2}))?)?(?!\d)"
)

#: Names of files that are still being written or copied, or that lock another file.
_PASSING = ("~$*", ".*", "*.part", "*.tmp", "*.temp", "*.crdownload", "*.filepart", "*.swp", "*.lock", "*~")

#: How far the date in a name can be in the future: zones differ.
_AHEAD = timedelta(days=1)

_MOST_NAMED = 5


def is_pattern(path: Path) -> bool:
    """Return whether a path is a pattern: its last part has `*` or `?`."""
    return "*" in path.name or "?" in path.name


def newest(pattern: Path, *, now: datetime, source: str, settings_table: str) -> Path:
    """Return the newest file: by the date in the name if every name has one, else by the time of the last change.

    Files that are being copied are left out. Raises SourceUnavailable when there is none; SourceRefused when the folder
    cannot be read; SourceGarbled when it is not clear which file is the newest.
    """
    named = tr("{source}: the list {pattern}", source=source, pattern=pattern)
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
            tr("{named} does not exist: there is no folder {parent}", named=named, parent=pattern.parent),
            tr("Check that its drive is mounted."),
        ) from None
    except PermissionError:
        raise SourceRefused(
            tr("{named}: the folder cannot be listed by this user", named=named),
            tr("Give this user the right to read the folder."),
        ) from None
    except OSError as error:
        raise SourceUnavailable(
            tr("{named}: the folder could not be listed ({error})", named=named, error=error.strerror),
            tr("Check that its drive is mounted."),
        ) from error
    if not paths:
        raise SourceUnavailable(
            tr("{named}: no file has such a name", named=named),
            tr("Check that the office has put it there, or correct path in {table}.", table=settings_table),
        )
    days = {path: _date_in_name(path.stem) for path in paths}
    dated = {path: day for path, day in days.items() if day is not None}
    if dated and len(dated) < len(paths):
        without = sorted(path.name for path in paths if path not in dated)
        raise SourceGarbled(
            tr(
                "{named}: some names have a date and others have none ({names})",
                named=named,
                names=tr(", ").join(without[:_MOST_NAMED]),
            ),
            tr(
                "Move the others away, or write path in {table} so that it matches one kind only.", table=settings_table
            ),
        )
    return _newest_path(dated or changed, named, now, settings_table)


def _newest_path(order: dict[Path, datetime] | dict[Path, int], named: str, now: datetime, settings_table: str) -> Path:
    last = max(order.values())
    paths = sorted(path for path, value in order.items() if value == last)
    if len(paths) > 1:
        raise SourceGarbled(
            tr(
                "{named}: several files are the newest ({names})",
                named=named,
                names=tr(", ").join(path.name for path in paths[:_MOST_NAMED]),
            ),
            tr(
                "Move all but the right one away, or write path in {table} so that it matches one kind only.",
                table=settings_table,
            ),
        )
    if isinstance(last, datetime) and last.replace(tzinfo=now.tzinfo) > now + _AHEAD:
        raise SourceGarbled(
            tr("{named}: the newest, {name}, has a date in the future", named=named, name=paths[0].name),
            tr("Correct its name, or move it away."),
        )
    return paths[0]


def _date_in_name(name: str) -> datetime | None:
    """Return the date in a name, with its time of day; None where there is none, or several."""
    found = []
    for match in _DAY.finditer(name):
        year, month, day, month_after, day_after, *clock = match.groups()
        hour, minute, second = (int(part or 0) for part in clock)
        try:
            found.append(datetime(int(year), int(month or month_after), int(day or day_after), hour, minute, second))  # noqa: DTZ001 - a name has no zone
        except ValueError:
            continue
    return found[0] if len(set(found)) == 1 else None
