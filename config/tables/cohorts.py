"""Tables of cohorts: their roster, their windows, and where certificates are collected."""

from datetime import date
from typing import Annotated

from pydantic import (
    Field,
)

from config.tables.base import Table


class Window(Table):
    """First and last day of clearance for a level."""

    opens: date
    closes: date


class Collect(Table):
    """Where and when students collect their certificates, and what to bring."""

    where: str
    where_en: str = ""
    when: str = ""
    when_en: str = ""
    bring: str = ""
    bring_en: str = ""


class Cohort(Table):
    """One leaving season."""

    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
    name: Annotated[str, Field(max_length=100)]
    #: The key of its [roster.KEY], if there are several.
    roster: str | None = None
    #: The season is over: commands use the cohort only if it is named. Its pages stay.
    closed: bool = False
    #: level → window; a level without one is always open.
    windows: dict[str, Window] = {}
    #: college → where its students collect their certificates; "*" for any other.
    collect: dict[str, Collect] = {}

    def collected_at(self, college: str) -> Collect | None:
        """Return where a student of this college collects the certificate."""
        return self.collect.get(college) or self.collect.get("*")
