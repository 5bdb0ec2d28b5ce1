"""The directory: lists and searches of accounts, and the holders of grants. Read-only."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, func, or_, select

from status_db import tables
from status_db.accounts import grants as given
from status_db.accounts.accounts import Act, Grant, normalise_account
from status_db.model import normalise_number
from status_db.store.engine import reading


@dataclass(frozen=True, slots=True)
class ListedAccount:
    """An account in a list."""

    account: str
    name: str
    #: The student number of a student's account.
    student: str | None
    active: bool
    created_at: datetime
    has_password: bool
    grants: tuple[Grant, ...]
    #: Made by the demo.
    demo: bool = False


class AccountDirectory:
    """Finds accounts. An engine of `open_reading` is enough. Raises StoreError.

    Accounts made by the demo are listed as deactivated, unless `demo` is set because the settings are a demo's.
    """

    def __init__(self, engine: Engine, *, demo: bool = False) -> None:
        self._engine = engine
        self._demo = demo

    def staff(self, *, after: str = "", limit: int = 50) -> tuple[ListedAccount, ...]:
        """Return the accounts of staff by name, starting after one."""
        account = tables.account
        return self._select_accounts(account.c.student.is_(None), account.c.account > after, limit=limit)

    def found(self, text: str, limit: int = 50) -> tuple[ListedAccount, ...]:
        """Return the accounts whose sign-in name or number begins with a text, or whose name has it; staff first."""
        account, name = tables.account, normalise_account(text)
        if not name:
            return ()
        return self._select_accounts(
            or_(
                account.c.account.startswith(name, autoescape=True),
                account.c.student.startswith(normalise_number(text), autoescape=True),
                account.c.name.contains(text.strip(), autoescape=True),
            ),
            limit=limit,
        )

    def one(self, account: str) -> ListedAccount | None:
        """Return one account; None if there is none."""
        found = self._select_accounts(tables.account.c.account == normalise_account(account), limit=1)
        return found[0] if found else None

    def names(self, accounts: Collection[str]) -> dict[str, str]:
        """Return account → name, of those that exist, in one statement."""
        if not accounts:
            return {}
        account = tables.account
        query = select(account.c.account, account.c.name).where(account.c.account.in_(sorted(accounts)))
        with reading(self._engine) as connection:
            return {row.account: row.name for row in connection.execute(query)}

    def holders(self, act: Act) -> tuple[tuple[str, Grant], ...]:
        """Return the grants of active accounts for an act, each with its account."""
        with reading(self._engine) as connection:
            return given.held_by_active(connection, act, demo=self._demo)

    def counted(self) -> tuple[int, int]:
        """Return the number of staff accounts and of student accounts."""
        account = tables.account
        query = select(account.c.student.is_(None), func.count()).group_by(account.c.student.is_(None))
        with reading(self._engine) as connection:
            counts = {bool(staff): count for staff, count in connection.execute(query)}
        return counts.get(True, 0), counts.get(False, 0)

    def _select_accounts(self, *conditions: ColumnElement[bool], limit: int) -> tuple[ListedAccount, ...]:
        account = tables.account
        query = select(account).where(*conditions).order_by(account.c.student.is_not(None), account.c.account)
        with reading(self._engine) as connection:
            rows = connection.execute(query.limit(limit)).all()
            grants = given.of_accounts(connection, [row.account for row in rows])
        return tuple(
            ListedAccount(
                account=row.account,
                name=row.name,
                student=row.student,
                active=row.active and (self._demo or not row.demo),
                created_at=row.created_at,
                has_password=row.password_hash is not None,
                grants=grants.get(row.account, ()),
                demo=row.demo,
            )
            for row in rows
        )
