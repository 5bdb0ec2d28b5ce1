"""Limits of the pages, so that no visitor's requests stop the others. Each limit is for one process."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from config.tables.base import STRICT, Span

_Second = Annotated[Span, Field(ge=timedelta(seconds=1), le=timedelta(minutes=1))]


class PortalLimits(BaseModel):
    """How many requests are read and answered at once, and how long each can take."""

    model_config = STRICT

    #: Open connections, idle ones included; more wait in the system's queue.
    connections: Annotated[int, Field(ge=128, le=100_000)] = 4096
    #: Time to receive the header of a request; then its connection is closed. Idle connections likewise.
    header_within: _Second = timedelta(seconds=15)
    #: Time to receive a body; each 4 KiB that arrived adds a second, up to ten minutes.
    body_within: _Second = timedelta(seconds=20)
    #: Requests whose bodies take longer than a second to arrive: from one address, and from all.
    slow_from_one: Annotated[int, Field(ge=1)] = 50
    unfinished: Annotated[int, Field(ge=10)] = 1000
    #: Overviews, lists, exports and PDFs: how many are answered at once, how many wait, how many are one account's.
    long_at_once: Annotated[int, Field(ge=1, le=32)] = 2
    long_waiting: Annotated[int, Field(ge=1, le=1000)] = 20
    long_of_one: Annotated[int, Field(ge=1)] = 4
    #: Each is stopped after this long.
    long_within: Annotated[Span, Field(ge=timedelta(seconds=5), le=timedelta(minutes=30))] = timedelta(minutes=5)
    #: The most passwords that wait to be hashed.
    passwords_waiting: Annotated[int, Field(ge=1, le=10_000)] = 100
