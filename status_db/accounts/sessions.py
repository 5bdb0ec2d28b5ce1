"""Sessions: those of students, and those of staff, which only a process with the ledger's key opens.

A session is known by the SHA-256 of its token alone. One of staff is sealed: a row that somebody has written past this
program opens nothing. When it was last used is not sealed, so that a page need not seal anything.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, delete, insert, select, update

from status_db import tables
from status_db.desk.seals import STAFF_SESSION
from status_db.desk.store import DeskEntry, DeskStore


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
    entry.added(STAFF_SESSION, values["token_hash"])


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


def touch(entry: DeskEntry, token_hash: bytes, now: datetime) -> None:
    """Note that a session has been used."""
    for table in _tables(staff=entry.seals_rows):
        entry.connection.execute(update(table).where(table.c.token_hash == token_hash).values(seen_at=now))


def pass_on(entry: DeskEntry, store: DeskStore, before: bytes, after: bytes, account: str, now: datetime) -> bool:
    """Open a narrowed session of an account wholly, under another token; False when it has ended, or was altered."""
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
    """End a session; one that is not there has ended."""
    _end(entry, token_hash=token_hash)


def end_of(entry: DeskEntry, account: str) -> None:
    """End every session of an account. A process without the ledger's key ends a student's alone."""
    _end(entry, account=account)


def whose(connection: Connection, provider_session: bytes, *, staff: bool) -> tuple[str, ...]:
    """Return whose sessions a provider opened under this digest."""
    found: set[str] = set()
    for table in _tables(staff=staff):
        found |= set(
            connection.execute(select(table.c.account).where(table.c.provider_session == provider_session)).scalars()
        )
    return tuple(sorted(found))


def end_provided(entry: DeskEntry, provider_session: bytes) -> None:
    """End what a provider opened under this digest."""
    _end(entry, provider_session=provider_session)


def _end(entry: DeskEntry, **where: object) -> None:
    for table in _tables(staff=entry.seals_rows):
        these = [table.c[name] == value for name, value in where.items()]
        sealed = entry.changing(STAFF_SESSION, *these) if table is tables.staff_session else nullcontext()
        with sealed:
            entry.connection.execute(delete(table).where(*these))


def _tables(*, staff: bool) -> tuple[Table, ...]:
    return (tables.staff_session, tables.session) if staff else (tables.session,)
