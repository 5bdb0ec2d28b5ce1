"""What the owner of an account sees: the events of the last 90 days, and the open sessions.

A process without the ledger's key shows students their codes, passwords and sessions. On PostgreSQL it reads only the
chain of the audit log that it writes itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, or_, select

from status_db import tables
from status_db.accounts import sessions
from status_db.accounts.audit_log import AuditEvent
from status_db.accounts.changes import normalise_account
from status_db.desk import store
from status_db.desk.seals import STAFF_SESSION
from status_db.desk.store import DeskStore
from status_db.store.engine import reading

#: Older events are not shown.
_SHOWN = timedelta(days=90)

#: A session and the audit line of its sign-in are written within this time.
_AT_MOST = timedelta(minutes=1)

#: The number of hexadecimal digits of the token's hash by which a form names a session.
_NAMED = 16

#: The events by the owner of an account, and those by others.
_BY_OWNER = (
    AuditEvent.PASSWORD_SET,
    AuditEvent.SECOND_FACTOR_SET,
    AuditEvent.SECOND_FACTOR_REMOVED,
    AuditEvent.RECOVERY_CODES_MADE,
    AuditEvent.RECOVERY_CODE_USED,
)
_BY_OTHERS = (
    AuditEvent.CODES_MADE,
    AuditEvent.SECOND_FACTOR_RESET,
    AuditEvent.ACCOUNT_MADE,
    AuditEvent.ACCOUNT_CHANGED,
    AuditEvent.GRANTED,
    AuditEvent.GRANT_TAKEN,
    AuditEvent.HANDED_OVER,
    AuditEvent.ADDRESSES_CHANGED,
)
#: Keys of a line's detail that name the account it is about, for pages and command line.
_ABOUT = ("to", "of", "held_by", "before", "after")


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """One event of an account."""

    at: datetime
    event: AuditEvent
    by: str
    detail: Mapping[str, Any]
    address: str


@dataclass(frozen=True, slots=True)
class OwnSession:
    """One open session."""

    name: str
    created_at: datetime
    seen_at: datetime
    method: str
    #: The address it was opened from; empty if the audit log does not contain it.
    address: str
    #: It is the current session.
    this: bool


class OwnAccount:
    """Reads the events of an account, and ends its sessions. Every method raises StoreError."""

    def __init__(self, desk: Engine | DeskStore) -> None:
        self._desk = store.of(desk)

    def events(self, account: str, now: datetime, *, staff: bool) -> tuple[AccountEvent, ...]:
        """Return an account's events of the last 90 days, the newest first; for `staff`, also events by others."""
        name = normalise_account(account)
        with reading(self._desk.engine) as connection:
            found = list(_lines(connection, name, now - _SHOWN, staff=staff))
            if not staff:
                found += _from_rows(connection, name, now - _SHOWN, found)
        return tuple(sorted(found, key=lambda one: one.at, reverse=True))

    def sessions(
        self, account: str, now: datetime, this: bytes, *, idle: timedelta, longest: timedelta
    ) -> tuple[OwnSession, ...]:
        """Return the sessions of an account that are still valid, the newest first."""
        name = normalise_account(account)
        with reading(self._desk.engine) as connection:
            rows = [row for row in self._valid_sessions(connection, name) if now - row.seen_at < idle]
            rows = [row for row in rows if now - row.created_at < longest]
            opened = _sign_ins(connection, name, min((row.created_at for row in rows), default=now))
        return tuple(
            OwnSession(
                row.token_hash.hex()[:_NAMED],
                row.created_at,
                row.seen_at,
                row.method,
                next((a for at, a in opened if timedelta(0) <= at - row.created_at < _AT_MOST), ""),
                row.token_hash == this,
            )
            for row in sorted(rows, key=lambda row: row.created_at, reverse=True)
        )

    def end(self, account: str, this: bytes, session: str | None = None) -> int:
        """End one session of an account by its name, or all except `this` one; return how many ended."""
        name = normalise_account(account)
        with self._desk.writing() as entry:
            ending = [
                row.token_hash
                for row in self._valid_sessions(entry.connection, name)
                if row.token_hash != this and (session is None or row.token_hash.hex()[:_NAMED] == session)
            ]
            for token_hash in ending:
                sessions.close(entry, token_hash)
        return len(ending)

    def _valid_sessions(self, connection: Connection, name: str) -> Iterator[Row[Any]]:
        """Yield the sessions of an account that this process accepts."""
        staff = (tables.staff_session,) if self._desk.seals_rows else ()
        for table in (*staff, tables.session):
            for row in connection.execute(select(table).where(table.c.account == name)):
                if table is tables.session or self._desk.vouches(STAFF_SESSION, row):
                    yield row


def _lines(connection: Connection, name: str, since: datetime, *, staff: bool) -> Iterator[AccountEvent]:
    table = tables.audit
    own = and_(table.c.account == name, table.c.event.in_(_BY_OWNER if staff else (AuditEvent.PASSWORD_SET,)))
    wanted = or_(own, table.c.event.in_(_BY_OTHERS)) if staff else own
    for row in connection.execute(select(table).where(wanted, table.c.at >= since)):
        if row.event in _BY_OWNER or any(_is_about(row.detail.get(key), name) for key in _ABOUT):
            yield AccountEvent(row.at, AuditEvent(row.event), row.account, row.detail, row.address)


def _is_about(value: object, name: str) -> bool:
    return name in value if isinstance(value, list) else value == name


def _from_rows(
    connection: Connection, name: str, since: datetime, events: list[AccountEvent]
) -> Iterator[AccountEvent]:
    """Yield a student's codes, and a password set by another process, whose audit lines this one cannot read."""
    code, account = tables.code, tables.account
    columns = select(code.c.made_at, code.c.made_by).where(code.c.account == name, code.c.made_at >= since)
    for row in connection.execute(columns):
        yield AccountEvent(row.made_at, AuditEvent.CODES_MADE, row.made_by, {}, "")
    at = connection.execute(select(account.c.password_at).where(account.c.account == name)).scalar_one_or_none()
    known = [one.at for one in events if one.event is AuditEvent.PASSWORD_SET]
    if at is not None and at >= since and not any(abs(one - at) < _AT_MOST for one in known):
        yield AccountEvent(at, AuditEvent.PASSWORD_SET, "", {}, "")


def _sign_ins(connection: Connection, name: str, since: datetime) -> list[tuple[datetime, str]]:
    """Return the times and addresses of an account's sign-ins, in the order of time."""
    table = tables.audit
    query = select(table.c.at, table.c.address).where(
        table.c.account == name, table.c.event == AuditEvent.SIGNED_IN, table.c.at >= since
    )
    return [(row.at, row.address) for row in connection.execute(query.order_by(table.c.line))]
