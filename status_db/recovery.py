"""Recovery codes: each stands in for a lost second factor, once. Known here by a keyed hash alone."""

from datetime import datetime

from sqlalchemy import Engine, delete, insert, update

from status_db import tables
from status_db.accounts import normalise_account
from status_db.codes import fresh_code, normal_code
from status_db.desk_key import DeskKey
from status_db.engine import writing
from status_db.turns import DESK

#: So many are made at a time.
COUNT = 10


class RecoveryCodes:
    """Makes recovery codes, and uses them up. Every method raises StoreError when the database fails, or KeyRefused."""

    def __init__(self, engine: Engine, key: DeskKey) -> None:
        self._engine = engine
        self._key = key

    def make(self, account: str, now: datetime) -> tuple[str, ...]:
        """Return fresh codes; those of before end. They are not stored, so nobody can be shown them again."""
        name, table = normalise_account(account), tables.recovery_code
        fresh = tuple(fresh_code() for _ in range(COUNT))
        with writing(self._engine, DESK, "desk") as connection:
            connection.execute(delete(table).where(table.c.account == name))
            connection.execute(
                insert(table),
                [{"code_hash": self._hash(name, code), "account": name, "made_at": now} for code in fresh],
            )
        return fresh

    def use(self, account: str, code: str, now: datetime) -> bool:
        """Use a code up; say whether it was this account's, and had not been used."""
        name, table = normalise_account(account), tables.recovery_code
        with writing(self._engine, DESK, "desk") as connection:
            used = connection.execute(
                update(table)
                .where(
                    table.c.code_hash == self._hash(name, code),
                    table.c.account == name,
                    table.c.used_at.is_(None),
                )
                .values(used_at=now)
            )
        return used.rowcount == 1

    def _hash(self, account: str, code: str) -> bytes:
        return self._key.hashed("recovery code", f"{normal_code(code)} {account}")
