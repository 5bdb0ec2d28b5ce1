"""Who receives an event: holders of a grant at their addresses, groups, and students at their roster's address."""

from collections.abc import Callable, Iterable

from sqlalchemy import Engine, select

from config.settings import Settings
from config.tables.notify import OPERATIONAL, NotifyEvent, is_mail_address
from status_db import tables
from status_db.accounts.accounts import Account, Accounts
from status_db.accounts.addresses import Addresses, NotifyAddresses
from status_db.outbox.rows import Notice
from status_db.store.engine import reading
from sync.notify.channels.port import Recipient

_GROUPS = ("wecom", "dingtalk", "webhook")

#: Events of one student.
OF_STUDENTS = (NotifyEvent.STEP_CHANGED, NotifyEvent.APPEAL_ANSWERED, NotifyEvent.REMINDER)


class Recipients:
    """Finds recipients. Each pass reads the accounts once: see `now`."""

    def __init__(self, settings: Settings, accounts: Accounts, addresses: Addresses, marks: Engine) -> None:
        self._settings = settings
        self._accounts = accounts
        self._addresses = addresses
        self._marks = marks

    def now(self) -> Callable[[Notice], tuple[Recipient, ...]]:
        """Return the function from a notice to its recipients, with the accounts as they are now. Raises StoreError."""
        active = [account for account in self._accounts.with_grants() if account.active]
        addresses = self._addresses.all()

        def of(notice: Notice) -> tuple[Recipient, ...]:
            if notice.event in OF_STUDENTS:
                return self._student(notice)
            if notice.event is NotifyEvent.CLASS_DIGEST:
                mine = [account for account in active if account.account == notice.account]
                return tuple(self._mails(mine, addresses))
            acts = self._settings.notify.acts_of(notice.event)
            holders = [account for account in active if any(grant.act in acts for grant in account.grants)]
            return (*self._mails(holders, addresses), *self._groups(notice.event, holders, addresses))

        return of

    def without_address(self) -> list[str]:
        """Return the accounts that would receive an event about the system by mail, and have no mail address."""
        addresses = self._addresses.all()
        notify = self._settings.notify
        acts = {act for event in OPERATIONAL for act in notify.acts_of(NotifyEvent(event))}
        return [
            account.account
            for account in self._accounts.with_grants()
            if account.active
            and any(grant.act in acts for grant in account.grants)
            and not addresses.get(account.account, NotifyAddresses()).mail
        ]

    def _mails(self, accounts: Iterable[Account], addresses: dict[str, NotifyAddresses]) -> Iterable[Recipient]:
        if self._settings.notify.mail is None:
            return
        for account in accounts:
            if address := addresses.get(account.account, NotifyAddresses()).mail:
                yield Recipient("mail", address, account.account)

    def _groups(
        self, event: NotifyEvent, holders: list[Account], addresses: dict[str, NotifyAddresses]
    ) -> Iterable[Recipient]:
        for channel in _GROUPS:
            own = getattr(self._settings.notify, channel)
            if own is not None and event in own.events:
                found = (getattr(addresses.get(one.account, NotifyAddresses()), channel, "") for one in holders)
                yield Recipient(channel, mentions=tuple(sorted(filter(None, found))))

    def _student(self, notice: Notice) -> tuple[Recipient, ...]:
        students = self._settings.notify.students
        if students is None or notice.event not in self._settings.notify.student_events:
            return ()
        person = tables.student
        query = select(person.c.extra).where(
            person.c.cohort == notice.cohort, person.c.student == notice.student, person.c.active
        )
        with reading(self._marks) as connection:
            extra = connection.execute(query).scalar_one_or_none() or {}
        address = str(extra.get(students.mail, "")).strip()
        return (Recipient("mail", address, f"student:{notice.student}"),) if is_mail_address(address) else ()
