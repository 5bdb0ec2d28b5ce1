"""The moment up to which a source's data reach, as the source itself reports it."""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal

from connectors.port import Cell, SourceGarbled, table_of
from foundation.translation import tr
from foundation.zones import in_zone

#: The tolerated difference between two clocks: a moment at most this much in the future counts as now.
CLOCKS_DIFFER = timedelta(minutes=2)


def moment_of(cell: Cell, zone: tzinfo, now: datetime, source: str) -> datetime:
    """Return an aware moment, not later than `now`; a time without a zone is in `zone`, a day means its beginning.

    Raises SourceGarbled for a value that is not a moment, and for a moment in the future.
    """
    moment = _parse_moment(cell, zone)
    if moment is None:
        shown = tr("nothing") if cell is None or cell == "" else f'"{str(cell)[:60]}"'
        raise SourceGarbled(
            tr("{source}: as_of returns {shown}, which is not a date and time", source=source, shown=shown),
            tr("Set as_of in {table} to a column or query that returns a date and time.", table=table_of(source)),
        )
    if moment > now + CLOCKS_DIFFER:
        raise SourceGarbled(
            tr(
                "{source}: as_of returns {moment}, which is later than now ({now})",
                source=source,
                moment=moment.isoformat(),
                now=now.isoformat(),
            ),
            tr(
                "Compare the office's clock with this machine's, and check timezone in {table}.", table=table_of(source)
            ),
        )
    return min(moment, now).astimezone(UTC)


def _parse_moment(cell: Cell, zone: tzinfo) -> datetime | None:
    match cell:
        case datetime():
            return in_zone(cell, zone)
        case date():
            return datetime(cell.year, cell.month, cell.day, tzinfo=zone)
        case bool():
            return None
        case int() | float() | Decimal():
            return _parse_digits(str(int(cell)), zone) if Decimal(cell).is_finite() and cell == int(cell) else None
        case str():
            text = cell.strip()
            return _parse_digits(text, zone) if text.isdecimal() else _parse_text(text, zone)
        case _:
            return None


def _parse_digits(digits: str, zone: tzinfo) -> datetime | None:
    """Parse 20190605, 20190605074000, or seconds or milliseconds since 1970, by the number of digits."""
    try:
        match len(digits):
            case 8:
                return datetime.strptime(digits, "%Y%m%d").replace(tzinfo=zone)
            case 14:
                return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=zone)
            case 10:
                return datetime.fromtimestamp(int(digits), UTC)
            case 13:
                return datetime.fromtimestamp(int(digits) / 1000, UTC)
            case _:
                return None
    except ValueError:
        return None


def _parse_text(text: str, zone: tzinfo) -> datetime | None:
    written = re.sub(r"^(\d{4})[/.年](\d{1,2})[/.月](\d{1,2})日?", r"\1-\2-\3", text)
    written = re.sub(r"^(\d{4})-(\d{1,2})-(\d{1,2})", lambda m: f"{m[1]}-{int(m[2]):02}-{int(m[3]):02}", written)
    try:
        return in_zone(datetime.fromisoformat(written), zone)
    except ValueError:
        return None
