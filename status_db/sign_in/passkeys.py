"""Passkeys: the WebAuthn public keys that are an account's second factors, and the challenges that they sign.

A challenge belongs to one session and one purpose, and is used once, whether or not the signature is valid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, Row, delete, func, insert, or_, select, update

from status_db import tables
from status_db.accounts.accounts import normalise_account
from status_db.desk import store
from status_db.desk.seals import FACTOR_STEP, PASSKEY
from status_db.desk.store import DeskStore
from status_db.sign_in.second_factor import note_step
from status_db.store.engine import reading

#: How long a challenge is valid.
CHALLENGE = timedelta(minutes=5)
#: The most passkeys of an account.
MOST = 10
LONGEST_NAME = 60


class Purpose(StrEnum):
    """The purpose of a challenge."""

    #: To add a passkey.
    REGISTER = "register"
    #: To sign in with one.
    SIGN = "sign"


@dataclass(frozen=True, slots=True)
class Passkey:
    """One passkey."""

    id: int
    credential_id: bytes
    public_key: bytes
    sign_count: int
    #: The owner's name for it.
    name: str
    transports: Sequence[str]
    made_at: datetime
    used_at: datetime | None


class Passkeys:
    """Reads and writes passkeys and challenges. Every method raises StoreError if the database fails."""

    def __init__(self, desk: Engine | DeskStore) -> None:
        self._desk = store.of(desk)

    def of(self, account: str) -> tuple[Passkey, ...]:
        """Return an account's passkeys, the oldest first; those with a wrong seal are left out."""
        table = tables.passkey
        with reading(self._desk.engine) as connection:
            rows = connection.execute(
                select(table).where(table.c.account == normalise_account(account)).order_by(table.c.passkey)
            )
            return tuple(_passkey(row) for row in rows if self._desk.vouches(PASSKEY, row))

    def add(
        self,
        account: str,
        credential_id: bytes,
        public_key: bytes,
        sign_count: int,
        *,
        name: str,
        transports: Sequence[str],
        now: datetime,
    ) -> bool:
        """Add a passkey to an active account; return False if it has MOST passkeys, or the passkey is in use."""
        table, owner = tables.passkey, normalise_account(account)
        with self._desk.writing() as entry:
            connection = entry.connection
            known = connection.scalar(select(table.c.passkey).where(table.c.credential_id == credential_id))
            count = connection.scalar(select(func.count()).where(table.c.account == owner)) or 0
            active = connection.scalar(select(tables.account.c.active).where(tables.account.c.account == owner))
            if known is not None or count >= MOST or not active:
                return False
            number = connection.execute(
                insert(table)
                .values(
                    account=owner,
                    credential_id=credential_id,
                    public_key=public_key,
                    sign_count=sign_count,
                    name=name[:LONGEST_NAME],
                    transports=list(transports),
                    made_at=now,
                )
                .returning(table.c.passkey)
            ).scalar_one()
            entry.added(PASSKEY, number)
        return True

    def use(self, passkey: int, sign_count: int, now: datetime) -> bool:
        """Record the use of a passkey; return False if its count has not grown, because it may be a copy."""
        table = tables.passkey
        grown = table.c.sign_count < sign_count if sign_count else table.c.sign_count == 0
        this = table.c.passkey == passkey
        with self._desk.writing() as entry, entry.changing(PASSKEY, this):
            used = entry.connection.execute(update(table).where(this, grown).values(sign_count=sign_count, used_at=now))
        return used.rowcount == 1

    def remove(self, account: str, passkey: int) -> str | None:
        """Remove a passkey of an account, and return its name; None if it does not exist or is the last factor."""
        table, owner, name = tables.passkey, tables.account, normalise_account(account)
        this = table.c.passkey == passkey
        with self._desk.writing() as entry, entry.changing(PASSKEY, this):
            others = select(table.c.passkey).where(table.c.account == name, table.c.passkey != passkey)
            app = select(owner.c.account).where(owner.c.account == name, owner.c.second_factor.is_not(None))
            removed = entry.connection.execute(
                delete(table)
                .where(
                    this,
                    table.c.account == name,
                    or_(others.correlate(None).exists(), app.exists()),
                )
                .returning(table.c.name)
            )
            return removed.scalar_one_or_none()

    def challenge(self, token_hash: bytes, account: str, purpose: Purpose, challenge: bytes, now: datetime) -> None:
        """Store a session's challenge; it replaces the one before for the same purpose."""
        table = tables.factor_step
        with self._desk.writing() as entry:
            entry.connection.execute(
                delete(table).where(table.c.kind.in_([Purpose.REGISTER, Purpose.SIGN]), table.c.at < now - CHALLENGE)
            )
            note_step(entry, token_hash, purpose, account, now, challenge)

    def take_challenge(self, token_hash: bytes, account: str, purpose: Purpose, now: datetime) -> bytes | None:
        """Return and delete a session's challenge; None if there is none or it is too old."""
        table = tables.factor_step
        own = table.c.account == normalise_account(account)
        these = (table.c.token_hash == token_hash, table.c.kind == purpose, own)
        with self._desk.writing() as entry:
            row = entry.connection.execute(select(table).where(*these)).one_or_none()
            entry.connection.execute(delete(table).where(*these))
        if row is not None and not self._desk.vouches(FACTOR_STEP, row):
            return None
        return row.challenge if row is not None and now - row.at < CHALLENGE else None


def _passkey(row: Row[Any]) -> Passkey:
    return Passkey(
        row.passkey,
        row.credential_id,
        row.public_key,
        row.sign_count,
        row.name,
        tuple(row.transports),
        row.made_at,
        row.used_at,
    )
