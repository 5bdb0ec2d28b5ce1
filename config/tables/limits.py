"""Limits of the pages, so that no visitor's requests stop the others. Each limit is for one process."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from config.tables.base import STRICT, Span

_Second = Annotated[Span, Field(ge=timedelta(seconds=1), le=timedelta(minutes=1))]


class PortalLimits(BaseModel):
    """How many requests are read and answered at once, and how long each can take."""

    model_config = STRICT

    #: Open connections, idle ones included; fewer where the system allows fewer open files.
    connections: Annotated[int, Field(ge=128, le=100_000)] = 4096
    #: The connection is closed if a header is not complete after this long; idle connections, too.
    header_within: _Second = timedelta(seconds=15)
    #: A body must be complete after this long; each 4 KiB received adds a second, up to ten minutes.
    body_within: _Second = timedelta(seconds=20)
    #: Bodies from one address that take longer than a second.
    slow_from_one: Annotated[int, Field(ge=1)] = 50
    #: Bodies that have not arrived, from all addresses.
    unfinished: Annotated[int, Field(ge=10)] = 1000
    #: Overviews, lists, exports and PDFs that are answered at once.
    long_at_once: Annotated[int, Field(ge=1, le=32)] = 2
    #: Those that wait.
    long_waiting: Annotated[int, Field(ge=1, le=1000)] = 20
    #: Those of one account.
    long_of_one: Annotated[int, Field(ge=1)] = 4
    #: Each is cancelled after this long.
    long_within: Annotated[Span, Field(ge=timedelta(seconds=5), le=timedelta(minutes=30))] = timedelta(minutes=5)
    #: Sign-ins that wait.
    passwords_waiting: Annotated[int, Field(ge=1, le=10_000)] = 100
