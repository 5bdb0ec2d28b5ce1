"""Accounts that the demo made. Their passwords are public, so they open nothing where the settings have no demo clock.

A production portal meets them when it is pointed at a demo's database, or is given a backup of one.
"""

from sqlalchemy import ColumnElement, Connection, Engine, and_, select

from status_db import tables
from status_db.engine import reading

#: Why such an account is refused; the text begins after its name, and ends with the fix.
REFUSED = (
    "was made by the demo: its password is public, so it opens nothing here. "
    "Name another account: clearance accounts list"
)


def opens(*, demo: bool) -> ColumnElement[bool]:
    """Return the condition for accounts that may do anything: active, and not the demo's unless this is a demo."""
    table = tables.account
    return table.c.active if demo else and_(table.c.active, table.c.demo.is_(False))


def why_shut(connection: Connection, account: str, *, demo: bool) -> str | None:
    """Return why an account opens nothing, with the fix; None for one that does."""
    row = connection.execute(
        select(tables.account.c.active, tables.account.c.demo).where(tables.account.c.account == account)
    ).one_or_none()
    if row is not None and row.demo and not demo:
        return f'"{account}" {REFUSED}'
    if row is None or not row.active:
        return f'there is no active account "{account}". See: clearance accounts list'
    return None


def listed(engine: Engine) -> tuple[str, ...]:
    """Return the names of all that the demo made, in order. Raises StoreError."""
    table = tables.account
    with reading(engine) as connection:
        return tuple(connection.scalars(select(table.c.account).where(table.c.demo).order_by(table.c.account)))
