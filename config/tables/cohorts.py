"""Tables of cohorts: their roster, their windows, and where certificates are collected."""

from datetime import date
from typing import Annotated

from pydantic import (
    Field,
)

from config.tables.base import Table


class Window(Table):
    """First and last day of clearance for a level."""

    #: The first day.
    opens: date
    #: The last day.
    closes: date


class Collect(Table):
    """Where and when students collect their certificates, and what to bring."""

    #: The place.
    where: str
    #: The place, in English.
    where_en: str = ""
    #: The days and hours.
    when: str = ""
    #: The days and hours, in English.
    when_en: str = ""
    #: What to bring.
    bring: str = ""
    #: What to bring, in English.
    bring_en: str = ""


class Cohort(Table):
    """One leaving season."""

    #: Identifies the cohort, such as `"2019"`: letters, digits, `_` and `-`.
    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
    #: The name on the pages, such as `"2019届"`.
    name: Annotated[str, Field(max_length=100)]
    #: With several cohorts: the key of its `[roster.KEY]`.
    roster: str | None = None
    #: `true` when the season is over: `schedule`, `sync`, `check`, `plan` and `verify` skip it unless `--cohort` names
    #: it; its pages stay.
    closed: bool = False
    #: Level → the first and last day of clearance. Before and after, the student's page shows a notice; a level without
    #: a window is always open.
    windows: dict[str, Window] = {}
    #: College → where its students collect certificates; `"*"` for any other college.
    collect: dict[str, Collect] = {}

    def collected_at(self, college: str) -> Collect | None:
        """Return where a student of this college collects the certificate."""
        return self.collect.get(college) or self.collect.get("*")
