"""Grants: what an account may do, and how that is written down. Who may write it is `status_db.accounts.accounts`."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from foundation.refusals import Refused
from status_db import tables
from status_db.accounts.demo_accounts import opens

#: The roster columns a scope may name.
SCOPE_COLUMNS = ("college", "class", "level", "campus", "building", "category")


class AccountCode(StrEnum):
    """Why an account or a grant is refused."""

    NO_NAME = "no_name"
    TAKEN = "taken"
    NO_SUCH_ACCOUNT = "no_such_account"
    #: It cannot be used: it is none, shut, or the demo's alone.
    SHUT = "shut"
    #: It is not as it was sealed.
    ALTERED = "altered"
    #: A staff account at the students' pages.
    STAFF = "staff"
    NO_SUCH_GRANT = "no_such_grant"
    NO_GRANTS = "no_grants"
    #: Both accounts of a hand-over are one.
    SAME_ACCOUNT = "same_account"
    SCOPE = "scope"
    #: Nobody would be left who may manage.
    LAST_MANAGER = "last_manager"


class AccountRefused(Refused[AccountCode]):
    """An account, or a grant, that cannot be made or changed so; the text says why, and what would do."""


class Act(StrEnum):
    """What a grant allows."""

    READ = "read"
    DECIDE = "decide"
    REVIEW = "review"
    ISSUE = "issue"
    MANAGE = "manage"
    #: Reads everything, the audit log too, and does nothing.
    AUDIT = "audit"


#: Who holds one of these can change who may do what, or hand out certificates: a password alone does not open that.
PRIVILEGED = frozenset({Act.MANAGE, Act.REVIEW, Act.ISSUE})


#: On the pages, one person alone gives nobody one of these: see `status_db.inbox.pending_changes`.
BY_TWO = frozenset({Act.MANAGE, Act.DECIDE, Act.REVIEW, Act.ISSUE})


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
    #: By what number it is taken back; None while it is not stored. Two grants that allow the same are equal.
    id: int | None = field(default=None, compare=False)


def refuse_nonsense(grants: Iterable[Grant]) -> None:
    """Raise AccountRefused for a scope that names no roster column, or no value."""
    for grant in grants:
        for column, values in grant.scope.items():
            if column not in SCOPE_COLUMNS:
                raise AccountRefused(
                    AccountCode.SCOPE, f'a scope cannot name "{column}". Use one of: {", ".join(SCOPE_COLUMNS)}'
                )
            if isinstance(values, str) or not values:
                raise AccountRefused(
                    AccountCode.SCOPE, f"the scope's {column} lists no values. Give at least one, or leave it out."
                )


def to_json(grant: Grant) -> dict[str, Any]:
    """Return a grant as it is kept before it is given: without its number."""
    scope = {column: sorted(values) for column, values in sorted(grant.scope.items())}
    return {"act": grant.act.value, "step": grant.step, "scope": scope, "cohort": grant.cohort}


def from_json(kept: Mapping[str, Any]) -> Grant:
    """Return the grant that `to_json` has kept."""
    scope = {column: tuple(values) for column, values in kept["scope"].items()}
    return Grant(Act(kept["act"]), kept["step"], scope, kept["cohort"])


def _any(_row: Row[Any]) -> bool:
    return True


def of(connection: Connection, account: str, counts: Callable[[Row[Any]], bool] = _any) -> tuple[Grant, ...]:
    """Return an account's grants that count, in the order they were given."""
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
    """Return the grants of some accounts; whoever has none is left out."""
    table = tables.grant
    found: dict[str, list[Grant]] = {}
    rows = connection.execute(select(table).where(table.c.account.in_(list(accounts))).order_by(table.c.grant))
    for row in rows:
        found.setdefault(row.account, []).append(_grant(row))
    return {account: tuple(grants) for account, grants in found.items()}


def held_by_active(connection: Connection, act: Act, *, demo: bool) -> tuple[tuple[str, Grant], ...]:
    """Return the grants for an act that active accounts hold, each with its account; the demo's only if `demo`."""
    account, table = tables.account, tables.grant
    active = select(account.c.account).where(opens(demo=demo))
    rows = connection.execute(
        select(table).where(table.c.act == act, table.c.account.in_(active)).order_by(table.c.grant)
    )
    return tuple((row.account, _grant(row)) for row in rows)


def give(connection: Connection, account: str, grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """Store those of the grants that the account has not yet; return them as they are stored."""
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
    """Take a grant away; return whose it was, and what it allowed. None when there is no such grant."""
    table = tables.grant
    row = connection.execute(select(table).where(table.c.grant == number)).one_or_none()
    if row is None:
        return None
    connection.execute(delete(table).where(table.c.grant == number))
    return row.account, _grant(row)


def move(connection: Connection, before: str, after: str) -> tuple[Grant, ...]:
    """Move all grants to another account, but those it has already; return what moved or was had."""
    table = tables.grant
    moving, had = of(connection, before), of(connection, after)
    twice: Collection[int | None] = [grant.id for grant in moving if grant in had]
    connection.execute(delete(table).where(table.c.grant.in_(twice)))
    connection.execute(update(table).where(table.c.account == before).values(account=after))
    return moving


def _grant(row: Row[Any]) -> Grant:
    scope = {column: tuple(values) for column, values in row.scope.items()}
    return Grant(Act(row.act), row.step, scope, row.cohort, row.grant)
