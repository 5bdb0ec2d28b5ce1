"""The address of the queue, and what goes wrong on the way there."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

import psycopg
from procrastinate.exceptions import ConnectorException
from psycopg_pool import PoolTimeout
from sqlalchemy import make_url
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from foundation.translation import tr
from status_db.store.engine import StoreCode, StoreError

#: The name of the one task. A worker that does not know it would fail every job, so it never changes.
TASK = "clearance.carry"

#: A connection on which the network is silent is given up after so many seconds.
_SILENT = 20


class QueueCode(StrEnum):
    """Why the queue cannot be used."""

    #: Its database does not respond.
    UNAVAILABLE = "unavailable"


class QueueUnavailable(StoreError):  # noqa: N818 - named by what is so
    """The database of the queue does not respond, or its tables are not those of this program."""

    code = StoreCode.FAILED


@dataclass(frozen=True, slots=True)
class QueueAddress:
    """Where the queue is."""

    #: Returns the URL as it is now: its password may have changed.
    url: Callable[[], str]
    schema: str
    #: A worker that has not reported for this long is dead.
    dead_after: timedelta
    report_every: timedelta

    @property
    def place(self) -> tuple[object, ...]:
        """What two addresses of the same queue have in common. Raises SecretUnusable."""
        url = make_url(self.url())
        return url.host, url.port, url.database, url.query.get("host"), self.schema

    def connect_arguments(self) -> dict[str, Any]:
        """Return what psycopg connects with. Raises SecretUnusable."""
        dialect: Any = PGDialect_psycopg  # it has no types
        _, named = dialect().create_connect_args(make_url(self.url()))
        own = named.pop("options", "")
        return {
            **named,
            "options": f"{own} -c search_path={self.schema}".strip(),
            "application_name": "clearance queue",
            "connect_timeout": 10,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 2,
            "tcp_user_timeout": _SILENT * 1000,
        }


@contextmanager
def queue_errors() -> Iterator[None]:
    """Turn the queue's errors into StoreError with the fix."""
    try:
        yield
    except (psycopg.Error, PoolTimeout, ConnectorException) as error:
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise QueueUnavailable(
            tr(
                "The job queue does not respond ({reason}). Check url in [cluster] or [status_db], and the PostgreSQL "
                "server.",
                reason=reason,
            )
        ) from error
