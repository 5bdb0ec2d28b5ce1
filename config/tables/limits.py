"""What the pages take at once, so that no visitor's requests stop the others. Each number counts in one process."""

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, Field

from config.tables.base import STRICT, Span

_Second = Annotated[Span, Field(ge=timedelta(seconds=1), le=timedelta(minutes=1))]


class PortalLimits(BaseModel):
    """How many requests are read, answered and hashed at once, and how long each may take."""

    model_config = STRICT

    #: Open connections, idle ones included; more wait in the system's queue.
    connections: Annotated[int, Field(ge=128, le=100_000)] = 4096
    #: The header of a request is complete after this long, or its connection is closed. Idle connections likewise.
    header_within: _Second = timedelta(seconds=15)
    #: A body is complete after this long; each 4 KiB that has arrived gives a second more, up to ten minutes.
    body_within: _Second = timedelta(seconds=20)
    #: Requests whose bodies take longer than a second to arrive: from one address, and from all.
    slow_from_one: Annotated[int, Field(ge=1)] = 50
    unfinished: Annotated[int, Field(ge=10)] = 1000
    #: Overviews, lists, exports and PDFs: how many are answered at once, how many wait, how many are one account's.
    long_at_once: Annotated[int, Field(ge=1, le=32)] = 2
    long_waiting: Annotated[int, Field(ge=1, le=1000)] = 20
    long_of_one: Annotated[int, Field(ge=1)] = 4
    #: Each is given up after this long.
    long_within: Annotated[Span, Field(ge=timedelta(seconds=5), le=timedelta(minutes=30))] = timedelta(minutes=5)
    #: Passwords that wait to be hashed.
    passwords_waiting: Annotated[int, Field(ge=1, le=10_000)] = 100
