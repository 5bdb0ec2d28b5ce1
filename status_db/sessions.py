"""Sessions: those of students, and those of staff, which only a process with the ledger's key opens.

A session is known by the SHA-256 of its token alone. One of staff is sealed: a row that somebody has written past this
program opens nothing. When it was last used is not sealed, so that a page need not seal anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select, update

from status_db import tables
from status_db.desk_seals import STAFF_SESSION
from status_db.desk_store import DeskEntry, DeskStore


@dataclass(frozen=True, slots=True)
class OpenSession:
    """One session as it is stored."""

    account: str
    #: It is one of staff.
    staff: bool
    created_at: datetime
    seen_at: datetime
    method: str
    narrowed: str | None


def open_one(entry: DeskEntry, values: Mapping[str, Any], *, staff: bool, now: datetime, longest: timedelta) -> None:
    """Open a session, and clear away those older than `longest`."""
    table = tables.staff_session if staff else tables.session
    old = table.c.created_at < now - longest
    if not staff:
        entry.connection.execute(delete(table).where(old))
        entry.connection.execute(insert(table).values(**values))
        return
    with entry.changing(STAFF_SESSION, old):
        entry.connection.execute(delete(table).where(old))
    entry.connection.execute(insert(table).values(**values))
    entry.added(STAFF_SESSION, table.c.token_hash == values["token_hash"])


def find(connection: Connection, store: DeskStore, token_hash: bytes) -> OpenSession | None:
    """Return the session of a token; staff's only where this process can tell that it is as it was sealed."""
    for table in _tables(staff=store.seals_rows):
        row = connection.execute(select(table).where(table.c.token_hash == token_hash)).mappings().one_or_none()
        if row is None:
            continue
        staff = table is tables.staff_session
        if staff and not store.vouches(STAFF_SESSION, row):
            return None
        return OpenSession(row["account"], staff, row["created_at"], row["seen_at"], row["method"], row["narrowed"])
    return None


def touch(entry: DeskEntry, token_hash: bytes, now: datetime, *, staff: bool) -> None:
    """Note that a session has been used."""
    for table in _tables(staff=staff):
        entry.connection.execute(update(table).where(table.c.token_hash == token_hash).values(seen_at=now))


def pass_on(entry: DeskEntry, before: bytes, after: bytes, account: str, now: datetime, *, staff: bool) -> bool:
    """Open a narrowed session of an account wholly, under another token; False when it has ended."""
    for table in _tables(staff=staff):
        these = table.c.token_hash.in_([before, after])
        moving = update(table).where(table.c.token_hash == before, table.c.account == account)
        moved = moving.values(token_hash=after, narrowed=None, seen_at=now)
        if table is tables.session:
            return entry.connection.execute(moved).rowcount == 1
        with entry.changing(STAFF_SESSION, these):
            if entry.connection.execute(moved).rowcount == 1:
                return True
    return False


def close(entry: DeskEntry, token_hash: bytes, *, staff: bool) -> None:
    """End a session; one that is not there has ended."""
    entry.connection.execute(delete(tables.session).where(tables.session.c.token_hash == token_hash))
    if staff:
        _end_staff(entry, token_hash=token_hash)


def end_of(entry: DeskEntry, account: str) -> None:
    """End every session of an account. A process without the ledger's key ends a student's alone."""
    entry.connection.execute(delete(tables.session).where(tables.session.c.account == account))
    if entry.seals_rows:
        _end_staff(entry, account=account)


def whose(connection: Connection, provider_session: bytes, *, staff: bool) -> tuple[str, ...]:
    """Return whose sessions a provider opened under this digest."""
    found: set[str] = set()
    for table in _tables(staff=staff):
        found |= set(
            connection.execute(select(table.c.account).where(table.c.provider_session == provider_session)).scalars()
        )
    return tuple(sorted(found))


def end_provided(entry: DeskEntry, provider_session: bytes, *, staff: bool) -> None:
    """End what a provider opened under this digest."""
    entry.connection.execute(delete(tables.session).where(tables.session.c.provider_session == provider_session))
    if staff:
        _end_staff(entry, provider_session=provider_session)


def _end_staff(entry: DeskEntry, **where: object) -> None:
    table = tables.staff_session
    these = [table.c[name] == value for name, value in where.items()]
    with entry.changing(STAFF_SESSION, *these):
        entry.connection.execute(delete(table).where(*these))


def _tables(*, staff: bool) -> tuple[Table, ...]:
    return (tables.staff_session, tables.session) if staff else (tables.session,)
