"""The status database's own clock: leases end by it, so that a process with a wrong clock cannot steal or lose one."""

from datetime import UTC, datetime

from sqlalchemy import Connection, text

#: PostgreSQL's `now()` is the start of the transaction, and writers wait for their lock after that.
_CLOCK_QUERY = {
    "postgresql": "SELECT clock_timestamp()",
    "sqlite": "SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')",
}


def time_there(connection: Connection) -> datetime:
    """Return the current time of the database's clock, in UTC."""
    now = connection.execute(text(_CLOCK_QUERY[connection.dialect.name])).scalar_one()
    return datetime.fromisoformat(now) if isinstance(now, str) else now.astimezone(UTC)
