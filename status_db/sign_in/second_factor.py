"""Second factors: who needs one, the factors of each account, and the factors that each session has verified.

An account's second factors are the app (a sealed secret, and its last used time step) and
passkeys (`status_db.sign_in.passkeys`). A recovery code replaces one of them, once: `status_db.sign_in.recovery_codes`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from sqlalchemy import Connection, Engine, delete, func, insert, or_, select, update

from config.tables.portal import Auth
from status_db import tables
from status_db.accounts import sessions
from status_db.accounts.accounts import normalise_account
from status_db.accounts.grants import PRIVILEGED, Grant
from status_db.desk import store
from status_db.desk.seals import ACCOUNT, FACTOR_STEP, PASSKEY, RECOVERY_CODE
from status_db.desk.store import DeskEntry, DeskStore
from status_db.store.engine import reading

#: The interval in which an app's digits change, in seconds.
STEP = 30

#: How long a session can set up the first second factor after its code was entered.
SET_UP = timedelta(minutes=30)
#: How long second factors can be changed after one was verified.
RECENT = timedelta(minutes=10)


class Owner(Protocol):
    """The part of an account that this module needs."""

    @property
    def student(self) -> str | None:
        """The student number of a student's account."""
        ...

    @property
    def grants(self) -> Sequence[Grant]:
        """The account's grants."""
        ...

    @property
    def demo(self) -> bool:
        """Whether the demo made it."""
        ...


def is_staff(owner: Owner) -> bool:
    """Return whether an account can open more than a student's own pages."""
    return owner.student is None or bool(owner.grants)


def asked_of(auth: Auth, owner: Owner) -> bool:
    """Return whether an account needs a second factor. Demo accounts do not: their password is public anyway."""
    asked = auth.asks_second_factor_of
    if asked == "off" or owner.demo:
        return False
    if asked == "staff":
        return is_staff(owner)
    return any(grant.act in PRIVILEGED for grant in owner.grants)


@dataclass(frozen=True, slots=True)
class AccountFactors:
    """The second factors of an account."""

    app: bool = False
    #: When the app's digits were last accepted, to within half a minute.
    app_used_at: datetime | None = None
    passkeys: int = 0
    #: The number of unused recovery codes.
    recovery: int = 0

    @property
    def any(self) -> bool:
        """Whether there is a second factor; recovery codes alone do not count."""
        return self.app or self.passkeys > 0


class SecondFactors:
    """Reads and writes second factors. Every method raises StoreError if the database fails."""

    def __init__(self, desk: Engine | DeskStore) -> None:
        self._desk = store.of(desk)

    def held(self, account: str) -> AccountFactors:
        """Return the second factors of an account; an empty value if there is no such account."""
        return self.held_by([account]).get(normalise_account(account), AccountFactors())

    def held_by(self, accounts: Collection[str]) -> Mapping[str, AccountFactors]:
        """Return the second factors of these accounts; accounts without any are left out."""
        names = [normalise_account(account) for account in accounts]
        with reading(self._desk.engine) as connection:
            return held_in(connection, names)

    def enrol(self, account: str, sealed: bytes, step: int) -> bool:
        """Set an account's app and its first used time step; return False if it already has an app."""
        table = tables.account
        own = table.c.account == normalise_account(account)
        with self._desk.writing() as entry, entry.changing(ACCOUNT, own):
            changed = entry.connection.execute(
                update(table)
                .where(own, table.c.active, table.c.second_factor.is_(None))
                .values(second_factor=sealed, second_factor_step=step)
            )
        return changed.rowcount == 1

    def use(self, account: str, step: int) -> bool:
        """Record the use of a time step; return False if it or a later one was used before."""
        table = tables.account
        own = table.c.account == normalise_account(account)
        with self._desk.writing() as entry, entry.changing(ACCOUNT, own):
            changed = entry.connection.execute(
                update(table)
                .where(
                    own,
                    table.c.active,
                    or_(table.c.second_factor_step.is_(None), table.c.second_factor_step < step),
                )
                .values(second_factor_step=step)
            )
        return changed.rowcount == 1

    def remove_app(self, account: str) -> bool:
        """Remove the app; return False if there is none, or the account has no passkey."""
        table, name = tables.account, normalise_account(account)
        with self._desk.writing() as entry, entry.changing(ACCOUNT, table.c.account == name):
            others = select(tables.passkey.c.passkey).where(tables.passkey.c.account == name)
            changed = entry.connection.execute(
                update(table)
                .where(table.c.account == name, table.c.second_factor.is_not(None), others.exists())
                .values(second_factor=None, second_factor_step=None)
            )
        return changed.rowcount == 1

    def reset(self, account: str) -> bool:
        """Remove all second factors and recovery codes, and end the account's sessions; return False if it had none."""
        with self._desk.writing() as entry:
            return reset_in(entry, normalise_account(account))

    def shown_at(self, token_hash: bytes) -> datetime | None:
        """Return when this session last verified a second factor; None if it has not."""
        with reading(self._desk.engine) as connection:
            return self._at(connection, token_hash, "shown")

    def show(self, token_hash: bytes, account: str, now: datetime, *, longest: timedelta) -> None:
        """Record that a session verified a second factor; delete the records of sessions older than `longest`."""
        with self._desk.writing() as entry:
            entry.connection.execute(delete(tables.factor_step).where(tables.factor_step.c.at < now - longest))
            note_step(entry, token_hash, "shown", account, now)

    def pass_on(self, before: bytes, after: bytes, account: str, now: datetime, *, longest: timedelta) -> bool:
        """Open a session fully, under a new token, after a second factor; return False if it has ended."""
        step, name = tables.factor_step, normalise_account(account)
        with self._desk.writing() as entry:
            if not sessions.pass_on(entry, self._desk, before, after, name, now):
                return False
            entry.connection.execute(delete(step).where(or_(step.c.token_hash == before, step.c.at < now - longest)))
            note_step(entry, after, "shown", account, now)
        return True

    def allow_set_up(self, token_hash: bytes, account: str, now: datetime) -> None:
        """Record that the code for the first second factor was entered in this session."""
        with self._desk.writing() as entry:
            note_step(entry, token_hash, "set_up", account, now)

    def may_set_up(self, token_hash: bytes, now: datetime) -> bool:
        """Return whether that code was entered in this session within the last 30 minutes."""
        with reading(self._desk.engine) as connection:
            at = self._at(connection, token_hash, "set_up")
        return at is not None and now - at < SET_UP

    def _at(self, connection: Connection, token_hash: bytes, kind: str) -> datetime | None:
        table = tables.factor_step
        row = connection.execute(
            select(table).where(table.c.token_hash == token_hash, table.c.kind == kind)
        ).one_or_none()
        return row.at if row is not None and self._desk.vouches(FACTOR_STEP, row) else None


def note_step(
    entry: DeskEntry, token_hash: bytes, kind: str, account: str, now: datetime, challenge: bytes | None = None
) -> None:
    """Record what a session has done or can do; it replaces the record of the same kind."""
    table = tables.factor_step
    same = (table.c.token_hash == token_hash, table.c.kind == kind)
    entry.connection.execute(delete(table).where(*same))
    entry.connection.execute(
        insert(table).values(
            token_hash=token_hash, kind=kind, account=normalise_account(account), challenge=challenge, at=now
        )
    )
    entry.added(FACTOR_STEP, token_hash, kind)


def reset_in(entry: DeskEntry, name: str) -> bool:
    """Remove all second factors of an account inside an open transaction; return False if it had none."""
    table = tables.account
    own, had = table.c.account == name, name in held_in(entry.connection, [name])
    for sealed in (PASSKEY, RECOVERY_CODE, FACTOR_STEP):
        theirs = sealed.table.c.account == name
        with entry.changing(sealed, theirs):
            entry.connection.execute(delete(sealed.table).where(theirs))
    with entry.changing(ACCOUNT, own):
        entry.connection.execute(update(table).where(own).values(second_factor=None, second_factor_step=None))
    sessions.end_of(entry, name)
    return had


def held_in(connection: Connection, names: Collection[str]) -> dict[str, AccountFactors]:
    """Return the second factors of these accounts inside an open transaction; accounts without any are left out."""
    account, passkey, recovery = tables.account, tables.passkey, tables.recovery_code
    keys = select(func.count()).where(passkey.c.account == account.c.account).scalar_subquery()
    left = (
        select(func.count())
        .where(recovery.c.account == account.c.account, recovery.c.used_at.is_(None))
        .scalar_subquery()
    )
    rows = connection.execute(
        select(
            account.c.account,
            account.c.second_factor.is_not(None).label("app"),
            account.c.second_factor_step,
            keys.label("keys"),
            left.label("left"),
        ).where(account.c.account.in_(list(names)))
    )
    return {
        row.account: AccountFactors(
            app=bool(row.app),
            app_used_at=_step_time(row.second_factor_step) if row.app else None,
            passkeys=row.keys,
            recovery=row.left,
        )
        for row in rows
        if row.app or row.keys or row.left
    }


def _step_time(step: int | None) -> datetime | None:
    return datetime.fromtimestamp(step * STEP, UTC) if step is not None else None
