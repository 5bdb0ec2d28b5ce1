"""Tables of cohorts: their roster, windows, and where certificates are handed out."""

from datetime import date
from typing import Annotated

from pydantic import (
    Field,
)

from config.tables.base import Table


class Window(Table):
    """First and last day on which a level is cleared."""

    opens: date
    closes: date


class Collect(Table):
    """Where and when a student takes the certificate, and what to bring."""

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
    #: The key of its [roster.KEY], where there are several.
    roster: str | None = None
    #: It is over: no command asks for it unless it is named, and its pages go on.
    closed: bool = False
    #: level → window; a level without one is open all the time.
    windows: dict[str, Window] = {}
    #: college → where its students take their certificates; "*" for any other.
    collect: dict[str, Collect] = {}

    def collected_at(self, college: str) -> Collect | None:
        """Return where a student of this college takes the certificate."""
        return self.collect.get(college) or self.collect.get("*")
