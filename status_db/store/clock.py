"""The status database's own clock: by it a lease ends, so that no process whose clock is wrong steals or loses one."""

from datetime import UTC, datetime

from sqlalchemy import Connection, text

#: PostgreSQL's `now()` stands still from a transaction's first moment on, and writers wait for their turn after that.
_TELLS = {
    "postgresql": "SELECT clock_timestamp()",
    "sqlite": "SELECT strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')",
}


def time_there(connection: Connection) -> datetime:
    """Return what time it is by the database's clock, at this moment of the transaction; in UTC."""
    told = connection.execute(text(_TELLS[connection.dialect.name])).scalar_one()
    return datetime.fromisoformat(told) if isinstance(told, str) else told.astimezone(UTC)
