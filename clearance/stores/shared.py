"""The databases of one settings file, and the stores that all cohorts share. Each is opened at its first use."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from config.settings import Settings

if TYPE_CHECKING:
    # A command uses few of them, and must not wait for the import of the others.
    from datetime import timedelta
    from pathlib import Path

    from sqlalchemy import Engine

    from config.processes import Process
    from status_db.accounts.accounts import Accounts
    from status_db.accounts.addresses import Addresses
    from status_db.accounts.api_tokens import Tokens
    from status_db.accounts.audit_log import Audit
    from status_db.accounts.leavers import Leavers
    from status_db.desk.key import DeskKey
    from status_db.desk.retention import RetentionRuns
    from status_db.desk.store import DeskStore
    from status_db.inbox.announcements import Announcements
    from status_db.inbox.pauses import Pauses
    from status_db.inbox.pending_changes import PendingChanges
    from status_db.inbox.requests import Requests
    from status_db.inbox.uploads import Uploads
    from status_db.outbox.delivery import Outbox
    from status_db.queries.appeal_report import AppealReports
    from status_db.queries.lists import Lists
    from status_db.queries.report import Reports
    from status_db.queries.student import Reader
    from status_db.sign_in.identity_numbers import Identities
    from status_db.sign_in.login_attempts import LoginAttempts
    from status_db.sign_in.one_time_codes import Codes
    from status_db.sign_in.second_factor import SecondFactors
    from status_db.store.migrate import Part


@dataclass(frozen=True)
class Stores:
    """The databases of one settings file, and the stores that all cohorts share."""

    settings: Settings
    #: The web process that uses them; None for commands and the schedule.
    web: Process | None = field(default=None, kw_only=True)
    #: The engines that have been opened.
    engines: list[Engine] = field(default_factory=list, kw_only=True)
    #: The stores that opened the databases, when this is one of several cohorts.
    beside: Stores | None = field(default=None, kw_only=True)

    def close(self) -> None:
        """Close the databases."""
        for engine in self.engines:
            engine.dispose()

    def _kept(self, engine: Engine, part: Part) -> Engine:
        """Register an engine to close later. Raises StoreError unless its database has this program's tables.

        Pages start without their databases, so an error in these is reported at the first query.
        """
        from status_db.store.migrate import check

        self.engines.append(engine)
        if self.web is None:
            check(engine, part)
        return engine

    @cached_property
    def writing(self) -> Engine:
        """The marks, to write. Raises StoreError, for a command also when they lack this program's tables."""
        from config.processes import writing_url
        from status_db.store.engine import open_writing

        if self.beside is not None:
            return self.beside.writing
        own = self.settings.status_db
        secret = own.url if self.web is None else writing_url(own, self.web)
        return self._kept(open_writing(secret.reveal(), secret=secret), "marks")

    @cached_property
    def reading(self) -> Engine:
        """The marks, to read only. Raises as `writing` does."""
        from config.processes import reading_url
        from status_db.store.engine import open_reading

        if self.beside is not None:
            return self.beside.reading
        own = self.settings.status_db
        secret = own.url if self.web is None else reading_url(own, self.web)
        return self._kept(open_reading(secret.reveal(), at_most=self._longest, secret=secret), "marks")

    @cached_property
    def desk(self) -> Engine:
        """Accounts, requests and the audit log, to read and write. Raises as `writing` does."""
        from status_db.desk.address import desk_secret, desk_url
        from status_db.store.engine import open_writing

        if self.beside is not None:
            return self.beside.desk
        own = self.settings.status_db
        return self._kept(open_writing(desk_url(own), secret=desk_secret(own)), "desk")

    @cached_property
    def desk_reading(self) -> Engine:
        """The same to read only, for pages; commands have one engine for both."""
        from status_db.desk.address import desk_secret, desk_url
        from status_db.store.engine import open_reading

        if self.beside is not None:
            return self.beside.desk_reading
        if self.web is None:
            return self.desk
        own = self.settings.status_db
        return self._kept(open_reading(desk_url(own), at_most=self._longest, secret=desk_secret(own)), "desk")

    @property
    def _longest(self) -> timedelta | None:
        """The time after which a query of the pages is cancelled."""
        return None if self.web is None else self.settings.portal.limits.long_within

    @property
    def _ledger_key_file(self) -> Path | None:
        """The ledger's key; None for the students' pages, which must not have it."""
        from config.processes import Process

        return None if self.web is Process.PAGES else self.settings.status_db.ledger_key_file

    @property
    def _own_key(self) -> DeskKey | None:
        """The key with which pages without the ledger's key seal their lines of the audit log."""
        return None if self.web is None else self.key

    @cached_property
    def desk_store(self) -> DeskStore:
        """The desk's database, with the keys by which this process seals rows."""
        from status_db.desk.store import DeskStore

        return DeskStore(self.desk, self._ledger_key_file, self._own_key)

    @cached_property
    def desk_store_reading(self) -> DeskStore:
        """The same, to read only."""
        from status_db.desk.store import DeskStore

        return DeskStore(self.desk_reading, self._ledger_key_file, self._own_key)

    @cached_property
    def key(self) -> DeskKey:
        """The key of keyed hashes and sealed secrets."""
        from status_db.desk.key import DeskKey

        return DeskKey(self.settings.portal.key_file)

    @cached_property
    def reader(self) -> Reader:
        """The reader of students, runs and sources; it cannot write."""
        from status_db.queries.student import Reader

        return Reader(self.reading, self.settings)

    @cached_property
    def lists(self) -> Lists:
        """Lists of students."""
        from status_db.queries.lists import Lists

        return Lists(self.reading, self.settings)

    @cached_property
    def reports(self) -> Reports:
        """The report of a cohort."""
        from status_db.queries.report import Reports

        return Reports(self.reading, self.settings)

    @cached_property
    def appeal_reports(self) -> AppealReports:
        """The counts of appeals for the report."""
        from status_db.queries.appeal_report import AppealReports

        return AppealReports(self.desk_reading, self.reading)

    @cached_property
    def leavers(self) -> Leavers:
        """The graduates of each cohort."""
        from status_db.accounts.leavers import Leavers

        return Leavers(self.reading)

    @cached_property
    def accounts(self) -> Accounts:
        """Accounts, to read and write."""
        from status_db.accounts.accounts import Accounts

        return Accounts(self.desk_store, demo=self.settings.is_demo)

    @cached_property
    def accounts_reading(self) -> Accounts:
        """Accounts, to read only."""
        from status_db.accounts.accounts import Accounts

        return Accounts(self.desk_store_reading, demo=self.settings.is_demo)

    @cached_property
    def addresses(self) -> Addresses:
        """The addresses of accounts for notifications."""
        from status_db.accounts.addresses import Addresses

        return Addresses(self.desk_store, self.settings.notify.mail_domains)

    @cached_property
    def outboxes(self) -> tuple[Outbox, Outbox]:
        """The notifications that wait or were sent: those beside the marks, and those beside the accounts."""
        from status_db.outbox.delivery import Outbox

        return Outbox(self.writing, "marks"), Outbox(self.desk, "desk")

    @cached_property
    def tokens(self) -> Tokens:
        """API tokens of other programs."""
        from status_db.accounts.api_tokens import Tokens

        return Tokens(self.desk_store, demo=self.settings.is_demo)

    @cached_property
    def tokens_reading(self) -> Tokens:
        """The same, to read only."""
        from status_db.accounts.api_tokens import Tokens

        return Tokens(self.desk_store_reading, demo=self.settings.is_demo)

    @cached_property
    def audit(self) -> Audit:
        """The audit log, to write."""
        from status_db.accounts.audit_log import Audit

        return Audit(self.desk_store)

    @cached_property
    def audit_reading(self) -> Audit:
        """The audit log, to read only."""
        from status_db.accounts.audit_log import Audit

        return Audit(self.desk_store_reading)

    @cached_property
    def codes(self) -> Codes:
        """One-time codes."""
        from status_db.sign_in.one_time_codes import Codes

        return Codes(self.desk_store, self.key, demo=self.settings.is_demo)

    @cached_property
    def changes(self) -> PendingChanges:
        """Changes of accounts that need two administrators."""
        from status_db.inbox.pending_changes import PendingChanges

        settings = self.settings
        keys = settings.cohort_keys()
        return PendingChanges(self.desk_store, self.codes, settings.auth, keys, demo=settings.is_demo)

    @cached_property
    def factors(self) -> SecondFactors:
        """Second factors."""
        from status_db.sign_in.second_factor import SecondFactors

        return SecondFactors(self.desk_store)

    @cached_property
    def identities(self) -> Identities:
        """Numbers of identity documents, as keyed hashes."""
        from status_db.sign_in.identity_numbers import Identities

        return Identities(self.desk_store, self.key)

    @cached_property
    def attempts(self) -> LoginAttempts:
        """Failed attempts to sign in."""
        from status_db.sign_in.login_attempts import LoginAttempts

        return LoginAttempts(self.desk, self.key)

    @cached_property
    def pauses(self) -> Pauses:
        """Sources that are paused."""
        from status_db.inbox.pauses import Pauses

        return Pauses(self.desk_store)

    @cached_property
    def requests(self) -> Requests:
        """Requests from the pages."""
        from status_db.inbox.requests import Requests

        return Requests(self.desk_store)

    @cached_property
    def uploads(self) -> Uploads:
        """Uploaded sheets."""
        from status_db.inbox.uploads import Uploads

        return Uploads(self.desk_store)

    @cached_property
    def announcements(self) -> Announcements:
        """Announcements to students."""
        from status_db.inbox.announcements import Announcements

        return Announcements(self.desk_store)

    @cached_property
    def retention_runs(self) -> RetentionRuns:
        """The runs of retention."""
        from status_db.desk.retention import RetentionRuns

        return RetentionRuns(self.desk_reading)
