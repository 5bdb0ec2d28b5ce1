"""Accounts made by the demo. Their passwords are public, so they cannot be used unless the settings have a demo clock.

A production portal has such accounts if it uses a demo's database, or a backup of one was restored.
"""

from sqlalchemy import ColumnElement, Connection, Engine, and_, select

from foundation.translation import tr
from status_db import tables
from status_db.store.engine import reading


def refusal(account: str) -> str:
    """Return why an account that the demo made cannot be used, with the fix."""
    return tr(
        '"{account}" was made by the demo: its password is public, so it cannot be used here. '
        "Choose another account: clearance accounts list",
        account=account,
    )


def opens(*, demo: bool) -> ColumnElement[bool]:
    """Return the condition for active accounts; without `demo`, those made by the demo are left out."""
    table = tables.account
    return table.c.active if demo else and_(table.c.active, table.c.demo.is_(False))


def why_shut(connection: Connection, account: str, *, demo: bool) -> str | None:
    """Return why an account cannot be used, with the fix; None if it can."""
    row = connection.execute(
        select(tables.account.c.active, tables.account.c.demo).where(tables.account.c.account == account)
    ).one_or_none()
    if row is not None and row.demo and not demo:
        return refusal(account)
    if row is None or not row.active:
        return tr('there is no active account "{account}". See: clearance accounts list', account=account)
    return None


def listed(engine: Engine) -> tuple[str, ...]:
    """Return the names of the accounts made by the demo, in order. Raises StoreError."""
    table = tables.account
    with reading(engine) as connection:
        return tuple(connection.scalars(select(table.c.account).where(table.c.demo).order_by(table.c.account)))
