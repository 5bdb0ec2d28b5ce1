"""Time zones of moments that are written without one."""

from datetime import datetime, tzinfo


def in_zone(moment: datetime, zone: tzinfo) -> datetime:
    """Return the moment unchanged if it has a zone; otherwise in this zone."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
