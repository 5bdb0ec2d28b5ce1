"""Moments that were written without their time zone."""

from datetime import datetime, tzinfo


def in_zone(moment: datetime, zone: tzinfo) -> datetime:
    """Return a moment as it is, or in this zone where it names none."""
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)
