"""Grants: what an account is allowed to do, and how that is stored. `status_db.accounts.accounts` writes them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from foundation.refusals import Refused
from foundation.translation import tr
from status_db import tables
from status_db.accounts.demo_accounts import opens

#: The roster columns that a scope can name.
SCOPE_COLUMNS = ("college", "class", "level", "campus", "building", "category")


class AccountCode(StrEnum):
    """Why an account or a grant is refused."""

    #: The sign-in name or the person's name is missing or too long.
    NO_NAME = "no_name"
    #: The name is in use.
    TAKEN = "taken"
    #: The account does not exist.
    NO_SUCH_ACCOUNT = "no_such_account"
    #: The account cannot be used: it does not exist, is deactivated, or was made by the demo.
    SHUT = "shut"
    #: The seal of the account does not match: another program changed it.
    ALTERED = "altered"
    #: It is a staff account at the students' pages.
    STAFF = "staff"
    #: The account does not have this grant.
    NO_SUCH_GRANT = "no_such_grant"
    #: The account has no grants to hand over.
    NO_GRANTS = "no_grants"
    #: Both accounts of a hand-over are the same.
    SAME_ACCOUNT = "same_account"
    #: The scope names a column that it cannot have, or no values.
    SCOPE = "scope"
    #: A notification's address that cannot be one.
    ADDRESS = "address"
    #: A mail address outside of the domains that mail is sent to.
    MAIL_DOMAIN = "mail_domain"
    #: No account could manage any more.
    LAST_MANAGER = "last_manager"


class AccountRefused(Refused[AccountCode]):
    """An account or a grant that is refused; the text has the reason and the fix."""


class Act(StrEnum):
    """What a grant allows."""

    READ = "read"
    DECIDE = "decide"
    REVIEW = "review"
    ISSUE = "issue"
    MANAGE = "manage"
    #: Read everything, including the audit log, and change nothing.
    AUDIT = "audit"


#: These acts change permissions or hand out certificates, so a password is not enough for them.
PRIVILEGED = frozenset({Act.MANAGE, Act.REVIEW, Act.ISSUE})


#: On the pages, giving one of these needs two administrators: see `status_db.inbox.pending_changes`.
BY_TWO = frozenset({Act.MANAGE, Act.DECIDE, Act.REVIEW, Act.ISSUE})


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission of an account: an act, on one step or all, for all students or in a scope."""

    act: Act
    #: None for every step.
    step: str | None = None
    #: Roster column → its values; empty for all students.
    scope: Mapping[str, Sequence[str]] = field(default_factory=dict)
    #: It ends with this cohort; None for every cohort.
    cohort: str | None = None
    #: The number by which it is revoked; None before it is stored. Two grants that allow the same are equal.
    id: int | None = field(default=None, compare=False)


def refuse_nonsense(grants: Iterable[Grant]) -> None:
    """Raise AccountRefused for a scope with an unknown column or without values."""
    for grant in grants:
        for column, values in grant.scope.items():
            if column not in SCOPE_COLUMNS:
                raise AccountRefused(
                    AccountCode.SCOPE,
                    tr(
                        'a scope cannot name "{column}". Use one of: {columns}',
                        column=column,
                        columns=", ".join(SCOPE_COLUMNS),
                    ),
                )
            if isinstance(values, str) or not values:
                raise AccountRefused(
                    AccountCode.SCOPE,
                    tr("the scope's {column} lists no values. Give at least one, or leave it out.", column=column),
                )


def to_json(grant: Grant) -> dict[str, Any]:
    """Return the JSON form of a grant that is not given yet: without its number."""
    scope = {column: sorted(values) for column, values in sorted(grant.scope.items())}
    return {"act": grant.act.value, "step": grant.step, "scope": scope, "cohort": grant.cohort}


def from_json(kept: Mapping[str, Any]) -> Grant:
    """Return the grant from its `to_json` form."""
    scope = {column: tuple(values) for column, values in kept["scope"].items()}
    return Grant(Act(kept["act"]), kept["step"], scope, kept["cohort"])


def _any(_row: Row[Any]) -> bool:
    return True


def of(connection: Connection, account: str, counts: Callable[[Row[Any]], bool] = _any) -> tuple[Grant, ...]:
    """Return an account's grants that count, in the order of giving."""
    table = tables.grant
    rows = connection.execute(select(table).where(table.c.account == account).order_by(table.c.grant))
    return tuple(_grant(row) for row in rows if counts(row))


def by_account(connection: Connection, counts: Callable[[Row[Any]], bool] = _any) -> dict[str, tuple[Grant, ...]]:
    """Return every account's grants that count."""
    found: dict[str, list[Grant]] = {}
    for row in connection.execute(select(tables.grant).order_by(tables.grant.c.grant)):
        if counts(row):
            found.setdefault(row.account, []).append(_grant(row))
    return {account: tuple(grants) for account, grants in found.items()}


def of_accounts(connection: Connection, accounts: Collection[str]) -> dict[str, tuple[Grant, ...]]:
    """Return the grants of some accounts; accounts without grants are left out."""
    table = tables.grant
    found: dict[str, list[Grant]] = {}
    rows = connection.execute(select(table).where(table.c.account.in_(list(accounts))).order_by(table.c.grant))
    for row in rows:
        found.setdefault(row.account, []).append(_grant(row))
    return {account: tuple(grants) for account, grants in found.items()}


def held_by_active(connection: Connection, act: Act, *, demo: bool) -> tuple[tuple[str, Grant], ...]:
    """Return the grants of active accounts for an act, each with its account; those of the demo only if `demo`."""
    account, table = tables.account, tables.grant
    active = select(account.c.account).where(opens(demo=demo))
    rows = connection.execute(
        select(table).where(table.c.act == act, table.c.account.in_(active)).order_by(table.c.grant)
    )
    return tuple((row.account, _grant(row)) for row in rows)


def give(connection: Connection, account: str, grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """Store the grants that the account does not have yet; return them as stored."""
    had: list[Grant] = list(of(connection, account))
    given: list[Grant] = []
    for wanted in grants:
        grant = replace(wanted, scope={column: tuple(values) for column, values in wanted.scope.items()})
        if grant not in had:
            connection.execute(
                insert(tables.grant).values(
                    account=account, act=grant.act.value, step=grant.step, scope=grant.scope, cohort=grant.cohort
                )
            )
            had.append(grant)
            given.append(grant)
    return tuple(stored for stored in of(connection, account) if stored in given)


def take(connection: Connection, number: int) -> tuple[str, Grant] | None:
    """Revoke a grant; return its account and the grant. None if there is no such grant."""
    table = tables.grant
    row = connection.execute(select(table).where(table.c.grant == number)).one_or_none()
    if row is None:
        return None
    connection.execute(delete(table).where(table.c.grant == number))
    return row.account, _grant(row)


def move(connection: Connection, before: str, after: str) -> tuple[Grant, ...]:
    """Move all grants to another account, except those it already has; return all of them."""
    table = tables.grant
    moving, had = of(connection, before), of(connection, after)
    duplicates: Collection[int | None] = [grant.id for grant in moving if grant in had]
    connection.execute(delete(table).where(table.c.grant.in_(duplicates)))
    connection.execute(update(table).where(table.c.account == before).values(account=after))
    return moving


def _grant(row: Row[Any]) -> Grant:
    scope = {column: tuple(values) for column, values in row.scope.items()}
    return Grant(Act(row.act), row.step, scope, row.cohort, row.grant)
