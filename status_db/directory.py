"""The directory: accounts to page through and to search, and who holds which grant. It writes nothing."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Engine, func, or_, select

from status_db import tables
from status_db.accounts import Act, Grant, normalise_account
from status_db.engine import reading
from status_db.model import normalise_number


@dataclass(frozen=True, slots=True)
class Held:
    """A grant, by its number."""

    grant: int
    account: str
    what: Grant


@dataclass(frozen=True, slots=True)
class Listed:
    """An account as the list shows it."""

    account: str
    name: str
    #: The student number, when this is a student.
    student: str | None
    active: bool
    created_at: datetime
    has_password: bool
    grants: tuple[Held, ...]


class Directory:
    """Finds accounts. An engine of `open_reading` will do. Raises StoreError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def staff(self, *, after: str = "", limit: int = 50) -> tuple[Listed, ...]:
        """Return the accounts that are no student's, by name, those after one."""
        account = tables.account
        return self._read(account.c.student.is_(None), account.c.account > after, limit=limit)

    def found(self, text: str, limit: int = 50) -> tuple[Listed, ...]:
        """Return whose sign-in name or number is this text or begins with it, or whose own name has it; staff first."""
        account, name = tables.account, normalise_account(text)
        if not name:
            return ()
        return self._read(
            or_(
                account.c.account.startswith(name, autoescape=True),
                account.c.student.startswith(normalise_number(text), autoescape=True),
                account.c.name.contains(text.strip(), autoescape=True),
            ),
            limit=limit,
        )

    def one(self, account: str) -> Listed | None:
        """Return one account; None when there is none."""
        found = self._read(tables.account.c.account == normalise_account(account), limit=1)
        return found[0] if found else None

    def holders(self, act: Act) -> tuple[Held, ...]:
        """Return the grants for an act that active accounts hold."""
        account, grant = tables.account, tables.grant
        with reading(self._engine) as connection:
            return _held(
                connection,
                grant.c.act == act,
                grant.c.account.in_(select(account.c.account).where(account.c.active)),
            )

    def counted(self) -> tuple[int, int]:
        """Return how many accounts are staff's, and how many are students'."""
        account = tables.account
        query = select(account.c.student.is_(None), func.count()).group_by(account.c.student.is_(None))
        with reading(self._engine) as connection:
            counts = {bool(staff): count for staff, count in connection.execute(query)}
        return counts.get(True, 0), counts.get(False, 0)

    def _read(self, *conditions: ColumnElement[bool], limit: int) -> tuple[Listed, ...]:
        account = tables.account
        query = select(account).where(*conditions).order_by(account.c.student.is_not(None), account.c.account)
        with reading(self._engine) as connection:
            rows = connection.execute(query.limit(limit)).all()
            grants = _grants_of(connection, [row.account for row in rows])
        return tuple(
            Listed(
                account=row.account,
                name=row.name,
                student=row.student,
                active=row.active,
                created_at=row.created_at,
                has_password=row.password_hash is not None,
                grants=tuple(grants[row.account]),
            )
            for row in rows
        )


def _grants_of(connection: Connection, accounts: Collection[str]) -> dict[str, list[Held]]:
    by_account: dict[str, list[Held]] = defaultdict(list)
    for held in _held(connection, tables.grant.c.account.in_(list(accounts))):
        by_account[held.account].append(held)
    return by_account


def _held(connection: Connection, *conditions: ColumnElement[bool]) -> tuple[Held, ...]:
    table = tables.grant
    rows = connection.execute(select(table).where(*conditions).order_by(table.c.grant))
    return tuple(
        Held(
            row.grant,
            row.account,
            Grant(Act(row.act), row.step, {column: tuple(values) for column, values in row.scope.items()}, row.cohort),
        )
        for row in rows
    )
