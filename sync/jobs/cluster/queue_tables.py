"""The tables of the queue, in a schema of their own: `clearance db upgrade` makes them, and each start checks them."""

from importlib import resources

import psycopg

from foundation.translation import tr
from sync.jobs.cluster.address import QueueAddress, QueueUnavailable, queue_errors

#: The version of what this program adds to the tables of procrastinate.
_OWN = 1

#: The lock of an upgrade: only one at a time, however many machines start.
_LOCK = int.from_bytes(b"queue")

_ADDED = """
CREATE INDEX clearance_jobs_key ON procrastinate_jobs (queueing_lock);
CREATE INDEX clearance_jobs_waiting ON procrastinate_jobs (queue_name, (args ->> 'institution')) WHERE status = 'todo';
CREATE INDEX clearance_jobs_done ON procrastinate_jobs (id) WHERE status NOT IN ('todo', 'doing');
CREATE TABLE clearance_version (version text NOT NULL);
"""


def _migrations() -> list[str]:
    """Return the names of procrastinate's own migrations, in their order."""
    folder = resources.files("procrastinate.sql") / "migrations"
    return sorted(file.name for file in folder.iterdir() if file.name.endswith(".sql"))


def _read(name: str) -> str:
    return (resources.files("procrastinate.sql") / "migrations" / name).read_text(encoding="utf-8")


def newest() -> str:
    """Return the version that this program needs."""
    return f"{_migrations()[-1].removesuffix('.sql')}+{_OWN}"


def upgrade(address: QueueAddress) -> tuple[str | None, str]:
    """Make the tables, or upgrade them; return their version before and after. Raises QueueUnavailable.

    Where several machines begin at once, one does it and the others find it done. Each migration is a transaction of
    its own with its version, because a later one can use a value that an earlier one adds.
    """
    with queue_errors(), psycopg.connect(**address.connect_arguments(), autocommit=True) as connection:
        # Held until the connection ends.
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        before = _read_version(connection, address)
        if before == newest():
            return before, before
        _refuse_newer(before)
        if before is None:
            with connection.transaction():
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {address.schema}".encode())
                schema = (resources.files("procrastinate.sql") / "schema.sql").read_text(encoding="utf-8")
                connection.execute(schema.encode())
                connection.execute(_ADDED.encode())
                connection.execute("INSERT INTO clearance_version (version) VALUES (%s)", (newest(),))
            return None, newest()
        for name in _migrations():
            if name > f"{before.partition('+')[0]}.sql":
                with connection.transaction():
                    connection.execute(_read(name).encode())
                    _write_version(connection, f"{name.removesuffix('.sql')}+{_OWN}")
        _write_version(connection, newest())
    return before, newest()


def _write_version(connection: psycopg.Connection, version: str) -> None:
    connection.execute("UPDATE clearance_version SET version = %s", (version,))


def check(address: QueueAddress) -> None:
    """Raise QueueUnavailable unless the tables have exactly this program's version."""
    with queue_errors(), psycopg.connect(**address.connect_arguments()) as connection:
        version = _read_version(connection, address)
    if version == newest():
        return
    _refuse_newer(version)
    raise QueueUnavailable(
        tr(
            "The job queue is at version {version}, but this program needs {newest}. Run: clearance db upgrade",
            version=version or tr("nothing"),
            newest=newest(),
        )
    )


def _refuse_newer(version: str | None) -> None:
    if version is not None and version > newest():
        raise QueueUnavailable(
            tr(
                "The job queue is at version {version}, which this program does not know: a newer program upgraded it. "
                "Install the newer program.",
                version=version,
            )
        )


def _read_version(connection: psycopg.Connection, address: QueueAddress) -> str | None:
    where = connection.execute("SELECT to_regclass(%s)", (f"{address.schema}.clearance_version",)).fetchone()
    if where is None or where[0] is None:
        return None
    found = connection.execute("SELECT version FROM clearance_version").fetchone()
    return str(found[0]) if found is not None else None


def grant(address: QueueAddress, role: str) -> int:
    """Let a role use the queue; return how many statements were run. Raises QueueUnavailable."""
    with queue_errors(), psycopg.connect(**address.connect_arguments()) as connection:
        for statement in grants(address, role):
            connection.execute(statement.encode())
    return len(grants(address, role))


def grants(address: QueueAddress, role: str) -> tuple[str, ...]:
    """Return the statements that let a role use the queue, for the owner of its tables."""
    schema, name = address.schema, role.replace('"', '""')
    return (
        f'GRANT USAGE ON SCHEMA {schema} TO "{name}"',
        f'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO "{name}"',
        f'GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO "{name}"',
    )
