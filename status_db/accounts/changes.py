"""Changes to accounts, inside a transaction that the caller opens."""

import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from foundation.translation import tr
from status_db import tables
from status_db.accounts import demo_accounts, sessions
from status_db.accounts import grants as given
from status_db.accounts.grants import AccountCode, AccountRefused, Act, Grant
from status_db.desk.seals import ACCOUNT, GRANT
from status_db.desk.store import DeskEntry


class LastManager(AccountRefused):
    """A change that would remove the last account that can manage."""


def normalise_account(raw: str) -> str:
    """Return a sign-in name in its normal form: NFKC, trimmed, lower case."""
    return unicodedata.normalize("NFKC", raw).strip().casefold()


def change(entry: DeskEntry, name: str, values: Mapping[str, Any], *, demo: bool) -> None:
    """Set columns of an account; its sessions and its codes for a password end. Raises AccountRefused."""
    own, waiting = tables.account.c.account == name, tables.code.c.used_at.is_(None)
    connection = entry.connection
    existing(connection, name)
    if "active" in values:
        values = {**values, "closed_at": None}
    with entry.changing(ACCOUNT, own):
        connection.execute(update(tables.account).where(own).values(**values))
    sessions.end_of(entry, name)
    # The code for a second factor is still needed after a password is set.
    of_kind = tables.code.c.kind.in_(("password", "factor") if "active" in values else ("password",))
    connection.execute(delete(tables.code).where(tables.code.c.account == name, waiting, of_kind))
    if values.get("active") is False:
        refuse_without_managers(connection, given.of(connection, name), demo=demo)


def activate(entry: DeskEntry, name: str, *, demo: bool) -> None:
    """Activate an account again. Raises AccountRefused if there is none, or if the demo made it."""
    row = row_of(entry.connection, name)
    if row is not None and row.demo and not demo:
        raise AccountRefused(AccountCode.SHUT, demo_accounts.refusal(name))
    change(entry, name, {"active": True}, demo=demo)


def hand_over(entry: DeskEntry, source: str, target: str, *, demo: bool) -> tuple[Grant, ...]:
    """Move all grants to another active account; return them. Raises AccountRefused."""
    if source == target:
        raise AccountRefused(
            AccountCode.SAME_ACCOUNT, tr("an account cannot hand over to itself. Enter two different accounts.")
        )
    connection = entry.connection
    existing(connection, source)
    if (row := existing(connection, target)).demo and not demo:
        raise AccountRefused(AccountCode.SHUT, demo_accounts.refusal(target))
    if not row.active:
        raise AccountRefused(
            AccountCode.SHUT,
            tr('"{target}" is not active. Activate it first: clearance accounts activate {target}', target=target),
        )
    with entry.changing(GRANT, tables.grant.c.account.in_([source, target])):
        moved = given.move(connection, source, target)
    seal_owner(entry, target)
    if not moved:
        raise AccountRefused(
            AccountCode.NO_GRANTS,
            tr('"{source}" has no grants to hand over. See: clearance accounts list', source=source),
        )
    return moved


def refuse_without_managers(connection: Connection, gone: Iterable[Grant], *, demo: bool) -> None:
    """Raise LastManager if no account could manage without these grants: then no account could restore one."""
    managed = [grant for grant in gone if grant.act is Act.MANAGE]
    left = [grant for _, grant in given.held_by_active(connection, Act.MANAGE, demo=demo)]
    # A grant that ends with its cohort does not replace a lasting one.
    if any(not [other for other in left if grant.cohort or not other.cohort] for grant in managed):
        raise LastManager(
            AccountCode.LAST_MANAGER,
            tr("no other account can manage. Give the grant to another account first: clearance accounts grant"),
        )


def give(entry: DeskEntry, account: str, grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """Store the grants that the account does not have yet, sealed; return them."""
    with entry.changing(GRANT, tables.grant.c.account == account):
        fresh = given.give(entry.connection, account, grants)
    if fresh:
        seal_owner(entry, account)
    return fresh


def seal_owner(entry: DeskEntry, account: str) -> None:
    """Seal an account that has grants, also a student's."""
    with entry.changing(ACCOUNT, tables.account.c.account == account, also=True):
        pass


# Built once, because every page asks it.
_BY_NAME = select(tables.account).where(tables.account.c.account == bindparam("account"))


def row_of(connection: Connection, account: str) -> Row[Any] | None:
    """Return an account's row; None if there is none."""
    return connection.execute(_BY_NAME, {"account": account}).one_or_none()


def existing(connection: Connection, account: str) -> Row[Any]:
    """Return an account's row. Raises AccountRefused if there is none."""
    row = row_of(connection, account)
    if row is None:
        raise AccountRefused(
            AccountCode.NO_SUCH_ACCOUNT,
            tr('there is no account "{account}". See: clearance accounts list', account=account),
        )
    return row
