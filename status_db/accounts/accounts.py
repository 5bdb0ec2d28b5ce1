"""Accounts: who may enter, what each may do, and the sessions that are open. The one writer of the desk's tables.

A session is known here by the SHA-256 of its token alone, and a password by its Argon2 hash alone; neither the token
nor the password ever comes to this room.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, insert, select, update

from foundation.chunks import chunked
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

#: What a grant is stands beside the account that has it: who asks for one asks for the other.
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


#: So many accounts are written with one statement.
_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in."""

    account: str
    name: str
    #: None for who has no password here: not yet, or signs in elsewhere.
    password_hash: str | None = field(repr=False)
    #: The student number, when this is a student.
    student: str | None
    #: Whether it may do anything: not shut, and not made by the demo unless this is a demo.
    active: bool
    created_at: datetime
    grants: tuple[Grant, ...] = ()
    #: When the password was set; None where that is not known.
    password_at: datetime | None = None
    #: The second factor's secret, sealed; None without one.
    second_factor: bytes | None = field(default=None, repr=False)
    #: Made by the demo, with a public password.
    demo: bool = False
    #: It is not as it was sealed: somebody has written it past this program.
    altered: bool = False

    def may(self, act: Act) -> bool:
        """Say whether any grant allows this act, for whatever step and scope; an auditor reads."""
        return any(grant.act is act or (act is Act.READ and grant.act is Act.AUDIT) for grant in self.grants)

    def during(self, cohorts: Collection[str]) -> "Account":
        """Return it without the grants that have ended with their cohort."""
        return replace(self, grants=tuple(g for g in self.grants if g.cohort is None or g.cohort in cohorts))


@dataclass(frozen=True, slots=True)
class Session:
    """An open session and whose it is."""

    account: Account
    created_at: datetime
    #: The last page, give or take a minute.
    seen_at: datetime
    #: How it was opened: local, code, identity, cas, oidc, ldap
    method: str = "local"
    #: The one page it leads to: password (a new one must be set), factor (the second one is asked). None to all.
    narrowed: str | None = None
    #: It is one of staff.
    staff: bool = False


class Accounts:
    """Reads and writes accounts, grants and sessions.

    An engine of `open_reading` will do for what only reads. Accounts that the demo made count as shut, unless `demo`
    says that the settings are a demo's. In a process with the ledger's key, so do accounts of staff that are not as
    they were sealed, and such grants count for nothing. Every method raises StoreError when the database fails.
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
        """Make an account and return it; `demo` marks it as the demo's, for good.

        Raises AccountRefused when the name is taken or a grant makes no sense.
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
                    AccountCode.TAKEN, f'there is an account "{added.account}" already. Choose another name.'
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
        """Make an account without a password for each student, number and name, who has none.

        Return how many were made, and the numbers that are somebody else's sign-in name: those have none.
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
        """Give accounts grants, and make those that are not there, all or nothing: account → name, grants.

        Return the accounts made, and what each account had not yet. Raises AccountRefused.
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
        """Return the account of this name, active or not; None when there is none."""
        with reading(self._desk.engine) as connection:
            name = normalise_account(account)
            # Asked for nobody as well: the answer to a stranger takes as long.
            row, grants = changes.row_of(connection, name), given.of(connection, name, self._vouches_grant)
            return self._account(row, grants) if row is not None else None

    def grants(self, account: str) -> tuple[Grant, ...]:
        """Return what an account may do; nothing when there is no such account."""
        with reading(self._desk.engine) as connection:
            return given.of(connection, normalise_account(account), self._vouches_grant)

    def listed(self) -> tuple[Account, ...]:
        """Return every account, by name."""
        with reading(self._desk.engine) as connection:
            rows = connection.execute(select(tables.account).order_by(tables.account.c.account)).all()
            grants = given.by_account(connection, self._vouches_grant)
            return tuple(self._account(row, grants.get(row.account, ())) for row in rows)

    def set_password(self, account: str, password_hash: str, *, now: datetime) -> None:
        """Give an account a new password; its sessions end, and so do codes for one. Raises AccountRefused."""
        self._change(account, password_hash=password_hash, password_at=now)

    def renew_hash(self, account: str, before: str, after: str) -> None:
        """Keep the same password by a newer hash, unless it has been changed since."""
        table = tables.account
        own = table.c.account == normalise_account(account)
        with self._desk.writing() as entry, entry.changing(ACCOUNT, own):
            entry.connection.execute(
                update(table).where(own, table.c.password_hash == before).values(password_hash=after)
            )

    def deactivate(self, account: str) -> None:
        """Shut an account; its sessions end, and so do codes that wait. Raises AccountRefused when there is none."""
        self._change(account, active=False)

    def activate(self, account: str) -> None:
        """Open a shut account again. Raises AccountRefused when there is none, or when it is the demo's alone."""
        with self._desk.writing() as entry:
            changes.activate(entry, normalise_account(account), demo=self._demo)

    def grant(self, account: str, grants: Iterable[Grant]) -> tuple[Grant, ...]:
        """Give an account grants; return those it had not yet, as they are stored. Raises AccountRefused."""
        name, wanted = normalise_account(account), tuple(grants)
        given.refuse_nonsense(wanted)
        with self._desk.writing() as entry:
            changes.existing(entry.connection, name)
            return changes.give(entry, name, wanted)

    def take_grant(self, grant: int) -> tuple[str, Grant]:
        """Take a grant away by its number; return whose it was, and the grant. Raises AccountRefused."""
        with self._desk.writing() as entry:
            with entry.changing(GRANT, tables.grant.c.grant == grant):
                taken = given.take(entry.connection, grant)
            if taken is not None:
                changes.refuse_without_managers(entry.connection, [taken[1]], demo=self._demo)
        if taken is None:
            raise AccountRefused(
                AccountCode.NO_SUCH_GRANT, f"there is no grant {grant}. See their numbers: clearance accounts list"
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
        """Open a session for an active account, and clear away those older than `longest`.

        `method` says how it was opened; `provider_session` is the digest of what a provider may end it by.
        Raises AccountRefused when there is no such active account.
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
        """Say whether a session of this account is one of staff, in this process. Raises AccountRefused."""
        row = changes.existing(connection, name)
        acts = row.student is None or bool(given.of(connection, name, self._vouches_grant))
        if acts and self._desk.seals_rows:
            if row.mac is None or not self._desk.vouches(ACCOUNT, row):
                raise AccountRefused(
                    AccountCode.ALTERED,
                    f'"{name}" is not as it was sealed: somebody has written to the database. Run: clearance verify',
                )
            return True
        if row.student is None:
            raise AccountRefused(
                AccountCode.STAFF,
                f'"{name}" is a staff account, and these are the students\' pages: sign in at the desk.',
            )
        return False

    def find_session(self, token_hash: bytes, now: datetime, *, idle: timedelta, longest: timedelta) -> Session | None:
        """Return an open session of an active account; None when there is none, or when a limit has passed."""
        with reading(self._desk.engine) as connection:
            opened = sessions.find(connection, self._desk, token_hash)
            if opened is None or now - opened.seen_at >= idle or now - opened.created_at >= longest:
                return None
            row = changes.row_of(connection, opened.account)
            if row is None:
                return None
            # A session of a student's, which the students' pages may write, opens no grant.
            grants = given.of(connection, opened.account, self._vouches_grant) if opened.staff else ()
            found = self._account(row, grants)
            if not found.active or (found.student is None and not opened.staff):
                return None
            return Session(found, opened.created_at, opened.seen_at, opened.method, opened.narrowed, opened.staff)

    def touch_session(self, token_hash: bytes, now: datetime) -> None:
        """Note that a session has been used."""
        with self._desk.writing() as entry:
            sessions.touch(entry, token_hash, now)

    def close_session(self, token_hash: bytes) -> None:
        """End a session; one that is not there has ended."""
        with self._desk.writing() as entry:
            sessions.close(entry, token_hash)

    def close_provider_session(self, provider_session: bytes) -> tuple[str, ...]:
        """End what a provider opened under this digest; return whose sessions ended."""
        staff = self._desk.seals_rows
        # Anybody may ask for this, so nothing is written until there is something to end.
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

    def _change(self, account: str, **values: Any) -> None:  # noqa: ANN401 - columns by name
        with self._desk.writing() as entry:
            changes.change(entry, normalise_account(account), values, demo=self._demo)

    def _vouches_account(self, row: Row[Any], grants: tuple[Grant, ...]) -> bool:
        """Say whether an account is as it was sealed; one that acts must have been sealed."""
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
            "an account needs a sign-in name of at most 100 characters, and a person's name. Give both.",
        )
    given.refuse_nonsense(grants)
