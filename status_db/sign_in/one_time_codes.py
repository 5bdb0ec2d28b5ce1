"""One-time codes, for setting a password or for setting up the first second factor. Each kind has one use.

A code has twelve characters (60 random bits) of an alphabet without look-alikes. Only a keyed hash is stored. A code
works once and expires; a new code of the same kind and account replaces the one before.
"""

import secrets
import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Row, and_, delete, insert, select, update

from status_db import tables
from status_db.accounts import demo_accounts
from status_db.accounts.accounts import normalise_account
from status_db.accounts.grants import AccountCode, AccountRefused
from status_db.desk import store
from status_db.desk.key import DeskKey
from status_db.desk.seals import CODE
from status_db.desk.store import DeskEntry, DeskStore
from status_db.store.engine import reading

#: Crockford's alphabet: without I, L, O and U.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans("ILO", "110")
_GROUPS, _LETTERS = 3, 4


class CodeKind(StrEnum):
    """The purpose of a code."""

    #: To set a password, the first or a forgotten one.
    PASSWORD = "password"  # noqa: S105 - the name of a kind
    #: To set up the first second factor of an account.
    FACTOR = "factor"


class Codes:
    """Makes and redeems one-time codes. Every method raises StoreError if the database fails, or KeyRefused.

    Accounts made by the demo get no code, unless `demo` is set because the settings are a demo's.
    """

    def __init__(self, desk: Engine | DeskStore, key: DeskKey, *, demo: bool = False) -> None:
        self._desk = store.of(desk)
        self._key = key
        self._demo = demo

    def make(
        self, account: str, *, made_by: str, now: datetime, lasts: timedelta, kind: CodeKind = CodeKind.PASSWORD
    ) -> str:
        """Return a new code for an active account; it is not stored, so it cannot be shown again.

        Raises AccountRefused if there is no such active account.
        """
        made = self.make_all([account], made_by=made_by, now=now, lasts=lasts, kind=kind)
        return made[normalise_account(account)]

    def make_all(
        self,
        accounts: Iterable[str],
        *,
        made_by: str,
        now: datetime,
        lasts: timedelta,
        kind: CodeKind = CodeKind.PASSWORD,
    ) -> dict[str, str]:
        """Return account → new code, for all accounts or for none. Raises AccountRefused."""
        with self._desk.writing() as entry:
            return self.make_in(entry, accounts, made_by=made_by, now=now, lasts=lasts, kind=kind)

    def make_in(
        self,
        entry: DeskEntry,
        accounts: Iterable[str],
        *,
        made_by: str,
        now: datetime,
        lasts: timedelta,
        kind: CodeKind = CodeKind.PASSWORD,
    ) -> dict[str, str]:
        """Make codes inside an open transaction. Raises AccountRefused."""
        fresh = {normalise_account(account): fresh_code() for account in accounts}
        hashes = {account: self._hash(kind, account, code) for account, code in fresh.items()}
        table, connection = tables.code, entry.connection
        for account in fresh:
            if why := demo_accounts.why_shut(connection, account, demo=self._demo):
                raise AccountRefused(AccountCode.SHUT, why)
            same = (table.c.account == account, table.c.kind == kind)
            with entry.changing(CODE, *same):
                connection.execute(delete(table).where(*same))
        if fresh:
            connection.execute(
                insert(table),
                [
                    {
                        "code_hash": code_hash,
                        "account": account,
                        "made_at": now,
                        "made_by": made_by[:100],
                        "until": now + lasts,
                        "kind": kind,
                    }
                    for account, code_hash in hashes.items()
                ],
            )
            for code_hash in hashes.values():
                entry.added(CODE, code_hash)
        return fresh

    def use(self, account: str, code: str, now: datetime, kind: CodeKind = CodeKind.PASSWORD) -> bool:
        """Redeem a code; return whether it was valid for this active account. Unknown accounts take the same time."""
        wanted = self._wanted(kind, account, code)
        with self._desk.writing() as entry:
            if not self._finds(entry.connection, wanted, now):
                return False
            entry.connection.execute(update(tables.code).where(wanted).values(used_at=now))
        return True

    def fits(self, account: str, code: str, now: datetime, kind: CodeKind = CodeKind.PASSWORD) -> bool:
        """Return whether `use` would redeem the code. The code stays usable."""
        with reading(self._desk.engine) as connection:
            return self._finds(connection, self._wanted(kind, account, code), now)

    def _wanted(self, kind: CodeKind, account: str, code: str) -> ColumnElement[bool]:
        code_hash = self._hash(kind, normalise_account(account), code)
        return and_(tables.code.c.kind == kind, tables.code.c.code_hash == code_hash)

    def _finds(self, connection: Connection, wanted: ColumnElement[bool], now: datetime) -> bool:
        table, owner = tables.code, tables.account
        row = connection.execute(
            select(table, owner.c.student)
            .join(owner, owner.c.account == table.c.account)
            .where(wanted, demo_accounts.opens(demo=self._demo), table.c.used_at.is_(None), table.c.until > now)
        ).one_or_none()
        # A staff code is valid only if its seal is right, so only in a process with the ledger's key.
        return row is not None and self._is_valid(row)

    def _is_valid(self, row: Row[Any]) -> bool:
        if row.mac is not None:
            return self._desk.vouches(CODE, row)
        return row.student is not None or not self._desk.seals_rows

    def _hash(self, kind: CodeKind, account: str, code: str) -> bytes:
        use = "code" if kind is CodeKind.PASSWORD else f"{kind} code"
        return self._key.hashed(use, f"{normal_code(code)} {account}")


def fresh_code() -> str:
    """Return a new code: 60 random bits."""
    letters = [secrets.choice(_ALPHABET) for _ in range(_GROUPS * _LETTERS)]
    return "-".join("".join(letters[at : at + _LETTERS]) for at in range(0, len(letters), _LETTERS))


def normal_code(code: str) -> str:
    """Return a typed code in the form that is hashed: half-width, upper case, without hyphens."""
    typed = unicodedata.normalize("NFKC", code).upper()
    return "".join(letter for letter in typed if letter.isalnum()).translate(_READ_AS)
