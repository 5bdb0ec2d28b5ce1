"""Limits of the pages, so that no visitor's requests stop the others. Each limit is for one process."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from config.tables.base import STRICT, Span

_Second = Annotated[Span, Field(ge=timedelta(seconds=1), le=timedelta(minutes=1))]


class PortalLimits(BaseModel):
    """How many requests are read and answered at once, and how long each can take."""

    model_config = STRICT

    #: The most open connections, idle ones included; fewer where the system allows fewer open files.
    connections: Annotated[int, Field(ge=128, le=100_000)] = 4096
    #: The connection is closed if a header is not complete after this long; idle connections, too.
    header_within: _Second = timedelta(seconds=15)
    #: A body must be complete after this long; each 4 KiB received adds a second, up to ten minutes.
    body_within: _Second = timedelta(seconds=20)
    #: The most requests from one address whose bodies take longer than a second to arrive.
    slow_from_one: Annotated[int, Field(ge=1)] = 50
    #: The most requests, from all addresses, whose bodies have not arrived.
    unfinished: Annotated[int, Field(ge=10)] = 1000
    #: The most overviews, lists, exports and PDFs that are answered at once.
    long_at_once: Annotated[int, Field(ge=1, le=32)] = 2
    #: The most overviews, lists, exports and PDFs that wait.
    long_waiting: Annotated[int, Field(ge=1, le=1000)] = 20
    #: The most overviews, lists, exports and PDFs of one account.
    long_of_one: Annotated[int, Field(ge=1)] = 4
    #: An overview, list, export or PDF is cancelled after this long.
    long_within: Annotated[Span, Field(ge=timedelta(seconds=5), le=timedelta(minutes=30))] = timedelta(minutes=5)
    #: The most sign-ins that wait.
    passwords_waiting: Annotated[int, Field(ge=1, le=10_000)] = 100
