"""Sessions of students, and sessions of staff, which only a process with the ledger's key opens.

Only the SHA-256 of a session's token is stored. Sessions of staff are sealed: a row written by another program is not
accepted. The time of last use is not sealed, so that pages do not have to seal rows.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete, insert, select, update

from status_db import tables
from status_db.desk.seals import STAFF_SESSION
from status_db.desk.store import DeskEntry, DeskStore

# Every page asks this; a statement that is built once costs a fraction of one that is built for each page.
_BY_TOKEN = {
    table: select(table).where(table.c.token_hash == bindparam("token_hash"))
    for table in (tables.session, tables.staff_session)
}


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session as it is stored."""

    account: str
    #: It is a session of staff.
    staff: bool
    created_at: datetime
    seen_at: datetime
    method: str
    narrowed: str | None


def open_one(entry: DeskEntry, values: Mapping[str, Any], *, staff: bool, now: datetime, longest: timedelta) -> None:
    """Open a session, and delete those older than `longest`."""
    table = tables.staff_session if staff else tables.session
    old = table.c.created_at < now - longest
    if not staff:
        entry.connection.execute(delete(table).where(old))
        entry.connection.execute(insert(table).values(**values))
        return
    with entry.changing(STAFF_SESSION, old):
        entry.connection.execute(delete(table).where(old))
    entry.connection.execute(insert(table).values(**values))
    entry.added(STAFF_SESSION, values["token_hash"])


def find(connection: Connection, store: DeskStore, token_hash: bytes) -> OpenSession | None:
    """Return the session of a token; a staff session only if this process can check its seal and it is right."""
    for table in _tables(staff=store.seals_rows):
        row = connection.execute(_BY_TOKEN[table], {"token_hash": token_hash}).mappings().one_or_none()
        if row is None:
            continue
        staff = table is tables.staff_session
        if staff and not store.vouches(STAFF_SESSION, row):
            return None
        return OpenSession(row["account"], staff, row["created_at"], row["seen_at"], row["method"], row["narrowed"])
    return None


def touch(entry: DeskEntry, token_hash: bytes, now: datetime) -> None:
    """Record that a session was used."""
    for table in _tables(staff=entry.seals_rows):
        entry.connection.execute(update(table).where(table.c.token_hash == token_hash).values(seen_at=now))


def pass_on(entry: DeskEntry, store: DeskStore, before: bytes, after: bytes, account: str, now: datetime) -> bool:
    """Open a narrowed session fully, under a new token; return False if it has ended or was altered."""
    for table in _tables(staff=entry.seals_rows):
        here = (table.c.token_hash == before, table.c.account == account)
        row = entry.connection.execute(select(table).where(*here)).mappings().one_or_none()
        if row is None:
            continue
        if table is tables.staff_session and not store.vouches(STAFF_SESSION, row):
            return False
        opened = {name: value for name, value in row.items() if name != "mac"}
        opened |= {"token_hash": after, "narrowed": None, "seen_at": now}
        close(entry, before)
        entry.connection.execute(insert(table).values(**opened))
        if table is tables.staff_session:
            entry.added(STAFF_SESSION, after)
        return True
    return False


def close(entry: DeskEntry, token_hash: bytes) -> None:
    """End a session, if it exists."""
    _delete_sessions(entry, token_hash=token_hash)


def end_of(entry: DeskEntry, account: str) -> None:
    """End all sessions of an account. A process without the ledger's key ends only student sessions."""
    _delete_sessions(entry, account=account)


def whose(connection: Connection, provider_session: bytes, *, staff: bool) -> tuple[str, ...]:
    """Return the accounts whose sessions a provider opened with this digest."""
    found: set[str] = set()
    for table in _tables(staff=staff):
        found |= set(
            connection.execute(select(table.c.account).where(table.c.provider_session == provider_session)).scalars()
        )
    return tuple(sorted(found))


def end_provided(entry: DeskEntry, provider_session: bytes) -> None:
    """End the sessions that a provider opened with this digest."""
    _delete_sessions(entry, provider_session=provider_session)


def _delete_sessions(entry: DeskEntry, **where: object) -> None:
    for table in _tables(staff=entry.seals_rows):
        these = [table.c[name] == value for name, value in where.items()]
        sealed = entry.changing(STAFF_SESSION, *these) if table is tables.staff_session else nullcontext()
        with sealed:
            entry.connection.execute(delete(table).where(*these))


def _tables(*, staff: bool) -> tuple[Table, ...]:
    return (tables.staff_session, tables.session) if staff else (tables.session,)
