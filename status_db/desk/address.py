"""The address of the desk's database: accounts, sessions, requests and the audit log."""

from pathlib import Path

from sqlalchemy import make_url

from config.settings import StatusDb
from config.tables.secrets import DatabaseUrl


def desk_url(status_db: StatusDb) -> str:
    """Return the address of the database of accounts and sessions.

    Without a setting, it is the marks' own database on PostgreSQL, and on SQLite a file beside theirs, so that signing
    in never waits for a sync that writes: `clearance.db` has `clearance-desk.db` beside it.
    """
    if status_db.desk_url is not None:
        return status_db.desk_url.reveal()
    url = make_url(status_db.url.reveal())
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        marks = Path(url.database)
        url = url.set(database=str(marks.with_name(f"{marks.stem}-desk{marks.suffix}")))
    return url.render_as_string(hide_password=False)


def desk_secret(status_db: StatusDb) -> DatabaseUrl:
    """Return the secret with the password of `desk_url`."""
    return status_db.desk_url or status_db.url
