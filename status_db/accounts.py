"""Accounts: who may enter, what each may do, and the sessions that are open. The one writer of the desk's tables.

A session is known here by the SHA-256 of its token alone, and a password by its Argon2 hash alone; neither the token
nor the password ever comes to this room.
"""

import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, Row, delete, insert, make_url, select, update

from config.settings import StatusDb
from status_db import tables
from status_db.engine import reading, writing
from status_db.model import normalise_number
from status_db.turns import DESK

#: The roster columns a scope may name.
SCOPE_COLUMNS = ("college", "class", "level", "campus", "building", "category")


class AccountRefused(Exception):  # noqa: N818 - named by the reaction
    """An account that cannot be made or changed so; the text says why, and what would do."""


class Act(StrEnum):
    """What a grant allows."""

    READ = "read"
    DECIDE = "decide"
    REVIEW = "review"
    ISSUE = "issue"
    MANAGE = "manage"
    #: Reads everything, the audit log too, and does nothing.
    AUDIT = "audit"


@dataclass(frozen=True, slots=True)
class Grant:
    """One thing an account may do: an act, on one step or on every one, for everybody or inside a scope."""

    act: Act
    #: None for every step.
    step: str | None = None
    #: Roster column → the values inside; empty for everybody.
    scope: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: It ends with this cohort; None for every cohort.
    cohort: str | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in."""

    account: str
    name: str
    #: None for who has no password here: not yet, or signs in elsewhere.
    password_hash: str | None = field(repr=False)
    #: The student number, when this is a student.
    student: str | None
    active: bool
    created_at: datetime
    grants: tuple[Grant, ...] = ()
    #: When the password was set; None where that is not known.
    password_at: datetime | None = None

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


def desk_url(status_db: StatusDb) -> str:
    """Return where accounts and sessions live.

    Unless the settings say, that is the marks' own database on PostgreSQL, and on SQLite a file beside theirs, so that
    signing in never waits for a sync that writes: `clearance.db` has `clearance-desk.db` beside it.
    """
    if status_db.desk_url is not None:
        return status_db.desk_url.get_secret_value()
    url = make_url(status_db.url.get_secret_value())
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        marks = Path(url.database)
        url = url.set(database=str(marks.with_name(f"{marks.stem}-desk{marks.suffix}")))
    return url.render_as_string(hide_password=False)


def normalise_account(raw: str) -> str:
    """Return a sign-in name in its one form: NFKC, trimmed, lower case."""
    return unicodedata.normalize("NFKC", raw).strip().casefold()


class Accounts:
    """Reads and writes accounts, grants and sessions.

    An engine of `open_reading` will do for what only reads. Every method raises StoreError when the database fails.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(
        self,
        account: str,
        name: str,
        password_hash: str | None,
        *,
        student: str | None = None,
        grants: Iterable[Grant] = (),
        now: datetime,
    ) -> Account:
        """Make an account and return it. Raises AccountRefused when the name is taken or a grant makes no sense."""
        added = Account(
            account=normalise_account(account),
            name=name.strip(),
            password_hash=password_hash,
            student=normalise_number(student) if student else None,
            active=True,
            created_at=now,
            grants=tuple(grants),
        )
        _refuse_nonsense(added)
        with writing(self._engine, DESK, "desk") as connection:
            if _row(connection, added.account) is not None:
                raise AccountRefused(f'there is an account "{added.account}" already. Choose another name.')
            connection.execute(
                insert(tables.account).values(
                    account=added.account,
                    name=added.name,
                    password_hash=password_hash,
                    password_at=now if password_hash else None,
                    student=added.student,
                    active=True,
                    created_at=now,
                )
            )
            if added.grants:
                connection.execute(
                    insert(tables.grant),
                    [
                        {
                            "account": added.account,
                            "act": grant.act.value,
                            "step": grant.step,
                            "scope": {column: list(values) for column, values in grant.scope.items()},
                            "cohort": grant.cohort,
                        }
                        for grant in added.grants
                    ],
                )
        return added

    def find(self, account: str) -> Account | None:
        """Return the account of this name, active or not; None when there is none."""
        with reading(self._engine) as connection:
            row = _row(connection, normalise_account(account))
            return _account(connection, row) if row is not None else None

    def grants(self, account: str) -> tuple[Grant, ...]:
        """Return what an account may do; nothing when there is no such account."""
        with reading(self._engine) as connection:
            return _grants(connection, normalise_account(account))

    def listed(self) -> tuple[Account, ...]:
        """Return every account, by name."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(tables.account).order_by(tables.account.c.account)).all()
            return tuple(_account(connection, row) for row in rows)

    def set_password(self, account: str, password_hash: str) -> None:
        """Give an account a new password, and end its sessions. Raises AccountRefused when there is none."""
        self._change(account, password_hash=password_hash)

    def deactivate(self, account: str) -> None:
        """Shut an account, and end its sessions. Raises AccountRefused when there is none."""
        self._change(account, active=False)

    def open_session(
        self,
        token_hash: bytes,
        account: str,
        now: datetime,
        *,
        longest: timedelta,
        method: str = "local",
        provider_session: bytes | None = None,
    ) -> None:
        """Open a session for an active account, and clear away those older than `longest`.

        `method` says how it was opened; `provider_session` is the digest of what a provider may end it by.
        Raises AccountRefused when there is no such active account.
        """
        name = normalise_account(account)
        with writing(self._engine, DESK, "desk") as connection:
            row = _row(connection, name)
            if row is None or not row.active:
                raise AccountRefused(f'there is no active account "{name}". See: clearance accounts list')
            connection.execute(delete(tables.session).where(tables.session.c.created_at < now - longest))
            connection.execute(
                insert(tables.session).values(
                    token_hash=token_hash,
                    account=name,
                    created_at=now,
                    seen_at=now,
                    method=method,
                    provider_session=provider_session,
                )
            )

    def find_session(self, token_hash: bytes, now: datetime, *, idle: timedelta, longest: timedelta) -> Session | None:
        """Return an open session of an active account; None when there is none, or when a limit has passed."""
        session, account = tables.session, tables.account
        with reading(self._engine) as connection:
            row = connection.execute(
                select(account, session.c.created_at.label("opened_at"), session.c.seen_at, session.c.method)
                .join(session, session.c.account == account.c.account)
                .where(session.c.token_hash == token_hash, account.c.active)
            ).one_or_none()
            if row is None or now - row.seen_at >= idle or now - row.opened_at >= longest:
                return None
            return Session(_account(connection, row), row.opened_at, row.seen_at, row.method)

    def touch_session(self, token_hash: bytes, now: datetime) -> None:
        """Note that a session has been used."""
        with writing(self._engine, DESK, "desk") as connection:
            connection.execute(
                update(tables.session).where(tables.session.c.token_hash == token_hash).values(seen_at=now)
            )

    def close_session(self, token_hash: bytes) -> None:
        """End a session; one that is not there has ended."""
        with writing(self._engine, DESK, "desk") as connection:
            connection.execute(delete(tables.session).where(tables.session.c.token_hash == token_hash))

    def close_provider_session(self, provider_session: bytes) -> tuple[str, ...]:
        """End what a provider opened under this digest; return whose sessions ended."""
        table = tables.session
        # Anybody may ask for this, so nothing is written until there is something to end.
        with reading(self._engine) as connection:
            found = connection.scalar(select(table.c.account).where(table.c.provider_session == provider_session))
        if found is None:
            return ()
        with writing(self._engine, DESK, "desk") as connection:
            ended = connection.execute(
                delete(table).where(table.c.provider_session == provider_session).returning(table.c.account)
            )
            return tuple(sorted(set(ended.scalars())))

    def check(self) -> None:
        """Raise StoreError unless the database answers and has its tables."""
        with reading(self._engine) as connection:
            connection.execute(select(tables.session.c.account).limit(1)).all()

    def _change(self, account: str, **values: Any) -> None:  # noqa: ANN401 - columns by name
        name = normalise_account(account)
        with writing(self._engine, DESK, "desk") as connection:
            if _row(connection, name) is None:
                raise AccountRefused(f'there is no account "{name}". See: clearance accounts list')
            connection.execute(update(tables.account).where(tables.account.c.account == name).values(**values))
            connection.execute(delete(tables.session).where(tables.session.c.account == name))


def _refuse_nonsense(account: Account) -> None:
    if not account.account or len(account.account) > 100 or not account.name:
        raise AccountRefused("an account needs a sign-in name of at most 100 characters, and a person's name.")
    for grant in account.grants:
        for column, values in grant.scope.items():
            if column not in SCOPE_COLUMNS:
                raise AccountRefused(f'a scope cannot name "{column}". Use one of: {", ".join(SCOPE_COLUMNS)}')
            if isinstance(values, str) or not values:
                raise AccountRefused(f"the scope's {column} lists no values. Give at least one, or leave it out.")


def _row(connection: Connection, account: str) -> Row[Any] | None:
    return connection.execute(select(tables.account).where(tables.account.c.account == account)).one_or_none()


def _grants(connection: Connection, account: str) -> tuple[Grant, ...]:
    table = tables.grant
    rows = connection.execute(select(table).where(table.c.account == account).order_by(table.c.grant))
    return tuple(
        Grant(Act(row.act), row.step, {column: tuple(values) for column, values in row.scope.items()}, row.cohort)
        for row in rows
    )


def _account(connection: Connection, row: Row[Any]) -> Account:
    return Account(
        account=row.account,
        name=row.name,
        password_hash=row.password_hash,
        student=row.student,
        active=row.active,
        created_at=row.created_at,
        grants=_grants(connection, row.account),
        password_at=row.password_at,
    )
