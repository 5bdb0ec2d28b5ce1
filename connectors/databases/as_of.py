"""The moment up to which a source's data reach, as the source itself says it."""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal

from connectors.port import Cell, SourceGarbled, table_of
from foundation.zones import in_zone

#: Two clocks may differ by so much: a moment that much later than now is taken for now.
CLOCKS_DIFFER = timedelta(minutes=2)


def moment_of(cell: Cell, zone: tzinfo, now: datetime, source: str) -> datetime:
    """Return an aware moment, not later than `now`; a time without a zone is in `zone`, a day is its beginning.

    Raises SourceGarbled for what cannot be read as a moment, and for a moment in the future.
    """
    moment = _read(cell, zone)
    if moment is None:
        shown = "nothing" if cell is None or cell == "" else f'"{str(cell)[:60]}"'
        raise SourceGarbled(
            f"{source}: as_of gives {shown}, which is not a moment",
            f"Have as_of in {table_of(source)} name a column or query that gives a date and time.",
        )
    if moment > now + CLOCKS_DIFFER:
        raise SourceGarbled(
            f"{source}: as_of gives {moment.isoformat()}, which is later than now ({now.isoformat()})",
            f"Compare the office's clock with this machine's, and look at timezone in {table_of(source)}.",
        )
    return min(moment, now).astimezone(UTC)


def _read(cell: Cell, zone: tzinfo) -> datetime | None:
    match cell:
        case datetime():
            return in_zone(cell, zone)
        case date():
            return datetime(cell.year, cell.month, cell.day, tzinfo=zone)
        case bool():
            return None
        case int() | float() | Decimal():
            return _read_number(str(int(cell)), zone) if Decimal(cell).is_finite() and cell == int(cell) else None
        case str():
            text = cell.strip()
            return _read_number(text, zone) if text.isdecimal() else _read_text(text, zone)
        case _:
            return None


def _read_number(digits: str, zone: tzinfo) -> datetime | None:
    """Read 20190605, 20190605074000, seconds or milliseconds since 1970, by how many digits there are."""
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


def _read_text(text: str, zone: tzinfo) -> datetime | None:
    written = re.sub(r"^(\d{4})[/.年](\d{1,2})[/.月](\d{1,2})日?", r"\1-\2-\3", text)
    written = re.sub(r"^(\d{4})-(\d{1,2})-(\d{1,2})", lambda m: f"{m[1]}-{int(m[2]):02}-{int(m[3]):02}", written)
    try:
        return in_zone(datetime.fromisoformat(written), zone)
    except ValueError:
        return None
