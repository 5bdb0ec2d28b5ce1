"""The desk's own settings: what it takes in, by when it answers, and what it prints."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from config.tables.base import STRICT, CronLine, Span
from config.tables.secrets import FilePath


class Paper(BaseModel):
    """Sheets to go on with when the machines are down, printed ahead each night."""

    model_config = STRICT

    #: Where each night's sheets are put; left out, they are printed on demand alone.
    folder: FilePath | None = None
    #: When, on the institution's clocks.
    cron: CronLine = "30 2 * * *"
    #: So many nights are kept.
    keep: Annotated[int, Field(ge=1)] = 7


class Desk(BaseModel):
    """Where offices decide, and colleges hand out certificates."""

    model_config = STRICT

    #: Off, and there is no desk: whoever decides does so on the command line.
    enabled: bool = True
    #: What a student objects to is answered within so many hours of the office's own opening times.
    objection_due: Annotated[Span, Field(ge=timedelta(hours=1))] = timedelta(hours=16)
    #: So many objections of one student may wait at a time.
    objections_waiting: Annotated[int, Field(ge=1)] = 5
    #: The kinds of certificate, in the institution's words; the first is offered first.
    certificates: Annotated[list[str], Field(min_length=1)] = ["毕业证书"]
    #: The largest sheet that is taken in: bytes, and rows.
    most_bytes: Annotated[int, Field(ge=10_000, le=50_000_000)] = 5_000_000
    most_rows: Annotated[int, Field(ge=1, le=20_000)] = 2_000
    #: The longest whole list of an office, in rows.
    most_listed: Annotated[int, Field(ge=1, le=1_000_000)] = 100_000
    paper: Paper = Paper()
