"""Where accounts of staff receive notifications: a mail address, and their ids at WeCom and DingTalk.

The owner enters them on the own-account page, or an administrator does. They are sealed, because digests name students.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, insert, select, update

from config.tables.notify import is_allowed_mail, is_mail_address
from foundation.translation import tr
from status_db import tables
from status_db.accounts import changes
from status_db.accounts.accounts import normalise_account
from status_db.accounts.grants import AccountCode, AccountRefused
from status_db.desk import store
from status_db.desk.seals import ACCOUNT_ADDRESS
from status_db.desk.store import DeskStore
from status_db.store.engine import reading

#: An id as WeCom and DingTalk give them.
_ID = re.compile(r"[A-Za-z0-9_.@-]{1,64}")

#: The longest address of a mailbox.
_LONGEST_MAIL = 254


@dataclass(frozen=True, slots=True)
class NotifyAddresses:
    """Where one account receives notifications; empty for nowhere."""

    mail: str = ""
    wecom: str = ""
    dingtalk: str = ""

    def changed_from(self, before: "NotifyAddresses") -> list[str]:
        """Return the names of the addresses that differ."""
        return [name for name in self.__slots__ if getattr(self, name) != getattr(before, name)]


class Addresses:
    """Reads and writes the addresses of accounts. For reads, an engine of `open_reading` is enough. Raises StoreError.

    In a process with the ledger's key, a row with a wrong seal does not count.
    """

    def __init__(self, desk: Engine | DeskStore, domains: Sequence[str] = ()) -> None:
        """A mail address is accepted in one of these domains; in any if there is none."""
        self._desk = store.of(desk)
        self._domains = tuple(domains)

    def of(self, account: str) -> NotifyAddresses:
        """Return the addresses of an account; empty ones if it has none."""
        return self._found(tables.account_address.c.account == normalise_account(account)).get(
            normalise_account(account), NotifyAddresses()
        )

    def all(self) -> dict[str, NotifyAddresses]:
        """Return account → its addresses."""
        return self._found()

    def _found(self, *where: ColumnElement[bool]) -> dict[str, NotifyAddresses]:
        query = select(tables.account_address).where(*where)
        with reading(self._desk.engine) as connection:
            return {
                row.account: NotifyAddresses(row.mail or "", row.wecom or "", row.dingtalk or "")
                for row in connection.execute(query)
                if self._desk.vouches(ACCOUNT_ADDRESS, row)
            }

    def change(self, account: str, wanted: Mapping[str, str]) -> tuple[NotifyAddresses, list[str]]:
        """Set the named addresses of an account; an empty one is removed. Return all of them, and what has changed.

        Raises AccountRefused for an account that does not exist or is a student's, and for a wrong address.
        """
        name, table = normalise_account(account), tables.account_address
        entered = {key: text.strip() for key, text in wanted.items()}
        _refuse_wrong(entered, self._domains)
        own = table.c.account == name
        with self._desk.writing() as entry:
            if changes.existing(entry.connection, name).student is not None:
                raise AccountRefused(
                    AccountCode.ADDRESS,
                    tr(
                        '"{name}" is a student\'s account. Instead, set the roster column of their addresses in '
                        "[notify.students].",
                        name=name,
                    ),
                )
            row = entry.connection.execute(select(table).where(own)).one_or_none()
            before = NotifyAddresses(row.mail or "", row.wecom or "", row.dingtalk or "") if row else NotifyAddresses()
            after = NotifyAddresses(**({key: getattr(before, key) for key in NotifyAddresses.__slots__} | entered))
            changed = after.changed_from(before)
            values = {key: getattr(after, key) or None for key in NotifyAddresses.__slots__}
            if row is None and changed:
                entry.connection.execute(insert(table).values(account=name, **values))
                entry.added(ACCOUNT_ADDRESS, name)
            elif changed:
                with entry.changing(ACCOUNT_ADDRESS, own):
                    entry.connection.execute(update(table).where(own).values(**values))
        return after, changed


def _refuse_wrong(entered: Mapping[str, str], domains: Sequence[str]) -> None:
    mail = entered.get("mail", "")
    if mail and (len(mail) > _LONGEST_MAIL or not is_mail_address(mail)):
        raise AccountRefused(
            AccountCode.ADDRESS, tr("this is not a mail address. Write one such as wang@example.edu.cn, and no name.")
        )
    if mail and not is_allowed_mail(mail, domains):
        raise AccountRefused(
            AccountCode.MAIL_DOMAIN,
            tr(
                "{mail} is outside of {domains}, so notifications are not sent there. Enter an address of the "
                "institution, or add the domain to mail_domains in [notify].",
                mail=mail,
                domains=", ".join(domains),
            ),
        )
    for key in ("wecom", "dingtalk"):
        if (text := entered.get(key, "")) and not _ID.fullmatch(text):
            raise AccountRefused(
                AccountCode.ADDRESS,
                tr(
                    "this is not an id of {key}. Enter the member's id, with letters, digits, hyphen, underscore, "
                    "full stop and @ only.",
                    key=key,
                ),
            )
