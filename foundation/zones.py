"""Moments that are written without a time zone."""

from datetime import datetime, tzinfo


def in_zone(moment: datetime, zone: tzinfo) -> datetime:
    """Return the moment as it is where it has a zone; else as the clocks of this one show it."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
