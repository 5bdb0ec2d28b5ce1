"""Recovery codes: each replaces a lost second factor once. Only a keyed hash is stored."""

from datetime import datetime

from sqlalchemy import Engine, delete, insert, select, update

from status_db import tables
from status_db.accounts.accounts import normalise_account
from status_db.desk import store
from status_db.desk.key import DeskKey
from status_db.desk.seals import RECOVERY_CODE
from status_db.desk.store import DeskStore
from status_db.sign_in.one_time_codes import fresh_code, normal_code

#: The number of codes made at a time.
COUNT = 10


class RecoveryCodes:
    """Makes and redeems recovery codes. Every method raises StoreError if the database fails, or KeyRefused."""

    def __init__(self, desk: Engine | DeskStore, key: DeskKey) -> None:
        self._desk = store.of(desk)
        self._key = key

    def make(self, account: str, now: datetime) -> tuple[str, ...]:
        """Return new codes; the earlier ones end. They are not stored, so they cannot be shown again."""
        name, table = normalise_account(account), tables.recovery_code
        fresh = tuple(fresh_code() for _ in range(COUNT))
        own = table.c.account == name
        with self._desk.writing() as entry, entry.changing(RECOVERY_CODE, own):
            entry.connection.execute(delete(table).where(own))
            entry.connection.execute(
                insert(table),
                [{"code_hash": self._hash(name, code), "account": name, "made_at": now} for code in fresh],
            )
        return fresh

    def use(self, account: str, code: str, now: datetime) -> bool:
        """Redeem a code; return whether it belongs to this account and was unused."""
        name, table = normalise_account(account), tables.recovery_code
        this = table.c.code_hash == self._hash(name, code)
        with self._desk.writing() as entry, entry.changing(RECOVERY_CODE, this):
            row = entry.connection.execute(
                select(table).where(this, table.c.account == name, table.c.used_at.is_(None))
            ).one_or_none()
            if row is None or not self._desk.vouches(RECOVERY_CODE, row):
                return False
            entry.connection.execute(update(table).where(this).values(used_at=now))
        return True

    def _hash(self, account: str, code: str) -> bytes:
        return self._key.hashed("recovery code", f"{normal_code(code)} {account}")
