"""Second factors: who is asked for one, what each account has, and what each session has shown.

An account's second factors are the app (a sealed secret, and the last of its time steps that was used up) and
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

#: An app's digits change this often, in seconds.
STEP = 30

#: How long a session may set up the first second factor after its code was entered.
SET_UP = timedelta(minutes=30)
#: How long second factors may be changed after one was shown.
RECENT = timedelta(minutes=10)


class Owner(Protocol):
    """An account, as far as it matters here."""

    @property
    def student(self) -> str | None:
        """The student number, when this is a student."""
        ...

    @property
    def grants(self) -> Sequence[Grant]:
        """What it may do."""
        ...

    @property
    def demo(self) -> bool:
        """Made by the demo."""
        ...


def is_staff(owner: Owner) -> bool:
    """Return whether an account has more than a student's own pages."""
    return owner.student is None or bool(owner.grants)


def asked_of(auth: Auth, owner: Owner) -> bool:
    """Say whether an account must show a second factor. The demo's need not: their password is public anyway."""
    asked = auth.asks_second_factor_of
    if asked == "off" or owner.demo:
        return False
    if asked == "staff":
        return is_staff(owner)
    return any(grant.act in PRIVILEGED for grant in owner.grants)


@dataclass(frozen=True, slots=True)
class AccountFactors:
    """What an account has."""

    app: bool = False
    #: When the app's digits were last taken, give or take half a minute.
    app_used_at: datetime | None = None
    passkeys: int = 0
    #: How many recovery codes are left.
    recovery: int = 0

    @property
    def any(self) -> bool:
        """Whether there is a second factor; recovery codes alone are none."""
        return self.app or self.passkeys > 0


class SecondFactors:
    """Reads and writes second factors. Every method raises StoreError when the database fails."""

    def __init__(self, desk: Engine | DeskStore) -> None:
        self._desk = store.of(desk)

    def held(self, account: str) -> AccountFactors:
        """Return what an account has; nothing where there is no such account."""
        return self.held_by([account]).get(normalise_account(account), AccountFactors())

    def held_by(self, accounts: Collection[str]) -> Mapping[str, AccountFactors]:
        """Return what each of these accounts has; one that has nothing is left out."""
        names = [normalise_account(account) for account in accounts]
        with reading(self._desk.engine) as connection:
            return held_in(connection, names)

    def enrol(self, account: str, sealed: bytes, step: int) -> bool:
        """Give an account its app, its first time step used; False when it has one already."""
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
        """Use a time step up; False when it, or a later one, has been used."""
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
        """Take the app away; False where there is none, or no passkey would be left in its place."""
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
        """Take every second factor and recovery code away, and end the account's sessions; False when it had none."""
        with self._desk.writing() as entry:
            return reset_in(entry, normalise_account(account))

    def shown_at(self, token_hash: bytes) -> datetime | None:
        """Return when this session last showed a second factor; None when it has not."""
        with reading(self._desk.engine) as connection:
            return self._at(connection, token_hash, "shown")

    def show(self, token_hash: bytes, account: str, now: datetime, *, longest: timedelta) -> None:
        """Note that a session has shown a second factor; forget what is noted of sessions older than `longest`."""
        with self._desk.writing() as entry:
            entry.connection.execute(delete(tables.factor_step).where(tables.factor_step.c.at < now - longest))
            note_step(entry, token_hash, "shown", account, now)

    def pass_on(self, before: bytes, after: bytes, account: str, now: datetime, *, longest: timedelta) -> bool:
        """Open a session wholly, under another token: it has shown a second factor. False when it has ended."""
        step, name = tables.factor_step, normalise_account(account)
        with self._desk.writing() as entry:
            if not sessions.pass_on(entry, self._desk, before, after, name, now):
                return False
            entry.connection.execute(delete(step).where(or_(step.c.token_hash == before, step.c.at < now - longest)))
            note_step(entry, after, "shown", account, now)
        return True

    def allow_set_up(self, token_hash: bytes, account: str, now: datetime) -> None:
        """Note that the code for setting up the first second factor was given in this session."""
        with self._desk.writing() as entry:
            note_step(entry, token_hash, "set_up", account, now)

    def may_set_up(self, token_hash: bytes, now: datetime) -> bool:
        """Say whether that code was entered in this session within the last 30 minutes."""
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
    """Note what a session has done or may do, in place of what was noted of that kind."""
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
    """Take every second factor of an account away, as a part of a transaction; False when it had none."""
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
    """Return what each of these accounts has, as a part of a transaction; one that has nothing is left out."""
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
            app_used_at=_moment(row.second_factor_step) if row.app else None,
            passkeys=row.keys,
            recovery=row.left,
        )
        for row in rows
        if row.app or row.keys or row.left
    }


def _moment(step: int | None) -> datetime | None:
    return datetime.fromtimestamp(step * STEP, UTC) if step is not None else None
