"""Settings of the desk: what it accepts, when it answers, and what it prints."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from config.tables.base import STRICT, CronLine, Span
from config.tables.secrets import FilePath


class Paper(BaseModel):
    """Sheets for work on paper when the servers are down, printed each night in advance."""

    model_config = STRICT

    #: The folder of each night's sheets; if omitted, sheets are only printed on demand.
    folder: FilePath | None = None
    #: When to print, in the institution's time zone.
    cron: CronLine = "30 2 * * *"
    #: How many nights are kept.
    keep: Annotated[int, Field(ge=1)] = 7


class Desk(BaseModel):
    """The desk, where offices decide and colleges issue certificates."""

    model_config = STRICT

    #: If off, there is no desk, and operators decide on the command line.
    enabled: bool = True
    #: Time to answer an appeal, in hours of the office's opening times.
    appeal_due: Annotated[Span, Field(ge=timedelta(hours=1))] = timedelta(hours=16)
    #: The most appeals of one student that can wait for an answer.
    appeals_waiting: Annotated[int, Field(ge=1)] = 5
    #: The kinds of certificate, as the institution calls them; the first is the default.
    certificates: Annotated[list[str], Field(min_length=1)] = ["毕业证书"]
    #: The largest sheet that can be imported: bytes, and rows.
    most_bytes: Annotated[int, Field(ge=10_000, le=50_000_000)] = 5_000_000
    most_rows: Annotated[int, Field(ge=1, le=20_000)] = 2_000
    #: The longest full list of an office, in rows.
    most_listed: Annotated[int, Field(ge=1, le=1_000_000)] = 100_000
    paper: Paper = Paper()
