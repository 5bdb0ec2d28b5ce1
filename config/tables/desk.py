"""Settings of the desk: what it accepts, when it answers, and what it prints."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from config.tables.base import STRICT, CronLine, Span
from config.tables.secrets import FilePath


class Paper(BaseModel):
    """Sheets for work on paper when the servers are down, printed each night in advance."""

    model_config = STRICT

    #: The folder for each night's sheets; without it they are created on demand only.
    folder: FilePath | None = None
    #: When the sheets are created, in the institution's time zone; five fields, as for a source.
    cron: CronLine = "30 2 * * *"
    #: How many nights are kept.
    keep: Annotated[int, Field(ge=1)] = 7


class Desk(BaseModel):
    """The desk, where offices decide and colleges issue certificates."""

    model_config = STRICT

    #: `false`: there is no desk, and operators decide on the command line.
    enabled: bool = True
    #: The time to answer an appeal, counted in the office's opening hours.
    appeal_due: Annotated[Span, Field(ge=timedelta(hours=1))] = timedelta(hours=16)
    #: How many appeals of one student can wait at a time.
    appeals_waiting: Annotated[int, Field(ge=1)] = 5
    #: The kinds of certificate. The first is the default.
    certificates: Annotated[list[str], Field(min_length=1)] = ["毕业证书"]
    #: The largest sheet that is accepted, in bytes.
    most_bytes: Annotated[int, Field(ge=10_000, le=50_000_000)] = 5_000_000
    #: The largest sheet that is accepted, in rows.
    most_rows: Annotated[int, Field(ge=1, le=20_000)] = 2_000
    #: The most rows in a full list that an office uploads.
    most_listed: Annotated[int, Field(ge=1, le=1_000_000)] = 100_000
    #: The sheets for work on paper.
    paper: Paper = Paper()
