"""Accounts: who can sign in, what each is allowed to do, and the open sessions.

Sessions are stored by the SHA-256 of their token, and passwords by their Argon2 hash. Tokens and passwords themselves
are never passed to this package.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from foundation.chunks import chunked
from foundation.translation import tr
from status_db import tables
from status_db.accounts import changes, demo_accounts, sessions
from status_db.accounts import grants as given
from status_db.accounts.changes import LastManager, normalise_account
from status_db.accounts.grants import SCOPE_COLUMNS, AccountCode, AccountRefused, Act, Grant
from status_db.desk import store
from status_db.desk.seals import ACCOUNT, GRANT
from status_db.desk.store import DeskStore
from status_db.model import normalise_number
from status_db.store.engine import reading

#: Callers of accounts also need grants and sessions, so this module exports both.
__all__ = [
    "SCOPE_COLUMNS",
    "Account",
    "AccountRefused",
    "Accounts",
    "Act",
    "Grant",
    "LastManager",
    "Session",
    "normalise_account",
]


#: The number of accounts written with one statement.
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Account:
    """A person who can sign in."""

    account: str
    name: str
    #: None for an account without a password: not set yet, or the person signs in through a provider.
    password_hash: str | None = field(repr=False)
    #: The student number of a student's account.
    student: str | None
    #: Whether it can be used: not deactivated, and not made by the demo unless this is a demo.
    active: bool
    created_at: datetime
    grants: tuple[Grant, ...] = ()
    #: When the password was set; None if that is unknown.
    password_at: datetime | None = None
    #: The second factor's secret, sealed; None without one.
    second_factor: bytes | None = field(default=None, repr=False)
    #: Made by the demo, with a public password.
    demo: bool = False
    #: Its seal is wrong: another program changed it.
    altered: bool = False

    def may(self, act: Act) -> bool:
        """Return whether any grant allows this act, for any step and scope; auditors can read."""
        return any(grant.act is act or (act is Act.READ and grant.act is Act.AUDIT) for grant in self.grants)

    def during(self, cohorts: Collection[str]) -> "Account":
        """Return the account without the grants that ended with their cohort."""
        return replace(self, grants=tuple(g for g in self.grants if g.cohort is None or g.cohort in cohorts))


@dataclass(frozen=True, slots=True)
class Session:
    """An open session and its account."""

    account: Account
    created_at: datetime
    #: When the last page was opened, to within a minute.
    seen_at: datetime
    #: How it was opened: local, code, identity, cas, oidc, ldap
    method: str = "local"
    #: The only page it opens: password (a new one must be set), factor (the second factor is required). None for all.
    narrowed: str | None = None
    #: It is a session of staff.
    staff: bool = False


class Accounts:
    """Reads and writes accounts, grants and sessions.

    For reads, an engine of `open_reading` is enough. Accounts made by the demo count as deactivated, unless `demo` is
    set because the settings are a demo's. In a process with the ledger's key, accounts of staff with a wrong seal also
    count as deactivated, and grants with a wrong seal do not count. Every method raises StoreError if the database
    fails.
    """

    def __init__(self, desk: Engine | DeskStore, *, demo: bool = False) -> None:
        self._desk = store.of(desk)
        self._demo = demo

    def add(
        self,
        account: str,
        name: str,
        password_hash: str | None,
        *,
        student: str | None = None,
        grants: Iterable[Grant] = (),
        now: datetime,
        demo: bool = False,
    ) -> Account:
        """Make an account and return it; `demo` marks it permanently as made by the demo.

        Raises AccountRefused if the name is taken or a grant is invalid.
        """
        added = Account(
            account=normalise_account(account),
            name=name.strip(),
            password_hash=password_hash,
            student=normalise_number(student) if student else None,
            active=self._demo or not demo,
            created_at=now,
            grants=tuple(grants),
            demo=demo,
        )
        _refuse_nonsense(added.account, added.name, added.grants)
        with self._desk.writing() as entry:
            if changes.row_of(entry.connection, added.account) is not None:
                raise AccountRefused(
                    AccountCode.TAKEN,
                    tr('the account "{account}" already exists. Choose another name.', account=added.account),
                )
            entry.connection.execute(
                insert(tables.account).values(
                    account=added.account,
                    name=added.name,
                    password_hash=password_hash,
                    password_at=now if password_hash else None,
                    student=added.student,
                    active=True,
                    created_at=now,
                    demo=demo,
                )
            )
            entry.added(ACCOUNT, added.account)
            stored = changes.give(entry, added.account, added.grants)
        return replace(added, grants=stored, password_at=now if password_hash else None)

    def add_students(self, listed: Iterable[tuple[str, str]], now: datetime) -> tuple[int, tuple[str, ...]]:
        """Make an account without a password for each student (number and name) without one.

        Return the number of new accounts, and the student numbers that are already another person's sign-in name.
        """
        table = tables.account
        with self._desk.writing() as entry:
            connection = entry.connection
            had = connection.execute(select(table.c.account, table.c.student)).all()
            names, students = {row.account for row in had}, {row.student for row in had}
            wanted = {normalise_number(student): name for student, name in listed}
            missing = {student: name for student, name in wanted.items() if student not in students}
            taken = tuple(sorted(student for student in missing if normalise_account(student) in names))
            fresh = [
                {
                    "account": normalise_account(student),
                    "name": name,
                    "student": student,
                    "active": True,
                    "created_at": now,
                }
                for student, name in missing.items()
                if student not in taken
            ]
            for chunk in chunked(fresh, _AT_ONCE):
                connection.execute(insert(table), chunk)
        return len(fresh), taken

    def take_in(
        self, listed: Mapping[str, tuple[str, Sequence[Grant]]], now: datetime
    ) -> tuple[tuple[str, ...], dict[str, tuple[Grant, ...]]]:
        """Give grants to accounts, and make missing accounts, all or nothing: account → name, grants.

        Return the new accounts, and the new grants of each account. Raises AccountRefused.
        """
        made: list[str] = []
        new: dict[str, tuple[Grant, ...]] = {}
        with self._desk.writing() as entry:
            connection = entry.connection
            for account, (name, grants) in listed.items():
                key = normalise_account(account)
                _refuse_nonsense(key, name.strip(), grants)
                if changes.row_of(connection, key) is None:
                    values = {"account": key, "name": name.strip(), "active": True, "created_at": now}
                    connection.execute(insert(tables.account).values(**values))
                    entry.added(ACCOUNT, key)
                    made.append(key)
                if fresh := changes.give(entry, key, grants):
                    new[key] = fresh
        return tuple(made), new

    def find(self, account: str) -> Account | None:
        """Return the account of this name, active or not; None if there is none."""
        with reading(self._desk.engine) as connection:
            name = normalise_account(account)
            # Queried also for an unknown name, so that the time of the answer does not reveal whether it exists.
            row, grants = changes.row_of(connection, name), given.of(connection, name, self._vouches_grant)
            return self._account(row, grants) if row is not None else None

    def grants(self, account: str) -> tuple[Grant, ...]:
        """Return an account's grants; an empty tuple if there is no such account."""
        with reading(self._desk.engine) as connection:
            return given.of(connection, normalise_account(account), self._vouches_grant)

    def listed(self) -> tuple[Account, ...]:
        """Return every account, by name."""
        with reading(self._desk.engine) as connection:
            rows = connection.execute(select(tables.account).order_by(tables.account.c.account)).all()
            grants = given.by_account(connection, self._vouches_grant)
            return tuple(self._account(row, grants.get(row.account, ())) for row in rows)

    def with_grants(self) -> tuple[Account, ...]:
        """Return the accounts that have a grant, by name; students' accounts are many and usually have none."""
        table = tables.account
        held = table.c.account.in_(select(tables.grant.c.account))
        with reading(self._desk.engine) as connection:
            rows = connection.execute(select(table).where(held).order_by(table.c.account)).all()
            grants = given.by_account(connection, self._vouches_grant)
            return tuple(self._account(row, grants.get(row.account, ())) for row in rows)

    def set_password(self, account: str, password_hash: str, *, now: datetime) -> None:
        """Set an account's password; its sessions and its codes for a password end. Raises AccountRefused."""
        self._change_account(account, password_hash=password_hash, password_at=now)

    def renew_hash(self, account: str, before: str, after: str) -> None:
        """Replace a password's hash by a newer hash of the same password, unless it has changed since."""
        table = tables.account
        own = table.c.account == normalise_account(account)
        with self._desk.writing() as entry, entry.changing(ACCOUNT, own):
            entry.connection.execute(
                update(table).where(own, table.c.password_hash == before).values(password_hash=after)
            )

    def deactivate(self, account: str) -> None:
        """Deactivate an account; its sessions and codes end. Raises AccountRefused if there is none."""
        self._change_account(account, active=False)

    def activate(self, account: str) -> None:
        """Activate an account again. Raises AccountRefused if there is none, or if the demo made it."""
        with self._desk.writing() as entry:
            changes.activate(entry, normalise_account(account), demo=self._demo)

    def grant(self, account: str, grants: Iterable[Grant]) -> tuple[Grant, ...]:
        """Give grants to an account; return the new ones as stored. Raises AccountRefused."""
        name, wanted = normalise_account(account), tuple(grants)
        given.refuse_nonsense(wanted)
        with self._desk.writing() as entry:
            changes.existing(entry.connection, name)
            return changes.give(entry, name, wanted)

    def take_grant(self, grant: int) -> tuple[str, Grant]:
        """Revoke a grant by its number; return its account and the grant. Raises AccountRefused."""
        with self._desk.writing() as entry:
            with entry.changing(GRANT, tables.grant.c.grant == grant):
                taken = given.take(entry.connection, grant)
            if taken is not None:
                changes.refuse_without_managers(entry.connection, [taken[1]], demo=self._demo)
        if taken is None:
            raise AccountRefused(
                AccountCode.NO_SUCH_GRANT,
                tr("there is no grant {grant}. To see the numbers, run: clearance accounts list", grant=grant),
            )
        return taken

    def hand_over(self, before: str, after: str) -> tuple[Grant, ...]:
        """Move all grants to another active account; return them. Raises AccountRefused."""
        with self._desk.writing() as entry:
            return changes.hand_over(entry, normalise_account(before), normalise_account(after), demo=self._demo)

    def open_session(
        self,
        token_hash: bytes,
        account: str,
        now: datetime,
        *,
        longest: timedelta,
        method: str = "local",
        narrowed: str | None = None,
        provider_session: bytes | None = None,
    ) -> None:
        """Open a session for an active account, and delete sessions older than `longest`.

        `method` is how it was opened; `provider_session` is the digest by which a provider can end it.
        Raises AccountRefused if there is no such active account.
        """
        name = normalise_account(account)
        values = {"token_hash": token_hash, "account": name, "created_at": now, "seen_at": now, "method": method}
        values |= {"narrowed": narrowed, "provider_session": provider_session}
        with self._desk.writing() as entry:
            if why := demo_accounts.why_shut(entry.connection, name, demo=self._demo):
                raise AccountRefused(AccountCode.SHUT, why)
            staff = self._opens_as_staff(entry.connection, name)
            sessions.open_one(entry, values, staff=staff, now=now, longest=longest)

    def _opens_as_staff(self, connection: Connection, name: str) -> bool:
        """Return whether this process opens a staff session for this account. Raises AccountRefused."""
        row = changes.existing(connection, name)
        acts = row.student is None or bool(given.of(connection, name, self._vouches_grant))
        if acts and self._desk.seals_rows:
            if row.mac is None or not self._desk.vouches(ACCOUNT, row):
                raise AccountRefused(
                    AccountCode.ALTERED,
                    tr(
                        'the seal of "{name}" is wrong: another program wrote to the database. Run: clearance verify',
                        name=name,
                    ),
                )
            return True
        if row.student is None:
            raise AccountRefused(
                AccountCode.STAFF,
                tr('"{name}" is a staff account, and these are the students\' pages: sign in at the desk.', name=name),
            )
        return False

    def find_session(self, token_hash: bytes, now: datetime, *, idle: timedelta, longest: timedelta) -> Session | None:
        """Return an open session of an active account; None if there is none or it has expired."""
        with reading(self._desk.engine) as connection:
            opened = sessions.find(connection, self._desk, token_hash)
            if opened is None or now - opened.seen_at >= idle or now - opened.created_at >= longest:
                return None
            row = changes.row_of(connection, opened.account)
            if row is None:
                return None
            # The students' pages can write a student's session, so it has no grants.
            grants = given.of(connection, opened.account, self._vouches_grant) if opened.staff else ()
            found = self._account(row, grants)
            if not found.active or (found.student is None and not opened.staff):
                return None
            return Session(found, opened.created_at, opened.seen_at, opened.method, opened.narrowed, opened.staff)

    def owner_of_session(self, token_hash: bytes) -> str | None:
        """Return the account of a session, even if it has expired; None if it was closed, or never was."""
        with reading(self._desk.engine) as connection:
            opened = sessions.find(connection, self._desk, token_hash)
        return opened.account if opened is not None else None

    def touch_session(self, token_hash: bytes, now: datetime) -> None:
        """Record that a session was used."""
        with self._desk.writing() as entry:
            sessions.touch(entry, token_hash, now)

    def close_session(self, token_hash: bytes) -> None:
        """End a session, if it exists."""
        with self._desk.writing() as entry:
            sessions.close(entry, token_hash)

    def close_provider_session(self, provider_session: bytes) -> tuple[str, ...]:
        """End the sessions that a provider opened with this digest; return their accounts."""
        staff = self._desk.seals_rows
        # This needs no sign-in, so nothing is written unless there is a session to end.
        with reading(self._desk.engine) as connection:
            if not sessions.whose(connection, provider_session, staff=staff):
                return ()
        with self._desk.writing() as entry:
            ended = sessions.whose(entry.connection, provider_session, staff=staff)
            sessions.end_provided(entry, provider_session)
        return ended

    def check(self) -> None:
        """Raise StoreError unless the database answers and has its tables."""
        with reading(self._desk.engine) as connection:
            connection.execute(select(tables.session.c.account).limit(1)).all()

    def _change_account(self, account: str, **values: Any) -> None:  # noqa: ANN401 - columns by name
        with self._desk.writing() as entry:
            changes.change(entry, normalise_account(account), values, demo=self._demo)

    def _vouches_account(self, row: Row[Any], grants: tuple[Grant, ...]) -> bool:
        """Return whether an account's seal is right; an account with grants must have one."""
        if self._desk.seals_rows and grants and row.mac is None:
            return False
        return self._desk.vouches(ACCOUNT, row)

    def _vouches_grant(self, row: Row[Any]) -> bool:
        return self._desk.vouches(GRANT, row)

    def _account(self, row: Row[Any], grants: tuple[Grant, ...]) -> Account:
        vouched = self._vouches_account(row, grants)
        return Account(
            account=row.account,
            name=row.name,
            password_hash=row.password_hash,
            student=row.student,
            active=row.active and (self._demo or not row.demo) and vouched,
            created_at=row.created_at,
            grants=grants,
            password_at=row.password_at,
            second_factor=row.second_factor,
            demo=row.demo,
            altered=not vouched,
        )


def _refuse_nonsense(account: str, name: str, grants: Iterable[Grant]) -> None:
    if not account or len(account) > 100 or not name:
        raise AccountRefused(
            AccountCode.NO_NAME,
            tr("an account needs a sign-in name of at most 100 characters, and a person's name. Enter both."),
        )
    given.refuse_nonsense(grants)
