"""Second factors: an account's sealed secret, and the last of its time steps that was used up."""

from sqlalchemy import Engine, or_, update

from status_db import desk_store, sessions, tables
from status_db.accounts import normalise_account
from status_db.desk_seals import ACCOUNT
from status_db.desk_store import DeskStore


class Factors:
    """Writes second factors. Every method raises StoreError when the database fails."""

    def __init__(self, desk: Engine | DeskStore) -> None:
        self._desk = desk_store.of(desk)

    def enrol(self, account: str, sealed: bytes, step: int) -> bool:
        """Give an account its second factor, its first time step used; False when it has one already."""
        table = tables.account
        own = table.c.account == normalise_account(account)
        with self._desk.writing() as entry, entry.changing(ACCOUNT, own):
            changed = entry.connection.execute(
                update(table)
                .where(own, table.c.active, table.c.second_factor.is_(None))
                .values(second_factor=sealed, second_factor_step=step)
            )
        return changed.rowcount == 1

    def use(self, account: str, step: int) -> bool:
        """Use a time step up; False when it, or a later one, has been used."""
        table = tables.account
        own = table.c.account == normalise_account(account)
        with self._desk.writing() as entry, entry.changing(ACCOUNT, own):
            changed = entry.connection.execute(
                update(table)
                .where(
                    own,
                    table.c.active,
                    or_(table.c.second_factor_step.is_(None), table.c.second_factor_step < step),
                )
                .values(second_factor_step=step)
            )
        return changed.rowcount == 1

    def reset(self, account: str) -> bool:
        """Take an account's second factor away, and end its sessions; False when it had none."""
        table, name = tables.account, normalise_account(account)
        with self._desk.writing() as entry:
            with entry.changing(ACCOUNT, table.c.account == name):
                changed = entry.connection.execute(
                    update(table)
                    .where(table.c.account == name, table.c.second_factor.is_not(None))
                    .values(second_factor=None, second_factor_step=None)
                )
            sessions.end_of(entry, name)
        return changed.rowcount == 1
